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
//!
//! From here: `file` is the file as it is written, `check` what a cluster must be, `select` finds servers by name,
//! `clients` is what clients of the cluster need of it, `edit` changes the file.

mod check;
mod clients;
pub mod edit;
mod file;
mod select;
#[cfg(test)]
mod tests;

pub use select::ALL;

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
    /// Its share of the keys, relative to the others of the ring; 0 where it is being given up.
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
    #[error("{}: {error}{hint}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: toml::de::Error,
        /// What may have been meant; empty if there is no telling.
        hint: String,
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

impl Cluster {
    /// Reads the file of a cluster.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        Self::parse(path, &text)
    }

    /// Understands the text of the file at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let cluster = file::read(path, text)?;
        check::check(&cluster).map_err(|why| ConfigError::Wrong { path: path.to_owned(), why })?;
        Ok(cluster)
    }

    /// The folder of the file, which its relative paths start at.
    pub fn folder(&self) -> PathBuf {
        let file = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        file.parent().map(Path::to_owned).unwrap_or_default()
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

    /// Its database.
    pub fn database(&self) -> PathBuf {
        self.data_dir.join(format!("{}.tch", self.name))
    }

    /// Where its process id is while it runs.
    pub fn pid_file(&self) -> PathBuf {
        self.data_dir.join(format!("{}.pid", self.name))
    }

    /// What it has to say.
    pub fn log_file(&self) -> PathBuf {
        self.data_dir.join(format!("{}.log", self.name))
    }

    /// Where its copies may be made.
    pub fn backup_dir(&self) -> PathBuf {
        self.data_dir.join("backup")
    }
}
