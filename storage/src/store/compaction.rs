//! Giving space back: a segment without live records is removed, one with few is rewritten.
//!
//! What is always true:
//! - A segment is removed only after what took the place of its records is durable, and a manifest
//!   without it: see [`crate::log::manifest`].
//! - A segment that the checkpoint on disk needs is removed only after there is another checkpoint.
//! - Nobody is kept waiting for longer than the moving of one record takes.
//! - A tombstone is dropped only from the oldest segment: older records of its key can lie in no
//!   other, so nothing can come back when the log is read again. Nor where somebody who follows the log may
//!   still need it.
//! - What the hold keeps is neither rewritten nor removed. Both take their records from older segments to
//!   the end of the log, which is held, so there is always less left to do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crc32fast::Hasher;

use crate::error::{Error, Result};
use crate::index::{Slot, Table, Target};
use crate::log::address::{Address, Position};
use crate::log::append::{self, Draft};
use crate::log::manifest::Manifest;
use crate::log::moved::Moved;
use crate::log::record::{At, Kind, Record, SEAL};
use crate::log::segment::{FOLDER, HEADER, Segment};
use crate::log::writer::{self, Urgency};
use crate::store::choice::{Choice, Goal, Limits, choose, spans_too_much};
use crate::store::pace::{Ease, Pace};
use crate::store::{Hold, Shared, Store, View};

/// Between two looks at segments of which none was due.
const PAUSE: Duration = Duration::from_secs(1);
/// After an error.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(10);
/// How long compaction waits for a segment that nobody makes, before it goes on regardless.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// While writers are busy a checkpoint is written for the sake of a segment only where the table has no
/// more than this part of the segment's bytes.
const CHEAP: u64 = 4;

/// On which terms a segment is emptied.
#[derive(Debug, Clone, Copy)]
struct Terms {
    /// Tombstones before this are dropped.
    drop_before: Position,
    /// How often more of the log had been put on hold. Once that changes all is begun anew: who needs the segment now
    /// must find its records there, or moved before he was told where the log ends.
    holds: u64,
}

