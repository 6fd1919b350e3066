//! The rooms of lcnode that tests and simulations use as a library; the rest belongs to the program.

pub mod changes;
pub mod replication;
