//! Clusters of real nodes, and the manager at work on them.

mod migrate;
mod one_node;
mod support;
mod tcrmgr;
