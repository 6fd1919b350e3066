//! A server and the connections to it.

use std::sync::Arc;
use std::time::Duration;

use lcnode_protocol::Command;
use lcnode_protocol::binary::client::Answer;
use lcnode_protocol::request::Request;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::connection::{Connection, Interrupted};
use super::error::{ErrorKind, ServerError};
use crate::address::Address;

/// How a server is talked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// The longest that connecting may take, the look-up of the host included. 1 second.
    pub connect_timeout: Duration,
    /// The longest that a server may stay silent while an answer is due. 5 seconds.
    pub timeout: Duration,
    /// The most connections at once; further calls wait for one. 64.
    pub connections: usize,
    /// The longest reply, in bytes. 1 GiB.
    pub max_reply: usize,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            connections: 64,
            max_reply: 1 << 30,
        }
    }
}

/// A server that speaks the Tokyo Tyrant protocol, and the connections to it. Clones share them.
///
/// Nothing is connected before the first call. A connection serves one call at a time, and is kept for the next;
/// where a call is given up before its answer came, its connection is closed.
#[derive(Debug, Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    options: ServerOptions,
    idle: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Server {
    /// The server at an address.
    pub fn new(address: Address, options: ServerOptions) -> Self {
        let permits = Semaphore::new(options.connections.clamp(1, Semaphore::MAX_PERMITS));
        Self { shared: Arc::new(Shared { address, options, idle: Mutex::default(), permits }) }
    }

    /// Where it listens.
    pub fn address(&self) -> &Address {
        &self.shared.address
    }

    /// How it is talked to.
    pub fn options(&self) -> &ServerOptions {
        &self.shared.options
    }

    /// Sends one request and makes something of its answer; `None` where the answer is none that the command has.
    ///
    /// Not for `putnr` and `repl`, which have no answer: those fail as [`ErrorKind::Unexpected`].
    pub async fn call<T>(
        &self,
        request: Request<'_>,
        make: impl FnOnce(Answer<'_>) -> Option<T>,
    ) -> Result<T, ServerError> {
        let command = request.command();
        let unexpected = || self.error(ErrorKind::Unexpected(command), true);
        if matches!(command, Command::Repl | Command::PutNr) {
            return Err(unexpected());
        }
        let mut make = Some(make);
        let mut made = None;
        let take = |_, answer: Answer<'_>| made = make.take().and_then(|make| make(answer));
        self.pipeline(std::iter::once(request), take).await?;
        made.ok_or_else(unexpected)
    }

    /// Sends all requests on one connection without waiting in between and hands out each answer, in their order.
    /// `putnr` has none, `repl` must not be among them.
    ///
    /// Where it fails, the answers that came before it did have been handed out.
    pub async fn pipeline<'r>(
        &self,
        requests: impl Iterator<Item = Request<'r>>,
        take: impl FnMut(Command, Answer<'_>),
    ) -> Result<(), ServerError> {
        // It is never closed.
        let _permit = self.shared.permits.acquire().await;
        let options = &self.shared.options;
        let mut connection = self.connection().await.map_err(|kind| self.error(kind, false))?;
        let exchanged = connection.exchange(requests, options, take).await;
        exchanged.map_err(|Interrupted { kind, sent }| self.error(kind, sent))?;
        self.shared.idle.lock().push(connection);
        Ok(())
    }

    /// An idle connection, or a new one.
    async fn connection(&self) -> Result<Connection, ErrorKind> {
        while let Some(connection) = self.pop() {
            if connection.is_idle() {
                return Ok(connection);
            }
        }
        Connection::open(&self.shared.address, &self.shared.options).await
    }

    fn pop(&self) -> Option<Connection> {
        self.shared.idle.lock().pop()
    }

    pub(crate) fn error(&self, kind: ErrorKind, may_be_done: bool) -> ServerError {
        ServerError { address: self.shared.address.clone(), kind, may_be_done }
    }
}
