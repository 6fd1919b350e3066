//! The cluster as its clients know it.

use lightcloud::{Config, NodeConfig};

use super::{Cluster, Kind, Role};

impl Cluster {
    /// What `lightcloud::LightCloud` is made of.
    pub fn lightcloud(&self) -> Config {
        let nodes = self.nodes.iter().map(|node| NodeConfig {
            name: node.name.clone(),
            system: node.system.clone(),
            role: match node.role {
                Role::Lookup => lightcloud::Role::Lookup,
                Role::Storage => lightcloud::Role::Storage,
            },
            weight: node.weight,
            kind: match node.kind {
                Kind::Tyrant => lightcloud::Kind::Tyrant,
                Kind::Redis => lightcloud::Kind::Redis,
                Kind::RedisCluster => lightcloud::Kind::RedisCluster,
            },
            replicas: node.servers.iter().map(|server| server.address()).collect(),
        });
        let mut config = Config { nodes: nodes.collect(), ..Config::default() };
        config.server.timeout = self.timeout;
        config
    }
}
