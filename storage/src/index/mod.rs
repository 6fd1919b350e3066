//! The index: a table in memory that points into the log, and its checkpoints.

pub mod audit;
pub mod bucket;
mod buckets;
pub mod checkpoint;
pub mod checkpointing;
mod growth;
pub mod table;
#[cfg(test)]
mod tests;

pub use bucket::{Entry, Target};
pub use table::{STRIPES, Slot, Table};
