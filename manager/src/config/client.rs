//! The cluster as clients know it.

use std::time::Duration;

use lightcloud::tyrant::ServerOptions;

use super::{Cluster, Kind, Node, Role};

/// The longest that connecting may take where the file allows longer for an answer.
const CONNECT: Duration = Duration::from_secs(1);

impl Cluster {
    /// What a client of the cluster is made with.
    pub fn lightcloud(&self) -> lightcloud::Config {
        lightcloud::Config {
            nodes: self.nodes.iter().map(Node::lightcloud).collect(),
            server: self.server_options(),
            ..Default::default()
        }
    }

    /// How a server of the cluster is talked to.
    pub fn server_options(&self) -> ServerOptions {
        ServerOptions {
            connect_timeout: self.timeout.min(CONNECT),
            timeout: self.timeout,
            ..Default::default()
        }
    }
}

impl Node {
    fn lightcloud(&self) -> lightcloud::NodeConfig {
        lightcloud::NodeConfig {
            name: self.name.clone(),
            system: self.system.clone(),
            role: match self.role {
                Role::Lookup => lightcloud::Role::Lookup,
                Role::Storage => lightcloud::Role::Storage,
            },
            weight: self.weight,
            kind: match self.kind {
                Kind::Tyrant => lightcloud::Kind::Tyrant,
                Kind::Redis => lightcloud::Kind::Redis,
                Kind::RedisCluster => lightcloud::Kind::RedisCluster,
            },
            replicas: self.servers.iter().map(|server| server.address()).collect(),
        }
    }
}
