//! Backups: what a copy of a database says of itself, how files come into it, and the way back.
//!
//! What is always true: a file that has two names is never changed under either. Only segments that
//! were cut to their seal are linked, and nothing ever writes into those; everything else is copied.

mod description;
mod restore;
mod roll;
mod transfer;
mod unfinished;

pub use description::Backup;
pub use restore::{Phase, Restore, Restored, restore};
pub use transfer::Ways;
pub(crate) use transfer::{Way, share, write_last, write_new};
pub(crate) use unfinished::{Unfinished, remove_left_over};
