//! Whom the node follows, and what it keeps for those who follow it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use clap::{ArgAction, value_parser};
use thiserror::Error;

use super::Identity;
use super::size::{self, SizeError};

/// The port of a master that `-mhost` names without `-mport`, as ttserver's.
const MASTER_PORT: u16 = 1978;
/// The longest host name in bytes, as the original's.
const MAX_HOST: usize = 1023;
/// The most days that log can be kept for: ten years.
const MAX_DAYS: u32 = 3650;

/// The options as clap sees them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Replication")]
pub(super) struct ReplicationArgs {
    /// Follow this node or original server too; IPv6 in brackets. Can be given several times; one that is
    /// not up yet is tried until it is. Two that name each other are two masters [default: none]
    #[arg(long, value_name = "HOST:PORT", action = ArgAction::Append)]
    master: Vec<MasterAddress>,
    /// Number of this server, 1 to 65535, another on each that replicate with each other; stat shows it.
    /// 0: one is chosen and kept in the database
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) sid: u16,
    /// Log kept for a server that follows this one and is away or behind: bytes, then days since it was
    /// seen, 1 to 3650. One that is farther behind gets all records again when it comes back
    #[arg(long, value_name = "SIZE[,DAYSd]", default_value = "4g,7d")]
    ulim: String,
    /// Seconds, 1 to 86400, that a master's clock may be ahead. One farther ahead is not followed, and an
    /// error is logged
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = skew)]
    max_skew: Duration,
    /// Follow this one; setmst replaces it while the node runs [default: none]
    #[arg(long, value_name = "NAME")]
    mhost: Option<String>,
    /// Port of --mhost, 1 to 65535 [default: 1978]
    #[arg(long, value_name = "N", value_parser = value_parser!(u16).range(1..))]
    mport: Option<u16>,
    /// File with the time stamp at which to begin following --mhost where that is an original server.
    /// Read at the start, and only while the database has no position of its own for it; never
    /// written, stat shows the position [default: none]
    #[arg(long, value_name = "PATH")]
    rts: Option<PathBuf>,
    /// Stop following an original server at the first change that has another outcome here, until setmst
    /// or a restart [default: off, logged]
    #[arg(long)]
    rcc: bool,
    /// Directory with update logs of an original server, which restore may read; nothing is written
    /// there. The log of the database is the update log [default: none]
    #[arg(long, value_name = "DIR")]
    ulog: Option<PathBuf>,
    /// No effect: the log is always written in the background [default: off]
    #[arg(long)]
    uas: bool,
}

/// Whom the node follows, and what it keeps for those who follow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationConfig {
    /// The masters of `--master`, each once; default none. They stay, whatever `setmst` says.
    pub masters: Vec<MasterAddress>,
    /// The master of `-mhost` and `-mport`, which `setmst` replaces; default none.
    pub named_master: Option<MasterAddress>,
    /// Whether to follow anyone at all, also by `setmst`; not with `-mask slave`.
    pub follow: bool,
    /// Bytes of log kept for a follower beyond what it has; default 4 GiB.
    pub keep_bytes: u64,
    /// How long after it was seen last; default 7 days.
    pub keep_for: Duration,
    /// How far a master's clock may be ahead, 1 s to a day; default 10 s.
    pub max_skew: Duration,
    /// The file that says where to begin with an original server as `named_master`; default none.
    pub time_stamp_file: Option<PathBuf>,
    /// Whether an entry of an original server with another outcome here ends the following of it; default
    /// no.
    pub check_consistency: bool,
    /// Where `restore` may read update logs besides the directory for backups; default nowhere.
    pub update_logs: Option<PathBuf>,
}

/// Where a master listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MasterAddress {
    /// Name or address, an IPv6 one without brackets. Resolved when it is connected to.
    pub host: String,
    /// The port, 1 to 65535.
    pub port: u16,
}

/// The text is no address of a master.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("write HOST:PORT with a port from 1 to 65535, such as db2:1978, 10.0.0.2:1978 or [fd00::2]:1978")]
pub struct MasterAddressError;

impl fmt::Display for MasterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for MasterAddress {
    type Err = MasterAddressError;

    fn from_str(text: &str) -> Result<Self, MasterAddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(MasterAddressError)?;
        let in_brackets = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_one = match in_brackets {
            Some(host) => host.parse::<std::net::Ipv6Addr>().is_ok(),
            None => is_host(host) && !host.contains([':', '[', ']']),
        };
        // A sign would be taken as part of the number.
        let port = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok()).flatten();
        match port {
            Some(port @ 1..) if is_one => Ok(Self { host: in_brackets.unwrap_or(host).to_owned(), port }),
            _ => Err(MasterAddressError),
        }
    }
}

