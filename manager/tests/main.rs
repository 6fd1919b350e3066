//! Clusters of real nodes, and the manager at work on them.

// Helpers of tests may fail as loudly as the tests themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod demo;
mod docker;
mod growth;
mod migrate;
mod one_node;
mod redis;
mod rings;
mod support;
mod tcrmgr;
