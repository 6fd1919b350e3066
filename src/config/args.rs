//! The options as clap sees them: names, help, ranges. What they mean together is decided in
//! [`Config`](super::Config).

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, CommandFactory, Parser, value_parser};

use super::replication::ReplicationArgs;
use super::scripts::ScriptArgs;
use super::size;
use super::sync::SyncMode;
use super::{Identity, LogForm};
use crate::logging::Levels;

/// The largest `--max-key` and `--max-value`: a length is 31 bits in the protocol.
const MAX_FIELD: u64 = i32::MAX as u64;

/// A persistent key-value server for clients of Tokyo Tyrant.
#[derive(Debug, Parser)]
#[command(
    args_override_self = true,
    max_term_width = 100,
    after_help = "Without a node, on a database that none has open:\n  \
                  lcnode check DB          read every byte of it and say what is wrong\n  \
                  lcnode inspect DB        show its segments, table and checkpoint\n  \
                  lcnode repair DB NEW     save what is whole of a damaged one into a new one\n  \
                  lcnode restore COPY NEW  make one of what the copy command made\n  \
                  lcnode eval CODE DB      run Lua on it and print what that returns\n  \
                  lcnode check-ext FILE    list the functions of a script, and point at mistakes in it\n\
                  Each has a --help of its own.\n\n\
                  SIZE is in bytes or a number with k, m, g or t (powers of 1024): 4096, 64k, 1.5g.\n\
                  Options may be written as ttserver has them: -port 1978 is --port 1978.\n\
                  If an option is repeated the last one counts. Relative paths start at the working\n\
                  directory, also with --dmn. SIGTERM and SIGINT end the node, SIGHUP reopens the log\n\
                  and loads the scripts anew, SIGUSR1 switches to --log-level debug and back."
)]
pub(super) struct Args {
    /// Database: a directory ending in .tch, or * for one in memory, then tuning such as #bnum=1000000
    /// [default: lcnode.tch; called as ttserver: *]
    #[arg(value_name = "DB")]
    pub(super) database: Option<String>,