impl Store {
    /// Rewrites the log until nearly all of it is live; blocks. Readers and writers go on.
    pub fn optimize(&self) -> Result<()> {
        let shared = &self.shared;
        shared.check_writable()?;
        if self.is_memory() {
            shared.evict(true);
        }
        let last = {
            let mut tail = shared.tail.lock();
            if tail.active.segment.written() > HEADER as u64 {
                match writer::rotate(&mut tail, &**shared) {
                    // Then the segments before it have to do.
                    Ok(()) | Err(Error::Full(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            let (last, end) = (tail.active.segment.number(), shared.set_end(&tail));
            drop(tail);
            shared.announce(end);
            last
        };
        while shared.compact_one(Goal::Tight(last))? {}
        Ok(())
    }
}

impl Shared {
    pub(crate) fn compact_in_background(&self) {
        let mut end = Position::default();
        while !self.signals.is_stopping() {
            let goal = if std::mem::replace(&mut end, self.end()) == end { Goal::Idle } else { Goal::Busy };
            match self.compact_one(goal) {
                Ok(true) => {
                    // What it wrote itself is no sign that others are busy.
                    if goal == Goal::Idle {
                        end = self.end();
                    }
                }
                Ok(false) => self.signals.wait_for_compaction(PAUSE),
                Err(error) => {
                    tracing::error!(%error, "compaction stopped; it is tried again later");
                    self.signals.wait_for_compaction(PAUSE_AFTER_ERROR);
                }
            }
        }
    }

    /// Removes or rewrites the segment that gives most space back, if the goal asks for it. Says whether
    /// it did anything.
    pub(crate) fn compact_one(&self, goal: Goal) -> Result<bool> {
        if self.signals.is_stopping() || self.check_writable().is_err() {
            return Ok(false);
        }
        // Whoever asked for it waits; the thread in the background does not hurry others.
        let mut pins = match goal {
            Goal::Tight(_) => self.lock_compacting(),
            Goal::Busy | Goal::Idle => self.compacting.lock(),
        };
        // What puts have replaced is known to be dead only then.
        self.pass_all_stripes();
        let view = self.view.load_full();
        let (segment_size, room) = (self.kit.segment_size as u64, self.room_when_full());
        let holds = self.holds.load(Ordering::Acquire);
        let hold = *self.hold.lock();
        let limits = Limits { segment_size, room, hold, now: self.now_ms() };
        let Some(Choice { segment, ease }) = choose(&view, goal, &limits) else {
            self.tail.lock().cramped = room.is_some();
            return Ok(false);
        };
        let ease = if self.options.background { ease } else { Ease::NONE };
        if pins.hold(segment.number()) {
            let is_cheap = view.table.bytes() * CHEAP <= segment.written();
            if goal == Goal::Busy && room.is_none() && !is_cheap {
                // The next checkpoint is due soon enough, and will not need it.
                return Ok(false);
            }
            self.unpin(&mut pins, segment.number())?;
            if pins.hold(segment.number()) {
                return Ok(false);
            }
        }
        let is_oldest = view.segments.oldest().is_some_and(|oldest| oldest.number() == segment.number());
        let drop_before = if is_oldest { hold.collect_before } else { Position::default() };
        let is_held = |hold: &Hold| hold.keeps(segment) && !spans_too_much(&view);
        self.tail.lock().owed = Some(segment.live() as usize);
        let started = Instant::now();
        self.effort.is_compacting.store(true, Ordering::Relaxed);
        let done =
            self.empty_and_remove(segment, Terms { drop_before, holds }, &is_held, &mut Pace::new(ease));
        self.effort.is_compacting.store(false, Ordering::Relaxed);
        if matches!(done, Ok(true)) {
            self.effort.compactions.done(started);
        }
        // The file is there as long as anybody has it, and the allocator shall find its space.
        drop(view);
        self.tail.lock().owed = matches!(done, Ok(true)).then_some(0);
        self.signals.wake_allocator();
        done
    }

    /// Moves what is live out of a segment and removes it, unless the terms change. Says whether it is gone.
    fn empty_and_remove(
        &self,
        segment: &Arc<Segment>,
        terms: Terms,
        is_held: &dyn Fn(&Hold) -> bool,
        pace: &mut Pace,
    ) -> Result<bool> {
        for _ in 0..2 {
            if !segment.is_dead() {
                self.rewrite(segment, terms, pace)?;
                // A writer may be between its append, its entry in the table and its count of live
                // bytes: then another look is needed.
                self.pass_all_stripes();
            }
        }
        if self.signals.is_stopping() || !self.are_kept(terms) {
            return Ok(false);
        }
        if !segment.is_dead() {
            return Err(Error::Failed(format!("{} still has live records", segment.region().name())));
        }
        // Nobody gets a new hold until it is gone.
        let hold = self.hold.lock();
        if is_held(&hold) {
            return Ok(false);
        }
        self.remove(segment)?;
        Ok(true)
    }

    /// Bytes that compaction may append in one segment while no further one can be had; none where one
    /// can.
    fn room_when_full(&self) -> Option<u64> {
        let tail = self.tail.lock();
        let next = tail.waiting.iter().map(|next| next.appender.region().capacity() - HEADER - SEAL).max();
        let memos = tail.memos.record_len() as u64;
        tail.full.is_some().then(|| (tail.room().max(next.unwrap_or(0)) as u64).saturating_sub(memos))
    }

    fn are_kept(&self, terms: Terms) -> bool {
        self.holds.load(Ordering::Acquire) == terms.holds
    }

    /// Copies the live records of a segment to the end of the log.
    fn rewrite(&self, segment: &Arc<Segment>, terms: Terms, pace: &mut Pace) -> Result<()> {
        let table = Arc::clone(&self.view.load().table);
        // Where the table is the smaller of the two it tells what is live sooner than the segment.
        if table.size() * 64 < segment.written() {
            self.rewrite_by_table(&table, segment, terms, pace)?;
        }
        let mut offset = HEADER;
        while !segment.is_dead() && !self.signals.is_stopping() && self.are_kept(terms) {
            let record = match segment.at(offset) {
                At::Record(record) => record,
                At::End => break,
                At::Damage(why) => {
                    // It stays as it is; others are still rewritten.
                    segment.set_damaged();
                    let path = self.kit.medium.describe(segment.region().name());
                    return Err(Error::Damaged { path, offset: offset as u64, why });
                }
            };
            match record.kind {
                // A vanish matters to older segments only, and those were all dead and are gone: see
                // `choose`. A manifest is replaced when a segment is removed.
                Kind::Vanish | Kind::Manifest | Kind::Memo | Kind::Seal => {}
                Kind::Put | Kind::Counter | Kind::Delete => {
                    self.move_record(segment, offset, &record, terms)?
                }
            }
            offset += record.len;
            self.worked(pace, record.len);
        }
        Ok(())
    }

    /// Copies the records of a segment that the table points at.
    fn rewrite_by_table(
        &self,
        table: &Table,
        segment: &Arc<Segment>,
        terms: Terms,
        pace: &mut Pace,
    ) -> Result<()> {
        let mut entries = table.entries_where(|entry| entry.address().segments_after(segment.number()) == 0);
        // In the order of the file: where it is not in memory it is read ahead then.
        entries.sort_unstable_by_key(|entry| entry.address().offset());
        for entry in entries {
            if self.signals.is_stopping() || !self.are_kept(terms) {
                return Ok(());
            }
            let offset = entry.address().offset();
            match segment.at(offset) {
                At::Record(record) => {
                    self.move_record(segment, offset, &record, terms)?;
                    self.worked(pace, record.len);
                }
                At::End | At::Damage(_) => {
                    segment.set_damaged();
                    return Err(self.damaged(&self.view.load(), entry.address()));
                }
            }
        }
        Ok(())
    }

    /// Takes note of bytes read or moved: rests, and lets the allocating thread catch up, where that is due.
    fn worked(&self, pace: &mut Pace, bytes: usize) {
        if pace.worked(bytes, || self.is_hurried()) {
            self.leave_room();
        }
    }

    /// Waits while writers are about to run out of segments, unless there is no space for another.
    /// Compaction fills segments faster than writers, and may use what they may not, so they would be
    /// the ones to wait.
    fn leave_room(&self) {
        if !self.options.background {
            // Whoever lacks a segment makes it.
            return;
        }
        let until = Instant::now() + LONGEST_WAIT;
        let mut tail = self.tail.lock();
        while tail.is_short(&self.kit) && tail.full.is_none() && !self.signals.is_stopping() {
            self.signals.wake_allocator();
            if self.kit.provided.wait_until(&mut tail, until).timed_out() {
                return;
            }
        }
    }

    /// Moves the record at an offset, if the table points at it. One that has expired goes, or becomes a
    /// tombstone: older records of its key may lie in older segments.
    fn move_record(&self, segment: &Segment, offset: usize, record: &Record<'_>, terms: Terms) -> Result<()> {
        let hash = self.hasher.hash(record.key);
        let address = Address::new(segment.number(), offset);
        let stripe = self.lock_stripe(hash);
        if !self.are_kept(terms) {
            return Ok(());
        }
        let view = &stripe.view;
        let Some(Slot::Found(word, entry)) = view.table.slot(hash, |entry| entry.address() == address) else {
            return Ok(());
        };
        let expired = !entry.is_tombstone() && self.has_expired(record);
        let tombstone = entry.is_tombstone() || expired;
        let position = Position { segment: segment.number(), offset: offset as u64 };
        if tombstone && position < terms.drop_before {
            view.table.clear(word);
        } else {
            let bytes = segment.region().bytes().get(offset..offset + record.len).unwrap_or_default();
            let copy = (!expired).then(|| Moved::of(bytes, record));
            let mut tail = self.tail.lock();
            let address = match &copy {
                None => append::append_tombstone(&mut tail, &self.kit, self, record)?,
                Some(copy) => append::append_copy(&mut tail, &self.kit, self, &copy.parts(), record)?,
            };
            self.effort.moved.fetch_add(record.len as u64, Ordering::Relaxed);
            let end = self.set_end(&tail);
            let ahead = tail.active.appender.region().ahead();
            drop(tail);
            self.announce(end);
            // A page fault would be taken with the tail locked.
            self.signals.populate_if_near(ahead);
            let moved = entry.moved_to(Target { address, tombstone });
            word.store(moved.0, Ordering::Release);
        }
        if expired {
            self.records.fetch_sub(1, Ordering::Relaxed);
        }
        segment.sub_live(record.len, entry.is_tombstone());
        Ok(())
    }

    /// Takes a segment without live records out of the log, once all that replaced it is durable.
    fn remove(&self, segment: &Segment) -> Result<()> {
        self.append_manifest_without(segment)?;
        self.durability.sync(self.end())?;
        let name = segment.region().name();
        if let Err(error) = self.kit.medium.remove(name) {
            let still_there = self.kit.medium.list(FOLDER);
            if !still_there.is_ok_and(|files| files.iter().any(|(file, _)| name.ends_with(file.as_str()))) {
                // It may come back with the next power loss, and with it what was deleted since.
                return Err(self.durability.fail(format!("removing {name} failed: {error}")));
            }
            return Err(Error::io("remove", self.kit.medium.describe(name))(error));
        }
        // Only now: what is the oldest segment of the view must be the oldest on disk.
        self.replace_view(|view| {
            let mut segments = view.segments.clone();
            segments.remove(segment.number());
            View { table: Arc::clone(&view.table), segments }
        });
        // So that nobody holds on to the removed file.
        self.pass_all_stripes();
        tracing::debug!(segment = segment.number(), "compaction: segment removed");
        Ok(())
    }

    /// Says which segments are left without this one, and anew what was last said in it of what the node remembers.
    fn append_manifest_without(&self, segment: &Segment) -> Result<()> {
        let mut tail = self.tail.lock();
        // Segments come only under the tail's lock, and go only under that of compaction.
        let view = self.view.load();
        let is_oldest = view.segments.oldest().is_some_and(|oldest| oldest.number() == segment.number());
        if let Some(memo) = tail.memos.said_up_to(segment.number(), is_oldest) {
            append::append_memo(&mut tail, &self.kit, self, &memo, Urgency::Compaction)?;
        }
        let numbers = view.segments.iter().map(|other| other.number());
        let value = Manifest::of(numbers.filter(|&number| number != segment.number())).encode();
        let draft = Draft::new(Kind::Manifest, &[], [&value, &[]]);
        let mut body = Hasher::new();
        body.update(&value);
        let now = self.options.clock.now();
        append::append(&mut tail, &self.kit, self, &draft, body, now, Urgency::Compaction)?;
        let end = self.set_end(&tail);
        drop(tail);
        self.announce(end);
        Ok(())
    }
}
