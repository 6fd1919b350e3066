//! What came of the requests.

use std::time::Duration;

use hdrhistogram::{AdditionError, CreationError, Histogram};

use super::mix::Kind;

/// Nanoseconds that count as the longest latency: 11 days.
const LONGEST: u64 = 1_000_000_000_000_000;

/// An empty histogram of three digits, that grows with what comes.
pub fn histogram() -> Result<Histogram<u64>, CreationError> {
    let mut histogram = Histogram::new(3)?;
    histogram.auto(true);
    Ok(histogram)
}

/// What came of the requests of one kind.
#[derive(Debug)]
pub struct Counts {
    /// Nanoseconds from sending to the reply, of those that were answered.
    pub latencies: Histogram<u64>,
    /// Those of them that found no record.
    pub missing: u64,
}

/// What came of all requests.
#[derive(Debug)]
pub struct Tally {
    /// In the order of [`Kind::ALL`].
    pub kinds: [Counts; 3],
    /// Replies that cannot be right: another value, no value where one was stored, a refusal.
    pub wrong: u64,
    /// Batches that broke off: no connection, no answer.
    pub errors: u64,
    /// The first that was wrong, or broke off.
    pub first: Option<String>,
}

impl Tally {
    /// Nothing yet.
    pub fn new() -> Result<Self, CreationError> {
        let counts = || Ok(Counts { latencies: histogram()?, missing: 0 });
        Ok(Self { kinds: [counts()?, counts()?, counts()?], wrong: 0, errors: 0, first: None })
    }

    /// Counts a reply.
    pub fn answered(&mut self, kind: Kind, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX).min(LONGEST);
        // It fails only where a histogram cannot grow.
        let _ = self.kinds[kind as usize].latencies.record(nanos);
    }

    /// Remembers what went wrong, if it is the first.
    pub fn complain(&mut self, what: impl FnOnce() -> String) {
        self.first.get_or_insert_with(what);
    }

    /// Requests that were answered.
    pub fn requests(&self) -> u64 {
        self.kinds.iter().map(|counts| counts.latencies.len()).sum()
    }

    /// Takes another's counts in.
    pub fn add(&mut self, other: &Self) -> Result<(), AdditionError> {
        for (mine, its) in self.kinds.iter_mut().zip(&other.kinds) {
            mine.latencies.add(&its.latencies)?;
            mine.missing += its.missing;
        }
        self.wrong += other.wrong;
        self.errors += other.errors;
        if let Some(first) = &other.first {
            self.complain(|| first.clone());
        }
        Ok(())
    }
}
