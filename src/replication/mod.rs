//! Replication: what changes here goes to those who follow this node, and what changes at its masters comes here.
//!
//! | module | what it holds |
//! |---|---|
//! | [`feed`] | the leader's side of one follower: the log in, frames out |
//! | [`pull`] | the follower's side of one leader: frames in, the store changed |
//! | [`arrivals`] | records of a leader, from bytes into the store |
//! | [`digest`], [`check`] | whether two nodes have the same, and how what differs is exchanged |
//! | [`peers`] | who follows, how far each is, what compaction must leave alone |
//! | [`memos`] | what is remembered of that in the log |
//! | [`status`] | what `stat` says |
//! | [`link`] | all of it over connections, in threads |
//! | [`original`] | the dialect of original servers |
//!
//! All but the links is without I/O, takes its time from [`lcnode_storage::Store::now`] and nothing from chance, so
//! that a simulation can run it.

pub mod arrivals;
pub mod check;
pub mod digest;
pub mod ended;
pub mod feed;
pub mod link;
pub mod memos;
pub mod original;
pub mod peers;
pub mod pull;
pub mod status;

use lcnode_protocol::peer;
use lcnode_storage::Position;

pub use link::{Master, Replication, Settings, Socket};

/// A position as it is on the wire. No log has one that does not fit.
fn wire(position: Position) -> peer::Position {
    let most = u64::from(u32::MAX);
    peer::Position { segment: position.segment.min(most), offset: position.offset.min(most) }
}

/// A position from the wire.
fn local(position: peer::Position) -> Position {
    Position { segment: position.segment, offset: position.offset }
}
