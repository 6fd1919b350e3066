//! Bytes to requests and replies to bytes: the wire dialects of lcnode.
//!
//! Every dialect turns the bytes of a connection into the same [`Request`] and
//! writes what a command says through the same [`Reply`], so that the commands
//! themselves know nothing of any wire format. This crate does no I/O, holds no
//! request longer than the buffer it lies in, and cannot panic on any input.
//!
//! | module | what it holds |
//! |---|---|
//! | [`command`] | the 26 commands, their wire ids, names, classes and mask bits |
//! | [`request`] | what a client can ask |
//! | [`reply`] | what a command can answer |
//! | [`limits`] | how large a key and a value may be |
//! | [`dialect`] | the three dialects of clients on one connection |
//! | [`binary`] | the binary dialect, whose requests begin with the byte `C8` |
//! | [`memcached`] | memcached's text protocol |
//! | [`http`] | HTTP/1.1 |
//! | [`peer`] | what an lcnode and one that follows it say to each other |
//! | [`update_log`] | the update log of the original server, in files and as the stream that its replicas read |

// Sizes on the wire are 31 bits and a request holds several of them: their sum
// must not overflow.
const _: () = assert!(usize::BITS >= 64, "lcnode needs a 64-bit machine");

pub mod binary;
pub mod command;
pub mod dialect;
pub mod http;
mod items;
pub mod limits;
pub mod memcached;
pub mod peer;
pub mod reply;
pub mod request;
mod step;
pub mod update_log;
mod words;

/// Where a decoder puts what it cannot borrow from its input, such as a key whose escapes are resolved.
pub use bumpalo::Bump as Arena;
pub use command::{Class, Command};
pub use dialect::Dialect;
pub use limits::Limits;
pub use reply::Reply;
pub use request::{Items, Request, Storing, Words};
