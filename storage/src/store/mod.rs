//! The store: what the rest of the node knows of the engine.
//!
//! Lock order: compaction, the hold, bounds, the queue for reservations, stripes (by number), the tail of the log. Nobody
//! takes one while holding a later one. Nor does anybody wait for a reservation who holds one of them.

mod authored;
mod change;
mod checkpointing;
mod choice;
mod close;
mod compaction;
mod counting;
mod evict;
mod feed;
mod identity;
mod memo;
mod open;
mod pace;
mod queue;
mod read;
mod received;
pub(crate) mod replay;
mod reservation;
mod scan;
mod snapshot;
mod stripe;
mod vanish;
mod visit;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};

pub use authored::{Author, Authored};
pub use change::{Change, Current, Inline};
pub use feed::{Hold, LogRead, LogRecord, Step};
pub use identity::OpenedAt;
pub use queue::Scope;
pub use read::KeyHash;
pub use received::{Arrival, Received, tombstone};
pub use reservation::{Reservation, Turn};
pub use scan::{Cursor, KeyIterator};
pub use snapshot::Snapshot;
pub use visit::Visited;

use crate::durability::Durability;
use crate::effort::{Effort, Efforts};
use crate::error::{Error, Result};
use crate::hash::KeyHasher;
use crate::index::{STRIPES, Table};
use crate::lock::DatabaseLock;
use crate::log::address::Position;
use crate::log::record::Record;
use crate::log::segment::{Segment, Segments};
use crate::log::writer::{Active, Host, Kit, Tail, TailGuard};
use crate::meta::Meta;
use crate::options::Options;
use checkpointing::{Newest, Pins};
use evict::Bounds;
use feed::{Feed, NewEnd};
use queue::Queue;
use stripe::Stripe;
use worker::Signals;

/// What a reader sees: a table and the segments that it points into.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) table: Arc<Table>,
    pub(crate) segments: Segments,
}

/// An open database. All methods may be called from any thread. Changes of what another thread has reserved
/// ([`Store::reserve`]) give [`Error::Reserved`].
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Not closed yet.
    is_open: bool,
    /// Let go last.
    _lock: Option<DatabaseLock>,
}

/// What the store and its background threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) kit: Kit,
    /// What `meta` says now.
    pub(crate) meta: Meta,
    opened: OpenedAt,
    pub(crate) hasher: KeyHasher,
    pub(crate) view: ArcSwap<View>,
    /// Counts the replacements of the view.
    view_version: AtomicU64,
    stripes: [CachePadded<Stripe>; STRIPES],
    pub(crate) tail: CachePadded<Mutex<Tail>>,
    /// Where the log ends, for those who don't hold the tail.
    appended: CachePadded<AtomicU64>,
    pub(crate) durability: Durability,
    /// Records that a client sees.
    pub(crate) records: CachePadded<AtomicI64>,
    pub(crate) signals: Signals,
    pub(crate) bounds: Bounds,
    /// Who waits for the log to go on.
    feed: Feed,
    /// What those who follow the log need of it. Held while a segment is removed.
    hold: Mutex<Hold>,
    /// How often more was put on hold.
    holds: AtomicU64,
    /// Held while segments are rewritten, removed or copied, or a checkpoint is written.
    compacting: Mutex<Pins>,
    /// Callers that wait for `compacting`: whoever holds it should not dawdle.
    hurried: AtomicUsize,
    newest: Newest,
    /// Counted for those who watch.
    effort: Effort,
    /// The run of this server (see [`crate::counter::Sum`]) once additions are kept as such. Nobody holds another
    /// lock when taking it.
    run: Mutex<Option<u32>>,
    /// Held while segments are made: by one thread alone.
    providing: Mutex<()>,
    /// Who waits for something reserved.
    queue: Queue,
    /// Where the log ended when [`Store::work`] was last called, as a word.
    worked_up_to: AtomicU64,
}

/// Figures of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Records that a client sees.
    pub records: u64,
    /// Bytes of the log: what was written to its segments.
    pub log_bytes: u64,
    /// Bytes of live records and tombstones in it.
    pub live_bytes: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Bytes of the buckets of the table in use.
    pub table_bytes: u64,
    /// Entries of the table: records and tombstones.
    pub entries: u64,
}

/// Figures of a segment of the log, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentFigures {
    /// Its number.
    pub number: u64,
    /// What was written to it, header and seal included.
    pub written: u64,
    /// Its records that the table points at, tombstones included.
    pub live: u64,
    /// Those of them that are tombstones.
    pub tombstones: u64,
}

impl Shared {
    /// Records that a client sees.
    pub(crate) fn records(&self) -> u64 {
        // Only the table tells whether a put was of a new key.
        self.pass_all_stripes();
        self.records.load(Ordering::Relaxed).max(0) as u64
    }

