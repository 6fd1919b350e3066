//! Whom the load is put on, and what is said to a request.

use lightcloud::System;
use lightcloud::tyrant::{Answer, Request, Server};

use super::batch::Batch;
use super::mix::Kind;
use super::text::{Dialect, TextConnection};
use crate::context::Failure;

/// What was said to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// The value.
    Value(&'a [u8]),
    /// It is stored, or removed.
    Done,
    /// There is no such record.
    Missing,
    /// The server would not, with its words.
    Refused(&'a [u8]),
}

/// One connection's way to whom the load is put on.
pub enum Target {
    /// A server of the Tokyo Tyrant protocol.
    Tyrant(Server),
    /// One of memcached or Redis, connected when it is needed.
    Text {
        /// Where and how.
        server: Server,
        /// Which of the two.
        dialect: Dialect,
        /// The connection, unless there is none yet, or it broke.
        connection: Option<TextConnection>,
    },
    /// A system of the cluster.
    Cluster(System),
}

impl Target {
    /// Another connection to the same.
    pub fn again(&self) -> Self {
        match self {
            Self::Tyrant(server) => {
                Self::Tyrant(Server::new(server.address().clone(), server.options().clone()))
            }
            Self::Text { server, dialect, .. } => {
                Self::Text { server: server.clone(), dialect: *dialect, connection: None }
            }
            Self::Cluster(system) => Self::Cluster(system.clone()),
        }
    }

    /// Sends a batch, and hands out each reply with its place in the batch. Where it fails, some may have been.
    pub async fn exchange(
        &mut self,
        batch: &Batch,
        take: impl FnMut(usize, Reply<'_>),
    ) -> Result<(), Failure> {
        match self {
            Self::Tyrant(server) => tyrant(server, batch, take).await,
            Self::Cluster(system) => cluster(system, batch, take).await,
            Self::Text { server, dialect, connection } => {
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => {
                        TextConnection::open(server.address(), *dialect, server.options().timeout).await?
                    }
                };
                // One on which something went wrong is dropped here.
                open.exchange(batch, take).await?;
                *connection = Some(open);
                Ok(())
            }
        }
    }
}

async fn tyrant(
    server: &Server,
    batch: &Batch,
    mut take: impl FnMut(usize, Reply<'_>),
) -> Result<(), Failure> {
    let requests = batch.iter().map(|(operation, key, value)| match operation.kind {
        Kind::Get => Request::Get { key },
        Kind::Set => Request::Put { key, value },
        Kind::Delete => Request::Out { key },
    });
    let mut kinds = batch.iter().map(|(operation, ..)| operation.kind).enumerate();
    let exchange = server.pipeline(requests, |_, answer| {
        let Some((at, kind)) = kinds.next() else { return };
        let reply = match (answer, kind) {
            (Answer::Value(value), _) => Reply::Value(value),
            (Answer::Success, _) => Reply::Done,
            (_, Kind::Set) => Reply::Refused(b"failure; its log says why"),
            _ => Reply::Missing,
        };
        take(at, reply);
    });
    Ok(exchange.await?)
}

/// A single one by itself; of more, all of a kind together, as a program with many keys would.
async fn cluster(
    system: &System,
    batch: &Batch,
    mut take: impl FnMut(usize, Reply<'_>),
) -> Result<(), Failure> {
    let found = |was: bool| if was { Reply::Done } else { Reply::Missing };
    if let (1, Some((operation, key, value))) = (batch.len(), batch.iter().next()) {
        match operation.kind {
            Kind::Get => {
                let value = system.get(key).await?;
                take(0, value.as_deref().map_or(Reply::Missing, Reply::Value));
            }
            Kind::Set => {
                system.set(key, value).await?;
                take(0, Reply::Done);
            }
            Kind::Delete => take(0, found(system.delete(key).await?)),
        }
        return Ok(());
    }
    for kind in Kind::ALL {
        let of_kind = batch.iter().enumerate().filter(|(_, (operation, ..))| operation.kind == kind);
        let (places, records): (Vec<_>, Vec<_>) =
            of_kind.map(|(at, (_, key, value))| (at, (key, value))).unzip();
        let keys: Vec<_> = records.iter().map(|(key, _)| *key).collect();
        match kind {
            _ if keys.is_empty() => {}
            Kind::Get => {
                let values = system.get_many(&keys).await?;
                for (at, value) in places.into_iter().zip(&values) {
                    take(at, value.as_deref().map_or(Reply::Missing, Reply::Value));
                }
            }
            Kind::Set => {
                system.set_many(&records).await?;
                places.into_iter().for_each(|at| take(at, Reply::Done));
            }
            Kind::Delete => {
                let were = system.delete_many(&keys).await?;
                places.into_iter().zip(were).for_each(|(at, was)| take(at, found(was)));
            }
        }
    }
    Ok(())
}
