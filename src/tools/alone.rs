//! A node without a server, for tools that run scripts.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;

use lcnode::replication::Replication;

use super::ToolError;
use crate::config::{Config, ConfigError};
use crate::dispatch::Node;

/// Opens a database, named as for a node. One on disk must be there, and no node may have it open.
pub(super) fn open(database: &str) -> Result<Arc<Node>, ToolError> {
    let words = [OsString::from("lcnode"), "--".into(), database.into()];
    let mut config = Config::from_args(words).map_err(|error| told(&error))?;
    config.database.mode.create = false;
    let store = Arc::new(crate::open(&config)?);
    let settings = crate::replication(&config, 0);
    let replication = Replication::start(Arc::clone(&store), settings)
        .map_err(|error| ToolError::Other(error.to_string()))?;
    Ok(Arc::new(crate::node(&config, store, replication, 0, Instant::now())))
}

/// Closes the database: everything is on the disk then.
pub(super) fn close(node: Arc<Node>) -> Result<(), ToolError> {
    let Some(Node { store, replication, .. }) = Arc::into_inner(node) else {
        return Err(ToolError::Other("the database is still in use at the end".to_owned()));
    };
    replication.stop();
    drop(replication);
    let failure = store.failure();
    crate::close(store).map_err(|error| ToolError::Other(error.to_string()))?;
    failure.map_or(Ok(()), |why| Err(ToolError::Other(why.to_string())))
}

fn told(error: &ConfigError) -> ToolError {
    // What clap says begins so, and this is said again with the name of the program.
    let text = error.to_string();
    ToolError::Other(text.trim_start_matches("error: ").trim_end().to_owned())
}
