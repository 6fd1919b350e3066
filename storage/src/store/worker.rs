//! The background threads of a store: one syncs, one allocates ahead, one compacts, one writes
//! checkpoints. Where there are none, [`Store::work`] does what they would.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};
use crate::log::address::Position;
use crate::log::writer::{Active, Tail, is_no_space};
use crate::store::choice::Goal;
use crate::store::{Shared, Store};

/// Pages are made ready for writing this far ahead of the end of the log, in bytes.
const AHEAD: usize = 4 << 20;
/// When less than this is ready, more is asked for.
const NEAR: usize = 2 << 20;
/// How long after a failure to allocate it is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What the threads wait for.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    stop: AtomicBool,
    /// A segment was used up, or pages are running out.
    allocate: Flag,
    /// Segments may have died.
    compact: Flag,
    /// A checkpoint may be due.
    checkpoint: Flag,
    /// A request for pages is under way.
    populating: AtomicBool,
}

/// A flag that can be waited for.
#[derive(Debug, Default)]
struct Flag {
    raised: Mutex<bool>,
    wake: Condvar,
}

impl Flag {
    fn raise(&self) {
        *self.raised.lock() = true;
        self.wake.notify_one();
    }

    /// Waits until raised, or for `timeout`, and lowers it.
    fn wait(&self, timeout: Option<Duration>) {
        let mut raised = self.raised.lock();
        while !*raised {
            match timeout {
                Some(timeout) => {
                    self.wake.wait_for(&mut raised, timeout);
                    break;
                }
                None => self.wake.wait(&mut raised),
            }
        }
        *raised = false;
    }
}

impl Signals {
    pub(crate) fn wake_allocator(&self) {
        self.allocate.raise();
    }

    pub(crate) fn wake_compactor(&self) {
        self.compact.raise();
    }

    /// Waits until segments may have died, or for `pause`.
    pub(crate) fn wait_for_compaction(&self, pause: Duration) {
        self.compact.wait(Some(pause));
    }

    /// Waits for `pause`, or until the store is closed.
    pub(crate) fn wait_for_checkpoint(&self, pause: Duration) {
        self.checkpoint.wait(Some(pause));
    }

    /// Asks for more pages where fewer than enough are left.
    #[inline]
    pub(crate) fn populate_if_near(&self, left: usize) {
        if left < NEAR && !self.populating.load(Ordering::Relaxed) {
            self.populate();
        }
    }

    /// Has pages made ready, unless that is under way.
    #[cold]
    pub(crate) fn populate(&self) {
        if !self.populating.swap(true, Ordering::Relaxed) {
            self.allocate.raise();
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.allocate.raise();
        self.compact.raise();
        self.checkpoint.raise();
    }
}

/// Starts the threads.
pub(crate) fn start(shared: &Arc<Shared>) -> Result<Vec<JoinHandle<()>>> {
    let mut threads = Vec::new();
    if shared.options.read_only || !shared.options.background {
        return Ok(threads);
    }
    let mut spawn = |name: &str, work: fn(&Shared)| {
        let shared = Arc::clone(shared);
        let spawned = Builder::new().name(name.to_owned()).spawn(move || work(&shared));
        spawned.map(|thread| threads.push(thread)).map_err(Error::io("start", format!("the thread {name}")))
    };
    spawn("sync", |shared| {
        if shared.kit.medium.is_durable() {
            shared.durability.run(shared.options.sync, || shared.end());
        }
    })?;
    spawn("allocate", Shared::allocate_ahead)?;
    spawn("compact", Shared::compact_in_background)?;
    if shared.kit.medium.is_durable() {
        spawn("checkpoint", Shared::checkpoint_in_background)?;
    }
    Ok(threads)
}

impl Store {
    /// Does what is due where no threads do: makes the segments that the log will need, syncs as
    /// [`crate::Options::sync`] says ([`crate::SyncMode::Every`]: each time), compacts a segment, writes a
    /// checkpoint once there is some log to read without. The same calls in the same order do the same.
    ///
    /// Errors: [`crate::Options::background`] is on; the database is only read; what any of this may fail with.
    pub fn work(&self) -> Result<()> {
        let shared = &self.shared;
        shared.check_writable()?;
        if shared.options.background {
            return Err(Error::Failed("threads in the background do this work".to_owned()));
        }
        shared.provide();
        if !self.is_memory() {
            shared.durability.sync_if_due(shared.options.sync, shared.end())?;
        }
        let last = Position::from_word(shared.worked_up_to.load(Ordering::Relaxed));
        let goal = if last == shared.end() { Goal::Idle } else { Goal::Busy };
        shared.compact_one(goal)?;
        shared.worked_up_to.store(shared.end().to_word(), Ordering::Relaxed);
        shared.checkpoint_if_due()
    }
}

impl Shared {
    fn allocate_ahead(&self) {
        loop {
            let retry = self.tail.lock().full.is_some();
            self.signals.allocate.wait(retry.then_some(RETRY));
            if self.signals.is_stopping() {
                break;
            }
            if retry {
                // No segment is used up now, but deletes may have left some with few live records.
                self.signals.wake_compactor();
            }
            self.provide();
            self.populate();
            self.view.load().table.make_ready();
            self.signals.populating.store(false, Ordering::Relaxed);
        }
        // Nobody may go on waiting for a segment.
        self.tail.lock().full = Some("the database is being closed".to_owned());
        self.kit.provided.notify_all();
    }

