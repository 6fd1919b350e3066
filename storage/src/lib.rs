//! The engine of lcnode: the log is the database.
//!
//! Every change is appended once to a log of segments. The log is the data, the write-ahead log and
//! the backup. A table in memory points into it and can be thrown away and rebuilt. Every byte on
//! disk is described in `FORMAT.md`.
//!
//! ```
//! use lcnode_storage::{Options, Place, Store};
//!
//! let store = Store::open(Options::new(Place::Memory))?;
//! store.put(b"key", b"value")?;
//! assert_eq!(store.get(b"key", |value| value.to_vec())?, Some(b"value".to_vec()));
//! assert!(store.delete(b"key")?);
//! store.close()?;
//! # Ok::<(), lcnode_storage::Error>(())
//! ```

mod backup;
mod counter;
mod durability;
mod effort;
mod error;
pub mod examine;
mod hash;
mod index;
mod lock;
mod log;
pub mod medium;
mod meta;
mod options;
mod store;

pub use backup::{Backup, Phase, Restore, Restored, Ways, restore};
pub use counter::Decimal;
pub use durability::SyncMode;
pub use effort::{Done, Efforts};
pub use error::{Error, Result};
pub use log::address::Position;
pub use log::record::{Attributes, Kind, Stamp};
pub use options::{Clock, DEFAULT_SEGMENT, Options, Place};
pub use store::{
    Arrival, Author, Authored, Change, Current, Cursor, Figures, Hold, Inline, KeyHash, KeyIterator, LogRead,
    LogRecord, OpenedAt, Received, Reservation, Scope, SegmentFigures, Snapshot, Step, Store, Turn, Visited,
    tombstone,
};

/// Bounds of the format; see `FORMAT.md`.
pub mod limits {
    pub use crate::log::address::{MAX_OFFSET, MAX_SPAN};
    pub use crate::log::segment::MAX_NUMBER;
    pub use crate::log::writer::{MAX_RECORD, MAX_SEGMENT, MIN_SEGMENT};
}
