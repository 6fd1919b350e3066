//! Reading the log from a position on, for those who follow it, and what is kept for them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::counter::{Amount, Counter};
use crate::error::{Error, Result};
use crate::log::address::{Address, Position};
use crate::log::record::{At, Kind, Record, Stamp};
use crate::log::segment::{HEADER, Segment, Segments};
use crate::store::{Shared, Store};

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
    /// How a counter came from the record of the key before it to this one; none where it is no addition, or one to a
    /// number in decimal text.
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
    /// The log does not go on from the position: compaction has removed what was there, or it ends before.
    /// It begins here.
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

    /// All of it.
    pub const ALL: Self = {
        let nowhere = Position { segment: 0, offset: 0 };
        Self { keep_from: nowhere, collect_before: nowhere }
    };

    /// Whether a segment must stay as it is.
    pub(crate) fn keeps(&self, segment: &Segment) -> bool {
        segment.number() >= self.keep_from.segment
    }
}

/// Bytes ahead of a record that is read which are asked for.
const AHEAD: usize = 1024;
/// So many wait at most; where there are more, those before are woken for nothing.
const MOST_WAITERS: usize = 1024;

/// Those who wait for the end of the log to move.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    /// Whether there are any. Set before the tail is looked at by whoever begins to wait.
    waiting: AtomicBool,
    waiters: Mutex<Vec<(Position, Waker)>>,
}

/// Where the log ends now, still to be told to those who wait: see [`Shared::announce`].
#[must_use = "whoever waits for the end of the log is to be told, once the tail is let go"]
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewEnd(pub(crate) Position);

impl Feed {
    fn wait(&self, position: Position, waker: &Waker) {
        let mut waiters = self.waiters.lock();
        let mut given_up = Vec::new();
        if let Some((known, _)) = waiters.iter_mut().find(|(_, other)| other.will_wake(waker)) {
            *known = position.min(*known);
        } else {
            if waiters.len() >= MOST_WAITERS {
                // Most of them are gone without a word.
                given_up = std::mem::take(&mut *waiters);
            }
            waiters.push((position, waker.clone()));
        }
        self.waiting.store(true, Ordering::Relaxed);
        drop(waiters);
        given_up.into_iter().for_each(|(_, waker)| waker.wake());
    }

