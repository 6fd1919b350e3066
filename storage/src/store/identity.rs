//! Who this node is, and where its log ended when it was opened.

use crate::log::address::Position;
use crate::store::Store;

/// The log as it was opened.
///
/// It is `clean` only where the database says itself that it was closed: that is written last when it is closed,
/// and taken back, durably, before anything else is written to it. A checkpoint does not tell as much: changes
/// behind it may have been made, shown to others, and lost with the power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenedAt {
    /// Where it ended.
    pub end: Position,
    /// The largest time in it, in microseconds.
    pub last_ts: u64,
    /// Whether it had been closed in order, so that nothing of it can be lost. Not so for a new database, which
    /// may stand where another was, nor for a copy, nor after a close that found no space to say so.
    pub clean: bool,
    /// Random, new in every directory: a copy has another.
    pub identity: u64,
}

impl Store {
    /// Id of this server in the stamps of its changes, 1 to 65535; 0 for a database that is only read and has
    /// none of its own.
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
