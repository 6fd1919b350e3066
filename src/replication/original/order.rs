//! The time stamps of the stream to original servers.
//!
//! An original server resumes by time: it asks for what comes after the last time stamp it has seen. So time
//! stamps must rise in the order of the stream, which is that of our log. Stamps do not: a change that came
//! from another master, and a record that compaction moved, have older ones. So each record of the log is
//! given a *time of order*: its stamp, or one more than the time of order of the record before it, whichever is
//! larger. Memos are stamped with a time that is no less than the one before them, and get one more; every segment but
//! the first begins with one. So reading can begin at any segment, and each record always gets the same time.

use lcnode_storage::{Kind, LogRead, LogRecord, Position, Result, Store};

/// Where the records of a segment begin, in bytes.
const SEGMENT_HEADER: u64 = 64;

/// The time of order of record after record, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Order(u64);

impl Order {
    /// Behind a record with this time of order.
    #[must_use]
    pub fn after(last: u64) -> Self {
        Self(last)
    }

    /// That of the record before; 0 at first.
    #[must_use]
    pub fn last(self) -> u64 {
        self.0
    }

    /// The time of order of the record that follows in the log.
    pub fn next(&mut self, record: &LogRecord<'_>) -> u64 {
        self.0 = begins(record).max(self.0.saturating_add(1));
        self.0
    }
}

/// The least time of order of a record, whatever is before it.
fn begins(record: &LogRecord<'_>) -> u64 {
    match record.kind {
        Kind::Memo => record.stamp.ts.saturating_add(1),
        _ => record.stamp.ts,
    }
}

/// Where to read for the records whose time of order is `ts` or later: the beginning of the last segment that
/// may have earlier ones. None where the log does not reach back so far, or lacks segments from there on.
///
/// Errors: those of the store.
pub fn find(store: &Store, ts: u64) -> Result<Option<Position>> {
    let numbers: Vec<u64> = store.segments().iter().map(|segment| segment.number).collect();
    let oldest = numbers.first().copied();
    let mut successor = None;
    for number in numbers.into_iter().rev() {
        if successor.is_some_and(|successor| number + 1 != successor) {
            return Ok(None);
        }
        successor = Some(number);
        let start = Position { segment: number, offset: SEGMENT_HEADER };
        match first(store, start)? {
            // Of a segment that begins with something else only the beginning of the log can tell.
            Some((first, kind)) if first <= ts && (kind == Kind::Memo || oldest == Some(number)) => {
                return Ok(Some(start));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// The first record of a segment, its time of order and its kind; none where it has none.
fn first(store: &Store, start: Position) -> Result<Option<(u64, Kind)>> {
    let mut first = None;
    let read = store.read_log(start, 1, |record| {
        if first.is_none() && record.at.segment == start.segment {
            first = Some((begins(record), record.kind));
        }
    })?;
    Ok(match read {
        LogRead::Upto(_) => first,
        LogRead::Gone(_) => None,
    })
}
