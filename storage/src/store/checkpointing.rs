//! Checkpoints while the store is in use: so that a start has little of the log to read, however long
//! the store was open and however it ended.
//!
//! What is always true:
//! - Whoever writes a checkpoint holds `compacting`: no segment goes meanwhile.
//! - A checkpoint gets its name only after everything that it may point at is durable.
//! - The records between its two positions are read at a start without being counted, so their segments
//!   (its pins) stay until there is another checkpoint, or none.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tracing::{debug, warn};

use crate::error::{Error, Result};
use crate::index::Table;
use crate::index::checkpoint::{self, SegmentState, State};
use crate::index::checkpointing::{self, Source};
use crate::log::address::Position;
use crate::store::{Shared, Store, View};

/// Between two looks whether a checkpoint is due.
const LOOK: Duration = Duration::from_secs(1);
/// How long nothing must have been written for writers to count as pausing.
const QUIET: Duration = Duration::from_secs(3);
/// After a checkpoint that could not be written.
const RETRY: Duration = Duration::from_secs(30);
/// How long the writing of a checkpoint rests after a block, at most.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
/// Bytes of log since the last checkpoint that make another one due while writers are busy: a start reads
/// that much in well under a second.
const BUSY: u64 = 256 << 20;
/// The same, in sizes of the table: so that checkpoints add at most half to what is written.
const BUSY_TABLES: u64 = 2;
/// The same where no thread writes checkpoints, in segments.
const SEGMENTS_AT_WORK: u64 = 4;
/// Bytes of log that make one due once writers pause: less is read in no time.
const IDLE: u64 = 16 << 20;
/// The same, as a part of the table's size: reading that much log takes about as long as reading the
/// checkpoint.
const IDLE_PART: u64 = 4;

/// What is known of the checkpoint on disk.
#[derive(Debug, Default)]
pub(crate) struct Newest {
    /// From where a start would read the log, as a word.
    from: AtomicU64,
}

impl Newest {
    pub(crate) fn of(state: &State) -> Self {
        Self { from: AtomicU64::new(state.position.to_word()) }
    }

    fn from(&self) -> Position {
        Position::from_word(self.from.load(Ordering::Relaxed))
    }
}

/// Segments that the checkpoint on disk needs: first and last.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Pins(pub(crate) Option<(u64, u64)>);

impl Pins {
    /// Whether segment `number` is needed.
    pub(crate) fn hold(self, number: u64) -> bool {
        self.0.is_some_and(|(first, last)| (first..=last).contains(&number))
    }

    /// Adds those of another checkpoint, where it is not known which of the two is on disk.
    fn add(&mut self, more: Option<(u64, u64)>) {
        self.0 = match (self.0, more) {
            (Some(old), Some(new)) => Some((old.0.min(new.0), old.1.max(new.1))),
            (old, new) => old.or(new),
        };
    }
}

/// Why a checkpoint was not written, where nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum GivenUp {
    #[error("the database is being closed")]
    Closing,
    #[error("the log needs the space")]
    Full,
    #[error("all records were deleted meanwhile")]
    Vanished,
}

impl Store {
    /// Writes a checkpoint now, so that a start after a crash has little to read; blocks. Readers and
    /// writers go on. Says whether it did: not for a database in memory, on a full disk, or where all
    /// records were deleted meanwhile. Fails where the file cannot be written or the log not be made
    /// durable; the older checkpoint is used then.
    pub fn checkpoint(&self) -> Result<bool> {
        self.shared.check_writable()?;
        let mut pins = self.shared.lock_compacting();
        self.shared.checkpoint_unnoticed(&mut pins)
    }
}

impl Shared {
    pub(crate) fn checkpoint_in_background(&self) {
        let mut last_end = self.end();
        let mut last_change = Instant::now();
        let mut not_before = last_change;
        loop {
            self.signals.wait_for_checkpoint(LOOK);
            if self.signals.is_stopping() {
                return;
            }
            let now = Instant::now();
            if std::mem::replace(&mut last_end, self.end()) != last_end {
                last_change = now;
            }
            let is_quiet = now.duration_since(last_change) >= QUIET;
            if now < not_before || self.check_writable().is_err() || !self.is_checkpoint_due(is_quiet) {
                continue;
            }
            let mut pins = self.compacting.lock();
            if let Err(error) = self.checkpoint_unnoticed(&mut pins) {
                warn!(%error, "no checkpoint was written: a start reads more of the log; it is tried again later");
                not_before = Instant::now() + RETRY;
            }
        }
    }

    /// Writes a checkpoint where no thread does and some segments of log have come since the last.
    pub(crate) fn checkpoint_if_due(&self) -> Result<()> {
        let view = self.view.load_full();
        let segments = SEGMENTS_AT_WORK * self.kit.segment_size as u64;
        if self.newest.log_since(&view) >= segments.max(view.table.bytes() * BUSY_TABLES) {
            let mut pins = self.lock_compacting();
            self.checkpoint_unnoticed(&mut pins)?;
        }
        Ok(())
    }

    fn is_checkpoint_due(&self, is_quiet: bool) -> bool {
        let view = self.view.load();
        let (log, table) = (self.newest.log_since(&view), view.table.bytes());
        log >= BUSY.max(table * BUSY_TABLES) || is_quiet && log >= IDLE.max(table / IDLE_PART)
    }

