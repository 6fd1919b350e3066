//! Which replica of a node is asked, and which next where one fails.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long a replica is left alone after its first failure, and at most after many.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// A failed call of one replica.
pub(crate) trait Fault {
    /// Whether another replica may do better.
    fn is_of_transport(&self) -> bool;
    /// Whether the call may have had its effect.
    fn may_be_done(&self) -> bool;
}

/// The replicas of a node, by their numbers, and how they are.
#[derive(Debug)]
pub(crate) struct Replicas {
    health: Box<[Health]>,
    start: Instant,
}

#[derive(Debug, Default)]
struct Health {
    /// Failures since it last answered.
    failures: AtomicU32,
    /// Until when it is asked only where no other answers, in milliseconds since the start.
    until: AtomicU64,
}

/// The replicas to try for one call, in their order.
#[derive(Debug)]
pub(crate) struct Tries<'r> {
    replicas: &'r Replicas,
    first: usize,
    /// Those that are tried in a first round, and in a second because they were being left alone, as bits.
    rounds: [u64; 2],
}

impl Replicas {
    /// The most replicas of a node that are used.
    pub(crate) const MAX: usize = 64;

    /// So many replicas, of which none has failed.
    pub(crate) fn new(count: usize) -> Self {
        let count = count.clamp(1, Self::MAX);
        Self { health: (0..count).map(|_| Health::default()).collect(), start: Instant::now() }
    }

    /// The replica that a key prefers: the one that LightCloud's Python client picks on a 64-bit machine.
    pub(crate) fn preferred(&self, key: &[u8]) -> usize {
        python_hash(key).rem_euclid(self.health.len() as i64) as usize
    }

    /// Any replica.
    pub(crate) fn any(&self) -> usize {
        fastrand::usize(..self.health.len())
    }

    /// All replicas from `first` on, those last that have failed a short while ago.
    pub(crate) fn tries(&self, first: usize) -> Tries<'_> {
        let now = self.now();
        let mut rounds = [0, 0];
        for (number, health) in self.health.iter().enumerate() {
            let is_left_alone = health.failures.load(Ordering::Relaxed) > 0 && !health.is_due(now);
            rounds[usize::from(is_left_alone)] |= 1 << number;
        }
        Tries { replicas: self, first, rounds }
    }

    /// It has answered.
    pub(crate) fn answered(&self, number: usize) {
        if let Some(health) = self.health.get(number)
            && health.failures.load(Ordering::Relaxed) > 0
        {
            health.failures.store(0, Ordering::Relaxed);
            tracing::info!(replica = number, "a replica answers again");
        }
    }

    /// It could not be talked to: it is left alone for a while, longer each time.
    pub(crate) fn failed(&self, number: usize) {
        let Some(health) = self.health.get(number) else { return };
        let failures = health.failures.fetch_add(1, Ordering::Relaxed).min(16);
        let pause = (BACK_OFF.0 * (1 << failures)).min(BACK_OFF.1);
        // So that many clients do not come back at the same moment.
        let pause = pause.mul_f64(0.75 + fastrand::f64() / 2.0);
        health.until.store(self.now() + pause.as_millis() as u64, Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }
}

impl Health {
    /// Whether it may be tried again. Only one caller at a time finds out.
    fn is_due(&self, now: u64) -> bool {
        let until = self.until.load(Ordering::Relaxed);
        let later = now + BACK_OFF.1.as_millis() as u64;
        until <= now
            && self.until.compare_exchange(until, later, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl Iterator for Tries<'_> {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let count = self.replicas.health.len();
        let round = self.rounds.iter_mut().find(|round| **round != 0)?;
        let number =
            (0..count).map(|at| (self.first + at) % count).find(|number| *round & 1 << number != 0)?;
        *round &= !(1 << number);
        Some(number)
    }
}

/// `hash` of a byte string in 64-bit Python 2.
fn python_hash(key: &[u8]) -> i64 {
    let Some(&first) = key.first() else { return 0 };
    let hash =
        key.iter().fold(u64::from(first) << 7, |hash, &byte| hash.wrapping_mul(1_000_003) ^ u64::from(byte));
    match (hash ^ key.len() as u64).cast_signed() {
        -1 => -2,
        hash => hash,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_prefer_the_replica_of_the_python_client() {
        assert_eq!(python_hash(b"hello"), 840_651_671_246_116_861);
        assert_eq!(python_hash(b"foo"), -4_177_197_833_195_190_597);
        assert_eq!(python_hash(b"user:1"), 9_032_797_381_721_430_764);
        assert_eq!(python_hash(b""), 0);
        let two = Replicas::new(2);
        let preferred =
            [&b"hello"[..], b"foo", b"user:1", b"ll_hello", b"5|ll_hello"].map(|key| two.preferred(key));
        assert_eq!(preferred, [1, 1, 0, 1, 0]);
    }

    #[test]
    fn one_that_failed_is_tried_last_and_again_after_a_while() {
        let three = Replicas::new(3);
        let order = |first| three.tries(first).collect::<Vec<_>>();
        assert_eq!(order(1), [1, 2, 0]);
        three.failed(1);
        assert_eq!(order(1), [2, 0, 1]);
        std::thread::sleep(BACK_OFF.0 * 2);
        // The first call to come by tries it, others meanwhile do not.
        assert_eq!(order(1), [1, 2, 0]);
        assert_eq!(order(1), [2, 0, 1]);
        three.answered(1);
        assert_eq!(order(1), [1, 2, 0]);
    }
}
