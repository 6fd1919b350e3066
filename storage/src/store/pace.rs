//! How fast compaction works in the background: so that gets and puts beside it are not hurt, and yet
//! never slower than writers fill the log.
//!
//! It works in small steps and rests after each, for longer than the step took. The more of the log is
//! dead over what is allowed, the less it rests; at twice as much, on a full disk, and while somebody
//! waits for it, not at all. So dead bytes are bounded whatever the rate of the writers.

use std::time::{Duration, Instant};

/// Bytes read and moved in a step: about a millisecond's work.
const STEP: usize = 256 << 10;
/// The rest after a step, in times of what the step took: a quarter of one core is used.
const REST: u32 = 3;
/// Bytes a second at most, so that the disk has room for others.
const RATE: u64 = 128 << 20;
/// The longest rest: a step that took long waited for the disk.
const LONGEST: Duration = Duration::from_millis(50);

/// How much of its rest compaction takes: from 0, none, to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ease(u32);

impl Ease {
    /// No rest.
    pub(crate) const NONE: Self = Self(0);
    /// As long as the work took: for somebody who waits for it, but not at the cost of all others.
    pub(crate) const SOME: Self = Self(33);
    /// All of it.
    pub(crate) const FULL: Self = Self(100);

    /// While `dead` bytes of the log are dead of the `allowed`.
    pub(crate) fn of(dead: u64, allowed: u64) -> Self {
        let over = dead.saturating_sub(allowed) as u128 * 100 / u128::from(allowed.max(1));
        Self(100 - over.min(100) as u32)
    }
}

/// The pace of the rewriting of one segment.
#[derive(Debug)]
pub(crate) struct Pace {
    ease: Ease,
    since: Instant,
    bytes: usize,
}

impl Pace {
    pub(crate) fn new(ease: Ease) -> Self {
        Self { ease, since: Instant::now(), bytes: 0 }
    }

    /// Takes note of bytes read or moved; rests where a step is done, unless somebody is `hurried`. Must be
    /// called with no lock held that readers or writers want. Says whether a step was done.
    pub(crate) fn worked(&mut self, bytes: usize, hurried: impl FnOnce() -> bool) -> bool {
        self.bytes += bytes;
        if self.bytes < STEP {
            return false;
        }
        if self.ease != Ease::NONE && !hurried() {
            std::thread::sleep(rest(self.ease, self.since.elapsed(), self.bytes as u64));
        }
        self.bytes = 0;
        self.since = Instant::now();
        true
    }
}

fn rest(ease: Ease, took: Duration, bytes: u64) -> Duration {
    let at_rate = Duration::from_micros(bytes * 1_000_000 / RATE).saturating_sub(took);
    at_rate.max(took * REST).min(LONGEST) * ease.0 / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_is_dead_the_less_it_rests() {
        let took = Duration::from_millis(1);
        let rest = |dead| rest(Ease::of(dead, 1_000), took, STEP as u64);
        assert_eq!(rest(500), took * REST);
        assert_eq!(rest(1_000), took * REST);
        assert_eq!(rest(1_500), took * REST / 2);
        assert_eq!(rest(2_000), Duration::ZERO);
        assert_eq!(rest(u64::MAX), Duration::ZERO);
        assert_eq!(Ease::of(0, 0), Ease::FULL);
        let some = super::rest(Ease::SOME, took * 10, STEP as u64);
        assert!(some > took * 9 && some <= took * 10, "{some:?}");
    }

    #[test]
    fn the_rate_and_the_rest_are_bounded() {
        let step = |took| rest(Ease::FULL, took, RATE / 64);
        assert_eq!(step(Duration::ZERO), Duration::from_micros(15_625));
        assert_eq!(step(Duration::from_millis(9)), Duration::from_millis(27));
        assert_eq!(step(Duration::from_secs(5)), LONGEST);
    }

    #[test]
    fn a_step_is_rested_from_and_a_hurried_one_is_not() {
        let started = Instant::now();
        let mut pace = Pace::new(Ease::FULL);
        assert!(!pace.worked(STEP - 1, || panic!("no step was done yet")));
        assert!(pace.worked(1, || true));
        let hurried = started.elapsed();
        assert!(pace.worked(STEP, || false));
        assert!(started.elapsed() - hurried >= Duration::from_micros(1_900), "a rest at the rate");
    }
}
