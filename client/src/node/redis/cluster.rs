//! A Redis Cluster, which finds its servers itself.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, StreamExt};
use redis::aio::ConnectionLike;
use redis::cluster_async::ClusterConnection;
use redis::cluster_read_routing::RandomReplicaStrategy;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::{
    Cmd, ConnectionAddr, ErrorKind, IntoConnectionInfo, Pipeline, ProtocolVersion, RedisError,
    ServerErrorKind, Value,
};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::error::{RedisFailure, RedisFailureKind};
use super::{Access, Answer, Repeat, answers};
use crate::address::Address;
use crate::config::{Config, ConfigError, NodeConfig, ReadFrom};
use crate::node::replicas::Fault;
use crate::tyrant::ServerOptions;

/// Requests that are on their way at once, of one call of many.
const AT_ONCE: usize = 512;
/// How often a request is sent anew where the cluster says that it was not carried out.
const ATTEMPTS: u32 = 16;
/// Between two of them, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// A cluster. Nothing is connected before the first call.
pub(super) struct Cluster {
    name: String,
    client: redis::cluster::ClusterClient,
    options: ServerOptions,
    connection: Mutex<Option<Connection>>,
}

struct Connection {
    handle: ClusterConnection,
    /// Ends with the runtime that the connection lives in.
    lifetime: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.lifetime.abort();
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Cluster {
    pub(super) fn new(config: &NodeConfig, cluster: &Config) -> Result<Self, ConfigError> {
        let wrong = |why: String| ConfigError::Redis { name: config.name.clone(), why };
        let mut seeds = Vec::new();
        for address in &config.replicas {
            let Address::Tcp { host, port } = address else {
                return Err(wrong(format!("{address} is no server of a Redis Cluster: give HOST:PORT")));
            };
            let seed = ConnectionAddr::Tcp(host.clone(), *port).into_connection_info();
            seeds.push(seed.map_err(|error| wrong(error.to_string()))?);
        }
        let options = cluster.server.clone();
        // Requests are repeated here and not by the crate, which would repeat those that may have been carried out.
        let mut builder = redis::cluster::ClusterClient::builder(seeds)
            .retries(0)
            .use_protocol(ProtocolVersion::RESP3)
            .connection_timeout(options.connect_timeout)
            .response_timeout(options.timeout);
        if cluster.read_from == ReadFrom::Any {
            builder = builder.read_routing_strategy(RandomReplicaStrategy);
        }
        let client = builder.build().map_err(|error| wrong(error.to_string()))?;
        let seeds: Vec<_> = config.replicas.iter().map(Address::to_string).collect();
        let name = format!("Redis Cluster at {}", seeds.join(", "));
        Ok(Self { name, client, options, connection: Mutex::default() })
    }

    pub(super) async fn run(&self, command: &Cmd, _access: Access, repeat: Repeat) -> Answer {
        self.route(command, None, repeat).await
    }

    /// Sends a command to where it is said to go or where its key belongs, again as long as it is known not to have
    /// been carried out.
    async fn route(&self, command: &Cmd, to: Option<SingleNodeRoutingInfo>, repeat: Repeat) -> Answer {
        let until = Instant::now() + self.options.timeout;
        let mut pause = PAUSE.0;
        let mut attempt = 0;
        loop {
            let mut connection = self.connection().await?;
            let sent = match to.clone() {
                Some(to) => connection.route_command(command.clone(), RoutingInfo::SingleNode(to)).await,
                None => connection.req_packed_command(command).await,
            };
            let mut error = match sent.and_then(Value::extract_error) {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let asked = self.ask(&mut connection, command, &error).await;
            match asked {
                Some(Ok(value)) => return Ok(value),
                Some(Err(at_other)) => error = at_other,
                None => {}
            }
            let failure = self.failure(&error).await;
            attempt += 1;
            let is_refused = !failure.is_of_transport();
            let is_in_time = attempt < ATTEMPTS && Instant::now() + pause < until;
            let may_repeat = repeat == Repeat::Always || !failure.may_be_done;
            if is_refused || !is_in_time || !may_repeat {
                return Err(failure);
            }
            // The map of the cluster has been asked for anew.
            if error.kind() != ErrorKind::Server(ServerErrorKind::Moved) || attempt > 1 {
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
            }
        }
    }

    /// While a slot moves, the server that it leaves names the one where the key may be already.
    async fn ask(
        &self,
        connection: &mut ClusterConnection,
        command: &Cmd,
        error: &RedisError,
    ) -> Option<RedisAnswer> {
        if error.kind() != ErrorKind::Server(ServerErrorKind::Ask) {
            return None;
        }
        let (host, port) = error.redirect_node()?.0.rsplit_once(':')?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let route = SingleNodeRoutingInfo::ByAddress { host, port: port.parse().ok()? };
        let mut both = Pipeline::with_capacity(2);
        both.cmd("ASKING").add_command(command.clone());
        let values = connection.route_pipeline(both, 1, 1, route).await;
        let value = values.map(|values| values.into_iter().next().unwrap_or_default());
        Some(value.and_then(Value::extract_error))
    }

    /// Each to where it belongs, many at once.
    pub(super) async fn run_many(
        &self,
        commands: &Pipeline,
        access: Access,
        repeat: Repeat,
    ) -> Result<Vec<Answer>, RedisFailure> {
        // Boxed because the compiler cannot see otherwise that a caller's future may go from thread to thread.
        let each: Vec<BoxFuture<'_, Answer>> =
            commands.cmd_iter().map(|command| self.run(command, access, repeat).boxed()).collect();
        Ok(stream::iter(each).buffered(AT_ONCE).collect().await)
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Asks any server of the cluster.
    pub(super) async fn run_anywhere(&self, command: &Cmd) -> Answer {
        self.route(command, Some(SingleNodeRoutingInfo::Random), Repeat::Always).await
    }

    /// Asks one server of the cluster.
    pub(super) async fn run_at(&self, address: &(String, u16), command: &Cmd) -> Answer {
        let (host, port) = address.clone();
        self.route(command, Some(SingleNodeRoutingInfo::ByAddress { host, port }), Repeat::Always).await
    }

    /// Many requests to one server of the cluster.
    pub(super) async fn run_many_at(
        &self,
        address: &(String, u16),
        commands: Pipeline,
    ) -> Result<Vec<Answer>, RedisFailure> {
        let (host, port) = address.clone();
        let count = commands.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let mut connection = self.connection().await?;
        let route = SingleNodeRoutingInfo::ByAddress { host, port };
        match connection.route_pipeline(commands, 0, count, route).await {
            Ok(values) => answers(&self.name, values, count, self.options.timeout),
            Err(error) => Err(self.failure(&error).await),
        }
    }

    async fn failure(&self, error: &RedisError) -> RedisFailure {
        let mut failure = RedisFailure::of(&self.name, error, self.options.timeout);
        if let RedisFailureKind::IsCluster = failure.kind {
            failure.kind = RedisFailureKind::Unready(error.to_string());
        }
        failure
    }

    /// The connection, which is made where there is none. Whoever waits for another caller to make it waits no longer
    /// than if it made it itself.
    async fn connection(&self) -> Result<ClusterConnection, RedisFailure> {
        // The seeds are tried one after the other.
        let limit = self.options.connect_timeout + self.options.timeout;
        let opened = match timeout(limit, self.current_or_new()).await {
            Err(_) => Err(RedisFailureKind::ConnectTimeout(limit)),
            Ok(Err(error)) => Err(RedisFailureKind::Connect(std::io::Error::other(error.to_string()))),
            Ok(Ok(opened)) => Ok(opened),
        };
        opened.map_err(|kind| RedisFailure::unsent(&self.name, kind))
    }

    async fn current_or_new(&self) -> Result<ClusterConnection, RedisError> {
        let mut connection = self.connection.lock().await;
        if let Some(Connection { handle, lifetime }) = &*connection
            && !lifetime.is_finished()
        {
            return Ok(handle.clone());
        }
        let handle = self.client.get_async_connection().await?;
        let lifetime = tokio::spawn(std::future::pending());
        *connection = Some(Connection { handle: handle.clone(), lifetime });
        Ok(handle)
    }
}

type RedisAnswer = Result<Value, RedisError>;
