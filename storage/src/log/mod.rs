//! The log: segments of records, written once, the truth of the database.

pub mod address;
pub mod manifest;
pub mod moved;
pub mod reading;
pub mod record;
pub mod recovery;
pub mod segment;
pub mod writer;
