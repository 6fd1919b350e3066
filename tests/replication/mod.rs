//! Nodes that follow each other: whatever happens to them, they have the same records afterwards.

mod agreement;
mod bad_peers;
pub mod cable;
mod counters;
mod cuts;
mod joining;
pub mod mesh;
mod namespaces;
mod original;
mod original_server;
mod restarts;
mod rival;
