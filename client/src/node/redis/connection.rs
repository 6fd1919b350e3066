//! One Redis server and the connection to it, which all calls share.

use std::sync::Arc;

use parking_lot::Mutex;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Mutex as AsyncMutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::error::{RedisFailure, RedisFailureKind};
use super::{Answer, answers};
use crate::address::Address;
use crate::tyrant::ServerOptions;

/// A server. Nothing is connected before the first call.
#[derive(Debug)]
pub(super) struct Server {
    address: Address,
    options: ServerOptions,
    current: Mutex<Option<Arc<Connection>>>,
    /// So that calls that need a connection at the same time make one.
    connecting: AsyncMutex<()>,
}

#[derive(Debug)]
struct Connection {
    handle: MultiplexedConnection,
    /// Reads and writes; over once the connection is closed.
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Server {
    pub(super) fn new(address: Address, options: ServerOptions) -> Self {
        Self { address, options, current: Mutex::default(), connecting: AsyncMutex::default() }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) async fn run(&self, command: &Cmd) -> Answer {
        let connection = self.connection().await?;
        let answer = connection.handle.clone().req_packed_command(command).await;
        let answer = answer.and_then(Value::extract_error);
        answer.map_err(|error| self.failure(&connection, &error))
    }

    /// Sends all without waiting in between; an answer for each.
    pub(super) async fn run_many(&self, commands: &Pipeline) -> Result<Vec<Answer>, RedisFailure> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let connection = self.connection().await?;
        let mut handle = connection.handle.clone();
        let values = handle.req_packed_commands(commands, 0, commands.len()).await;
        let values = values.map_err(|error| self.failure(&connection, &error))?;
        answers(&self.address, values, commands.len(), self.options.timeout)
    }

    fn failure(&self, connection: &Arc<Connection>, error: &redis::RedisError) -> RedisFailure {
        let failure = RedisFailure::of(&self.address, error, self.options.timeout);
        if failure.is_of_connection() {
            let mut current = self.current.lock();
            if current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection)) {
                *current = None;
            }
        }
        failure
    }

    fn usable(&self) -> Option<Arc<Connection>> {
        let current = self.current.lock();
        current.as_ref().filter(|connection| !connection.driver.is_finished()).cloned()
    }

    async fn connection(&self) -> Result<Arc<Connection>, RedisFailure> {
        if let Some(connection) = self.usable() {
            return Ok(connection);
        }
        let limit = self.options.connect_timeout;
        let connected = match timeout(limit, self.connect()).await {
            Err(_) => Err(RedisFailureKind::ConnectTimeout(limit)),
            Ok(connected) => connected,
        };
        connected.map_err(|kind| RedisFailure::unsent(&self.address, kind))
    }

    /// A new connection, or one that another caller has made meanwhile.
    async fn connect(&self) -> Result<Arc<Connection>, RedisFailureKind> {
        let _one_at_a_time = self.connecting.lock().await;
        if let Some(connection) = self.usable() {
            return Ok(connection);
        }
        let connection = Arc::new(self.open().await?);
        *self.current.lock() = Some(connection.clone());
        Ok(connection)
    }

    async fn open(&self) -> Result<Connection, RedisFailureKind> {
        match &self.address {
            Address::Tcp { host, port } => {
                let stream =
                    TcpStream::connect((&host[..], *port)).await.map_err(RedisFailureKind::Connect)?;
                stream.set_nodelay(true).map_err(RedisFailureKind::Connect)?;
                self.greet(stream).await
            }
            Address::Unix(path) => {
                self.greet(UnixStream::connect(path).await.map_err(RedisFailureKind::Connect)?).await
            }
        }
    }

    async fn greet<S>(&self, stream: S) -> Result<Connection, RedisFailureKind>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(self.options.timeout));
        let greeted =
            MultiplexedConnection::new_with_config(&RedisConnectionInfo::default(), stream, config).await;
        let (handle, driver) = greeted.map_err(|error| RedisFailureKind::Broken(error.to_string()))?;
        Ok(Connection { handle, driver: tokio::spawn(driver) })
    }
}
