//! Bounds of a database in memory (`capnum`, `capsiz`): the records stored longest ago go first,
//! which is the order of the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::index::Slot;
use crate::log::address::{Address, Position};
use crate::log::segment::{HEADER, Segment};
use crate::store::{Shared, Store};

/// Changes between two looks at the bounds.
const EVERY: u64 = 256;
/// Records that go at once while nobody asks for an exact trim.
const BATCH: usize = 512;

/// The bounds, which can be changed while the store is open. `u64::MAX` is none.
#[derive(Debug)]
pub(crate) struct Bounds {
    records: AtomicU64,
    bytes: AtomicU64,
    changes: AtomicU64,
    /// Held while records are dropped: where the last look ended. What is before it has been dropped.
    dropped: Mutex<Position>,
}

impl Bounds {
    pub(crate) fn new(records: Option<u64>, bytes: Option<u64>) -> Self {
        Self {
            records: AtomicU64::new(records.unwrap_or(u64::MAX)),
            bytes: AtomicU64::new(bytes.unwrap_or(u64::MAX)),
            changes: AtomicU64::new(0),
            dropped: Mutex::default(),
        }
    }

    #[inline]
    pub(crate) fn are_set(&self) -> bool {
        (self.records.load(Ordering::Relaxed) & self.bytes.load(Ordering::Relaxed)) != u64::MAX
    }
}

impl Store {
    /// Sets the bounds of a database in memory, in records and in bytes; `None` is no bound. They hold
    /// at the next sync or optimize, and roughly in between. A database on disk has none.
    pub fn set_bounds(&self, max_records: Option<u64>, max_bytes: Option<u64>) {
        if self.is_memory() {
            let bounds = &self.shared.bounds;
            bounds.records.store(max_records.unwrap_or(u64::MAX), Ordering::Relaxed);
            bounds.bytes.store(max_bytes.unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }
}

impl Shared {
    /// Looks at the bounds after every so many changes.
    #[inline]
    pub(crate) fn evict_now_and_then(&self) {
        if self.bounds.changes.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY) {
            self.evict(false);
        }
    }

    /// Whether there is more than the bounds allow, of what the table knows.
    fn is_over(&self) -> bool {
        if self.records.load(Ordering::Relaxed).max(0) as u64 > self.bounds.records.load(Ordering::Relaxed) {
            return true;
        }
        let max_bytes = self.bounds.bytes.load(Ordering::Relaxed);
        max_bytes != u64::MAX && {
            let view = self.view.load();
            view.segments.iter().map(|segment| segment.live()).sum::<u64>() > max_bytes
        }
    }

    /// Drops the oldest records until the bounds hold, or, unless `exact`, a batch of them.
    pub(crate) fn evict(&self, exact: bool) {
        // Once, not for every record: what is put meanwhile is for the next time.
        self.pass_all_stripes();
        if !self.is_over() {
            return;
        }
        let mut dropped = match exact {
            true => self.bounds.dropped.lock(),
            false => match self.bounds.dropped.try_lock() {
                Some(dropped) => dropped,
                None => return,
            },
        };
        let mut left = if exact { usize::MAX } else { BATCH };
        let view = self.view.load_full();
        let from = std::mem::take(&mut *dropped);
        for segment in view.segments.iter().filter(|segment| segment.number() >= from.segment) {
            let start = if segment.number() == from.segment { from.offset as usize } else { HEADER };
            let (offset, enough) = self.evict_from(segment, start, &mut left);
            if enough {
                // Where the end is reached instead, the next look begins anew: a record whose change
                // was under way has been passed over.
                *dropped = Position { segment: segment.number(), offset: offset as u64 };
                break;
            }
        }
        self.signals.wake_compactor();
    }

    /// Drops records of one segment from an offset on; returns how far it came, and whether enough is
    /// gone.
    fn evict_from(&self, segment: &Arc<Segment>, start: usize, left: &mut usize) -> (usize, bool) {
        let mut offset = start;
        while let Some(record) = segment.peek(offset) {
            if *left == 0 || !self.is_over() {
                return (offset, true);
            }
            if record.kind.has_value() && self.forget(segment, offset, record.key, record.len) {
                *left -= 1;
            }
            offset += record.len;
        }
        (offset, false)
    }

    /// Takes a record out of the table, if the table points at it. Leaves no trace in the log, so
    /// this is for databases in memory only.
    fn forget(&self, segment: &Segment, offset: usize, key: &[u8], len: usize) -> bool {
        let hash = self.hasher.hash(key);
        let stripe = self.lock_stripe(hash);
        if stripe.reserved.check(hash).is_err() {
            // Who has it reserved may just have read it. It goes another time: its turn comes again when the end of the
            // log has been reached, or compaction has moved it there.
            return false;
        }
        let view = &stripe.view;
        let address = Address::new(segment.number(), offset);
        match view.table.slot(hash, |entry| entry.address() == address) {
            Some(Slot::Found(word, entry)) if !entry.is_tombstone() => {
                view.table.clear(word);
                segment.sub_live(len, false);
                self.records.fetch_sub(1, Ordering::Relaxed);
                true
            }
            _ => false,
        }
    }
}
