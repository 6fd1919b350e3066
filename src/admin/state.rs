//! What the pages are made from.

use std::sync::{Arc, Weak};

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
    /// The log of the node.
    pub(super) logging: Logging,
    /// The host that was given to `--admin`.
    pub(super) host: String,
}

impl State {
    pub(super) fn new(logging: Logging, host: String) -> Self {
        Self { phase: Mutex::new(Phase::Opening), logging, host }
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
