//! What the pages are made from.

use std::sync::{Arc, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::logging::Logging;
use crate::server::Shared;

/// How far the node's life is.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    /// The database is being opened.
    Opening,
    /// It serves. What it consists of is not kept: at the stop it must go.
    Serving(Weak<Shared>),
    /// It is about to end.
    Stopping,
}

/// What the pages are made from.
#[derive(Debug)]
pub(super) struct State {
    phase: Mutex<Phase>,
    pub(super) started: Instant,
    /// The same in seconds since the Unix epoch.
    pub(super) started_at: f64,
    /// The log of the node.
    pub(super) logging: Logging,
    /// The host that was given to `--admin`.
    pub(super) host: String,
    /// The database's name.
    pub(super) database: String,
}

impl State {
    pub(super) fn new(logging: Logging, host: &str, database: &str) -> Self {
        let started_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Self {
            phase: Mutex::new(Phase::Opening),
            started: Instant::now(),
            started_at,
            logging,
            host: host.to_owned(),
            database: database.to_owned(),
        }
    }

    pub(super) fn set(&self, phase: Phase) {
        *self.phase.lock() = phase;
    }

    /// What the node consists of while it serves. To be let go of soon: the end of the node waits for that.
    ///
    /// Errors: what it waits for.
    pub(super) fn shared(&self) -> Result<Arc<Shared>, &'static str> {
        match &*self.phase.lock() {
            Phase::Opening => Err("opening the database"),
            Phase::Serving(shared) => shared.upgrade().ok_or("stopping"),
            Phase::Stopping => Err("stopping"),
        }
    }
}