/// Whether a text may name a machine.
fn is_host(text: &str) -> bool {
    (1..=MAX_HOST).contains(&text.len()) && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

impl ReplicationConfig {
    /// From the options; adds what has no effect to `notes`.
    ///
    /// Errors: what to change, for the usage.
    pub(super) fn new(
        args: ReplicationArgs,
        follow: bool,
        identity: Identity,
        base: &Path,
        notes: &mut Vec<String>,
    ) -> Result<Self, String> {
        let (keep_bytes, keep_for) = match (limits(&args.ulim), identity) {
            (Ok(limits), _) => limits,
            (Err(error), Identity::Lcnode) => return Err(format!("--ulim {}: {error}", args.ulim)),
            // ttserver takes anything and means by most of it that its files have no bound.
            (Err(error), Identity::Ttserver) => {
                notes.push(format!("-ulim {}: {error}; 4g,7d is taken", args.ulim));
                (4 << 30, days(7))
            }
        };
        let named_master = named_master(&args)?;
        if args.mport.is_some() && named_master.is_none() {
            notes.push("-mport has no effect without -mhost".to_owned());
        }
        if args.uas {
            notes.push("-uas has no effect: the log is always written in the background".to_owned());
        }
        if identity == Identity::Ttserver && args.sid == 0 && (named_master.is_some() || args.ulog.is_some())
        {
            notes.push(
                "no -sid: one is chosen and kept in the database, and the node replicates, which ttserver would not"
                    .to_owned(),
            );
        }
        let mut masters: Vec<MasterAddress> = Vec::new();
        for master in args.master {
            if !masters.contains(&master) {
                masters.push(master);
            }
        }
        if !follow && (named_master.is_some() || !masters.is_empty()) {
            notes.push("-mask slave: the node follows no master".to_owned());
        }
        Ok(Self {
            masters,
            named_master,
            follow,
            keep_bytes,
            keep_for,
            max_skew: args.max_skew,
            time_stamp_file: args.rts.map(|path| base.join(path)),
            check_consistency: args.rcc,
            update_logs: args.ulog.map(|path| base.join(path)),
        })
    }
}

/// The master of `-mhost`. As for ttserver an empty name is none.
fn named_master(args: &ReplicationArgs) -> Result<Option<MasterAddress>, String> {
    let Some(host) = args.mhost.as_deref().filter(|host| !host.is_empty()) else { return Ok(None) };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if !is_host(host) {
        return Err(format!("--mhost {host:?}: not the name or address of a machine"));
    }
    Ok(Some(MasterAddress { host: host.to_owned(), port: args.mport.unwrap_or(MASTER_PORT) }))
}

/// Reads `SIZE` or `SIZE,DAYSd`.
fn limits(text: &str) -> Result<(u64, Duration), LimitError> {
    let (bytes, time) = match text.split_once(',') {
        None => (text, days(7)),
        Some((bytes, time)) => {
            let number = time.strip_suffix(['d', 'D']).ok_or(LimitError::Days)?;
            let count =
                number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.parse().ok()).flatten();
            let count = count.filter(|count| (1..=MAX_DAYS).contains(count)).ok_or(LimitError::Days)?;
            (bytes, days(count))
        }
    };
    Ok((size::parse(bytes)?, time))
}

/// Why a text is not what `--ulim` takes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
enum LimitError {
    /// The part before the comma.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// The part behind it.
    #[error("write days as 7d, from 1d to 3650d, such as 4g,7d")]
    Days,
}

fn days(count: u32) -> Duration {
    Duration::from_secs(u64::from(count) * 86_400)
}

/// Reads `--max-skew`.
fn skew(text: &str) -> Result<Duration, &'static str> {
    let error = "write seconds from 1 to 86400, such as 10 or 2.5";
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value: f64 = text.parse().map_err(|_| error)?;
    if !plain || !(1.0..=86_400.0).contains(&value) {
        return Err(error);
    }
    Duration::try_from_secs_f64(value).map_err(|_| error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_masters() {
        for (text, host, port) in [
            ("db2:1978", "db2", 1978),
            ("10.0.0.2:1", "10.0.0.2", 1),
            ("[fd00::2]:65535", "fd00::2", 65_535),
            ("a.example.org.:44201", "a.example.org.", 44_201),
        ] {
            let address: MasterAddress = text.parse().unwrap();
            assert_eq!((&*address.host, address.port), (host, port));
            assert_eq!(address.to_string(), text);
        }
        let long = format!("{}:1", "h".repeat(1024));
        for text in [
            "",
            ":",
            "db2",
            "db2:",
            ":1978",
            "db2:0",
            "db2:65536",
            "db2:+1",
            "db2:-1",
            "db2:x",
            "fd00::2:1978",
            "[fd00::2]",
            "[fd00::2",
            "[db2]:1",
            "[]:1",
            "a b:1",
            "a\n:1",
            "db2:1978:1",
            long.as_str(),
        ] {
            assert_eq!(text.parse::<MasterAddress>(), Err(MasterAddressError), "{text}");
        }
    }

    #[test]
    fn limits_of_the_log() {
        assert_eq!(limits("4g,7d"), Ok((4 << 30, days(7))));
        assert_eq!(limits("128m"), Ok((128 << 20, days(7))));
        assert_eq!(limits("1.5k,3650D"), Ok((1536, days(3650))));
        for text in
            ["1g,", "1g,d", "1g,7", "1g,0d", "1g,3651d", "1g,+1d", "1g,1.5d", "1g,99999999999d", "1g,7d,1d"]
        {
            assert_eq!(limits(text), Err(LimitError::Days), "{text}");
        }
        for text in ["", ",7d", "0", "x", "1q,7d"] {
            assert!(matches!(limits(text), Err(LimitError::Size(_))), "{text}");
        }
    }

    #[test]
    fn skews() {
        assert_eq!(skew("10"), Ok(Duration::from_secs(10)));
        assert_eq!(skew("2.5"), Ok(Duration::from_millis(2500)));
        for text in ["", "0", "0.9", "-1", "86401", "1e1", "nan", "inf", "x"] {
            assert!(skew(text).is_err(), "{text}");
        }
    }
}
