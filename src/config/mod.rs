//! What was typed, in ttserver's form or the modern one, into what it means.
//!
//! [`Config::from_args`] takes the command line and gives plain data: no text in it waits to be
//! interpreted, except names that only the network can resolve. Every path is absolute, so that it means
//! the same after the working directory has changed. (ttserver resolved them against `/` with `-dmn`.)

mod allowed;
mod args;
mod database;
mod error;
mod mask;
mod refused;
mod replication;
mod scripts;
mod size;
mod spelling;
mod sync;
mod tuning;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches};

pub use self::allowed::AllowedCommand;
use self::args::Args;
pub use self::database::{DatabaseKind, DatabaseSpec};
pub use self::error::ConfigError;
pub use self::mask::Mask;
pub use self::replication::{MasterAddress, ReplicationConfig};
pub use self::scripts::{LimitArgs, Periodic, ScriptConfig, ScriptSource};
pub use self::sync::SyncMode;
use crate::logging::Levels;

/// The longest path of a Unix-domain socket in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// The name under which the program was called; it decides defaults and the version text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// By its own name, or any other but `ttserver`.
    Lcnode,
    /// Through a link named `ttserver`: command lines written for the original must start.
    Ttserver,
}

/// Everything the server needs to know from its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The name under which the program was called.
    pub identity: Identity,
    /// Where to listen.
    pub listen: Listen,
    /// Whether the command line says so, with `--host` or `--port`.
    pub listen_is_given: bool,
    /// Event-loop threads, from 1 to the number of cores; default half of them, 8 at most.
    pub threads: usize,
    /// Bytes of a file of the log, 64 KiB to 256 MiB; default 64 MiB.
    pub segment_size: usize,
    /// How long a started request may take to arrive, or a reply to be read; `None` (default) is no limit.
    pub timeout: Option<Duration>,
    /// The database to serve.
    pub database: DatabaseSpec,
    /// When an acknowledged write reaches the disk; default within 100 ms.
    pub sync: SyncMode,
    /// The one directory that `copy` may write into; `None` (default) refuses `copy`.
    pub backup_dir: Option<PathBuf>,
    /// The programs that `copy` may run; default none.
    pub allowed_commands: Vec<AllowedCommand>,
    /// How long such a program may run; default an hour, `None` is no limit.
    pub command_timeout: Option<Duration>,
    /// Largest value of a request in bytes, 1 to 2^31 - 1; default 256 MiB.
    pub max_value: u32,
    /// Largest key of a request in bytes, 1 to 2^31 - 1; default 256 MiB.
    pub max_key: u32,
    /// Bytes that half-received requests and unsent replies of all connections together may hold; default
    /// 1 GiB. Never below `max_value` or `max_key`.
    pub max_buffered: u64,
    /// Whether records that clients of memcached store end at their exptime; default no.
    pub honours_exptime: bool,
    /// The commands to refuse; default none.
    pub mask: Mask,
    /// Run in the background; default no.
    pub daemon: bool,
    /// The file that holds the process id; default none, in the background one in the working directory.
    pub pid_file: Option<PathBuf>,
    /// End the process that the pid file names before starting; default no.
    pub replace_running: bool,
    /// The number of this server, 0 when one is to be chosen.
    pub server_id: u16,
    /// Whom the node follows, and what it keeps for its followers.
    pub replication: ReplicationConfig,
    /// Where the admin server is, as `HOST:PORT` to resolve; default none.
    pub admin: Option<String>,
    /// From when on a request is logged as slow; default none.
    pub slow_log: Option<Duration>,
    /// Where log lines go; default standard output, in the background nowhere.
    pub log_target: LogTarget,
    /// How they are written; default text.
    pub log_form: LogForm,
    /// Which log lines are written; default INFO and up.
    pub levels: Levels,
    /// Scripts and what they may use.
    pub scripts: ScriptConfig,
    /// Parts of the command line that had no effect, a sentence each. To be logged as warnings.
    pub notes: Vec<String>,
}

/// Where the server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// On a TCP port.
    Tcp {
        /// Name or address to resolve; `None` is every address of the machine.
        host: Option<String>,
        /// The port, 1 to 65535.
        port: u16,
    },
    /// On a Unix-domain socket at this absolute path, at most 107 bytes long.
    Unix(PathBuf),
}

