//! What can go wrong with a call of the cluster.

use std::time::Duration;

use thiserror::Error;

use crate::config::ConfigError;
use crate::node::NodeError;

/// A call that did not come to its end.
#[derive(Debug, Error)]
pub enum Error {
    /// The configuration is none.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A node could not carry it out.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// The value is stored, but whether there is a record of its place is not known.
    #[error(
        "the value is stored, but not the record of its place, which is needed once nodes are added: {0}"
    )]
    Unrecorded(String),
    /// There is no such system.
    #[error("there is no system {0}")]
    NoSystem(String),
    /// The key was being moved to another node, and that did not end.
    #[error(
        "the key is being moved to another node, and has been for {0:?}: see whether the rebalance still runs; where \
         it does not, the key can be changed again after {1:?}"
    )]
    Moving(Duration, Duration),
    /// There is no such node on the ring that is meant.
    #[error("there is no such node: {0}")]
    NoNode(String),
    /// Keys can be moved only among nodes that speak the Tokyo Tyrant protocol.
    #[error(
        "node {0} is of Redis servers: keys are moved only among nodes that speak the Tokyo Tyrant protocol"
    )]
    NotMovable(String),
    /// Another mover is at work, or has died.
    #[error("keys are being moved by somebody else; if that has died, it can be done again in {0:?}")]
    OtherMover(Duration),
    /// Moving some keys took so long that others may change them again.
    #[error(
        "moving a batch of keys has taken {0:?}: nothing of it was moved; run it again with smaller batches"
    )]
    TooSlow(Duration),
    /// A blocking call was made inside an asynchronous runtime, which it would hold up.
    #[error(
        "a blocking call inside an asynchronous runtime would hold it up: use lightcloud::LightCloud there"
    )]
    InsideRuntime,
    /// The runtime of the blocking client could not be started.
    #[error("cannot start the thread that looks after connections: {0}")]
    Runtime(std::io::Error),
    /// Where the key is could not be had for long enough to change it there.
    #[error(
        "where the key is cannot be relied on for long enough to change it: it is deleted and made anew all the time, or \
         its lookup nodes take long to answer"
    )]
    Unsteady,
}

impl Error {
    /// Whether the call may have had its effect all the same.
    pub fn may_be_done(&self) -> bool {
        matches!(self, Self::Unrecorded(_)) || matches!(self, Self::Node(error) if error.may_be_done())
    }
}
