//! Nodes that follow each other: whatever happens to them, they have the same records afterwards.

mod agreement;
mod bad_peers;
mod mesh;
mod original;
mod original_server;
mod restarts;