    /// Writes a checkpoint at half speed, giving way to a close and to a full disk. Says whether it did.
    pub(crate) fn checkpoint_unnoticed(&self, pins: &mut Pins) -> Result<bool> {
        if !self.kit.medium.is_durable() {
            return Ok(false);
        }
        let given_up = Cell::new(None);
        let since = Cell::new(Instant::now());
        let pause = || {
            // Not in the `match`: the tail would stay locked for all of it, the rest included.
            let is_full = self.tail.lock().full.is_some();
            let why = match (self.signals.is_stopping(), is_full) {
                (true, _) => GivenUp::Closing,
                (_, true) => GivenUp::Full,
                _ => {
                    if self.options.background && !self.is_hurried() {
                        std::thread::sleep(since.get().elapsed().min(LONGEST_PAUSE));
                    }
                    since.set(Instant::now());
                    return Ok(());
                }
            };
            given_up.set(Some(why));
            Err(io::Error::other(why))
        };
        if pause().is_ok() {
            match self.write_checkpoint(pins, &pause, &given_up) {
                Err(_) if given_up.get().is_some() => {}
                written => return written.map(|()| true),
            }
        }
        debug!(why = given_up.get().map(|why| why.to_string()), "gave a checkpoint up");
        Ok(false)
    }

    /// Writes a checkpoint as fast as it goes.
    pub(crate) fn checkpoint_at_close(&self) -> Result<()> {
        let mut pins = self.lock_compacting();
        self.write_checkpoint(&mut pins, &|| Ok(()), &Cell::new(None))
    }

    fn write_checkpoint(
        &self,
        pins: &mut Pins,
        pause: &dyn Fn() -> io::Result<()>,
        given_up: &Cell<Option<GivenUp>>,
    ) -> Result<()> {
        let started = Instant::now();
        // The table first: a vanish after this replaces it, and is noticed.
        let table = Arc::clone(&self.view.load().table);
        // What was appended before this is in the table before the first bucket is copied.
        let position = self.end();
        self.pass_all_stripes();
        let needed = Cell::new(None);
        let state = || {
            let state = self.state_now(position, &table).ok_or_else(|| {
                given_up.set(Some(GivenUp::Vanished));
                Error::Failed(GivenUp::Vanished.to_string())
            })?;
            needed.set(state.pins());
            self.durability.sync(state.counted)?;
            Ok(state)
        };
        let source = Source {
            id: self.kit.id,
            table: &table,
            wait: &|n| drop(self.lock_stripe(n as u64)),
            pause,
            state: &state,
        };
        match checkpointing::write(&*self.kit.medium, &source) {
            Ok(state) => {
                *pins = Pins(state.pins());
                self.newest.from.store(state.position.to_word(), Ordering::Relaxed);
                self.effort.checkpoints.done(started);
                self.effort.checkpointed.store(self.options.clock.now(), Ordering::Relaxed);
                let milliseconds = started.elapsed().as_millis() as u64;
                debug!(bytes = table.bytes(), milliseconds, "checkpoint written");
                Ok(())
            }
            Err(error) => {
                // It may have got its name and then failed.
                pins.add(needed.get());
                Err(error)
            }
        }
    }

    /// What is true now, while no change is under way; none where `table` is not the table any more.
    fn state_now(&self, position: Position, table: &Arc<Table>) -> Option<State> {
        let _stripes = self.lock_all_stripes();
        let tail = self.tail.lock();
        let view = self.view.load();
        let segments = view.segments.iter().map(|segment| SegmentState {
            number: segment.number(),
            written: segment.written(),
            counts: segment.counts(),
        });
        Arc::ptr_eq(&view.table, table).then(|| State {
            position,
            counted: tail.end(),
            records: self.records.load(Ordering::Relaxed).max(0) as u64,
            last_ts: tail.last_ts,
            segments: segments.collect(),
            memos: tail.memos.encode(),
        })
    }

    /// Sees to it that no checkpoint needs segment `number`: by writing another one, else by removing
    /// the one that is there.
    pub(crate) fn unpin(&self, pins: &mut Pins, number: u64) -> Result<()> {
        if let Err(error) = self.checkpoint_unnoticed(pins) {
            // After a failed sync nothing is removed any more.
            self.durability.check()?;
            warn!(%error, "no checkpoint was written");
        }
        if pins.hold(number) && !self.signals.is_stopping() {
            debug!(segment = number, "removing the checkpoint, which needs a segment that must go");
            checkpoint::remove(&*self.kit.medium)?;
            *pins = Pins::default();
            self.newest.from.store(0, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Newest {
    /// Bytes of log that a start would have to read now.
    pub(crate) fn log_since(&self, view: &View) -> u64 {
        let from = self.from();
        let since = view.segments.iter().rev().take_while(|segment| segment.number() >= from.segment);
        since
            .map(|segment| match segment.number() == from.segment {
                true => segment.written().saturating_sub(from.offset),
                false => segment.written(),
            })
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{Options, Place};

    #[test]
    fn a_checkpoint_that_rests_holds_up_no_writer() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(Place::Directory(folder.path().to_owned()));
        // 32 blocks, with a rest after each.
        options.buckets = 1 << 19;
        let store = Store::open(options).unwrap();
        store.put(b"key", b"value").unwrap();
        let (mut looks, mut locked) = (0, 0);
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| store.checkpoint());
            while !writing.is_finished() {
                looks += 1;
                locked += u32::from(store.shared.tail.try_lock().is_none());
                std::thread::sleep(Duration::from_micros(50));
            }
            assert!(writing.join().unwrap().unwrap());
        });
        assert!(looks > 100 && locked * 10 < looks, "the tail was locked at {locked} of {looks} looks");
    }
}
