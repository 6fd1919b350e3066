//! Keys that are known to be where the storage ring has them.
//!
//! Such keys are never moved as long as the rings stay as they are, so a change need not ask where they are first. It
//! still sees to it that the record is there, at the same time: another client may have deleted the key.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Keys that are remembered; each takes the place of another one.
const PLACES: usize = 1 << 16;

/// Hashes of keys, each in the one place that it can have.
#[derive(Debug)]
pub(super) struct Places {
    hasher: RandomState,
    /// 0 is none.
    hashes: Box<[AtomicU64]>,
}

impl Places {
    /// No keys.
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), hashes: (0..PLACES).map(|_| AtomicU64::new(0)).collect() }
    }

    /// Remembers a key.
    pub(super) fn add(&self, key: &[u8]) {
        let (hash, place) = self.place(key);
        place.store(hash, Ordering::Relaxed);
    }

    /// Whether a key is remembered. Two keys are taken for one with a chance of one in 2^63.
    pub(super) fn knows(&self, key: &[u8]) -> bool {
        let (hash, place) = self.place(key);
        place.load(Ordering::Relaxed) == hash
    }

    /// Forgets a key.
    pub(super) fn remove(&self, key: &[u8]) {
        if self.knows(key) {
            self.place(key).1.store(0, Ordering::Relaxed);
        }
    }

    fn place(&self, key: &[u8]) -> (u64, &AtomicU64) {
        let hash = self.hasher.hash_one(key) | 1;
        (hash, &self.hashes[(hash >> 1) as usize % PLACES])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_until_others_take_their_place() {
        let places = Places::new();
        let key = |n: u32| n.to_be_bytes();
        for n in 0..1000 {
            assert!(!places.knows(&key(n)));
            places.add(&key(n));
            assert!(places.knows(&key(n)));
        }
        let known = (0..1000).filter(|&n| places.knows(&key(n))).count();
        assert!(known > 900, "{known}");
        places.remove(&key(999));
        assert!(!places.knows(&key(999)));
        for n in 1000..PLACES as u32 * 20 {
            places.add(&key(n));
        }
        assert!((0..1000).all(|n| !places.knows(&key(n))));
    }
}
