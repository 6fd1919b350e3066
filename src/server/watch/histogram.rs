//! How long things took, counted by powers of two of a microsecond.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Watch;

/// Buckets with a bound; one more is for what took longer than the last of them, 67 s.
const BOUNDS: usize = 27;

/// Times, each in the first bucket whose bound it does not pass. Any thread may add.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: [AtomicU64; BOUNDS + 1],
    nanoseconds: AtomicU64,
}

/// What a histogram, or several of them, held at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Times {
    counts: [u64; BOUNDS + 1],
    nanoseconds: u64,
}

/// The bucket of a time.
#[inline]
fn bucket(nanoseconds: u64) -> usize {
    let microseconds = nanoseconds.div_ceil(1000).max(1);
    let power = u64::BITS - (microseconds - 1).leading_zeros();
    (power as usize).min(BOUNDS)
}

/// The bound of a bucket in seconds.
fn bound(bucket: usize) -> f64 {
    (1_u64 << bucket.min(BOUNDS)) as f64 / 1e6
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), nanoseconds: AtomicU64::new(0) }
    }

    /// Adds a time that `count` of them took.
    #[inline]
    pub(super) fn add(&self, watch: &Watch, nanoseconds: u64, count: u32) {
        let count = u64::from(count);
        watch.add(&self.counts[bucket(nanoseconds)], count);
        watch.add(&self.nanoseconds, nanoseconds.saturating_mul(count));
    }
}

impl Times {
    /// What histograms hold together.
    pub(super) fn of<'a>(histograms: impl Iterator<Item = &'a Histogram>) -> Self {
        let mut times = Self { counts: [0; BOUNDS + 1], nanoseconds: 0 };
        for histogram in histograms {
            for (sum, count) in times.counts.iter_mut().zip(&histogram.counts) {
                *sum += count.load(Ordering::Relaxed);
            }
            times.nanoseconds += histogram.nanoseconds.load(Ordering::Relaxed);
        }
        times
    }

    /// How many times there are.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together, in seconds.
    pub(crate) fn sum(&self) -> f64 {
        self.nanoseconds as f64 / 1e9
    }

    /// For each bound, in seconds, how many times do not pass it.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> + '_ {
        (0..BOUNDS).scan(0, |sum, at| {
            *sum += self.counts[at];
            Some((bound(at), *sum))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::Who;
    use super::*;

    #[test]
    fn a_time_is_in_the_first_bucket_whose_bound_it_does_not_pass() {
        for (nanoseconds, expected) in [
            (0, 0),
            (1, 0),
            (1000, 0),
            (1001, 1),
            (2000, 1),
            (2001, 2),
            (4000, 2),
            (4001, 3),
            (1_000_000, 10),
        ] {
            assert_eq!(bucket(nanoseconds), expected, "{nanoseconds}");
        }
        for at in 0..BOUNDS {
            let nanoseconds = (bound(at) * 1e9) as u64;
            assert_eq!((bucket(nanoseconds), bucket(nanoseconds + 1)), (at, at + 1));
        }
        assert_eq!((bound(0), bound(1), bound(20)), (1e-6, 2e-6, 1.048_576));
        assert!(bound(BOUNDS - 1) >= 60.0);
        assert_eq!(bucket(u64::MAX), BOUNDS);
    }

    #[test]
    fn sums_over_histograms() {
        let (one, two) = (Histogram::new(), Histogram::new());
        for are_alone in [false, true] {
            let watch = Watch::new(1, "tcp", Who { measures: true, are_alone }, None);
            one.add(&watch, 1500, 3);
        }
        let watch = Watch::new(1, "tcp", Who { measures: true, are_alone: true }, None);
        two.add(&watch, 1600, 1);
        two.add(&watch, u64::MAX / 4, 1);
        let times = Times::of([&one, &two].into_iter());
        assert_eq!(times.count(), 8);
        let cumulative: Vec<_> = times.cumulative().collect();
        assert_eq!(cumulative.len(), BOUNDS);
        assert_eq!(cumulative[0], (1e-6, 0));
        assert!(cumulative[1..].iter().all(|&(_, count)| count == 7), "{cumulative:?}");
        let expected = (6.0 * 1500.0 + 1600.0 + (u64::MAX / 4) as f64) / 1e9;
        assert!((times.sum() - expected).abs() < 1.0);
    }
}
