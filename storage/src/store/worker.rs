//! The background threads of a store: one syncs, one allocates ahead, one compacts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::error::{Error, Result};
use crate::log::writer::{Tail, is_no_space};
use crate::store::Shared;

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

    pub(crate) fn wait_for_compaction(&self) {
        self.compact.wait(None);
    }

    /// Asks for more pages where fewer than enough are left.
    #[inline]
    pub(crate) fn populate_if_near(&self, left: usize) {
        if left < NEAR
            && !self.populating.load(Ordering::Relaxed)
            && !self.populating.swap(true, Ordering::Relaxed)
        {
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
    }
}

/// Starts the threads.
pub(crate) fn start(shared: &Arc<Shared>) -> Result<Vec<JoinHandle<()>>> {
    let mut threads = Vec::new();
    if shared.options.read_only {
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
    Ok(threads)
}

impl Shared {
    fn allocate_ahead(&self) {
        loop {
            let retry = self.tail.lock().full.is_some();
            self.signals.allocate.wait(retry.then_some(RETRY));
            if self.signals.is_stopping() {
                break;
            }
            self.provide();
            self.populate();
            self.signals.populating.store(false, Ordering::Relaxed);
        }
        // Nobody may go on waiting for a segment.
        self.tail.lock().full = Some("the database is being closed".to_owned());
        self.kit.provided.notify_all();
    }

    /// Allocates what the tail lacks, or notes that there is no space for it. Only this thread makes
    /// segments once the database is open.
    fn provide(&self) {
        let (lacks_spare, wanted) = {
            let tail = self.tail.lock();
            (tail.spare.is_none(), if tail.own.is_none() { tail.wanted } else { 0 })
        };
        for capacity in [if lacks_spare { self.kit.segment_size } else { 0 }, wanted] {
            if capacity == 0 {
                continue;
            }
            let allocated = self.kit.segment(capacity);
            let mut tail = self.tail.lock();
            match allocated {
                Ok(segment) if capacity == self.kit.segment_size => {
                    tail.spare = Some(segment);
                    if tail.full.take().is_some() {
                        tracing::info!("there is space for the log again");
                    }
                }
                Ok(segment) => tail.own = Some(segment),
                Err(error) if capacity == self.kit.segment_size => note_failure(&mut tail, error),
                Err(error) => tail.refused = Some(error.to_string()),
            }
        }
        self.kit.provided.notify_all();
    }

    fn populate(&self) {
        let (region, spare) = {
            let tail = self.tail.lock();
            let spare = tail.spare.as_ref().map(|spare| Arc::clone(spare.appender.region()));
            (Arc::clone(tail.active.appender.region()), spare)
        };
        region.populate(region.written() + AHEAD);
        if let Some(spare) = spare {
            spare.populate(AHEAD);
        }
    }
}

fn note_failure(tail: &mut Tail, error: Error) {
    let no_space = matches!(&error, Error::Io { source, .. } if is_no_space(source));
    if tail.full.is_none() {
        tracing::error!(%error, no_space, "cannot allocate the next segment: only deletes are accepted");
    }
    tail.full = Some(error.to_string());
}
