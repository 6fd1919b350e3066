//! What is measured of connections, for those who watch the node: latencies, bytes, connections.
//!
//! Nothing is, and no clock is looked at, while neither `--admin` nor `--slow-log` is given. Each event-loop thread has
//! counters of its own.

pub(crate) mod histogram;
mod slow_log;
mod timing;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_utils::CachePadded;
use lcnode_protocol::Command;
use quanta::Clock;

use histogram::{Histogram, Times};
use slow_log::SlowLog;
pub(super) use timing::Timing;

/// What one thread's connections count.
#[derive(Debug)]
struct Shard {
    opened: AtomicU64,
    closed: AtomicU64,
    read: AtomicU64,
    written: AtomicU64,
    latencies: [Histogram; Command::COUNT],
}

/// What is measured.
#[derive(Debug)]
pub(crate) struct Watch {
    /// None: nothing is.
    clock: Option<Clock>,
    shards: Box<[CachePadded<Shard>]>,
    /// Whether only one thread adds to a shard.
    are_alone: bool,
    slow: Option<SlowLog>,
    listening: &'static str,
}

/// Who counts, and for whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Who {
    /// Somebody asks for the figures.
    pub(super) measures: bool,
    /// No thread takes over the event loop of another, as they do where there are scripts.
    pub(super) are_alone: bool,
}

/// A connection that is counted as open.
pub(super) struct Open<'a>(&'a Shard);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.closed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Watch {
    /// For `threads` that serve connections to a socket of the kind `listening`.
    pub(super) fn new(threads: usize, listening: &'static str, who: Who, slow: Option<Duration>) -> Self {
        let zero = || AtomicU64::new(0);
        let shard = || Shard {
            opened: zero(),
            closed: zero(),
            read: zero(),
            written: zero(),
            latencies: std::array::from_fn(|_| Histogram::new()),
        };
        Self {
            // A look at it costs less than one at that of the system; it is compared with that for a moment first.
            clock: (who.measures || slow.is_some()).then(Clock::new),
            shards: (0..threads.max(1)).map(|_| CachePadded::new(shard())).collect(),
            are_alone: who.are_alone,
            slow: slow.map(SlowLog::new),
            listening,
        }
    }

    #[inline]
    fn shard(&self, shard: usize) -> &Shard {
        &self.shards[shard % self.shards.len()]
    }

    /// Adds to a number of a shard. One that no other thread adds to needs no locked instruction, of which each request
    /// would take four.
    #[inline]
    fn add(&self, number: &AtomicU64, amount: u64) {
        if self.are_alone {
            number.store(number.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
        } else {
            number.fetch_add(amount, Ordering::Relaxed);
        }
    }

    /// Counts a connection until what this gives is dropped.
    pub(super) fn open(&self, shard: usize) -> Open<'_> {
        let shard = self.shard(shard);
        shard.opened.fetch_add(1, Ordering::Relaxed);
        Open(shard)
    }

    fn sum(&self, number: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| number(shard).load(Ordering::Relaxed)).sum()
    }

    /// The kind of socket that the node listens on: `tcp` or `unix`.
    pub(crate) fn listening(&self) -> &'static str {
        self.listening
    }

    /// Connections that were accepted, and those of them that are open.
    pub(crate) fn connections(&self) -> (u64, u64) {
        let closed = self.sum(|shard| &shard.closed);
        let opened = self.sum(|shard| &shard.opened);
        (opened, opened.saturating_sub(closed))
    }

    /// Bytes that were read from clients, and written to them.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.sum(|shard| &shard.read), self.sum(|shard| &shard.written))
    }

    /// How long requests of a command took.
    pub(crate) fn latencies(&self, command: Command) -> Times {
        Times::of(self.shards.iter().map(|shard| &shard.latencies[command as usize]))
    }

    /// Requests that took as long as `--slow-log` says; 0 without it.
    pub(crate) fn slow_requests(&self) -> u64 {
        self.slow.as_ref().map_or(0, SlowLog::count)
    }
}
