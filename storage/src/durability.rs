//! What is durable, and who waits for it: group commit.
//!
//! One sync serves all who wait. After a failed sync nothing is retried: the pages may be gone from
//! the cache, so the store refuses writes from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};
use crate::log::address::Position;
use crate::log::segment::Segment;
use crate::medium::Medium;

/// When what was written becomes durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// Before it is acknowledged.
    Always,
    /// At most this much later, but for the time that the sync itself takes. Below a millisecond
    /// counts as one.
    Every(Duration),
    /// When the system sees fit; only full segments are synced.
    Never,
}

/// The least time between two syncs that nobody asked for.
const LEAST_INTERVAL: Duration = Duration::from_millis(1);

/// A segment not yet durable, and how much of it is.
#[derive(Debug)]
struct Pending {
    segment: Arc<Segment>,
    synced: usize,
    /// Sealed, durable and cut to its length: done.
    cut: bool,
}

/// The state of durability of one log.
#[derive(Debug)]
pub struct Durability {
    medium: Arc<dyn Medium>,
    /// Segments that came since the last sync began.
    arrived: Mutex<Vec<Pending>>,
    /// Held for the whole of a sync.
    pending: Mutex<Vec<Pending>>,
    durable: AtomicU64,
    waiters: Mutex<Waiters>,
    wake: Condvar,
    failed: AtomicBool,
    why: Mutex<String>,
}

#[derive(Debug, Default)]
struct Waiters {
    tasks: Vec<(Position, Waker)>,
    /// Somebody waits for a sync.
    asked: bool,
    stop: bool,
}

impl Durability {
    /// Nothing is durable yet.
    pub fn new(medium: Arc<dyn Medium>) -> Self {
        Self {
            medium,
            arrived: Mutex::default(),
            pending: Mutex::default(),
            durable: AtomicU64::new(0),
            waiters: Mutex::default(),
            wake: Condvar::new(),
            failed: AtomicBool::new(false),
            why: Mutex::default(),
        }
    }

    /// Takes a segment in that will be written, or still has to be cut.
    pub fn watch(&self, segment: &Arc<Segment>) {
        self.arrived.lock().push(Pending { segment: Arc::clone(segment), synced: 0, cut: false });
    }

    /// Everything before this is durable.
    pub fn durable(&self) -> Position {
        Position::from_word(self.durable.load(Ordering::Acquire))
    }

    /// Makes the log durable up to `end`, which was appended before the call, and cuts sealed
    /// segments to their length.
    pub fn sync(&self, end: Position) -> Result<()> {
        let mut pending = self.pending.lock();
        // Looked at under the lock: what failed for another caller is not tried again here.
        self.check()?;
        pending.append(&mut self.arrived.lock());
        let result: std::io::Result<()> = pending.iter_mut().try_for_each(|one| {
            // Looked at before the length: what is sealed has its last length.
            let sealed = one.segment.is_sealed();
            let region = one.segment.region();
            let written = region.written();
            self.medium.sync(region, one.synced, written)?;
            one.synced = written;
            if sealed {
                self.medium.cut(region, written)?;
                one.cut = true;
            }
            Ok(())
        });
        if let Err(error) = result {
            return Err(self.fail(format!("sync of the log failed: {error}")));
        }
        pending.retain(|one| !one.cut);
        self.durable.fetch_max(end.to_word(), Ordering::AcqRel);
        drop(pending);
        self.wake_waiters();
        Ok(())
    }

    /// Refuses all writes from now on.
    pub fn fail(&self, why: String) -> Error {
        tracing::error!(why, "writes are refused until a restart");
        let mut first = self.why.lock();
        if first.is_empty() {
            first.clone_from(&why);
        }
        drop(first);
        self.failed.store(true, Ordering::Release);
        self.wake_waiters();
        Error::Failed(why)
    }

    /// An error once a write or sync has failed.
    #[inline]
    pub fn check(&self) -> Result<()> {
        if self.failed.load(Ordering::Acquire) { Err(Error::Failed(self.why.lock().clone())) } else { Ok(()) }
    }

    fn wake_waiters(&self) {
        let failed = self.failed.load(Ordering::Acquire);
        let durable = self.durable();
        let mut waiters = self.waiters.lock();
        let done: Vec<_> =
            waiters.tasks.extract_if(.., |(position, _)| failed || *position <= durable).collect();
        // Whoever came while the sync ran needs another one.
        if !waiters.tasks.is_empty() {
            waiters.asked = true;
            self.wake.notify_one();
        }
        drop(waiters);
        // What a waker does is not known here: no lock is held meanwhile.
        for (_, waker) in done {
            waker.wake();
        }
    }

    /// Ready once all before `position` is durable, or cannot become so any more.
    pub fn poll_durable(&self, position: Position, context: &Context<'_>) -> Poll<Result<()>> {
        if position <= self.durable() {
            return Poll::Ready(Ok(()));
        }
        let mut waiters = self.waiters.lock();
        if let Err(error) = self.check() {
            return Poll::Ready(Err(error));
        }
        if position <= self.durable() {
            return Poll::Ready(Ok(()));
        }
        waiters.tasks.push((position, context.waker().clone()));
        waiters.asked = true;
        self.wake.notify_one();
        Poll::Pending
    }

    /// Asks for a sync without waiting for it.
    pub fn ask(&self) {
        self.waiters.lock().asked = true;
        self.wake.notify_one();
    }

    /// Ends [`Durability::run`].
    pub fn stop(&self) {
        self.waiters.lock().stop = true;
        self.wake.notify_one();
    }

    /// Syncs when asked and as `mode` says, until stopped or failed. `end` tells where the log ends.
    pub fn run(&self, mode: SyncMode, end: impl Fn() -> Position) {
        loop {
            let mut waiters = self.waiters.lock();
            if !waiters.asked && !waiters.stop {
                match mode {
                    SyncMode::Every(interval) => {
                        self.wake.wait_for(&mut waiters, interval.max(LEAST_INTERVAL));
                    }
                    SyncMode::Always | SyncMode::Never => self.wake.wait(&mut waiters),
                }
            }
            if waiters.stop {
                return;
            }
            let asked = std::mem::take(&mut waiters.asked);
            drop(waiters);
            let end = end();
            let due = asked || matches!(mode, SyncMode::Every(_));
            if due && (end > self.durable() || !self.arrived.lock().is_empty()) && self.sync(end).is_err() {
                return;
            }
        }
    }
}