    /// Allocates what the tail lacks, or notes that there is no space for it. Nobody else makes segments
    /// once the database is open.
    pub(crate) fn provide(&self) {
        let _providing = self.providing.lock();
        let wanted = {
            let mut tail = self.tail.lock();
            let wanted = std::mem::take(&mut tail.wanted);
            if tail.awaits(wanted) { 0 } else { wanted }
        };
        if wanted > 0 {
            let made = self.large_and_spare(wanted);
            let mut tail = self.tail.lock();
            match made {
                Ok(both) => note_success(&mut tail, both),
                Err(error) => tail.refused = Some((wanted, error.to_string())),
            }
        }
        self.enlarge_spare();
        while let Some(last) = self.lacks() {
            let made = self.spare(last);
            let mut tail = self.tail.lock();
            match made {
                Ok(spare) => note_success(&mut tail, [spare]),
                Err(error) => {
                    note_failure(&mut tail, error);
                    break;
                }
            }
        }
        let mut tail = self.tail.lock();
        // What compaction gave back is used by now, or lost to somebody else.
        if tail.owed == Some(0) {
            tail.owed = None;
        }
        drop(tail);
        self.kit.provided.notify_all();
    }

    /// Whether another segment should be made, and if so, whether none is waiting at all. One waits
    /// always, for compaction; a second from the middle of the active segment on, and after a shortage.
    fn lacks(&self) -> Option<bool> {
        let tail = self.tail.lock();
        let is_short = tail.is_short(&self.kit) || tail.starved || tail.full.is_some();
        let enough = if is_short { 2 } else { 1 };
        (tail.waiting.len() < enough).then_some(tail.waiting.is_empty())
    }

    /// A segment of the usual size. The only one may be smaller on a full disk: a segment that was
    /// removed gives back only what it was cut to.
    fn spare(&self, only: bool) -> Result<Active> {
        let size = self.kit.segment_size;
        match self.kit.segment(size) {
            Err(_) if only => self.kit.segment(size / 8 * 7).or_else(|_| self.kit.segment(size / 2)),
            made => made,
        }
    }

    /// Where the only spare had to be made small, and compaction has found no segment whose live records it
    /// holds, nothing would ever change: a larger one takes its place, as soon as there is space for it.
    fn enlarge_spare(&self) {
        let small = {
            let mut tail = self.tail.lock();
            let size = self.kit.segment_size;
            let is_small = |active: &Active| active.appender.region().capacity() < size;
            let is_stuck =
                std::mem::take(&mut tail.cramped) && tail.full.is_some() && tail.owed.unwrap_or(0) == 0;
            let is_due = is_stuck && tail.waiting.len() == 1 && tail.waiting.iter().all(is_small);
            if is_due { tail.waiting.pop_front() } else { None }
        };
        let Some(small) = small else { return };
        self.kit.discard(small);
        let made = self.spare(true);
        let mut tail = self.tail.lock();
        match made {
            Ok(spare) => note_success(&mut tail, [spare]),
            Err(error) => note_failure(&mut tail, error),
        }
    }

    /// A segment for a large record, and a spare behind it: the record may fill the first to the end.
    fn large_and_spare(&self, capacity: usize) -> Result<[Active; 2]> {
        let large = self.kit.segment(capacity)?;
        match self.kit.segment(self.kit.segment_size) {
            Ok(spare) => Ok([large, spare]),
            Err(error) => {
                self.kit.discard(large);
                Err(error)
            }
        }
    }

    fn populate(&self) {
        let (region, next) = {
            let tail = self.tail.lock();
            let next = tail.waiting.front().map(|next| Arc::clone(next.appender.region()));
            (Arc::clone(tail.active.appender.region()), next)
        };
        region.populate(region.written() + AHEAD);
        if let Some(next) = next {
            next.populate(AHEAD);
        }
    }
}

fn note_success(tail: &mut Tail, made: impl IntoIterator<Item = Active>) {
    tail.waiting.extend(made);
    if tail.waiting.len() < 2 {
        return;
    }
    tail.starved = false;
    if tail.full.take().is_some() {
        tracing::info!("there is space for the log again");
    }
}

fn note_failure(tail: &mut Tail, error: Error) {
    let no_space = matches!(&error, Error::Io { source, .. } if is_no_space(source));
    if tail.full.is_none() {
        tracing::error!(%error, no_space, "cannot allocate the next segment: only deletes are accepted");
    }
    tail.starved = false;
    tail.full = Some(error.to_string());
}