    /// Address or name to listen on, or the path of a socket [default: all addresses]
    #[arg(long, value_name = "NAME|PATH", help_heading = "Listening")]
    pub(super) host: Option<OsString>,
    /// TCP port, 1 to 65535; 0 or less: a Unix-domain socket at the --host path
    #[arg(long, value_name = "N", help_heading = "Listening", default_value_t = 1978,
          value_parser = value_parser!(i32).range(..=65_535))]
    pub(super) port: i32,
    /// Event-loop threads, 1 to 4096; never more than there are cores. One serves some 200,000 requests
    /// a second, and thousands of connections [default: half the cores, 8 at most]
    #[arg(long, value_name = "N", help_heading = "Listening",
          value_parser = value_parser!(u32).range(1..=4096))]
    pub(super) thnum: Option<u32>,
    /// Seconds that a started request or an unread reply may take, such as 5 or 0.5; 0: no limit.
    /// Idle connections are never closed
    #[arg(long, value_name = "SECONDS", help_heading = "Listening", default_value = "0", value_parser = seconds)]
    pub(super) tout: Duration,

    /// When a write is on the disk: before its reply, at most MILLISECONDS (1 to 3600000) after it,
    /// or when the system likes. What a killed process acknowledged is safe in each case
    #[arg(long, value_name = "always|MILLISECONDS|never", help_heading = "Storage", default_value = "100")]
    pub(super) sync: SyncMode,
    /// Bytes of a file of the log, 64k to 256m; two are allocated ahead. A record that is larger gets a
    /// file of its own
    #[arg(long, value_name = "SIZE", help_heading = "Storage", default_value = "64m", value_parser = segment_size)]
    pub(super) segment_size: usize,
    /// Directory the copy command may write into; without it copy is refused. What it makes is for
    /// lcnode restore, or can be served as it is [default: none]
    #[arg(long, value_name = "DIR", help_heading = "Storage")]
    pub(super) backup_dir: Option<PathBuf>,
    /// Program that copy @PROGRAM may run, written as clients write it; can be given several times. It is
    /// run without a shell as PROGRAM SNAPSHOT TIME, with a copy in --backup-dir that is removed
    /// afterwards and the microsecond of the last change in it; for a database in memory as PROGRAM
    /// TIME. Updates go on meanwhile [default: none]
    #[arg(long, value_name = "PROGRAM", help_heading = "Storage", action = ArgAction::Append)]
    pub(super) allow_command: Vec<OsString>,
    /// Seconds that such a program may run before it is ended, which fails the copy; 0: no limit
    #[arg(long, value_name = "SECONDS", help_heading = "Storage", default_value = "3600", value_parser = seconds)]
    pub(super) command_timeout: Duration,

    /// Largest value of a request, at most 2147483647 bytes
    #[arg(long, value_name = "SIZE", help_heading = "Limits", default_value = "256m", value_parser = field_size)]
    pub(super) max_value: u32,
    /// Largest key of a request, at most 2147483647 bytes
    #[arg(long, value_name = "SIZE", help_heading = "Limits", default_value = "256m", value_parser = field_size)]
    pub(super) max_key: u32,
    /// Bytes that half-received requests and unsent replies of all connections together may hold
    #[arg(long, value_name = "SIZE", help_heading = "Limits", default_value = "1g", value_parser = size::parse)]
    pub(super) max_buffered: u64,

    /// Let records that memcached's clients store end at their exptime; without it they never do, as with
    /// ttserver. 0: never; negative: at once; up to 2592000: seconds from now; more: seconds since 1970
    /// [default: off]
    #[arg(long, help_heading = "Storage")]
    pub(super) honour_exptime: bool,

    /// Refuse these commands: names by comma or blank, groups (all, allread, allwrite,
    /// allmanage, allorg, allmc, allhttp), or bits as 0x41 [default: none]
    #[arg(long, value_name = "EXPR", help_heading = "Command access", action = ArgAction::Append)]
    pub(super) mask: Vec<String>,
    /// Allow these again; --mask and --unmask may be repeated and work in the order they are
    /// written [default: none]
    #[arg(long, value_name = "EXPR", help_heading = "Command access", action = ArgAction::Append)]
    pub(super) unmask: Vec<String>,

    /// Run in the background; returns once the node serves, or with its error [default: off]
    #[arg(long, help_heading = "Process")]
    pub(super) dmn: bool,
    /// File to hold the process id while the node runs [default: none; with --dmn: lcnode.pid,
    /// called as ttserver: ttserver.pid]
    #[arg(long, value_name = "PATH", help_heading = "Process")]
    pub(super) pid: Option<PathBuf>,
    /// End the process that the pid file names, then start: SIGTERM, after 10 seconds SIGKILL [default: off]
    #[arg(long, help_heading = "Process")]
    pub(super) kl: bool,

    /// Serve those who watch the node there: a page to look at, /metrics, /health and /ready; and
    /// /log-level, to change --log-level. It asks nobody who they are; port 0: one that is free
    /// [default: off]
    #[arg(long, value_name = "HOST:PORT", help_heading = "Watching", value_parser = admin)]
    pub(super) admin: Option<String>,
    /// Log each request that takes as many milliseconds, such as 100 or 0.5, with its key; 0 logs all. At most
    /// 100 lines a second [default: off]
    #[arg(long, value_name = "MS", help_heading = "Watching", value_parser = milliseconds)]
    pub(super) slow_log: Option<Duration>,

    /// Append the log to this file [default: standard output]
    #[arg(long, value_name = "PATH", help_heading = "Logging")]
    pub(super) log: Option<PathBuf>,
    /// Form of its lines: date, level and message, or an object of JSON each
    #[arg(
        long,
        value_name = "text|json",
        help_heading = "Logging",
        default_value = "text",
        hide_possible_values = true
    )]
    pub(super) log_format: LogForm,
    /// Log lines of this level and up: error, warn, info or debug; after a comma other levels of parts, such
    /// as info,replication=debug. Parts: admin, commands, process, replication, scripts, server,
    /// storage. SIGUSR1 switches to debug and back
    #[arg(long, value_name = "LEVELS", help_heading = "Logging", default_value = "info",
          overrides_with_all = ["ld", "le"])]
    pub(super) log_level: Levels,
    /// Log everything: --log-level debug [default: off]
    #[arg(long, help_heading = "Logging", overrides_with_all = ["le", "log_level"])]
    pub(super) ld: bool,
    /// Log errors only: --log-level error [default: off]
    #[arg(long, help_heading = "Logging", overrides_with_all = ["ld", "log_level"])]
    pub(super) le: bool,

    #[command(flatten)]
    pub(super) replication: ReplicationArgs,

    #[command(flatten)]
    pub(super) scripts: ScriptArgs,

    #[command(flatten)]
    pub(super) refused: RefusedArgs,
}