    #[cold]
    fn wake(&self, end: Position) {
        let mut waiters = self.waiters.lock();
        let woken: Vec<_> = waiters.extract_if(.., |(position, _)| *position < end).collect();
        self.waiting.store(!waiters.is_empty(), Ordering::Relaxed);
        drop(waiters);
        // What a waker does is not known here: no lock is held meanwhile.
        woken.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl Shared {
    /// Wakes those who wait for the log to end here. Called with the tail let go.
    ///
    /// A relaxed load is enough: whoever begins to wait says so, then looks at the tail. If that was locked
    /// before this append, it is seen here; if after, the new end was seen there.
    #[inline]
    pub(crate) fn announce(&self, end: NewEnd) {
        if self.feed.waiting.load(Ordering::Relaxed) {
            self.feed.wake(end.0);
        }
    }
}

/// The segment of a number, if it is there.
fn numbered(segments: &Segments, number: u64) -> Option<&Segment> {
    let segment = segments.at(Address::new(number, 0))?;
    // Addresses wrap.
    (segment.number() == number).then_some(segment)
}

impl Store {
    /// Hands out the records from `from` on, in the order of the log, until about `bytes` of it were passed or
    /// it ends. Takes no lock. Seals and manifests are passed, but not handed out.
    ///
    /// Errors: no record begins at `from`, or something there or behind it is damaged.
    pub fn read_log(
        &self,
        from: Position,
        bytes: usize,
        mut take: impl FnMut(&LogRecord<'_>),
    ) -> Result<LogRead> {
        let mut view = self.shared.view.load_full();
        let mut at = Position { offset: from.offset.max(HEADER as u64), ..from };
        let mut left = bytes;
        loop {
            if numbered(&view.segments, at.segment).is_none() {
                // A segment is in the view before the one before it is sealed.
                view = self.shared.view.load_full();
            }
            let segment = numbered(&view.segments, at.segment);
            let Some(segment) = segment.filter(|segment| at.offset <= segment.written()) else {
                // What was handed out comes first; the next read begins here.
                return Ok(if at.segment > from.segment {
                    LogRead::Upto(at)
                } else {
                    LogRead::Gone(self.oldest())
                });
            };
            if at.segment == from.segment {
                self.check_begins(segment, at)?;
            }
            let is_over = self.read_segment(segment, &mut at, &mut left, &mut take)?;
            if is_over {
                return Ok(LogRead::Upto(at));
            }
        }
    }

    /// Reads one segment from `at` on, which moves along. Says whether that is all: the segment goes on to be
    /// written, or enough was read.
    fn read_segment(
        &self,
        segment: &Segment,
        at: &mut Position,
        left: &mut usize,
        take: &mut impl FnMut(&LogRecord<'_>),
    ) -> Result<bool> {
        // Looked at before the length: what is sealed has its last length.
        let is_sealed = segment.is_sealed();
        let written = segment.written();
        while at.offset < written {
            // What was just written has to come from another core's cache.
            segment.region().prefetch(at.offset as usize + AHEAD, 64);
            let Some((record, bytes)) = peek(segment, at.offset) else {
                return Err(self.broken(segment, at.offset, "no record can be read here"));
            };
            if record.kind == Kind::Seal {
                *at = Position { segment: at.segment + 1, offset: HEADER as u64 };
                return Ok(false);
            }
            if record.kind != Kind::Manifest {
                take(&LogRecord {
                    at: *at,
                    bytes,
                    kind: record.kind,
                    stamp: record.stamp,
                    via: record.via,
                    moved: record.moved,
                    key: record.key,
                    value: record.value,
                    step: step(&record),
                });
            }
            at.offset += record.len as u64;
            *left = left.saturating_sub(record.len);
            if *left == 0 {
                return Ok(true);
            }
        }
        if is_sealed {
            *at = Position { segment: at.segment + 1, offset: HEADER as u64 };
        }
        Ok(!is_sealed)
    }

    /// Whether a record begins at a position, which may come from anywhere.
    fn check_begins(&self, segment: &Segment, at: Position) -> Result<()> {
        match segment.at(usize::try_from(at.offset).unwrap_or(usize::MAX)) {
            At::Record(_) | At::End => Ok(()),
            At::Damage(why) => Err(self.broken(segment, at.offset, why)),
        }
    }

    fn broken(&self, segment: &Segment, offset: u64, why: &'static str) -> Error {
        Error::Damaged { path: self.shared.kit.medium.describe(segment.region().name()), offset, why }
    }

    /// Whether a record of the log is what the database knows of its key now. One that is not was replaced by a later
    /// one, or deleted with all before it.
    pub fn is_live(&self, record: &LogRecord<'_>) -> bool {
        let shared = &self.shared;
        let hash = shared.hasher.hash(record.key);
        let address = Address::new(record.at.segment, record.at.offset as usize);
        let is_it = |other: Address| (other == address).then_some(());
        // Whoever appended it has entered it, or left a note, by the time he lets the stripe go.
        let held = shared.lock_as_it_is(hash);
        let noted = shared.stripe(hash).noted(hash, is_it);
        noted.is_some() || held.view.table.find(hash, |entry| is_it(entry.address())).is_some()
    }

    /// Ready once the log ends behind `position`. May wake for nothing.
    pub fn poll_appended(&self, position: Position, context: &Context<'_>) -> Poll<()> {
        if self.end() > position {
            return Poll::Ready(());
        }
        self.shared.feed.wait(position, context.waker());
        // With its lock: see `announce`.
        let end = self.shared.tail.lock().end();
        if end > position { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Where the log begins.
    pub fn oldest(&self) -> Position {
        let view = self.shared.view.load();
        let oldest = view.segments.oldest();
        oldest.map_or_else(Position::default, |oldest| Position {
            segment: oldest.number(),
            offset: HEADER as u64,
        })
    }

    /// Records appended since the store was opened, those that compaction moved included; of those that
    /// [`Store::read_log`] hands out.
    pub fn appended(&self) -> u64 {
        self.shared.tail.lock().appended
    }

    /// What compaction must leave alone: certain once this returns, which may take as long as the removal of a
    /// segment that has begun.
    ///
    /// It is kept on a full disk as well: whoever holds the log decides what is worth more. A log that comes to
    /// span so many segments that addresses would run out (524288) lets go of the oldest all the same.
    pub fn set_hold(&self, hold: Hold) {
        let shared = &self.shared;
        let before = std::mem::replace(&mut *shared.hold.lock(), hold);
        if hold.keep_from < before.keep_from || hold.collect_before < before.collect_before {
            shared.holds.fetch_add(1, Ordering::Release);
            // Nothing is being moved or dropped on the old terms then.
            shared.pass_all_stripes();
        }
        // Segments that died meanwhile may go now.
        self.shared.signals.wake_compactor();
    }
}

/// What the change that made this record of a counter added.
fn step(record: &Record<'_>) -> Option<Step> {
    if record.kind != Kind::Counter {
        return None;
    }
    match Counter::of(record)?.step? {
        Amount::Int(number) => Some(Step::Int(number)),
        Amount::Double(number) => Some(Step::Double(number)),
        Amount::Decimal(_) => None,
    }
}

fn peek(segment: &Segment, offset: u64) -> Option<(Record<'_>, &[u8])> {
    let offset = usize::try_from(offset).ok()?;
    let record = segment.peek(offset)?;
    let bytes = segment.region().bytes().get(offset..offset + record.len)?;
    Some((record, bytes))
}
