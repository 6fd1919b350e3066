//! How a pull is, for `stat`.

use lcnode_storage::{Position, Store};

use super::{IN_STEP, Pull};
use crate::replication::check::Found;
use crate::replication::status::{Agrees, FullSync, State};

/// How a pull is. The fields are those of [`crate::replication::status::Status`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct View {
    /// The leader's server id; 0 before its hello.
    pub sid: u16,
    /// What it does.
    pub state: State,
    /// Bytes of the leader's log, as of its last beat and what came since.
    pub lag_bytes: u64,
    /// Records.
    pub lag_entries: u64,
    /// Seconds.
    pub lag_seconds: f64,
    /// Whether both have the same.
    pub agrees: Agrees,
    /// What comparisons have found on this connection.
    pub found: Found,
    /// While everything comes.
    pub full_sync: Option<FullSync>,
}

impl Pull {
    /// How it is.
    #[must_use]
    pub fn view(&self, store: &Store) -> View {
        let lag_bytes = self.beat.bytes;
        let since = store.now().saturating_sub(self.in_step_at) as f64 / 1e6;
        // By the leader's clock alone, so that the clocks need not agree.
        let behind = self.beat.clock.saturating_sub(self.progress.ts) as f64 / 1e6;
        let state = match (self.is_open, self.is_full()) {
            (false, _) => State::Connecting,
            (true, true) => State::FullSync,
            (true, false) if lag_bytes < IN_STEP => State::Live,
            (true, false) => State::CatchingUp,
        };
        let done = between(self.full_from, self.progress.position) as f64;
        let all = between(self.full_from, self.full_until).max(1) as f64;
        let full_sync = FullSync { percent: (100.0 * done / all).min(100.0), records: self.arrivals.count() };
        View {
            sid: self.master.sid.unwrap_or(0),
            state,
            lag_bytes,
            lag_entries: if lag_bytes == 0 { 0 } else { self.beat.records },
            lag_seconds: if lag_bytes == 0 { 0.0 } else { since.min(behind) },
            agrees: self.check.agrees(),
            found: self.check.found(),
            full_sync: (state == State::FullSync).then_some(full_sync),
        }
    }
}

/// Bytes between two positions, segments taken to be as long as by default.
pub(super) fn between(from: Position, to: Position) -> u64 {
    let segments = to.segment.saturating_sub(from.segment);
    (segments * lcnode_storage::DEFAULT_SEGMENT as u64 + to.offset).saturating_sub(from.offset)
}
