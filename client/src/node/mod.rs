//! A node: servers that all hold the same records, of which any may answer.

mod error;
#[cfg(feature = "redis")]
mod redis;
pub(crate) mod replicas;
mod tyrant;

use bytes::Bytes;

pub use error::{NodeError, NodeErrorKind};
#[cfg(feature = "redis")]
pub use redis::{RedisFailure, RedisFailureKind};

use crate::config::{Config, ConfigError, Kind, NodeConfig};

type Result<T> = std::result::Result<T, NodeError>;

/// A record, as walks over a node meet it.
pub(crate) type Record = (Bytes, Bytes);

/// How far a walk over a node has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct ScanCursor {
    /// The server that is walked over, once one is.
    pub(crate) replica: Option<usize>,
    /// What it said where it goes on; none at the beginning.
    pub(crate) position: Option<Bytes>,
    /// Keys that are still to be read, from servers that say all at once.
    pub(crate) keys: Option<std::vec::IntoIter<Bytes>>,
    /// How often it had to begin anew.
    pub(crate) failures: usize,
}

/// A node of any kind.
#[derive(Debug)]
pub(crate) struct Node {
    name: String,
    config: NodeConfig,
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Tyrant(tyrant::TyrantNode),
    #[cfg(feature = "redis")]
    Redis(redis::RedisNode),
}

/// The same call of whatever backend it is, with the node's name in its error.
macro_rules! on_backend {
    ($node:expr, $backend:ident => $call:expr) => {{
        let called = match &$node.backend {
            Backend::Tyrant($backend) => $call.await.map_err(NodeErrorKind::from),
            #[cfg(feature = "redis")]
            Backend::Redis($backend) => $call.await.map_err(NodeErrorKind::from),
        };
        called.map_err(|kind| NodeError { node: $node.name.clone(), kind })
    }};
}

impl Node {
    /// A node as configured. Nothing is connected yet.
    pub(crate) fn new(config: &NodeConfig, cluster: &Config) -> std::result::Result<Self, ConfigError> {
        let backend = match config.kind {
            Kind::Tyrant => Backend::Tyrant(tyrant::TyrantNode::new(config, cluster)),
            #[cfg(feature = "redis")]
            Kind::Redis | Kind::RedisCluster => Backend::Redis(redis::RedisNode::new(config, cluster)?),
            #[cfg(not(feature = "redis"))]
            Kind::Redis | Kind::RedisCluster => return Err(ConfigError::NoRedis(config.name.clone())),
        };
        Ok(Self { name: config.name.clone(), config: config.clone(), backend })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn config(&self) -> &NodeConfig {
        &self.config
    }

    pub(crate) async fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        on_backend!(self, node => node.get(key))
    }

    pub(crate) async fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        on_backend!(self, node => node.put(key, value))
    }

    /// Stores a record where there is none; says whether it did. Where a replica failed meanwhile, what was found may
    /// be what this call had stored there.
    pub(crate) async fn put_keep(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        on_backend!(self, node => node.put_keep(key, value))
    }

    /// Removes a record; says whether there was one, as far as is known.
    pub(crate) async fn delete(&self, key: &[u8]) -> Result<bool> {
        on_backend!(self, node => node.delete(key))
    }

    pub(crate) async fn incr(&self, key: &[u8], delta: i64) -> Result<i64> {
        on_backend!(self, node => node.incr(key, delta))
    }

    /// Makes an empty list.
    pub(crate) async fn list_init(&self, key: &[u8]) -> Result<()> {
        on_backend!(self, node => node.list_init(key))
    }

    /// Appends those of the items that are not in the list yet.
    pub(crate) async fn list_add(&self, key: &[u8], items: &[&[u8]], limit: Option<usize>) -> Result<()> {
        on_backend!(self, node => node.list_add(key, items, limit))
    }

    pub(crate) async fn list_remove(&self, key: &[u8], items: &[&[u8]]) -> Result<()> {
        on_backend!(self, node => node.list_remove(key, items))
    }

    /// Replaces the list.
    pub(crate) async fn list_set(&self, key: &[u8], items: &[&[u8]]) -> Result<()> {
        on_backend!(self, node => node.list_set(key, items))
    }

    /// The items of a list, oldest first; none where there is no list, not even an empty one.
    pub(crate) async fn list_get(&self, key: &[u8]) -> Result<Option<Vec<Bytes>>> {
        on_backend!(self, node => node.list_get(key))
    }

    /// The values of many keys, in their order.
    pub(crate) async fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        on_backend!(self, node => node.get_many(keys))
    }

    pub(crate) async fn put_many(&self, records: &[(&[u8], &[u8])]) -> Result<()> {
        on_backend!(self, node => node.put_many(records))
    }

    /// Stores those records whose keys have none; says of each whether it was stored, as [`Self::put_keep`] does.
    pub(crate) async fn put_keep_many(&self, records: &[(&[u8], &[u8])]) -> Result<Vec<bool>> {
        on_backend!(self, node => node.put_keep_many(records))
    }

    pub(crate) async fn delete_many(&self, keys: &[&[u8]]) -> Result<Vec<bool>> {
        on_backend!(self, node => node.delete_many(keys))
    }

    /// All keys that begin with a prefix. Only of servers that speak the Tokyo Tyrant protocol.
    pub(crate) async fn keys_from(&self, prefix: &[u8]) -> Result<Vec<Bytes>> {
        match &self.backend {
            Backend::Tyrant(node) => {
                node.keys_from(prefix).await.map_err(|kind| NodeError { node: self.name.clone(), kind })
            }
            #[cfg(feature = "redis")]
            Backend::Redis(_) => Ok(Vec::new()),
        }
    }

    /// Some further records of all; none at the end. A record that is there all the time is met at least once.
    pub(crate) async fn scan(&self, cursor: &mut ScanCursor) -> Result<Option<Vec<Record>>> {
        on_backend!(self, node => node.scan(cursor))
    }
}
