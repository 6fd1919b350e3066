//! Clusters of real nodes, and the manager at work on them.

// Helpers of tests may fail as loudly as the tests themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bench;
mod cache;
mod examples;
mod growth;
mod redis;
mod rings;
mod support;
