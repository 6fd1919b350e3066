//! What a server says of itself by `stat`.

use std::time::Duration;

use lightcloud::tyrant::{ErrorKind, Server};

/// The lines of `stat`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stat {
    lines: Vec<(String, String)>,
}

/// A server that it follows, or that follows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Peer {
    /// Address, as it was given for a master, as it is seen for a follower.
    pub host: String,
    /// `master`, `follower`, `original-master`, `original-follower`.
    pub role: String,
    /// `connecting`, `full-sync`, `catching-up`, `live`, `waiting`, `stopped`.
    pub state: String,
    /// `yes`, `no`, `unknown`.
    pub agrees: String,
    /// Bytes of log that the one that follows has not got yet.
    pub lag_bytes: u64,
    /// The same in records.
    pub lag_entries: u64,
    /// For how long, in seconds.
    pub lag_seconds: f64,
    /// Why the connection ended last.
    pub error: String,
    /// How far a full sync is, while there is one.
    pub full_sync: Option<String>,
}

impl Peer {
    /// Whether it is followed.
    pub fn is_master(&self) -> bool {
        self.role.ends_with("master")
    }
}

/// Asks a server, within a time in all; else says in words what it did in place of an answer.
pub async fn ask(server: &Server, limit: Duration) -> Result<Stat, Silent> {
    match tokio::time::timeout(limit, server.stat()).await {
        Ok(Ok(lines)) => Ok(Stat { lines }),
        Ok(Err(error)) => Err(match error.kind {
            ErrorKind::Connect(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Silent::Refused
            }
            kind @ (ErrorKind::Connect(_) | ErrorKind::ConnectTimeout(_)) => {
                Silent::Unreachable(kind.to_string())
            }
            ErrorKind::Timeout(_) => Silent::Mute(limit),
            kind => Silent::Strange(kind.to_string()),
        }),
        Err(_) => Err(Silent::Mute(limit)),
    }
}

/// What a server did in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Silent {
    /// Nobody listens.
    #[error("not running: nobody listens there")]
    Refused,
    /// The host was not found, or not reached.
    #[error("{0}")]
    Unreachable(String),
    /// Somebody listens, and says nothing.
    #[error("it listens, but gave no answer within {0:?}")]
    Mute(Duration),
    /// Somebody listens who is not what was asked for.
    #[error("{0}")]
    Strange(String),
}

impl Stat {
    /// A line.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.lines.iter().find(|(line, _)| line == name).map(|(_, value)| &value[..])
    }

    /// A line that is a whole number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// A line that is a number.
    pub fn decimal(&self, name: &str) -> Option<f64> {
        self.get(name)?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// How many requests there were, but for those that ask how it is and those of followers.
    pub fn operations(&self) -> u64 {
        let counts = self.lines.iter().filter(|(name, _)| {
            name.starts_with("cnt_")
                && !name.ends_with("_miss")
                && !["cnt_stat", "cnt_rnum", "cnt_repl"].contains(&&name[..])
        });
        counts.filter_map(|(_, count)| count.parse::<u64>().ok()).fold(0, u64::saturating_add)
    }

    /// All whom it follows, and who follow it.
    pub fn peers(&self) -> Vec<Peer> {
        let peer = |number: usize| {
            let line = |name: &str| self.get(&format!("peer_{number}_{name}"));
            let text = |name: &str| line(name).unwrap_or_default().to_owned();
            Some(Peer {
                host: line("host")?.to_owned(),
                role: text("role"),
                state: text("state"),
                agrees: text("agrees"),
                lag_bytes: line("lag_bytes").and_then(|n| n.parse().ok()).unwrap_or(0),
                lag_entries: line("lag_entries").and_then(|n| n.parse().ok()).unwrap_or(0),
                lag_seconds: line("lag_seconds").and_then(|n| n.parse().ok()).unwrap_or(0.0),
                error: text("error"),
                full_sync: line("repl_full_sync").map(str::to_owned),
            })
        };
        (1..).map_while(peer).collect()
    }

    /// Of lines, for tests. Of two of one name the first counts.
    #[cfg(test)]
    pub fn of(text: &str) -> Self {
        let mut stat = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.trim().split_once(' ')) {
            if stat.get(name).is_none() {
                stat.lines.push((name.to_owned(), value.to_owned()));
            }
        }
        stat
    }
}
