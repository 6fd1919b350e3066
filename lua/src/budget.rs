//! What a call may use, and what it has used.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::host::Host;
use crate::meter::{LimitReached, Meter};

/// Instructions of a virtual machine between two looks at the clock. One of them can take tens of milliseconds where it
/// is about a string as long as a machine may hold, so they are few: what does nothing else ends some seconds too late.
/// Measured, best of 27 beside a look every 10,000: a loop over strings and tables takes 0.65 s instead of 0.605, the
/// difference in one of additions is smaller than the noise.
pub(crate) const INTERVAL: u32 = 250;
/// Instructions that count as a tick: a look at all limits.
const TICK: u64 = 10_000;
/// Nanoseconds of work outside of Lua that count as a tick.
const WORK: u64 = 100_000;
/// Nanoseconds of work at once that are more likely announced than done.
const LONG_WORK: u64 = 10_000_000;
/// A call that takes longer leaves the event loop to others, however few its instructions are.
const LONG: Duration = Duration::from_millis(1);

/// What one call may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Wall time.
    pub time: Duration,
    /// Instructions of the virtual machine, counted in ten thousands.
    pub instructions: u64,
    /// Bytes that a virtual machine may hold, what its scripts keep between calls included.
    pub memory: usize,
    /// Bytes that the stash may hold.
    pub stash: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(10),
            instructions: 1_000_000_000,
            memory: 64 << 20,
            stash: 256 << 20,
        }
    }
}

/// Why a call was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// [`Limits::instructions`].
    Instructions,
    /// [`Limits::time`].
    Time,
    /// The node stops.
    Stop,
}

impl Reached {
    fn of(number: u8) -> Option<Self> {
        [Self::Instructions, Self::Time, Self::Stop].into_iter().find(|reached| *reached as u8 + 1 == number)
    }
}

/// The use of one virtual machine by the call that is under way.
pub(crate) struct Budget {
    host: Arc<dyn Host>,
    limits: Limits,
    /// Looks at the limits during this call.
    ticks: AtomicU64,
    /// Work outside of Lua since the last tick.
    worked: AtomicU64,
    /// When the clock was first looked at, at most an [`INTERVAL`] after the call began.
    started: Mutex<Option<Instant>>,
    left_event_loop: AtomicBool,
    /// Why the call ends; 0 where it goes on.
    reached: AtomicU8,
    /// Whether anything was changed.
    wrote: AtomicBool,
}

impl Budget {
    pub(crate) fn new(host: Arc<dyn Host>, limits: Limits) -> Self {
        Self {
            host,
            limits,
            ticks: AtomicU64::new(0),
            worked: AtomicU64::new(0),
            started: Mutex::new(None),
            left_event_loop: AtomicBool::new(false),
            reached: AtomicU8::new(0),
            wrote: AtomicBool::new(false),
        }
    }

    /// A call begins.
    #[inline]
    pub(crate) fn begin(&self) {
        if self.ticks.load(Ordering::Relaxed) != 0 || self.worked.load(Ordering::Relaxed) != 0 {
            self.reset();
        }
        self.wrote.store(false, Ordering::Relaxed);
    }

    #[cold]
    fn reset(&self) {
        self.ticks.store(0, Ordering::Relaxed);
        self.worked.store(0, Ordering::Relaxed);
        *self.started.lock() = None;
        self.left_event_loop.store(false, Ordering::Relaxed);
        self.reached.store(0, Ordering::Relaxed);
    }

    /// [`INTERVAL`] instructions have been carried out.
    pub(crate) fn step(&self) -> Result<(), LimitReached> {
        self.work(u64::from(INTERVAL) * (WORK / TICK))?;
        let elapsed = self.started().elapsed();
        if elapsed > LONG {
            self.leave_event_loop();
        }
        if elapsed > self.limits.time {
            self.end_at_deadline();
            return Err(LimitReached);
        }
        Ok(())
    }

    /// A look at all limits.
    #[cold]
    fn tick(&self) -> Result<(), LimitReached> {
        // The second: a call of so many instructions is worth a thread.
        if self.ticks.fetch_add(1, Ordering::Relaxed) > 0 {
            self.leave_event_loop();
        }
        let started = self.started();
        let reached = if self.reached().is_some() {
            return Err(LimitReached);
        } else if self.ticks.load(Ordering::Relaxed).saturating_mul(TICK) > self.limits.instructions {
            Reached::Instructions
        } else if started.elapsed() > self.limits.time {
            Reached::Time
        } else if self.host.is_stopping() {
            Reached::Stop
        } else {
            return Ok(());
        };
        self.reached.store(reached as u8 + 1, Ordering::Relaxed);
        Err(LimitReached)
    }

    fn started(&self) -> Instant {
        *self.started.lock().get_or_insert_with(Instant::now)
    }

    /// When the call ends at the latest. Whoever asks may wait for as long.
    pub(crate) fn deadline(&self) -> Instant {
        self.ticks.fetch_max(1, Ordering::Relaxed);
        self.started() + self.limits.time
    }

    /// From here on the call may take long.
    pub(crate) fn leave_event_loop(&self) {
        self.ticks.fetch_max(1, Ordering::Relaxed);
        if !self.left_event_loop.load(Ordering::Relaxed) {
            self.left_event_loop.store(self.host.leave_event_loop(), Ordering::Relaxed);
        }
    }

    /// The time is up, or the node stops.
    pub(crate) fn end_at_deadline(&self) {
        let reached = if self.host.is_stopping() { Reached::Stop } else { Reached::Time };
        self.reached.store(reached as u8 + 1, Ordering::Relaxed);
    }

    /// Whether the call is one that takes longer.
    #[inline]
    pub(crate) fn has_left_event_loop(&self) -> bool {
        self.left_event_loop.load(Ordering::Relaxed)
    }

    /// Why the call ends, if a limit ends it.
    pub(crate) fn reached(&self) -> Option<Reached> {
        Reached::of(self.reached.load(Ordering::Relaxed))
    }

    /// What ended the call, in words.
    pub(crate) fn why(&self) -> String {
        match self.reached() {
            None => "no limit is reached".to_owned(),
            Some(Reached::Instructions) => format!(
                "the call took more than {} instructions (--ext-max-instructions)",
                self.limits.instructions
            ),
            Some(Reached::Time) => {
                format!("the call took more than {:?} (--ext-max-time)", self.limits.time)
            }
            Some(Reached::Stop) => "the node stops".to_owned(),
        }
    }

    #[inline]
    pub(crate) fn note_write(&self) {
        self.wrote.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn wrote(&self) -> bool {
        self.wrote.load(Ordering::Relaxed)
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }
}

impl Meter for Budget {
    #[inline]
    fn work(&self, steps: u64) -> Result<(), LimitReached> {
        let worked = self.worked.load(Ordering::Relaxed).saturating_add(steps);
        self.worked.store(worked, Ordering::Relaxed);
        if self.reached.load(Ordering::Relaxed) != 0 {
            return Err(LimitReached);
        }
        if worked < WORK {
            return Ok(());
        }
        // What is announced and does not fit into the time that is left is not begun.
        if steps >= LONG_WORK && self.started().elapsed() + Duration::from_nanos(steps) > self.limits.time {
            self.end_at_deadline();
            return Err(LimitReached);
        }
        // Several ticks are one look.
        self.worked.store(worked % WORK + 1, Ordering::Relaxed);
        self.ticks.fetch_add(worked / WORK - 1, Ordering::Relaxed);
        self.tick()
    }
}
