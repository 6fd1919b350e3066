//! Looking at a database that no node has open: [`check`] reads every byte, [`inspect`] gives an overview,
//! [`repair`] saves what is whole into a new database.
//!
//! What is always true: nothing in the database is changed but its `LOCK`, which is taken as a node does that
//! only reads; and no bytes, whatever they are, lead to a panic, an endless loop or more memory than the
//! files and their number warrant.

mod check;
mod checkpoint;
mod inspect;
mod opening;
mod repair;
mod report;
mod survey;
mod walk;

pub use check::{Report, check};
pub use inspect::{CheckpointView, Inspection, SegmentState, SegmentView, inspect};
pub use repair::{Repaired, repair};
pub use report::{Finding, Verdict, Weight};
pub use survey::Progress;
