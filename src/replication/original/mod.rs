//! The dialect of original servers (Tokyo Tyrant 1.1.41): following one, leading one, and replaying the
//! files that one has left.
//!
//! | module | what it holds |
//! |---|---|
//! | [`apply`] | one change of an original server, carried out here |
//! | [`pull`] | following one: bytes of its stream in, store changed |
//! | [`feed`] | leading one: the log in, bytes of the stream out |
//! | [`slaves`] | what is remembered of those that are led |
//! | [`order`] | the time stamps that such a stream carries |
//! | [`position`] | how far an original master was followed |
//! | [`link`] | both over a connection |
//! | [`restore`] | its update logs, replayed from their files |
//!
//! An original server applies changes in the order in which they reach it and has no rule for conflicts. So
//! with one in the pair agreement is best effort: where both sides change a key at the same moment they may
//! keep different values.

pub mod apply;
pub mod feed;
pub mod link;
pub mod order;
pub mod position;
pub mod pull;
pub mod restore;
pub mod slaves;

#[cfg(test)]
mod tests;