/// Where log lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// Appended to the file at this absolute path.
    File(PathBuf),
    /// Nowhere: in the background without a log file.
    Discard,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogForm {
    /// Date, level and message, as ttserver writes them.
    Text,
    /// An object of JSON each.
    Json,
}

/// How many event loops to run when asked for `asked`. More than cores only take turns; and by default half of
/// the cores are left to clients on the same machine and to the threads that sync and compact.
fn event_loops(asked: Option<u32>) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    asked.map_or((cores / 2).clamp(1, 8), |asked| (asked as usize).min(cores))
}

/// The capacities that the parameters of `optimize` name for a database in memory: records and bytes, each
/// none where it is left out.
#[must_use]
pub fn capacities(params: &str) -> (Option<u64>, Option<u64>) {
    let tuning = tuning::Tuning::parse(params, true);
    (tuning.capnum, tuning.capsiz)
}

impl Identity {
    /// From the first word of the command line, the path the program was called by.
    #[must_use]
    pub fn from_program(path: &Path) -> Self {
        match path.file_name() {
            Some(name) if name == "ttserver" => Self::Ttserver,
            _ => Self::Lcnode,
        }
    }

    /// The name itself.
    #[must_use]
    pub fn program(self) -> &'static str {
        match self {
            Self::Lcnode => "lcnode",
            Self::Ttserver => "ttserver",
        }
    }

    fn default_database(self) -> &'static str {
        match self {
            Self::Lcnode => "lcnode.tch",
            Self::Ttserver => "*",
        }
    }
}

impl Config {
    /// Reads a command line, the program's name first. Relative paths mean ones below the working directory.
    ///
    /// Touches no file. Errors: see [`ConfigError`]; asking for help or version is one of them.
    pub fn from_args(argv: impl IntoIterator<Item = OsString>) -> Result<Self, ConfigError> {
        let base = std::env::current_dir().map_err(ConfigError::NoWorkingDirectory)?;
        Self::from_args_in(argv, &base)
    }

    /// As [`Config::from_args`], with relative paths below the absolute directory `base`.
    pub fn from_args_in(argv: impl IntoIterator<Item = OsString>, base: &Path) -> Result<Self, ConfigError> {
        let mut argv = argv.into_iter();
        let program = argv.next().unwrap_or_default();
        let identity = Identity::from_program(Path::new(&program));
        let mut command = Args::command_for(identity);
        command.build();
        let mut words = vec![OsString::from(identity.program())];
        words.extend(spelling::modernise(&command, argv));
        let matches = command.try_get_matches_from_mut(words)?;
        let args = Args::from_arg_matches(&matches)?;
        let usage = |message: String| -> ConfigError {
            command.clone().error(ErrorKind::ValueValidation, message).into()
        };

        refused::check(&args.refused)?;
        let listen = listen(&args, base).map_err(usage)?;
        check_buffers(&args).map_err(usage)?;
        let name = args.database.as_deref().unwrap_or(identity.default_database());
        let database = DatabaseSpec::parse(name, base)?;
        if !args.allow_command.is_empty()
            && args.backup_dir.is_none()
            && matches!(database.kind, DatabaseKind::Directory(_))
        {
            let why = "--allow-command: needs --backup-dir DIR too, where the snapshots for the commands go";
            return Err(usage(why.to_owned()));
        }
        let (mask, unknown) = combine_masks(&args, &matches);
        let mut notes: Vec<String> =
            unknown.into_iter().map(|word| format!("mask: {word} names no command")).collect();
        let pid_file = pid_file(&args, identity, base);
        if args.kl && pid_file.is_none() {
            notes.push("-kl has no effect without -pid".to_owned());
        }
        let server_id = args.replication.sid;
        let follow = !mask.forbids(Mask::SLAVE);
        let replication =
            ReplicationConfig::new(args.replication, follow, identity, base, &mut notes).map_err(usage)?;
        let scripts = ScriptConfig::new(args.scripts, identity, base, &mut notes).map_err(usage)?;
        Ok(Self {
            identity,
            listen,
            listen_is_given: ["host", "port"]
                .iter()
                .any(|id| matches.value_source(id) == Some(ValueSource::CommandLine)),
            threads: event_loops(args.thnum),
            segment_size: args.segment_size,
            timeout: (!args.tout.is_zero()).then_some(args.tout),
            database,
            sync: args.sync,
            backup_dir: args.backup_dir.map(|path| base.join(path)),
            allowed_commands: args
                .allow_command
                .into_iter()
                .map(|name| AllowedCommand::new(name, base))
                .collect(),
            command_timeout: (!args.command_timeout.is_zero()).then_some(args.command_timeout),
            max_value: args.max_value,
            max_key: args.max_key,
            max_buffered: args.max_buffered,
            honours_exptime: args.honour_exptime,
            mask,
            daemon: args.dmn,
            pid_file,
            replace_running: args.kl,
            server_id,
            replication,
            admin: args.admin,
            slow_log: args.slow_log,
            log_target: match args.log {
                Some(path) => LogTarget::File(base.join(path)),
                None if args.dmn => LogTarget::Discard,
                None => LogTarget::Stdout,
            },
            log_form: args.log_format,
            levels: match (args.ld, args.le) {
                (true, _) => Levels::DEBUG,
                (_, true) => Levels::ERROR,
                _ => args.log_level,
            },
            scripts,
            notes,
        })
    }
}

