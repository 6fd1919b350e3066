//! Who this node is, and where its log ended when it was opened.

use crate::log::address::Position;
use crate::store::Store;

/// The log as it was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenedAt {
    /// Where it ended.
    pub end: Position,
    /// The largest time in it, in microseconds.
    pub last_ts: u64,
    /// Whether it had been closed in order, so that nothing of it can be lost.
    pub clean: bool,
    /// Random, new in every directory: a copy has another.
    pub identity: u64,
}

impl Store {
    /// Id of this server in the stamps of its changes, 1 to 65535.
    pub fn origin(&self) -> u16 {
        self.shared.kit.origin
    }

    /// The log as it was opened.
    pub fn opened(&self) -> OpenedAt {
        self.shared.opened
    }

    /// Microseconds since the Unix epoch, by the clock of the options.
    pub fn now(&self) -> u64 {
        self.shared.options.clock.now()
    }
}
