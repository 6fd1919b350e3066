//! Replication: who follows whom, and how far.

pub mod original;
