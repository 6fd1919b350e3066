//! How a store is opened.

use std::path::PathBuf;
use std::sync::Arc;

use crate::durability::SyncMode;
use crate::log::writer::{MAX_SEGMENT, MIN_SEGMENT, now};
use crate::store::Hold;

/// Where a database lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In memory, gone with the process.
    Memory,
    /// In this directory.
    Directory(PathBuf),
}

/// What time it is.
#[derive(Clone, Default)]
pub enum Clock {
    /// The system's clock.
    #[default]
    System,
    /// Whatever this says, in microseconds since the Unix epoch.
    Given(Arc<dyn Fn() -> u64 + Send + Sync>),
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Given(_) => "Given",
        })
    }
}

impl Clock {
    /// Microseconds since the Unix epoch.
    #[inline]
    pub fn now(&self) -> u64 {
        match self {
            Self::System => now(),
            Self::Given(clock) => clock(),
        }
    }
}

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where.
    pub place: Place,
    /// Bytes of a segment of the log, 64 KiB to 256 MiB. One or two are allocated ahead.
    pub segment_size: usize,
    /// When changes become durable.
    pub sync: SyncMode,
    /// Buckets of the table at first, rounded up to a power of two, 64 at least. It grows by itself.
    pub buckets: u64,
    /// Id of this server in the stamps of its changes; 0: one is chosen at random and kept.
    pub origin: u16,
    /// Refuse changes.
    pub read_only: bool,
    /// Create a database that is not there.
    pub create: bool,
    /// Begin with an empty database, whatever is there.
    pub truncate: bool,
    /// Records kept at most, for a database in memory: the oldest stored go first.
    pub max_records: Option<u64>,
    /// Bytes kept at most, for a database in memory: the oldest stored records go first.
    pub max_bytes: Option<u64>,
    /// What compaction leaves alone until [`crate::Store::set_hold`] says otherwise.
    pub hold: Hold,
    /// What time it is.
    pub clock: Clock,
    /// Whether threads in the background allocate, sync, compact and write checkpoints. Without them
    /// [`crate::Store::work`] does, when it is called: so a test decides when what happens.
    pub background: bool,
    /// Where what is random in a new database (its id, the key of its hash, its identity, the id of the server)
    /// comes from, so that a test repeats it; `None`: from the system. A database made with a seed has a secret
    /// that anybody can tell.
    pub seed: Option<u64>,
}

/// Bytes of a segment unless told otherwise.
pub const DEFAULT_SEGMENT: usize = 64 << 20;

impl Options {
    /// The defaults for a database at `place`.
    pub fn new(place: Place) -> Self {
        Self {
            place,
            segment_size: DEFAULT_SEGMENT,
            sync: SyncMode::Every(std::time::Duration::from_millis(100)),
            buckets: 1 << 16,
            origin: 0,
            read_only: false,
            create: true,
            truncate: false,
            max_records: None,
            max_bytes: None,
            hold: Hold::NONE,
            clock: Clock::System,
            background: true,
            seed: None,
        }
    }

    /// The segment size within its bounds.
    pub(crate) fn segment_size(&self) -> usize {
        self.segment_size.clamp(MIN_SEGMENT, MAX_SEGMENT)
    }
}
