//! Clusters of real nodes, and the manager at work on them.

// Helpers of tests may fail as loudly as the tests themselves.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod backup;
mod bench;
mod cache;
mod control;
mod demo;
mod docker;
mod examples;
mod files;
mod growth;
mod locate;
mod migrate;
mod one_node;
mod redis;
mod rings;
mod scaling;
mod status;
mod support;
mod tcrmgr;
