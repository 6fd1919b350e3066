//! Reading the log from a position on, for those who follow it.

use std::task::{Context, Poll};

use crate::error::Result;
use crate::log::address::Position;
use crate::log::record::{Kind, Stamp};
use crate::store::Store;

/// A record of the log.
#[derive(Debug, Clone, Copy)]
pub struct LogRecord<'a> {
    /// Where it begins.
    pub at: Position,
    /// All of it; the CRC is for the reader to check.
    pub bytes: &'a [u8],
    /// What it says: put, delete, counter, vanish or memo.
    pub kind: Kind,
    /// When and where the change was made.
    pub stamp: Stamp,
    /// Id of the server it was received from, where that is not its origin; else 0.
    pub via: u16,
    /// Whether compaction wrote it, so that it was before this position as well.
    pub moved: bool,
    /// Its key.
    pub key: &'a [u8],
    /// What a client sees.
    pub value: &'a [u8],
    /// How a counter came from the record of the key before it to this one; none where it is no addition.
    pub step: Option<Step>,
}

/// What was added to a counter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step {
    /// To a number of 4 bytes.
    Int(i32),
    /// To a double.
    Double(f64),
}

/// How far the log was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRead {
    /// To this position, where the next read begins.
    Upto(Position),
    /// The log does not go back to the position any more: it begins here.
    Gone(Position),
}

/// What those who follow the log still need of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Segments with this position, and later ones, are neither rewritten nor removed.
    pub keep_from: Position,
    /// Tombstones are dropped only where they lie before this position.
    pub collect_before: Position,
}

impl Hold {
    /// Nothing is needed.
    pub const NONE: Self = Self { keep_from: Position::MAX, collect_before: Position::MAX };
}

impl Store {
    /// Hands out the records from `from` on, until about `bytes` of log were passed or it ends.
    pub fn read_log(
        &self,
        _from: Position,
        _bytes: usize,
        _take: impl FnMut(&LogRecord<'_>),
    ) -> Result<LogRead> {
        unimplemented!()
    }

    /// Ready once the log ends behind `position`.
    pub fn poll_appended(&self, _position: Position, _context: &Context<'_>) -> Poll<()> {
        unimplemented!()
    }

    /// Where the log begins.
    pub fn oldest(&self) -> Position {
        unimplemented!()
    }

    /// Records appended since the store was opened.
    pub fn appended(&self) -> u64 {
        unimplemented!()
    }

    /// What compaction must leave alone from now on.
    pub fn set_hold(&self, _hold: Hold) {
        unimplemented!()
    }

    /// Does what is due where no threads do: allocates, syncs as the mode asks, compacts a step. Only with
    /// [`crate::Options::background`] off.
    pub fn work(&self) -> Result<()> {
        unimplemented!()
    }
}
