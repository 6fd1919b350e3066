//! What can go wrong with a node.

use thiserror::Error;

use super::replicas::Fault;
use crate::address::Address;
use crate::tyrant::ServerError;

/// A call of a node that did not come to its end: no replica could carry it out, or one refused.
#[derive(Debug, Error)]
#[error("node {node}: {kind}")]
pub struct NodeError {
    /// The name of the node.
    pub node: String,
    /// What happened, on the replica that was tried last.
    pub kind: NodeErrorKind,
}

/// What happened.
#[derive(Debug, Error)]
pub enum NodeErrorKind {
    /// A server could not be talked to, or refused.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A function of the scripts failed.
    #[error(
        "{address}: the function {function} failed: its log says why; was it started with the script that has it?"
    )]
    Script {
        /// The server.
        address: Address,
        /// The function.
        function: &'static str,
    },
    /// A counter is no whole number of 64 bits.
    #[error("the counter is {0:?}, no whole number of 64 bits")]
    NotANumber(String),
    /// A list is to have an item that cannot be in one: an empty one, or one with a `~` in it.
    #[error("an item of a list must not be empty or have a ~ in it: {0:?}")]
    Item(String),
    /// A Redis server could not be talked to, or refused.
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] super::redis::RedisFailure),
}

impl NodeError {
    /// Whether the call may have had its effect all the same.
    pub fn may_be_done(&self) -> bool {
        match &self.kind {
            NodeErrorKind::Server(error) => error.may_be_done,
            NodeErrorKind::Script { .. } | NodeErrorKind::NotANumber(_) | NodeErrorKind::Item(_) => false,
            #[cfg(feature = "redis")]
            NodeErrorKind::Redis(failure) => failure.may_be_done(),
        }
    }
}

impl Fault for ServerError {
    fn is_of_transport(&self) -> bool {
        self.kind.is_of_transport()
    }

    fn may_be_done(&self) -> bool {
        self.may_be_done
    }
}

impl Fault for NodeErrorKind {
    fn is_of_transport(&self) -> bool {
        matches!(self, Self::Server(error) if error.is_of_transport())
    }

    fn may_be_done(&self) -> bool {
        matches!(self, Self::Server(error) if error.may_be_done)
    }
}