/// Options of ttserver that can mean nothing here.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Of ttserver, always refused")]
pub(super) struct RefusedArgs {
    /// Engine in a shared object
    #[arg(long, value_name = "LIB")]
    pub(super) skel: Option<PathBuf>,
    /// Number of files to spread a database over
    #[arg(long, value_name = "N")]
    pub(super) mul: Option<String>,
}

impl Args {
    /// The command line of the program under one of its names, with that name's version text.
    pub(super) fn command_for(identity: Identity) -> clap::Command {
        let command = Self::command().name(identity.program());
        match identity {
            Identity::Lcnode => command.version(concat!(
                env!("CARGO_PKG_VERSION"),
                "\nspeaks the protocol of Tokyo Tyrant 1.1.41 (324:0.91)"
            )),
            // Scripts read this line to find out what they talk to, so it comes first and as it was.
            Identity::Ttserver => command.display_name("Tokyo Tyrant version").version(concat!(
                "1.1.41 (324:0.91) for Linux\nserved by lcnode ",
                env!("CARGO_PKG_VERSION")
            )),
        }
    }
}

fn field_size(text: &str) -> Result<u32, size::SizeError> {
    let bytes = size::parse_within(text, 1, MAX_FIELD)?;
    u32::try_from(bytes).map_err(|_| size::SizeError::OutOfRange { least: 1, most: MAX_FIELD })
}

/// Reads the size of a segment of the log.
fn segment_size(text: &str) -> Result<usize, size::SizeError> {
    size::parse_within(text, 64 << 10, 256 << 20).map(|bytes| bytes as usize)
}

/// Reads a time of 0 to a year in seconds.
fn seconds(text: &str) -> Result<Duration, &'static str> {
    let error = "write seconds from 0 to 31536000, such as 5 or 0.5";
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value: f64 = text.parse().map_err(|_| error)?;
    if !plain || !(0.0..=31_536_000.0).contains(&value) {
        return Err(error);
    }
    Duration::try_from_secs_f64(value).map_err(|_| error)
}

/// Reads a time of 0 to an hour in milliseconds.
fn milliseconds(text: &str) -> Result<Duration, &'static str> {
    let error = "write milliseconds from 0 to 3600000, such as 100 or 0.5";
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value: f64 = text.parse().map_err(|_| error)?;
    if !plain || !(0.0..=3_600_000.0).contains(&value) {
        return Err(error);
    }
    Duration::try_from_secs_f64(value / 1e3).map_err(|_| error)
}

/// An address to resolve when it is bound.
fn admin(text: &str) -> Result<String, &'static str> {
    // Of an IPv6 address without brackets nobody can tell where its port begins.
    let is_clear = |host: &str| !host.is_empty() && (!host.contains(':') || host.starts_with('['));
    match text.rsplit_once(':') {
        Some((host, port)) if is_clear(host) && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err("write host and port, such as localhost:9178 or [::1]:9178"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_finds_no_fault() {
        Args::command().debug_assert();
    }

    #[test]
    fn times_in_milliseconds() {
        assert_eq!(milliseconds("100"), Ok(Duration::from_millis(100)));
        assert_eq!(milliseconds("0.5"), Ok(Duration::from_micros(500)));
        assert_eq!(milliseconds("0"), Ok(Duration::ZERO));
        for text in ["", "-1", "1e3", "nan", "3600001"] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_of_the_admin_server() {
        for text in ["localhost:9178", "127.0.0.1:0", "[::1]:9178"] {
            assert_eq!(admin(text).as_deref(), Ok(text));
        }
        for text in
            ["", "localhost", ":9178", "localhost:", "localhost:65536", "localhost:x", "::1", "::1:9178"]
        {
            assert!(admin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times() {
        assert_eq!(seconds("5"), Ok(Duration::from_secs(5)));
        assert_eq!(seconds("0"), Ok(Duration::ZERO));
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for text in ["", "-1", "nan", "inf", "1e3", "5s", ".", "31536001"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
