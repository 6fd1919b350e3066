//! What is durable, and who waits for it: group commit.
//!
//! One sync serves all who wait. After a failed sync nothing is retried: the pages may be gone from
//! the cache, so the store refuses writes from then on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::effort::Tally;
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
    /// Counted for those who watch.
    pub(crate) syncs: Tally,
}

#[derive(Debug, Default)]
struct Waiters {
    tasks: Vec<(Position, Waker)>,
    /// The end of what somebody waits for. Syncs follow one another until it is durable.
    wanted: Position,
    /// Full segments are to be cut to their length.
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
            syncs: Tally::default(),
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
        // A cut tells that all before it is durable, seals included. One that was sealed while an earlier
        // segment was synced without its seal waits for the next round.
        let mut all_cut = true;
        let started = Instant::now();
        let result: std::io::Result<()> = pending.iter_mut().try_for_each(|one| {
            // Looked at before the length: what is sealed has its last length.
            let sealed = one.segment.is_sealed();
            let region = one.segment.region();
            let written = region.written();
            self.medium.sync(region, one.synced, written)?;
            one.synced = written;
            all_cut &= sealed;
            if all_cut {
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
        self.syncs.done(started);
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
        self.want_more(waiters, position);
        Poll::Pending
    }

    /// Has all before `position` made durable without waiting for it.
    pub fn want(&self, position: Position) {
        self.want_more(self.waiters.lock(), position);
    }

    fn want_more(&self, mut waiters: MutexGuard<'_, Waiters>, position: Position) {
        waiters.wanted = waiters.wanted.max(position);
        drop(waiters);
        self.wake.notify_one();
    }

    /// Asks for a sync though nobody waits for it.
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
            let is_wanted = |waiters: &Waiters| waiters.wanted.min(end()) > self.durable();
            if !is_wanted(&waiters) && !waiters.asked && !waiters.stop {
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
            drop(waiters);
            if self.sync_if_due(mode, end()).is_err() {
                return;
            }
        }
    }

    /// Syncs where somebody asked for it, or `mode` does. The log ends at `end`.
    pub fn sync_if_due(&self, mode: SyncMode, end: Position) -> Result<()> {
        let mut waiters = self.waiters.lock();
        let asked = std::mem::take(&mut waiters.asked);
        let is_wanted = waiters.wanted.min(end) > self.durable();
        drop(waiters);
        let due = asked || is_wanted || matches!(mode, SyncMode::Every(_));
        match due && (end > self.durable() || !self.arrived.lock().is_empty()) {
            true => self.sync(end),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::segment::file_name;
    use crate::medium::{Fill, Region};
    use std::io;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    /// Counts syncs, which take a while, and fails them from one on.
    #[derive(Debug)]
    struct Slow {
        syncs: AtomicUsize,
        fails_from: usize,
        /// What is sealed while the next sync is under way.
        seals: Mutex<Vec<Arc<Segment>>>,
        /// The files that were cut.
        cuts: Mutex<Vec<String>>,
    }

    impl Medium for Slow {
        fn create(&self, name: &str, capacity: usize) -> io::Result<Region> {
            Region::anonymous(name.to_owned(), capacity)
        }
        fn open(&self, _: &str) -> io::Result<Region> {
            Err(io::ErrorKind::NotFound.into())
        }
        fn sync(&self, _: &Region, _: usize, _: usize) -> io::Result<()> {
            std::thread::sleep(Duration::from_millis(20));
            self.seals.lock().drain(..).for_each(|segment| segment.set_sealed());
            match self.syncs.fetch_add(1, Ordering::Relaxed) < self.fails_from {
                true => Ok(()),
                false => Err(io::Error::other("no more")),
            }
        }
        fn cut(&self, region: &Region, _: usize) -> io::Result<()> {
            self.cuts.lock().push(region.name().to_owned());
            Ok(())
        }
        fn wipe(&self, _: &str, _: u64, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn write_whole(&self, _: &str, _: &mut Fill<'_>) -> io::Result<()> {
            Ok(())
        }
        fn read_at(&self, _: &str, _: u64, _: &mut [u8]) -> io::Result<()> {
            Ok(())
        }
        fn remove(&self, _: &str) -> io::Result<()> {
            Ok(())
        }
        fn list(&self, _: &str) -> io::Result<Vec<(String, u64)>> {
            Ok(Vec::new())
        }
        fn is_durable(&self) -> bool {
            true
        }
        fn describe(&self, name: &str) -> String {
            name.to_owned()
        }
    }

    struct Unpark(std::thread::Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn wait(durability: &Durability, position: Position) -> Result<()> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        loop {
            match durability.poll_durable(position, &Context::from_waker(&waker)) {
                Poll::Ready(result) => return result,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    fn of(fails_from: usize) -> (Arc<Slow>, Durability, Arc<Segment>) {
        let medium = Arc::new(Slow {
            syncs: AtomicUsize::new(0),
            fails_from,
            seals: Mutex::default(),
            cuts: Mutex::default(),
        });
        let durability = Durability::new(medium.clone());
        let segment = segment(1);
        durability.watch(&segment);
        (medium, durability, segment)
    }

    fn segment(number: u64) -> Arc<Segment> {
        let region = Region::anonymous(file_name(number), 1 << 16).unwrap();
        Arc::new(Segment::new(number, Arc::new(region)))
    }

    fn position(offset: u64) -> Position {
        Position { segment: 1, offset }
    }

    /// Runs `waiters` threads that each wait for a position of their own.
    fn crowd(durability: &Durability, mode: SyncMode, waiters: u64) -> Vec<Result<()>> {
        std::thread::scope(|scope| {
            let sync = scope.spawn(|| durability.run(mode, || position(waiters)));
            let threads: Vec<_> =
                (1..=waiters).map(|offset| scope.spawn(move || wait(durability, position(offset)))).collect();
            let results = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            durability.stop();
            sync.join().unwrap();
            results
        })
    }

    #[test]
    fn one_sync_serves_all_who_wait() {
        for mode in [SyncMode::Always, SyncMode::Every(Duration::from_millis(1)), SyncMode::Never] {
            let (medium, durability, _) = of(usize::MAX);
            let results = crowd(&durability, mode, 50);
            assert!(results.iter().all(Result::is_ok), "{mode:?}: {results:?}");
            assert_eq!(durability.durable(), position(50));
            let syncs = medium.syncs.load(Ordering::Relaxed);
            assert!(syncs <= 3, "{mode:?}: {syncs} syncs for 50 waiters");
        }
    }

    #[test]
    fn a_failed_sync_wakes_all_who_wait_with_the_error() {
        let (medium, durability, _) = of(0);
        let results = crowd(&durability, SyncMode::Always, 50);
        assert!(results.iter().all(|result| matches!(result, Err(Error::Failed(_)))), "{results:?}");
        // Whoever comes later learns it at once, and nothing is tried again.
        assert!(wait(&durability, position(1)).is_err());
        assert!(durability.sync(position(1)).is_err());
        assert_eq!(medium.syncs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn callers_that_queued_behind_a_failed_sync_do_not_repeat_it() {
        let (medium, durability, _) = of(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert!(durability.sync(position(1)).is_err()));
            }
        });
        assert_eq!(medium.syncs.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn what_was_durable_before_a_failure_stays_so() {
        let (_, durability, _) = of(1);
        durability.sync(position(10)).unwrap();
        assert!(durability.sync(position(20)).is_err());
        assert!(wait(&durability, position(10)).is_ok());
        assert!(wait(&durability, position(11)).is_err());
    }

    #[test]
    fn a_segment_is_let_go_only_once_it_is_cut() {
        let (_, durability, segment) = of(usize::MAX);
        durability.sync(position(1)).unwrap();
        assert_eq!(durability.pending.lock().len(), 1);
        segment.set_sealed();
        durability.sync(position(2)).unwrap();
        assert_eq!(durability.pending.lock().len(), 0);
    }

    /// The seal of the first may have come after its bytes were synced.
    #[test]
    fn a_segment_is_cut_only_after_all_before_it() {
        let (medium, durability, first) = of(usize::MAX);
        let second = segment(2);
        durability.watch(&second);
        *medium.seals.lock() = vec![first, second];
        durability.sync(position(1)).unwrap();
        assert!(medium.cuts.lock().is_empty(), "{:?}", medium.cuts.lock());
        durability.sync(position(2)).unwrap();
        assert_eq!(*medium.cuts.lock(), [file_name(1), file_name(2)]);
    }
}
