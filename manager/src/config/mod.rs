//! The file that describes a cluster.
//!
//! ```toml
//! data-dir = "/var/lib/lightcloud"
//! options = ["--ext", "incr.lua", "--ext", "list.lua"]
//!
//! [[node]]
//! name = "lookup1_A"
//! servers = [{ host = "127.0.0.1", port = 41201 }, { host = "127.0.0.1", port = 51201 }]
//!
//! [[node]]
//! name = "storage1_A"
//! servers = [{ host = "127.0.0.1", port = 44201 }, { host = "127.0.0.1", port = 54201 }]
//! ```
//!
//! A *node* is a place on a ring, known by its name; its *servers* all hold the same records and follow each other.

mod clients;

use std::path::{Path, PathBuf};
use std::time::Duration;

use lightcloud::Address;
use serde::Deserialize;
use thiserror::Error;

/// A cluster as its file describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// The file.
    pub path: PathBuf,
    /// Where servers have their data, each in a directory of its own with its name, unless they say otherwise.
    pub data_dir: PathBuf,
    /// The program of a node: `lcnode`, beside this one or found by `PATH`, unless the file says otherwise.
    pub program: Option<PathBuf>,
    /// Options of every server, before its own.
    pub options: Vec<String>,
    /// How long a server may take to answer.
    pub timeout: Duration,
    /// In the order of the file, which is the order on the rings.
    pub nodes: Vec<Node>,
}

/// A place on a ring.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// The name, which alone decides which keys belong here.
    pub name: String,
    /// The label of the pair of rings; `default` unless given.
    pub system: String,
    /// Which of the two rings.
    pub role: Role,
    /// Its share of the keys, relative to the others of the ring.
    pub weight: u32,
    /// What its servers are.
    pub kind: Kind,
    /// At least one. All hold the same records.
    pub servers: Vec<Server>,
}

/// Which ring a node is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Says where keys are.
    Lookup,
    /// Has their values.
    Storage,
}

/// What the servers of a node are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// lcnode, or Tokyo Tyrant. The only kind that is started and stopped from here.
    #[default]
    Tyrant,
    /// Redis servers.
    Redis,
    /// One Redis Cluster, whose servers are named to find it.
    RedisCluster,
}

/// A process that holds the records of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name in commands; `NODE-1`, `NODE-2`, … unless given.
    pub name: String,
    /// Host name or number.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Server id of its database; chosen by the database itself unless given.
    pub id: Option<u16>,
    /// Whom it follows: all other servers of its node, unless given.
    pub masters: Vec<Address>,
    /// Where its data is.
    pub data_dir: PathBuf,
    /// The destination for `ssh`, where it runs on another host that is reached so.
    pub ssh: Option<String>,
    /// Further options of its command line.
    pub options: Vec<String>,
}

/// Why there is no cluster.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}; write one, or name it with --config", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// It is not TOML, or has what no cluster has.
    #[error("{}: {error}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: toml::de::Error,
    },
    /// It describes no cluster that could work.
    #[error("{}: {why}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What, and what to do.
        why: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct File {
    data_dir: Option<PathBuf>,
    program: Option<PathBuf>,
    #[serde(default)]
    options: Vec<String>,
    timeout: Option<f64>,
    #[serde(default, rename = "node")]
    nodes: Vec<NodeEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct NodeEntry {
    name: String,
    role: Option<Role>,
    system: Option<String>,
    weight: Option<u32>,
    #[serde(default)]
    kind: Kind,
    servers: Vec<ServerEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ServerEntry {
    name: Option<String>,
    host: String,
    port: u16,
    id: Option<u16>,
    masters: Option<Vec<String>>,
    data_dir: Option<PathBuf>,
    ssh: Option<String>,
    #[serde(default)]
    options: Vec<String>,
}

impl Cluster {
    /// Reads the file of a cluster.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(path, &text)
    }

    /// Understands the text of the file at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file: File =
            toml::from_str(text).map_err(|error| ConfigError::Malformed { path: path.to_owned(), error })?;
        let wrong = |why: String| ConfigError::Wrong { path: path.to_owned(), why };
        let folder = std::path::absolute(path).ok().and_then(|path| path.parent().map(Path::to_owned));
        let folder = folder.unwrap_or_default();
        let data_dir = folder.join(file.data_dir.unwrap_or_else(|| "data".into()));
        let timeout = Duration::try_from_secs_f64(file.timeout.unwrap_or(5.0)).ok().filter(|t| !t.is_zero());
        let timeout = timeout.ok_or_else(|| wrong("timeout is no number of seconds above 0".into()))?;
        let nodes = file.nodes.into_iter().map(|entry| entry.resolve(&data_dir).map_err(wrong));
        let nodes = nodes.collect::<Result<_, _>>()?;
        Ok(Self {
            path: path.to_owned(),
            data_dir,
            program: file.program,
            options: file.options,
            timeout,
            nodes,
        })
    }

    /// All servers, each with its node.
    pub fn servers(&self) -> impl Iterator<Item = (&Node, &Server)> {
        self.nodes.iter().flat_map(|node| node.servers.iter().map(move |server| (node, server)))
    }
}

impl Server {
    /// Where clients connect to.
    pub fn address(&self) -> Address {
        Address::tcp(&self.host[..], self.port)
    }
}

impl NodeEntry {
    fn resolve(self, data_dir: &Path) -> Result<Node, String> {
        let name = self.name;
        let by_name = match (name.contains("lookup"), name.contains("storage")) {
            (true, _) => Some(Role::Lookup),
            (_, true) => Some(Role::Storage),
            _ => None,
        };
        let role = self.role.or(by_name).ok_or_else(|| {
            format!("node {name}: its name has neither lookup nor storage in it: say role = \"lookup\" or \"storage\"")
        })?;
        let addresses: Vec<_> =
            self.servers.iter().map(|server| Address::tcp(&server.host[..], server.port)).collect();
        let mut servers = Vec::new();
        for (at, server) in self.servers.into_iter().enumerate() {
            let server_name = server.name.unwrap_or_else(|| format!("{name}-{}", at + 1));
            let masters = match server.masters {
                Some(texts) => {
                    let parsed = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
                    parsed.map_err(|error| format!("masters of server {server_name}: {error}"))?
                }
                None => {
                    let others = addresses.iter().enumerate().filter(|(other, _)| *other != at);
                    others.map(|(_, address)| address.clone()).collect()
                }
            };
            let own = server.data_dir.unwrap_or_else(|| PathBuf::from(&server_name));
            servers.push(Server {
                host: server.host,
                port: server.port,
                id: server.id,
                masters,
                data_dir: data_dir.join(own),
                ssh: server.ssh,
                options: server.options,
                name: server_name,
            });
        }
        let system = self.system.unwrap_or_else(|| "default".to_owned());
        Ok(Node { name, system, role, weight: self.weight.unwrap_or(1), kind: self.kind, servers })
    }
}
