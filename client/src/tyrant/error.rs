//! What can go wrong with one server.

use std::io;
use std::time::Duration;

use lcnode_protocol::Command;
use lcnode_protocol::binary::client::{BadReply, Unsendable};
use lcnode_protocol::update_log;
use thiserror::Error;

use crate::address::Address;

/// A call of a server that did not come to its end.
#[derive(Debug, Error)]
#[error("{address}: {kind}")]
pub struct ServerError {
    /// The server.
    pub address: Address,
    /// What happened.
    pub kind: ErrorKind,
    /// Whether the server may have carried the request out all the same: it was sent, and no reply came.
    pub may_be_done: bool,
}

/// What happened.
#[derive(Debug, Error)]
pub enum ErrorKind {
    /// No connection was had, perhaps because the host has no address.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// No connection was had within [`ServerOptions::connect_timeout`](super::ServerOptions::connect_timeout).
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(io::Error),
    /// The server closed the connection in place of an answer.
    #[error("the connection was closed in place of an answer")]
    Closed,
    /// Nothing came within [`ServerOptions::timeout`](super::ServerOptions::timeout).
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// What came is not the Tokyo Tyrant protocol.
    #[error("not a Tokyo Tyrant server, or not in its senses: {0}")]
    Garbage(#[from] BadReply),
    /// A reply is longer than [`ServerOptions::max_reply`](super::ServerOptions::max_reply), in bytes.
    #[error("the reply is longer than {0} bytes")]
    TooLong(usize),
    /// The request has a field that is too long for the protocol. Nothing was sent.
    #[error("not sent: {0}")]
    Unsendable(#[from] Unsendable),
    /// The server answered failure to a command that is to succeed. Its log says why.
    #[error("{} failed there: its log says why", .0.name())]
    Failed(Command),
    /// The server closed the connection in place of its update stream.
    #[error(
        "its changes are refused: it has the same server id as the one that asks, or repl is masked there"
    )]
    Refused,
    /// The server keeps no update log.
    #[error("it has no update log: a ttserver needs -ulog DIR and -sid N for one")]
    NoUpdateLog,
    /// What came is no update stream.
    #[error("its update stream makes no sense: {0}")]
    BadStream(update_log::Reason),
    /// The reply is one of another command.
    #[error("the reply to {} is not one that the command has", .0.name())]
    Unexpected(Command),
}

impl ErrorKind {
    /// Whether another server of the same records may do better: this one could not be reached, or made no sense.
    pub fn is_of_transport(&self) -> bool {
        match self {
            Self::Connect(_)
            | Self::ConnectTimeout(_)
            | Self::Broken(_)
            | Self::Closed
            | Self::Timeout(_)
            | Self::Garbage(_)
            | Self::BadStream(_)
            | Self::Unexpected(_) => true,
            Self::TooLong(_) | Self::Unsendable(_) | Self::Failed(_) | Self::Refused | Self::NoUpdateLog => {
                false
            }
        }
    }
}
