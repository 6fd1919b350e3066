//! Keeps scripts from filling the disk with lines of the log.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Bytes of lines of scripts that are logged in a second, errors included.
const PER_SECOND: usize = 256 << 10;
/// What a line takes beside its text.
const LINE: usize = 64;

/// What scripts have logged lately.
#[derive(Debug, Default)]
pub(crate) struct Flood {
    second: Mutex<Second>,
}

#[derive(Debug, Default)]
struct Second {
    began: Option<Instant>,
    bytes: usize,
    /// Lines since the last one that was admitted.
    left_out: u64,
}

impl Flood {
    /// Whether a line may be logged; if so, how many lines were left out before it.
    pub(crate) fn admit(&self, bytes: usize) -> Option<u64> {
        self.admit_at(bytes, Instant::now())
    }

    fn admit_at(&self, bytes: usize, now: Instant) -> Option<u64> {
        let mut second = self.second.lock();
        if second.began.is_none_or(|began| now.duration_since(began) >= Duration::from_secs(1)) {
            (second.began, second.bytes) = (Some(now), 0);
        }
        // The first line of a second is always admitted.
        if second.bytes > 0 && second.bytes + bytes + LINE > PER_SECOND {
            second.left_out += 1;
            return None;
        }
        second.bytes += bytes + LINE;
        Some(std::mem::take(&mut second.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_in_a_second_is_counted() {
        let flood = Flood::default();
        let begin = Instant::now();
        let line = 1000;
        let admitted = (0..10_000).filter(|_| flood.admit_at(line, begin).is_some()).count();
        assert_eq!(admitted, PER_SECOND / (line + LINE));
        let next = begin + Duration::from_secs(1);
        assert_eq!(flood.admit_at(line, next), Some(10_000 - admitted as u64));
        assert_eq!(flood.admit_at(line, next), Some(0));
        assert_eq!(
            flood.admit_at(2 * PER_SECOND, next + Duration::from_secs(1)),
            Some(0),
            "a long one alone"
        );
    }
}
