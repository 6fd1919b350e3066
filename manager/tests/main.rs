//! Clusters of real nodes, and the manager at work on them.

mod examples;
mod redis;
mod support;
