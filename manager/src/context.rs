//! What all commands share.

use std::path::PathBuf;

use crate::config::{Cluster, ConfigError};

/// Why a command failed: a text for the operator that says what, where and what to do.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What was typed before the command.
#[derive(Debug)]
pub struct Context {
    /// The file that describes the cluster.
    pub config: PathBuf,
}

impl Context {
    /// Reads the file.
    pub fn cluster(&self) -> Result<Cluster, ConfigError> {
        Cluster::load(&self.config)
    }
}
