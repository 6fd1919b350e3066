//! Times as memcached's clients give them.

use std::time::Duration;

use crate::dispatch::Node;

/// Up to so many seconds are counted from now; more are seconds since 1970.
const RELATIVE: i64 = 60 * 60 * 24 * 30;
/// A record that ends then, in milliseconds since 1970, has ended, whatever the clock says.
const OVER: u64 = 1;
/// The longest time that is waited for, in seconds: a hundred years.
const LONGEST: u64 = 100 * 366 * 24 * 60 * 60;

/// When a record ends, in milliseconds since 1970; never, unless the node is to heed `exptime`.
#[inline]
pub(super) fn of(node: &Node, exptime: i64) -> Option<u64> {
    if exptime == 0 || !node.honours_exptime {
        return None;
    }
    Some(end(exptime, node.store.now() / 1000))
}

/// Whether a record with this `exptime` has ended already.
pub(super) fn is_over(node: &Node, exptime: i64) -> bool {
    of(node, exptime).is_some_and(|end| end <= node.store.now() / 1000)
}

/// How long a `flush_all` with this delay waits; none where it does not.
pub(super) fn wait(node: &Node, delay: i64) -> Option<Duration> {
    let now = node.store.now() / 1000;
    let wait = Duration::from_millis(end(delay, now).saturating_sub(now));
    (delay > 0 && !wait.is_zero()).then_some(wait.min(Duration::from_secs(LONGEST)))
}

/// Milliseconds since 1970, given those of now.
fn end(exptime: i64, now: u64) -> u64 {
    match u64::try_from(exptime) {
        Err(_) => OVER,
        Ok(seconds) if exptime <= RELATIVE => now.saturating_add(seconds * 1000),
        Ok(seconds) => seconds.saturating_mul(1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_memcacheds() {
        let now = 1_700_000_000_123;
        for (exptime, at) in [
            (-1, OVER),
            (i64::MIN, OVER),
            (1, now + 1000),
            (RELATIVE, now + 2_592_000_000),
            (RELATIVE + 1, 2_592_001_000),
            (1_800_000_000, 1_800_000_000_000),
            (i64::MAX, u64::MAX),
        ] {
            assert_eq!(end(exptime, now), at, "{exptime}");
        }
    }
}
