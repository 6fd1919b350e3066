//! What a cluster consists of, as its clients know it.

use std::collections::HashSet;
use std::time::Duration;

use thiserror::Error;

use crate::address::Address;
use crate::ring::RingError;
use crate::tyrant::ServerOptions;

/// The name of the system where none is given.
pub const DEFAULT_SYSTEM: &str = "default";
/// The longest name of a node, in bytes.
pub const MAX_NAME: usize = 255;

/// A cluster, and how it is talked to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// All nodes of all systems. The order of those of one ring matters where points of two coincide.
    pub nodes: Vec<NodeConfig>,
    /// How each server is talked to.
    pub server: ServerOptions,
    /// Which replica of a node is read.
    pub read_from: ReadFrom,
    /// A local cache of values; none unless asked for.
    pub cache: Option<CacheConfig>,
}

/// A local cache of values. Another client's changes are seen as soon as an entry is too old.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheConfig {
    /// The most values.
    pub entries: usize,
    /// How old a value may be.
    pub time_to_live: Duration,
}

/// A node: a place on one of the two rings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its name, which alone decides which keys belong here. It is what lookup records hold: a node that is renamed
    /// is another node.
    pub name: String,
    /// The label of the pair of rings that it is of.
    pub system: String,
    /// Which of the two rings.
    pub role: Role,
    /// Its share of the keys, relative to the others of the ring: see [`Ring::weighted`](crate::ring::Ring::weighted).
    /// 0 for a storage node that is given up: it is not on the ring, no key goes there, and those that are there are
    /// found.
    pub weight: u32,
    /// What its servers are.
    pub kind: Kind,
    /// Servers that all hold the same records. The order decides which of them a key prefers.
    pub replicas: Vec<Address>,
}

/// Which of the two rings a node is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It says where keys are.
    Lookup,
    /// It has their values.
    Storage,
}

/// What the servers of a node are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// They speak the Tokyo Tyrant protocol: lcnode, or Tokyo Tyrant itself.
    #[default]
    Tyrant,
    /// Redis servers of which each holds everything.
    Redis,
    /// A Redis Cluster, found by these of its servers.
    RedisCluster,
}

/// Which replica of a node is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReadFrom {
    /// The one that the key prefers, which is written as well: what was written is read.
    #[default]
    Preferred,
    /// Any, at random: spreads the load of keys that are read often, but what was just written elsewhere may be
    /// missing for the moment that replication takes.
    Any,
}

/// Why a configuration is none.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// There is no storage node.
    #[error("system {0} has no storage node: keys would have no place")]
    NoStorage(String),
    /// There is no lookup node.
    #[error("system {0} has no lookup node: nobody would know where keys are")]
    NoLookup(String),
    /// There are no nodes.
    #[error("there are no nodes")]
    Empty,
    /// A name that cannot be a node's.
    #[error("{name:?} is no name for a node: {why}")]
    Name {
        /// The name.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// A node without servers.
    #[error("node {0} has no servers")]
    NoReplicas(String),
    /// A server that two nodes of a system have, or one twice: rings that share records damage each other.
    #[error("system {system} has the server {address} twice")]
    SharedReplica {
        /// The system.
        system: String,
        /// The server.
        address: Address,
    },
    /// No ring can be made of the nodes.
    #[error("system {system}: {error}")]
    Ring {
        /// The system.
        system: String,
        /// Why.
        error: RingError,
    },
    /// Support of Redis was not built in.
    #[error(
        "node {0} is of Redis servers, which this program was built without: feature \"redis\" of lightcloud"
    )]
    NoRedis(String),
    /// A Redis node that cannot be talked to as its servers are given.
    #[error("node {name}: {why}")]
    Redis {
        /// The node.
        name: String,
        /// Why.
        why: String,
    },
}

impl NodeConfig {
    /// A node of servers that speak the Tokyo Tyrant protocol, of weight 1, in the system [`DEFAULT_SYSTEM`].
    pub fn new(name: impl Into<String>, role: Role, replicas: impl IntoIterator<Item = Address>) -> Self {
        Self {
            name: name.into(),
            system: DEFAULT_SYSTEM.to_owned(),
            role,
            weight: 1,
            kind: Kind::Tyrant,
            replicas: replicas.into_iter().collect(),
        }
    }
}

impl Role {
    /// The role that LightCloud reads out of a node's name: that with `lookup` in it is a lookup node, else that with
    /// `storage` a storage node.
    pub fn of_name(name: &str) -> Option<Self> {
        if name.contains("lookup") {
            Some(Self::Lookup)
        } else if name.contains("storage") {
            Some(Self::Storage)
        } else {
            None
        }
    }
}

impl Config {
    /// Checks all that can be checked without talking to anybody.
    pub fn check(&self) -> Result<(), ConfigError> {
        if self.nodes.is_empty() {
            return Err(ConfigError::Empty);
        }
        for node in &self.nodes {
            let wrong = |why| ConfigError::Name { name: node.name.clone(), why };
            if node.name.is_empty() || node.name.len() > MAX_NAME {
                return Err(wrong("give it 1 to 255 bytes"));
            }
            if node.name.contains(['>', '@']) || node.name.chars().any(char::is_control) {
                return Err(wrong(
                    "control characters, > and @ have another meaning where keys are recorded",
                ));
            }
            if node.replicas.is_empty() {
                return Err(ConfigError::NoReplicas(node.name.clone()));
            }
        }
        for system in self.systems() {
            let nodes = || self.nodes.iter().filter(|node| node.system == system);
            if !nodes().any(|node| node.role == Role::Storage && node.weight > 0) {
                return Err(ConfigError::NoStorage(system.to_owned()));
            }
            if !nodes().any(|node| node.role == Role::Lookup && node.weight > 0) {
                return Err(ConfigError::NoLookup(system.to_owned()));
            }
            let mut seen = HashSet::new();
            for address in nodes().flat_map(|node| &node.replicas) {
                if !seen.insert(address) {
                    let (system, address) = (system.to_owned(), address.clone());
                    return Err(ConfigError::SharedReplica { system, address });
                }
            }
        }
        Ok(())
    }

    /// The labels of all systems, in the order of their first nodes.
    pub fn systems(&self) -> Vec<&str> {
        let mut seen = HashSet::new();
        let labels = self.nodes.iter().map(|node| &node.system[..]);
        labels.filter(|label| seen.insert(*label)).collect()
    }
}
