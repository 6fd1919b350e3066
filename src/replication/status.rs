//! What `stat` says of each peer.

use std::fmt::{self, Write};
use std::sync::Arc;

use parking_lot::Mutex;

use super::check::Found;

/// What a peer is to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// This node follows it.
    Master,
    /// It follows this node.
    Follower,
    /// This node follows it, and it is an original server.
    OriginalMaster,
    /// It follows this node, and is an original server or a tool of its kind.
    OriginalFollower,
}

/// What a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It looks for the peer.
    Connecting,
    /// Everything there is goes over.
    FullSync,
    /// What changed since the last time goes over.
    CatchingUp,
    /// Changes go over as they are made.
    Live,
    /// It waits before it tries again.
    Waiting,
    /// It has ended, and is not tried again by itself.
    Stopped,
}

/// Whether two nodes have the same records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agrees {
    /// When they were compared last they had.
    Yes,
    /// When they were compared last they had not.
    No,
    /// They were not compared yet, or too much was changing.
    Unknown,
}

/// How far a full sync is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FullSync {
    /// Of the log, 0 to 100.
    pub percent: f64,
    /// Records that came.
    pub records: u64,
}

/// What is known of one peer.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Address, as configured for a master, as seen for a follower.
    pub host: String,
    /// What it is.
    pub role: Role,
    /// Its server id; 0 until it told it.
    pub sid: u16,
    /// What the link does.
    pub state: State,
    /// Bytes of log that the one that follows has not got yet.
    pub lag_bytes: u64,
    /// The same in records of the log; an estimate until it was in step once.
    pub lag_entries: u64,
    /// For how long it has not been in step, in seconds.
    pub lag_seconds: f64,
    /// Whether both have the same records.
    pub agrees: Agrees,
    /// What comparisons have found since this node started.
    pub found: Found,
    /// Why the link ended last; empty if it never did.
    pub error: String,
    /// How far a full sync is, while there is one.
    pub full_sync: Option<FullSync>,
}

/// The status of one peer, as its link and `stat` share it.
pub type Shown = Arc<Mutex<Status>>;

impl Status {
    /// Of a peer that nothing is known of yet.
    #[must_use]
    pub fn new(host: String, role: Role) -> Self {
        Self {
            host,
            role,
            sid: 0,
            state: State::Connecting,
            lag_bytes: 0,
            lag_entries: 0,
            lag_seconds: 0.0,
            agrees: Agrees::Unknown,
            found: Found::default(),
            error: String::new(),
            full_sync: None,
        }
    }

    /// Adds its lines to the text of `stat`; `number` is from 1.
    pub fn write(&self, number: usize, text: &mut String) {
        let mut line =
            // Writing to a string cannot fail.
            |name: &str, value: &dyn fmt::Display| _ = writeln!(text, "peer_{number}_{name}\t{value}");
        line("host", &plain(&self.host));
        line("role", &self.role);
        line("sid", &self.sid);
        line("state", &self.state);
        line("lag_bytes", &self.lag_bytes);
        line("lag_entries", &self.lag_entries);
        line("lag_seconds", &format_args!("{:.3}", self.lag_seconds));
        line("agrees", &self.agrees);
        line("error", &plain(&self.error));
        if let Some(sync) = self.full_sync {
            line("repl_full_sync", &format_args!("{:.1} percent, {} records", sync.percent, sync.records));
        }
    }
}

/// Without what would end a line of `stat`.
fn plain(text: &str) -> String {
    text.replace(['\t', '\n', '\r'], " ")
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Follower => "follower",
            Self::OriginalMaster => "original-master",
            Self::OriginalFollower => "original-follower",
        })
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::FullSync => "full-sync",
            Self::CatchingUp => "catching-up",
            Self::Live => "live",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        })
    }
}

impl fmt::Display for Agrees {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::No => "no",
            Self::Unknown => "unknown",
        })
    }
}
