//! Clusters of real nodes, and the manager at work on them.

mod redis;
mod support;
