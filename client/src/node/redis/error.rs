//! What can go wrong with Redis servers.

use std::io;
use std::time::Duration;

use redis::{ErrorKind, RedisError, ServerErrorKind};
use thiserror::Error;

use crate::node::replicas::Fault;

/// A call of a Redis server, or of a Redis Cluster, that did not come to its end.
#[derive(Debug, Error)]
#[error("{server}: {kind}")]
pub struct RedisFailure {
    /// The server, or the cluster.
    pub server: String,
    /// What happened.
    pub kind: RedisFailureKind,
    /// Whether the server may have carried the request out all the same: it was sent, and no answer came.
    pub may_be_done: bool,
}

/// What happened.
#[derive(Debug, Error)]
pub enum RedisFailureKind {
    /// No connection was had, perhaps because the host has no address.
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    /// No connection was had within [`ServerOptions::connect_timeout`](crate::tyrant::ServerOptions::connect_timeout).
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The connection broke, or it is none with a Redis server.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// No answer came within [`ServerOptions::timeout`](crate::tyrant::ServerOptions::timeout).
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The server cannot do it for the time being: it is a replica, is loading its data, or its cluster has no master
    /// for the key. Nothing was done.
    #[error("cannot do that now: {0}")]
    Unready(String),
    /// The server answered with an error. Nothing was done.
    #[error("refused: {0}")]
    Refused(String),
    /// The record is of a type that no operation of this client makes, such as a hash. Nothing was done.
    #[error("the record under this key is neither a string nor a list")]
    WrongType,
    /// The server does not know the script that lists need, not even after it was sent.
    #[error("it does not keep the script that lists need")]
    NoScript,
    /// A server of a Redis Cluster was configured as one on its own.
    #[error("it is a server of a Redis Cluster, which has a node type of its own")]
    IsCluster,
    /// The answer is not one that the command has.
    #[error("the answer to {0} is not one that the command has")]
    Unexpected(&'static str),
}

impl RedisFailure {
    /// Nothing was sent.
    pub(super) fn unsent(server: impl ToString, kind: RedisFailureKind) -> Self {
        Self { server: server.to_string(), kind, may_be_done: false }
    }

    /// What came in place of an answer to a request that was sent, or is one of an error.
    pub(super) fn of(server: impl ToString, error: &RedisError, timeout: Duration) -> Self {
        let text = || error.to_string().trim_matches('"').to_owned();
        let (kind, may_be_done) = match error.kind() {
            ErrorKind::Server(
                ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::TryAgain,
            ) => (RedisFailureKind::Unready(text()), false),
            ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => {
                (RedisFailureKind::IsCluster, false)
            }
            ErrorKind::Server(ServerErrorKind::NoScript) => (RedisFailureKind::NoScript, false),
            _ if error.code() == Some("WRONGTYPE") => (RedisFailureKind::WrongType, false),
            ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::InvalidClientConfig => {
                (RedisFailureKind::Refused(text()), false)
            }
            ErrorKind::ClusterConnectionNotFound | ErrorKind::AuthenticationFailed => {
                (RedisFailureKind::Unready(text()), false)
            }
            ErrorKind::Io if error.is_timeout() => (RedisFailureKind::Timeout(timeout), true),
            ErrorKind::Io if error.is_connection_refusal() => (RedisFailureKind::Broken(text()), false),
            _ => (RedisFailureKind::Broken(text()), true),
        };
        Self { server: server.to_string(), kind, may_be_done }
    }

    /// The connection is of no use any more.
    pub(super) fn is_of_connection(&self) -> bool {
        matches!(self.kind, RedisFailureKind::Broken(_) | RedisFailureKind::Timeout(_))
    }

    /// Whether the record is of another type than the command is for.
    pub(super) fn is_wrong_type(&self) -> bool {
        matches!(self.kind, RedisFailureKind::WrongType)
    }
}

impl Fault for RedisFailure {
    fn is_of_transport(&self) -> bool {
        match self.kind {
            RedisFailureKind::Connect(_)
            | RedisFailureKind::ConnectTimeout(_)
            | RedisFailureKind::Broken(_)
            | RedisFailureKind::Timeout(_)
            | RedisFailureKind::Unready(_)
            | RedisFailureKind::Unexpected(_) => true,
            RedisFailureKind::Refused(_)
            | RedisFailureKind::WrongType
            | RedisFailureKind::NoScript
            | RedisFailureKind::IsCluster => false,
        }
    }

    fn may_be_done(&self) -> bool {
        self.may_be_done
    }
}
