//! How much memory connections may hold together, so that strangers cannot use it up.

use std::sync::atomic::{AtomicU64, Ordering};

/// A buffer up to this size is not counted: it is what every connection may have.
const FREE: usize = 64 << 10;

/// The bytes that all connections hold together, and their limit.
#[derive(Debug)]
pub(crate) struct Budget {
    held: AtomicU64,
    limit: u64,
}

impl Budget {
    pub(crate) fn new(limit: u64) -> Self {
        Self { held: AtomicU64::new(0), limit }
    }

    /// Bytes that they hold now.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }
}

/// One connection's share.
#[derive(Debug)]
pub(crate) struct Share<'a> {
    budget: &'a Budget,
    held: u64,
}

impl<'a> Share<'a> {
    pub(crate) fn of(budget: &'a Budget) -> Self {
        Self { budget, held: 0 }
    }

    /// Says how many bytes the connection holds now; false where that is more than is left.
    #[inline]
    pub(crate) fn set(&mut self, bytes: usize) -> bool {
        let bytes = if bytes <= FREE { 0 } else { bytes as u64 };
        if bytes == self.held {
            return true;
        }
        let before = if bytes > self.held {
            self.budget.held.fetch_add(bytes - self.held, Ordering::Relaxed)
        } else {
            self.budget.held.fetch_sub(self.held - bytes, Ordering::Relaxed)
        };
        let grown = bytes.saturating_sub(self.held);
        self.held = bytes;
        grown == 0 || before + grown <= self.budget.limit
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.held, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_are_given_back() {
        let budget = Budget::new(300 << 10);
        let mut one = Share::of(&budget);
        let mut two = Share::of(&budget);
        assert!(one.set(200 << 10));
        assert!(!two.set(150 << 10));
        assert!(two.set(10));
        assert!(one.set(300 << 10));
        drop(one);
        drop(two);
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }
}
