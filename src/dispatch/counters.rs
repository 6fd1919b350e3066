//! How often each command was called in each dialect, and what came of it.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use lcnode_protocol::{Command, Dialect};

/// A kind of failure that `stat` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Miss {
    /// A put of any kind that failed.
    Put,
    /// An out that failed.
    Out,
    /// A get that found nothing.
    Get,
}

/// What came of a request, where that is not what it asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It failed, or found nothing.
    Failed,
    /// The mask forbids it.
    Refused,
    /// Its bytes could not become a request.
    Malformed,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Failed, Self::Refused, Self::Malformed];

    /// Its name in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
        }
    }
}

const DIALECTS: usize = Dialect::ALL.len();

/// A number for each command.
type PerCommand = [AtomicU64; Command::COUNT];

/// One share: written by the connections of one thread, so that threads don't contend for a cache line.
#[derive(Debug)]
struct Shard {
    calls: [PerCommand; DIALECTS],
    outcomes: [[PerCommand; Outcome::ALL.len()]; DIALECTS],
    misses: [[AtomicU64; 3]; DIALECTS],
    /// What was no request: by dialect, and of none.
    rejected: [AtomicU64; DIALECTS + 1],
}

/// The counters of a node.
#[derive(Debug)]
pub struct Counters {
    shards: Box<[CachePadded<Shard>]>,
}

fn zeros<const N: usize>() -> [AtomicU64; N] {
    std::array::from_fn(|_| AtomicU64::new(0))
}

fn add(number: &AtomicU64) {
    number.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    /// Counters with a share for each of `threads`.
    pub fn new(threads: usize) -> Self {
        let shard = || Shard {
            calls: std::array::from_fn(|_| zeros()),
            outcomes: std::array::from_fn(|_| std::array::from_fn(|_| zeros())),
            misses: std::array::from_fn(|_| zeros()),
            rejected: zeros(),
        };
        Self { shards: (0..threads.max(1)).map(|_| CachePadded::new(shard())).collect() }
    }

    #[inline]
    fn shard(&self, shard: usize) -> &Shard {
        &self.shards[shard % self.shards.len()]
    }

    /// Counts a call.
    #[inline]
    pub fn count(&self, shard: usize, dialect: Dialect, command: Command) {
        add(&self.shard(shard).calls[dialect as usize][command as usize]);
    }

    /// Counts a failure for `stat`.
    #[inline]
    pub fn miss(&self, shard: usize, dialect: Dialect, miss: Miss) {
        add(&self.shard(shard).misses[dialect as usize][miss as usize]);
    }

    /// Counts that a call that was counted came to nothing.
    #[inline]
    pub fn came_to(&self, shard: usize, dialect: Dialect, command: Command, outcome: Outcome) {
        add(&self.shard(shard).outcomes[dialect as usize][outcome as usize][command as usize]);
    }

    /// Counts bytes that could not become a request, by the dialect that they were begun in.
    pub fn reject(&self, shard: usize, dialect: Option<Dialect>) {
        add(&self.shard(shard).rejected[dialect.map_or(DIALECTS, |dialect| dialect as usize)]);
    }

    fn sum(&self, number: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| number(shard).load(Ordering::Relaxed)).sum()
    }

    /// Calls of a command in a dialect.
    pub fn calls_in(&self, dialect: Dialect, command: Command) -> u64 {
        self.sum(|shard| &shard.calls[dialect as usize][command as usize])
    }

    /// Calls of a command.
    pub fn calls(&self, command: Command) -> u64 {
        Dialect::ALL.into_iter().map(|dialect| self.calls_in(dialect, command)).sum()
    }

    /// How many of the calls of a command in a dialect came to that.
    pub fn outcomes(&self, dialect: Dialect, command: Command, outcome: Outcome) -> u64 {
        let came_to = |outcome: Outcome| {
            self.sum(|shard| &shard.outcomes[dialect as usize][outcome as usize][command as usize])
        };
        match (dialect, command, outcome) {
            // A request of memcached gets many keys, and each that is missed is counted as such.
            (Dialect::Memcached, Command::Get, Outcome::Failed) => {
                let misses = self.sum(|shard| &shard.misses[dialect as usize][Miss::Get as usize]);
                misses.saturating_sub(came_to(Outcome::Refused))
            }
            _ => came_to(outcome),
        }
    }

    /// What could not become a request, by the dialect that it was begun in.
    pub fn rejected(&self, dialect: Option<Dialect>) -> u64 {
        self.sum(|shard| &shard.rejected[dialect.map_or(DIALECTS, |dialect| dialect as usize)])
    }

    /// Failures of a kind.
    pub fn misses(&self, miss: Miss) -> u64 {
        let misses = |dialect: Dialect| self.sum(|shard| &shard.misses[dialect as usize][miss as usize]);
        Dialect::ALL.into_iter().map(misses).sum()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_add_up_over_dialects_and_threads() {
        let counters = Counters::new(2);
        for (shard, dialect) in [(0, Dialect::Binary), (1, Dialect::Binary), (2, Dialect::Http)] {
            counters.count(shard, dialect, Command::Get);
        }
        assert_eq!(counters.calls(Command::Get), 3);
        assert_eq!(Dialect::ALL.map(|dialect| counters.calls_in(dialect, Command::Get)), [2, 0, 1]);
        assert_eq!(counters.calls(Command::Put), 0);
    }

    /// A request of memcached is one call for each key, so what failed is told by the misses.
    #[test]
    fn missed_keys_of_memcached_have_failed() {
        let counters = Counters::new(1);
        let of = |outcome| counters.outcomes(Dialect::Memcached, Command::Get, outcome);
        counters.miss(0, Dialect::Memcached, Miss::Get);
        counters.miss(0, Dialect::Memcached, Miss::Get);
        counters.came_to(0, Dialect::Memcached, Command::Get, Outcome::Refused);
        assert_eq!(Outcome::ALL.map(of), [1, 1, 0]);
        assert_eq!(counters.misses(Miss::Get), 2);
        counters.miss(0, Dialect::Binary, Miss::Get);
        counters.came_to(0, Dialect::Binary, Command::Get, Outcome::Failed);
        assert_eq!(counters.outcomes(Dialect::Binary, Command::Get, Outcome::Failed), 1);
        assert_eq!(Outcome::ALL.map(of), [1, 1, 0]);
    }

    #[test]
    fn what_is_no_request_belongs_to_a_dialect_or_to_none() {
        let counters = Counters::new(1);
        counters.reject(0, Some(Dialect::Http));
        counters.reject(0, None);
        let all = Dialect::ALL.map(Some).into_iter().chain([None]);
        assert_eq!(all.map(|dialect| counters.rejected(dialect)).collect::<Vec<_>>(), [0, 0, 1, 1]);
    }
}
