//! Scripts: where they are, how they are run, what they may use.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, value_parser};

use super::Identity;
use super::size;

/// The most functions that are called every so often.
const MAX_PERIODIC: usize = 64;
/// The least memory of a virtual machine in bytes: Lua's own libraries and the API take some 100 KiB.
const MIN_MEMORY: u64 = 1 << 20;

/// The options as clap sees them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Scripts (Lua 5.1)")]
pub(super) struct ScriptArgs {
    /// Script whose functions clients call by name with ext, or the text of one after @; can be given several
    /// times. SIGHUP loads them anew, and changes nothing where one is broken [default: none]
    #[arg(long, value_name = "PATH|@CODE", action = ArgAction::Append)]
    ext: Vec<OsString>,
    /// Call this function of a script every SECONDS, such as 60 or 0.5; can be given several times
    /// [default: none]
    #[arg(long, num_args = 2, value_names = ["NAME", "SECONDS"], action = ArgAction::Append,
          allow_hyphen_values = true)]
    extpc: Vec<String>,
    /// Virtual machines, 1 to 256: as many calls run at once. Each has globals of its own
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = value_parser!(u32).range(1..=256))]
    ext_machines: u32,
    #[command(flatten)]
    limits: LimitArgs,
}

/// The options that say what scripts may use, for nodes and for tools.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Scripts (Lua 5.1)")]
pub struct LimitArgs {
    /// Seconds that a call may take, up to a year
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = call_time)]
    ext_max_time: Duration,
    /// Instructions of the virtual machine that a call may take, counted in ten thousands; a second is some
    /// 200,000,000
    #[arg(long, value_name = "N", default_value_t = 1_000_000_000)]
    ext_max_instructions: u64,
    /// Bytes that a virtual machine may hold, 1m to 1t
    #[arg(long, value_name = "SIZE", default_value = "64m", value_parser = memory)]
    ext_max_memory: usize,
    /// Bytes that the stash, which all virtual machines share, may hold
    #[arg(long, value_name = "SIZE", default_value = "256m", value_parser = size::parse)]
    ext_max_stash: u64,
    /// Allow scripts what is refused otherwise: files (io, dofile, require, _stat and others), processes
    /// (os.execute, os.getenv, io.popen), by comma [default: neither]
    #[arg(long, value_name = "files|processes", value_delimiter = ',', action = ArgAction::Append)]
    ext_allow: Vec<Permission>,
}

/// Something that scripts may be allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Permission {
    Files,
    Processes,
}

/// Where the text of a script is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScriptSource {
    /// In a file at this absolute path.
    File(PathBuf),
    /// On the command line.
    Code(Vec<u8>),
}

/// A function that is called every so often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Periodic {
    /// Its name.
    pub name: String,
    /// From one call to the next.
    pub period: Duration,
}

/// Scripts and what they may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptConfig {
    /// In the order in which they are loaded; default none.
    pub sources: Vec<ScriptSource>,
    /// Functions that are called every so often; default none.
    pub periodic: Vec<Periodic>,
    /// Virtual machines for calls, 1 to 256.
    pub machines: usize,
    /// Wall time of a call.
    pub max_time: Duration,
    /// Instructions of a call.
    pub max_instructions: u64,
    /// Bytes that a virtual machine may hold.
    pub max_memory: usize,
    /// Bytes that the stash may hold.
    pub max_stash: usize,
    /// Whether scripts may use files.
    pub files: bool,
    /// Whether scripts may run programs and see the environment.
    pub processes: bool,
    /// Whether a script that cannot be loaded is only logged, as the original does.
    pub tolerant: bool,
}

impl ScriptConfig {
    /// From what was typed; paths are ones below `base`. `notes` gets what has no effect.
    pub(super) fn new(
        args: ScriptArgs,
        identity: Identity,
        base: &Path,
        notes: &mut Vec<String>,
    ) -> Result<Self, String> {
        let sources: Vec<ScriptSource> =
            args.ext.into_iter().map(|word| ScriptSource::new(word, base)).collect();
        let mut periodic = Vec::new();
        for pair in args.extpc.chunks(2) {
            let [name, seconds] = pair else { continue };
            match (period(seconds)?, sources.is_empty()) {
                (_, true) => notes.push(format!("-extpc {name} has no effect without -ext")),
                (None, _) => notes.push(format!("-extpc {name} {seconds} never runs")),
                (Some(period), _) => periodic.push(Periodic { name: name.clone(), period }),
            }
        }
        if periodic.len() > MAX_PERIODIC {
            return Err(format!("--extpc: at most {MAX_PERIODIC} functions can be called periodically"));
        }
        let machines = args.ext_machines as usize;
        let tolerant = identity == Identity::Ttserver;
        Ok(Self { periodic, machines, tolerant, ..Self::for_tool(sources, &args.limits) })
    }

    /// One virtual machine, as a tool needs it.
    pub fn for_tool(sources: Vec<ScriptSource>, limits: &LimitArgs) -> Self {
        Self {
            sources,
            periodic: Vec::new(),
            machines: 1,
            max_time: limits.ext_max_time,
            max_instructions: limits.ext_max_instructions,
            max_memory: limits.ext_max_memory,
            max_stash: usize::try_from(limits.ext_max_stash).unwrap_or(usize::MAX),
            files: limits.ext_allow.contains(&Permission::Files),
            processes: limits.ext_allow.contains(&Permission::Processes),
            tolerant: false,
        }
    }
}

impl ScriptSource {
    /// From what was typed; a path is one below `base`.
    pub fn new(word: OsString, base: &Path) -> Self {
        match word.as_encoded_bytes().strip_prefix(b"@") {
            Some(code) => Self::Code(code.to_vec()),
            None => Self::File(base.join(word)),
        }
    }
}

/// Reads the period of a function; none for one that is never called, as 0 and less are in the original.
fn period(text: &str) -> Result<Option<Duration>, String> {
    let wrong = || format!("--extpc: {text} is no number of seconds; write such as 60 or 0.5");
    let seconds = f64::from_str(text).ok().filter(|seconds| !seconds.is_nan()).ok_or_else(wrong)?;
    if seconds <= 0.0 {
        return Ok(None);
    }
    // What is longer than the node will run is a year.
    Ok(Some(Duration::try_from_secs_f64(seconds.min(31_536_000.0)).map_err(|_| wrong())?))
}

fn call_time(text: &str) -> Result<Duration, &'static str> {
    let error = "write seconds from 0.001 to 31536000, such as 10 or 0.5";
    let seconds: f64 = text.parse().map_err(|_| error)?;
    if !(0.001..=31_536_000.0).contains(&seconds) {
        return Err(error);
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| error)
}

fn memory(text: &str) -> Result<usize, size::SizeError> {
    size::parse_within(text, MIN_MEMORY, 1 << 40).map(|bytes| bytes as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods() {
        assert_eq!(period("0.5"), Ok(Some(Duration::from_millis(500))));
        assert_eq!(period("0"), Ok(None));
        assert_eq!(period("-1"), Ok(None));
        assert_eq!(period("inf"), Ok(Some(Duration::from_secs(31_536_000))));
        for text in ["", "soon", "nan"] {
            assert!(period(text).is_err(), "{text}");
        }
    }
}
