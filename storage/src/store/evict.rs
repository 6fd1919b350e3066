//! Bounds of a database in memory (`capnum`, `capsiz`): the records stored longest ago go first,
//! which is the order of the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Result;
use crate::index::Slot;
use crate::log::record::Kind;
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
}

impl Bounds {
    pub(crate) fn new(records: Option<u64>, bytes: Option<u64>) -> Self {
        Self {
            records: AtomicU64::new(records.unwrap_or(u64::MAX)),
            bytes: AtomicU64::new(bytes.unwrap_or(u64::MAX)),
            changes: AtomicU64::new(0),
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
        if self.bounds.changes.fetch_add(1, Ordering::Relaxed) % EVERY == 0 {
            // The next look tries again.
            let _ = self.evict(false);
        }
    }

    fn is_over(&self) -> bool {
        let records = self.records.load(Ordering::Relaxed).max(0) as u64;
        if records > self.bounds.records.load(Ordering::Relaxed) {
            return true;
        }
        let max_bytes = self.bounds.bytes.load(Ordering::Relaxed);
        max_bytes != u64::MAX && {
            let view = self.view.load();
            view.segments.iter().map(|segment| segment.live()).sum::<u64>() > max_bytes
        }
    }

    /// Drops the oldest records until the bounds hold, or, unless `exact`, a batch of them.
    pub(crate) fn evict(&self, exact: bool) -> Result<()> {
        if !self.is_over() {
            return Ok(());
        }
        let Some(_compacting) = self.compacting.try_lock() else { return Ok(()) };
        let mut left = if exact { usize::MAX } else { BATCH };
        let view = self.view.load_full();
        for segment in view.segments.iter() {
            if segment.live() == segment.tombstones() {
                continue;
            }
            if !self.evict_from(segment, &mut left) {
                break;
            }
        }
        self.signals.wake_compactor();
        Ok(())
    }

    /// Drops records of one segment; says whether to go on with the next.
    fn evict_from(&self, segment: &Arc<Segment>, left: &mut usize) -> bool {
        let mut offset = HEADER;
        while let Some(record) = segment.peek(offset) {
            if *left == 0 || !self.is_over() {
                return false;
            }
            if record.kind == Kind::Put && self.forget(segment, offset, record.key, record.len) {
                *left -= 1;
            }
            offset += record.len;
        }
        true
    }

    /// Takes a record out of the table, if the table points at it. Leaves no trace in the log, so
    /// this is for databases in memory only.
    fn forget(&self, segment: &Segment, offset: usize, key: &[u8], len: usize) -> bool {
        let hash = self.hasher.hash(key);
        let _stripe = self.lock_stripe(hash as usize);
        let view = self.view.load();
        let address = crate::log::address::Address::new(segment.number(), offset);
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
