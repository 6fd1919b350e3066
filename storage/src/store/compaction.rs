//! Giving space back: a segment without live records is removed, one with few is rewritten.
//!
//! What is always true:
//! - A segment is removed only after what took the place of its records is durable.
//! - A tombstone is dropped only from the oldest segment: older records of its key can lie in no
//!   other, so nothing can come back when the log is read again.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::{Slot, Target};
use crate::log::address::{Address, MAX_SPAN};
use crate::log::record::{At, Kind};
use crate::log::segment::{HEADER, Segment};
use crate::log::writer::{self, Placed};
use crate::store::{Shared, Store, View};

/// A segment is rewritten in the background when less than this share of it is live, in percent.
const BACKGROUND: u64 = 50;
/// Likewise when asked to optimize.
const OPTIMIZE: u64 = 95;

impl Store {
    /// Rewrites the log until nearly all of it is live; blocks. Readers and writers go on.
    pub fn optimize(&self) -> Result<()> {
        let shared = &self.shared;
        shared.check_writable()?;
        if self.is_memory() {
            shared.evict(true)?;
        }
        let last = {
            let mut tail = shared.tail.lock();
            if tail.active.segment.written() > HEADER as u64 {
                writer::rotate(&mut tail, &shared.kit, &**shared, 0)?;
                shared.set_end(&tail);
            }
            tail.active.segment.number()
        };
        while shared.compact_one(OPTIMIZE, last)? {}
        Ok(())
    }
}

impl Shared {
    pub(crate) fn compact_in_background(&self) {
        while !self.signals.is_stopping() {
            match self.compact_one(BACKGROUND, u64::MAX) {
                Ok(true) => {}
                Ok(false) => self.signals.wait_for_compaction(),
                Err(error) => {
                    tracing::error!(%error, "compaction stopped; it is tried again after the next change");
                    self.signals.wait_for_compaction();
                }
            }
        }
    }

    /// Removes or rewrites the segment before number `end` that gives most space back, if any is live
    /// to less than `percent`. Says whether it did anything.
    fn compact_one(&self, percent: u64, end: u64) -> Result<bool> {
        if self.check_writable().is_err() {
            return Ok(false);
        }
        let _compacting = self.compacting.lock();
        let view = self.view.load_full();
        let Some(segment) = choose(&view, percent, end) else { return Ok(false) };
        let is_oldest = view.segments.oldest().is_some_and(|oldest| oldest.number() == segment.number());
        if segment.live() > 0 {
            self.rewrite(segment, is_oldest)?;
        }
        if segment.live() > 0 && !self.signals.is_stopping() {
            return Err(Error::Failed(format!("{} still has live records", segment.region().name())));
        }
        if segment.live() == 0 {
            self.remove(segment)?;
        }
        Ok(true)
    }

    /// Copies the live records of a segment to the end of the log.
    fn rewrite(&self, segment: &Arc<Segment>, drop_tombstones: bool) -> Result<()> {
        let mut offset = HEADER;
        while segment.live() > 0 && !self.signals.is_stopping() {
            let record = match segment.at(offset) {
                At::Record(record) if record.kind == Kind::Seal => break,
                At::Record(record) => record,
                At::End => break,
                At::Damage(why) => {
                    let path = self.kit.medium.describe(segment.region().name());
                    return Err(Error::Damaged { path, offset: offset as u64, why });
                }
            };
            match record.kind {
                // It matters to older segments only, and those were all dead and are gone: see `choose`.
                Kind::Vanish => {}
                _ => self.move_record(segment, offset, record.key, record.len, drop_tombstones)?,
            }
            offset += record.len;
        }
        Ok(())
    }

    /// Moves the record of `key` at an offset, if the table points at it.
    fn move_record(
        &self,
        segment: &Segment,
        offset: usize,
        key: &[u8],
        len: usize,
        drop_tombstones: bool,
    ) -> Result<()> {
        let hash = self.hasher.hash(key);
        let address = Address::new(segment.number(), offset);
        let _stripe = self.lock_stripe(hash as usize);
        let view = self.view.load();
        let Some(Slot::Found(word, entry)) = view.table.slot(hash, |entry| entry.address() == address) else {
            return Ok(());
        };
        let tombstone = entry.is_tombstone();
        if tombstone && drop_tombstones {
            view.table.clear(word);
        } else {
            let kind = if tombstone { Kind::Delete } else { Kind::Put };
            let placed = self.copy(segment, offset, len, kind)?;
            let moved = entry.moved_to(Target { address: placed.address, tombstone });
            word.store(moved.0, std::sync::atomic::Ordering::Release);
        }
        segment.sub_live(len, tombstone);
        Ok(())
    }

    fn copy(&self, segment: &Segment, offset: usize, len: usize, kind: Kind) -> Result<Placed> {
        let bytes = segment.region().bytes().get(offset..offset + len).unwrap_or_default();
        let mut tail = self.tail.lock();
        let placed = writer::append_copy(&mut tail, &self.kit, self, bytes, kind)?;
        self.set_end(&tail);
        Ok(placed)
    }

    /// Takes a segment without live records out of the log, once all that replaced it is durable.
    fn remove(&self, segment: &Segment) -> Result<()> {
        self.durability.sync(self.end())?;
        self.view.rcu(|view| {
            let mut segments = view.segments.clone();
            segments.remove(segment.number());
            View { table: Arc::clone(&view.table), segments }
        });
        let name = segment.region().name();
        self.kit.medium.remove(name).map_err(Error::io("remove", self.kit.medium.describe(name)))?;
        tracing::debug!(segment = segment.number(), "removed");
        self.signals.wake_allocator();
        Ok(())
    }
}

/// The sealed segment that gives most back, if one is due.
fn choose(view: &View, percent: u64, end: u64) -> Option<&Arc<Segment>> {
    let oldest = view.segments.oldest()?.number();
    let newest = view.segments.iter().next_back()?.number();
    let sealed = || view.segments.iter().filter(|segment| segment.is_sealed() && segment.number() < end);
    // Numbers in addresses wrap: the log may not span too many.
    if newest - oldest > MAX_SPAN / 2 {
        return sealed().next();
    }
    // Oldest first: a vanish must outlive the segments that it declared dead.
    if let Some(dead) = sealed().find(|segment| segment.live() == 0) {
        return Some(dead);
    }
    let useful = |segment: &Segment| {
        let tombstones = if segment.number() == oldest { segment.tombstones() } else { 0 };
        segment.live().saturating_sub(tombstones)
    };
    let best = sealed()
        .filter(|segment| useful(segment) * 100 < segment.written() * percent)
        .max_by_key(|segment| segment.written() - useful(segment).min(segment.written()));
    if best.is_some() {
        return best;
    }
    // Tombstones behind a full oldest segment can go only once that one has moved on.
    let (live, tombstones) =
        sealed().fold((0, 0), |(live, dead), segment| (live + segment.live(), dead + segment.tombstones()));
    (tombstones * 4 > live).then(|| sealed().next()).flatten()
}
