//! The log: segments of records, written once, the truth of the database.

pub mod address;
pub mod append;
pub mod manifest;
pub mod memo;
pub mod moved;
pub mod reading;
pub mod record;
pub mod recovery;
pub mod segment;
pub mod writer;
