//! What the store has done for itself since it was opened: counted for those who watch it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often something was done, and how long that took together.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    count: AtomicU64,
    microseconds: AtomicU64,
}

impl Tally {
    /// Counts what was begun at `started` and is done now.
    pub(crate) fn done(&self, started: Instant) {
        let microseconds = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.count.fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    pub(crate) fn so_far(&self) -> Done {
        Done {
            count: self.count.load(Ordering::Relaxed),
            time: Duration::from_micros(self.microseconds.load(Ordering::Relaxed)),
        }
    }
}

/// Compaction and checkpoints.
#[derive(Debug, Default)]
pub(crate) struct Effort {
    pub(crate) compactions: Tally,
    pub(crate) is_compacting: AtomicBool,
    /// Bytes of records that compaction has appended anew.
    pub(crate) moved: AtomicU64,
    pub(crate) checkpoints: Tally,
    /// When the last of them was there, in microseconds of the clock of the options; 0: none yet.
    pub(crate) checkpointed: AtomicU64,
}

/// How often something was done since the store was opened, and how long that took together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// How often.
    pub count: u64,
    /// How long, its rests included.
    pub time: Duration,
}

/// What the store has done for itself since it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Efforts {
    /// Segments that were emptied and removed.
    pub compactions: Done,
    /// Whether one is being emptied.
    pub is_compacting: bool,
    /// Bytes of records that were moved out of them.
    pub moved_bytes: u64,
    /// Checkpoints that were written.
    pub checkpoints: Done,
    /// How long the last of them has been there; none before the first.
    pub checkpoint_age: Option<Duration>,
    /// Bytes of log that a start after a crash would read.
    pub log_since_checkpoint: u64,
    /// Syncs of the log.
    pub syncs: Done,
}
