//! Where everything goes: a server or a cluster.

use bytes::Bytes;
use lightcloud::tyrant::{Answer, Request, Server};
use lightcloud::{Config, LightCloud, NodeConfig, System};

use super::walk::Record;
use crate::config::{self, Cluster};
use crate::context::Failure;

/// Where everything goes.
#[derive(Debug)]
pub enum Target {
    /// One server.
    Server(Server),
    /// A system of the cluster of a file.
    Cluster(System),
}

impl Target {
    /// A system of a cluster.
    pub fn cluster(cluster: &Cluster, system: &str) -> Result<Self, Failure> {
        let nodes = cluster.nodes.iter().map(|node| NodeConfig {
            name: node.name.clone(),
            system: node.system.clone(),
            role: match node.role {
                config::Role::Lookup => lightcloud::Role::Lookup,
                config::Role::Storage => lightcloud::Role::Storage,
            },
            weight: node.weight,
            kind: match node.kind {
                config::Kind::Tyrant => lightcloud::Kind::Tyrant,
                config::Kind::Redis => lightcloud::Kind::Redis,
                config::Kind::RedisCluster => lightcloud::Kind::RedisCluster,
            },
            replicas: node.servers.iter().map(config::Server::address).collect(),
        });
        let mut config = Config { nodes: nodes.collect(), ..Config::default() };
        config.server.timeout = cluster.timeout;
        let named = |error| format!("{}: {error}", cluster.path.display());
        let cloud = LightCloud::new(config).map_err(named)?;
        Ok(Self::Cluster(cloud.system(system).map_err(named)?))
    }

    /// The records that it has already, where that is known.
    pub async fn records(&self) -> Result<Option<u64>, Failure> {
        match self {
            Self::Server(server) => Ok(Some(server.rnum().await?)),
            Self::Cluster(_) => Ok(None),
        }
    }

    /// Stores records.
    pub async fn put(&self, records: &[Record]) -> Result<(), Failure> {
        match self {
            Self::Server(server) => {
                let puts = records.iter().map(|(key, value)| Request::Put { key, value });
                let mut failed = None;
                let mut at = 0;
                let take = |_, answer: Answer<'_>| {
                    if answer != Answer::Success && failed.is_none() {
                        failed = Some(at);
                    }
                    at += 1;
                };
                server.pipeline(puts, take).await?;
                match failed.and_then(|at| records.get(at)) {
                    None => Ok(()),
                    Some((key, _)) => {
                        let key = String::from_utf8_lossy(key);
                        Err(format!("{} did not store {key:?}: its log says why", server.address()).into())
                    }
                }
            }
            Self::Cluster(system) => Ok(system.set_many(records).await?),
        }
    }

    /// Removes records, where they are there.
    pub async fn delete(&self, keys: &[Bytes]) -> Result<(), Failure> {
        match self {
            Self::Server(server) => {
                // Whether it was there is of no interest.
                Ok(server.pipeline(keys.iter().map(|key| Request::Out { key }), |_, _| {}).await?)
            }
            Self::Cluster(system) => Ok(system.delete_many(keys).await.map(|_| ())?),
        }
    }

    /// Removes everything.
    ///
    /// Errors: also for a cluster, of which this is not the only client perhaps.
    pub async fn vanish(&self) -> Result<(), Failure> {
        match self {
            Self::Server(server) => Ok(server.vanish().await?),
            Self::Cluster(_) => Err("the source was emptied (vanish) since the copy began; that is not done to a \
                                     whole cluster: empty it with `lcmgr delete-data`, and migrate anew, with a \
                                     new state file"
                .into()),
        }
    }
}