fn listen(args: &Args, base: &Path) -> Result<Listen, String> {
    if let Ok(port @ 1..) = u16::try_from(args.port) {
        let host = match args.host.as_ref().map(|host| host.to_str()) {
            None => None,
            Some(Some(host)) if !host.is_empty() => Some(host.to_owned()),
            Some(_) => return Err("--host: not the name or address of a machine".to_owned()),
        };
        return Ok(Listen::Tcp { host, port });
    }
    let path = match &args.host {
        Some(path) if !path.is_empty() => base.join(path),
        _ => {
            return Err(format!("--port {}: needs --host with the path of a Unix-domain socket", args.port));
        }
    };
    let length = path.as_os_str().len();
    if length > MAX_SOCKET_PATH {
        return Err(format!(
            "--host: the socket path {} has {length} bytes, at most {MAX_SOCKET_PATH} work; use a shorter one",
            path.display()
        ));
    }
    Ok(Listen::Unix(path))
}

/// A budget below one largest request would refuse it forever, though its own limits allow it. While it
/// comes, an eighth more than its bytes is set aside for it.
fn check_buffers(args: &Args) -> Result<(), String> {
    let largest = u64::from(args.max_key) + u64::from(args.max_value);
    let least = largest + largest / 8 + (64 << 10);
    if args.max_buffered < least {
        return Err(format!(
            "--max-buffered {} cannot hold a request with a key of --max-key {} and a value of --max-value {}; \
             raise it to {least} or lower those",
            args.max_buffered, args.max_key, args.max_value
        ));
    }
    Ok(())
}

fn pid_file(args: &Args, identity: Identity, base: &Path) -> Option<PathBuf> {
    match &args.pid {
        Some(path) => Some(base.join(path)),
        None if args.dmn => Some(base.join(format!("{}.pid", identity.program()))),
        None => None,
    }
}

/// Applies `--mask` and `--unmask` in the order they were written; also gives the words that name nothing.
fn combine_masks(args: &Args, matches: &ArgMatches) -> (Mask, Vec<String>) {
    let positions = |id: &str| matches.indices_of(id).into_iter().flatten().collect::<Vec<_>>();
    let masks = positions("mask").into_iter().zip(args.mask.iter().map(|expr| (expr, true)));
    let unmasks = positions("unmask").into_iter().zip(args.unmask.iter().map(|expr| (expr, false)));
    let mut steps: Vec<_> = masks.chain(unmasks).collect();
    steps.sort_by_key(|(position, _)| *position);
    let mut mask = Mask::NONE;
    let mut unknown = Vec::new();
    for (_, (expr, forbid)) in steps {
        let parsed = Mask::parse(expr);
        mask = if forbid { mask.union(parsed.bits) } else { mask.without(parsed.bits) };
        unknown.extend(parsed.unknown);
    }
    (mask, unknown)
}