    /// Waits until no segment is rewritten, removed or copied, and no checkpoint written.
    fn lock_compacting(&self) -> MutexGuard<'_, Pins> {
        if let Some(pins) = self.compacting.try_lock() {
            return pins;
        }
        self.hurried.fetch_add(1, Ordering::Relaxed);
        let pins = self.compacting.lock();
        self.hurried.fetch_sub(1, Ordering::Relaxed);
        pins
    }

    /// Whether whoever holds `compacting` should not dawdle.
    fn is_hurried(&self) -> bool {
        self.hurried.load(Ordering::Relaxed) > 0 || self.signals.is_stopping()
    }

    /// Where the log ends.
    #[inline]
    pub(crate) fn end(&self) -> Position {
        Position::from_word(self.appended.load(Ordering::Acquire))
    }

    /// Takes note of the end of the log, with the tail still locked; it is to be announced then.
    #[inline]
    pub(crate) fn set_end(&self, tail: &Tail) -> NewEnd {
        let end = tail.end();
        self.appended.store(end.to_word(), Ordering::Release);
        NewEnd(end)
    }

    /// Milliseconds since the Unix epoch, by the clock of the options.
    pub(crate) fn now_ms(&self) -> u64 {
        self.options.clock.now() / 1000
    }

    /// Whether a record has ended. The clock is looked at only where the record has an end.
    #[inline]
    pub(crate) fn has_expired(&self, record: &Record<'_>) -> bool {
        record.has_expired(|| self.now_ms())
    }

    /// An error unless changes are allowed.
    #[inline]
    pub(crate) fn check_writable(&self) -> Result<()> {
        if self.options.read_only { Err(Error::ReadOnly) } else { self.durability.check() }
    }
}

impl Host for Shared {
    fn adopt(&self, active: &Active) {
        self.replace_view(|view| {
            let mut segments = view.segments.clone();
            segments.push(Arc::clone(&active.segment));
            View { table: Arc::clone(&view.table), segments }
        });
        self.durability.watch(&active.segment);
        // The segment before it is full: it is made durable in every mode.
        self.durability.ask();
        self.signals.wake_allocator();
        self.signals.wake_compactor();
    }

    fn await_segment(&self, tail: &mut TailGuard<'_>) {
        if self.options.background {
            self.signals.wake_allocator();
            self.kit.provided.wait(tail);
        } else {
            MutexGuard::unlocked(tail, || self.provide());
        }
    }
}

impl Store {
    /// Records that a client sees.
    pub fn records(&self) -> u64 {
        self.shared.records()
    }

    /// Figures of the store as they are now.
    pub fn figures(&self) -> Figures {
        let records = self.records();
        let view = self.shared.view.load();
        let mut figures = Figures {
            records,
            table_bytes: view.table.bytes(),
            entries: view.table.entries(),
            ..Figures::default()
        };
        for segment in view.segments.iter() {
            figures.segments += 1;
            figures.log_bytes += segment.written();
            figures.live_bytes += segment.live();
        }
        figures
    }

    /// Figures of each segment as they are now, oldest first.
    pub fn segments(&self) -> Vec<SegmentFigures> {
        let view = self.shared.view.load();
        let figures = |segment: &Arc<Segment>| SegmentFigures {
            number: segment.number(),
            written: segment.written(),
            live: segment.live(),
            tombstones: segment.tombstones(),
        };
        view.segments.iter().map(figures).collect()
    }

    /// What the store has done for itself since it was opened.
    pub fn efforts(&self) -> Efforts {
        let shared = &self.shared;
        let effort = &shared.effort;
        let at = effort.checkpointed.load(Ordering::Relaxed);
        let age = shared.options.clock.now().saturating_sub(at);
        Efforts {
            compactions: effort.compactions.so_far(),
            is_compacting: effort.is_compacting.load(Ordering::Relaxed),
            moved_bytes: effort.moved.load(Ordering::Relaxed),
            checkpoints: effort.checkpoints.so_far(),
            checkpoint_age: (at > 0).then(|| Duration::from_micros(age)),
            log_since_checkpoint: shared.newest.log_since(&shared.view.load()),
            syncs: shared.durability.syncs.so_far(),
        }
    }

    /// Whether the database is lost with the process.
    pub fn is_memory(&self) -> bool {
        !self.shared.kit.medium.is_durable()
    }

    /// Where the log ends: what has been changed so far is before it.
    pub fn end(&self) -> Position {
        self.shared.end()
    }

    /// Ready once all before `position` is durable. Under [`crate::SyncMode::Always`] a change may
    /// be acknowledged then.
    pub fn poll_durable(&self, position: Position, context: &Context<'_>) -> Poll<Result<()>> {
        if self.is_memory() {
            return Poll::Ready(self.shared.durability.check());
        }
        self.shared.durability.poll_durable(position, context)
    }

    /// Whether all before `position` is durable; an error where it cannot become so any more.
    pub fn is_durable(&self, position: Position) -> Result<bool> {
        let durability = &self.shared.durability;
        if !self.is_memory() && position <= durability.durable() {
            return Ok(true);
        }
        durability.check().map(|()| self.is_memory())
    }

    /// Has all before `position` made durable without waiting for it.
    pub fn want_durable(&self, position: Position) {
        self.shared.durability.want(position);
    }

    /// Makes everything changed so far durable; blocks. A database in memory drops what is over its
    /// bounds instead.
    pub fn sync(&self) -> Result<()> {
        self.shared.check_writable()?;
        if self.is_memory() {
            self.shared.evict(true);
            return Ok(());
        }
        self.shared.durability.sync(self.shared.end())
    }

    /// Why writes are refused, if an earlier write or sync failed.
    pub fn failure(&self) -> Option<String> {
        self.shared.durability.check().err().map(|error| error.to_string())
    }

    /// Why ordinary writes are refused for want of space, if they are.
    pub fn full(&self) -> Option<String> {
        self.shared.tail.lock().full.clone()
    }
}
