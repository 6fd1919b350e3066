//! How often each command was called, and how often it missed.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use lcnode_protocol::Command;

/// A kind of failure that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// A put of any kind that failed.
    Put,
    /// An out that failed.
    Out,
    /// A get that found nothing.
    Get,
}

/// One share: written by the connections of one thread, so that threads don't contend for a cache line.
#[derive(Debug)]
struct Shard {
    calls: [AtomicU64; Command::COUNT],
    misses: [AtomicU64; 3],
}

/// The counters of a node.
#[derive(Debug)]
pub struct Counters {
    shards: Box<[CachePadded<Shard>]>,
}

impl Counters {
    /// Counters with a share for each of `threads`.
    pub fn new(threads: usize) -> Self {
        let zero = || AtomicU64::new(0);
        let shard =
            || Shard { calls: std::array::from_fn(|_| zero()), misses: std::array::from_fn(|_| zero()) };
        Self { shards: (0..threads.max(1)).map(|_| CachePadded::new(shard())).collect() }
    }

    #[inline]
    fn shard(&self, shard: usize) -> &Shard {
        &self.shards[shard % self.shards.len()]
    }

    /// Counts a call.
    #[inline]
    pub fn count(&self, shard: usize, command: Command) {
        self.shard(shard).calls[command as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a failure.
    #[inline]
    pub fn miss(&self, shard: usize, miss: Miss) {
        self.shard(shard).misses[miss as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Calls of a command.
    pub fn calls(&self, command: Command) -> u64 {
        self.shards.iter().map(|shard| shard.calls[command as usize].load(Ordering::Relaxed)).sum()
    }

    /// Failures of a kind.
    pub fn misses(&self, miss: Miss) -> u64 {
        self.shards.iter().map(|shard| shard.misses[miss as usize].load(Ordering::Relaxed)).sum()
    }

    /// The lines that `stat` ends with.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for command in Command::ALL {
            let _ = writeln!(text, "cnt_{}\t{}", command.name(), self.calls(command));
        }
        for (name, miss) in [("put", Miss::Put), ("out", Miss::Out), ("get", Miss::Get)] {
            let _ = writeln!(text, "cnt_{name}_miss\t{}", self.misses(miss));
        }
        text
    }
}
