//! The cluster as its clients know it.

use lightcloud::tyrant::ServerOptions;
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
        Config { nodes: nodes.collect(), server: self.server_options(), ..Config::default() }
    }

    /// How a server of the cluster is talked to.
    pub fn server_options(&self) -> ServerOptions {
        let default = ServerOptions::default();
        let connect_timeout = self.timeout.min(default.connect_timeout);
        ServerOptions { connect_timeout, timeout: self.timeout, ..default }
    }
}
