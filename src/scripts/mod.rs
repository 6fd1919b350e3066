//! The node's scripts: read, loaded, called periodically, ended. How a client's call gets here is in
//! [`crate::dispatch`].

mod host;
mod periodic;
pub mod relay;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use lcnode_lua::{Allowed, Limits, LoadError, Script, Scripts, Settings, Trial};
use thiserror::Error;

use crate::config::{ScriptConfig, ScriptSource};
use crate::dispatch::Node;
use host::NodeHost;
use periodic::Periodic;

/// Why scripts cannot be used.
#[derive(Debug, Error)]
pub enum ScriptError {
    /// A file cannot be read.
    #[error("-ext {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A script has a mistake, or raises an error while it is loaded.
    #[error("-ext {0}; lcnode check-ext FILE says more")]
    Load(#[from] LoadError),
    /// No thread for a periodic function.
    #[error("no thread for a periodic function: {0}")]
    Thread(io::Error),
}

/// The scripts of a running node.
#[derive(Debug)]
pub struct Extension {
    scripts: Arc<Scripts>,
    host: Arc<NodeHost>,
    config: ScriptConfig,
    periodic: Vec<Periodic>,
}

impl Extension {
    /// Reads and loads the scripts, calls `_begin`, and starts what is called periodically. None where there are none.
    pub fn start(node: &Arc<Node>, config: &ScriptConfig) -> Result<Option<Self>, ScriptError> {
        if config.sources.is_empty() {
            return Ok(None);
        }
        let mut extension = Self::load(node, config)?;
        let periodic = config.periodic.iter().enumerate();
        extension.periodic = periodic
            .map(|(number, told)| Periodic::start(number, told.clone(), Arc::clone(&extension.scripts)))
            .collect::<Result<_, _>>()
            .map_err(ScriptError::Thread)?;
        for name in config.sources.iter().map(name) {
            crate::system!("script loaded: {name}");
        }
        Ok(Some(extension))
    }

    /// Reads and loads the scripts, also where there are none, and calls `_begin`; nothing is called periodically.
    pub fn load(node: &Arc<Node>, config: &ScriptConfig) -> Result<Self, ScriptError> {
        let host = Arc::new(NodeHost::new(Arc::clone(node)));
        let settings = Settings {
            scripts: read(config, config.tolerant)?,
            machines: config.machines,
            periodic: config.periodic.len(),
            limits: limits(config),
            allowed: allowed(config),
            tolerant: config.tolerant,
        };
        let scripts = Arc::new(Scripts::load(Arc::clone(&host) as _, settings)?);
        Ok(Self { scripts, host, config: config.clone(), periodic: Vec::new() })
    }

    /// What clients call.
    pub fn scripts(&self) -> &Arc<Scripts> {
        &self.scripts
    }

    /// Reads the scripts again and has them take the place of the old ones.
    ///
    /// Errors: one cannot be read or loaded; the old ones stay then.
    pub fn reload(&self) -> Result<(), ScriptError> {
        self.scripts.reload(read(&self.config, false)?)?;
        Ok(())
    }

    /// Calls that wait or loop end with an error from now on.
    pub fn stop(&self) {
        self.host.stop();
    }

    /// Calls `_end`, for which the database is closed already, as in the original. Lets go of the node.
    pub fn end(self) {
        drop(self.periodic);
        self.host.close();
        self.scripts.end();
    }
}

/// A machine to look at scripts in, over the records of a node.
pub fn trial(node: &Arc<Node>, config: &ScriptConfig) -> Result<Trial, ScriptError> {
    let host = Arc::new(NodeHost::new(Arc::clone(node)));
    Ok(Trial::new(host, limits(config), allowed(config))?)
}

fn limits(config: &ScriptConfig) -> Limits {
    Limits {
        time: config.max_time,
        instructions: config.max_instructions,
        memory: config.max_memory,
        stash: config.max_stash,
    }
}

fn allowed(config: &ScriptConfig) -> Allowed {
    Allowed { files: config.files, processes: config.processes }
}

fn name(source: &ScriptSource) -> String {
    match source {
        ScriptSource::File(path) => {
            path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
        }
        ScriptSource::Code(_) => "@".to_owned(),
    }
}

/// Whether the scripts can be read, before a database is opened, or made, for nothing.
pub fn check(config: &ScriptConfig) -> Result<(), ScriptError> {
    if config.tolerant { Ok(()) } else { read(config, false).map(drop) }
}

/// The texts of the scripts; `tolerant`: an empty one in place of what cannot be read, which is logged.
fn read(config: &ScriptConfig, tolerant: bool) -> Result<Vec<Script>, ScriptError> {
    let read = |source: &ScriptSource| {
        let text = match source {
            ScriptSource::File(path) => {
                match std::fs::read(path) {
                    Ok(text) => text,
                    // As the original, which serves without it.
                    Err(error) if tolerant => {
                        tracing::error!("-ext {}: {error}; its functions are missing", path.display());
                        Vec::new()
                    }
                    Err(source) => return Err(ScriptError::Read { path: path.clone(), source }),
                }
            }
            ScriptSource::Code(code) => code.clone(),
        };
        Ok(Script { name: name(source), source: text })
    };
    config.sources.iter().map(read).collect()
}
