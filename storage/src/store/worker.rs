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
        if left < NEAR && !self.populating.load(Ordering::Relaxed) && !self.populating.swap(true, Ordering::Relaxed) {
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
                return;
            }
            self.provide_spare();
            self.populate();
            self.signals.populating.store(false, Ordering::Relaxed);
        }
    }

    /// Allocates the next segment where there is none, or notes that there is no space for it.
    fn provide_spare(&self) {
        let number = {
            let tail = self.tail.lock();
            if tail.spare.is_some() {
                return;
            }
            tail.active.segment.number() + 1
        };
        let allocated = self.kit.segment(number, self.kit.segment_size);
        let mut tail = self.tail.lock();
        match allocated {
            // A large record may have taken the number meanwhile: then the file is not ours to use.
            Ok(spare) if tail.spare.is_none() && tail.active.segment.number() + 1 == number => {
                spare.segment.region().populate(AHEAD);
                tail.spare = Some(spare);
                if tail.full.take().is_some() {
                    tracing::info!("there is space for the log again");
                }
            }
            Ok(_) => self.signals.wake_allocator(),
            Err(error) => note_failure(&mut tail, error),
        }
    }

    fn populate(&self) {
        let region = Arc::clone(self.tail.lock().active.appender.region());
        region.populate(region.written() + AHEAD);
    }
}

fn note_failure(tail: &mut Tail, error: Error) {
    let no_space = matches!(&error, Error::Io { source, .. } if is_no_space(source));
    if tail.full.is_none() {
        tracing::error!(%error, no_space, "cannot allocate the next segment: only deletes are accepted");
    }
    tail.full = Some(error.to_string());
}
