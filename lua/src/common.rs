//! What all virtual machines share: the stash and the locks of scripts. Both are gone when the node ends.

use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Locks that scripts may hold at once.
const MAX_LOCKS: usize = 1 << 20;
/// Bytes that a record of the stash takes beside its own.
const OVERHEAD: usize = 96;
/// How often a waiting script looks whether the node stops.
const LOOK: Duration = Duration::from_millis(100);

/// Shared by all virtual machines of a node.
#[derive(Debug, Default)]
pub(crate) struct Common {
    stash: Mutex<Stash>,
    locks: Mutex<HashSet<Vec<u8>>>,
    unlocked: Condvar,
    pub(crate) figures: std::sync::Arc<crate::failure::Figures>,
    pub(crate) flood: crate::flood::Flood,
}

#[derive(Debug, Default)]
struct Stash {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    bytes: usize,
}

/// What becomes of a record of the stash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Over,
    Keep,
    Cat,
}

/// There is no room in the stash.
#[derive(Debug)]
pub(crate) struct StashFull;

/// What came of waiting for a lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Locked {
    Yes,
    /// The node stops.
    Stopping,
    /// Not before the end of the call.
    TooLate,
    /// There are too many.
    TooMany,
}

impl Common {
    /// Changes a record of the stash, which may have `limit` bytes in all.
    pub(crate) fn put(&self, key: &[u8], value: &[u8], put: Put, limit: usize) -> Result<(), StashFull> {
        let mut stash = self.stash.lock();
        let Stash { records, bytes } = &mut *stash;
        let old = records.get(key).map(Vec::len);
        let (less, more) = match (old, put) {
            (Some(_), Put::Keep) => return Ok(()),
            (Some(old), Put::Over) => (old, value.len()),
            (Some(_), Put::Cat) => (0, value.len()),
            (None, _) => (0, key.len() + value.len() + OVERHEAD),
        };
        if *bytes - less + more > limit {
            return Err(StashFull);
        }
        *bytes = *bytes - less + more;
        match (records.get_mut(key), put) {
            (Some(old), Put::Cat) => old.extend_from_slice(value),
            (Some(old), _) => *old = value.to_vec(),
            (None, _) => _ = records.insert(key.to_vec(), value.to_vec()),
        }
        Ok(())
    }

    pub(crate) fn get(&self, key: &[u8], found: impl FnOnce(&[u8])) -> bool {
        self.stash.lock().records.get(key).map(|value| found(value)).is_some()
    }

    pub(crate) fn out(&self, key: &[u8]) -> bool {
        let mut stash = self.stash.lock();
        match stash.records.remove(key) {
            Some(value) => {
                stash.bytes -= key.len() + value.len() + OVERHEAD;
                true
            }
            None => false,
        }
    }

    pub(crate) fn vanish(&self) {
        *self.stash.lock() = Stash::default();
    }

    /// The first record after a key, or the first of all.
    pub(crate) fn after(&self, key: Option<&[u8]>) -> Option<(Vec<u8>, Vec<u8>)> {
        use std::ops::Bound::{Excluded, Unbounded};
        let stash = self.stash.lock();
        let from = key.map_or(Unbounded, Excluded);
        stash
            .records
            .range::<[u8], _>((from, Unbounded))
            .next()
            .map(|(key, value)| (key.clone(), value.clone()))
    }

    /// Takes a lock if it is free.
    pub(crate) fn try_lock(&self, name: &[u8]) -> Option<Locked> {
        let mut locks = self.locks.lock();
        if locks.contains(name) {
            return None;
        }
        if locks.len() >= MAX_LOCKS {
            return Some(Locked::TooMany);
        }
        locks.insert(name.to_vec());
        Some(Locked::Yes)
    }

    /// Takes a lock, waiting for it until `deadline`.
    pub(crate) fn lock(&self, name: &[u8], deadline: Instant, is_stopping: impl Fn() -> bool) -> Locked {
        loop {
            if let Some(locked) = self.try_lock(name) {
                return locked;
            }
            if is_stopping() {
                return Locked::Stopping;
            }
            let now = Instant::now();
            if now >= deadline {
                return Locked::TooLate;
            }
            let mut locks = self.locks.lock();
            if locks.contains(name) {
                self.unlocked.wait_until(&mut locks, deadline.min(now + LOOK));
            }
        }
    }

    /// Lets a lock go, whoever took it; says whether it was taken.
    pub(crate) fn unlock(&self, name: &[u8]) -> bool {
        let removed = self.locks.lock().remove(name);
        if removed {
            self.unlocked.notify_all();
        }
        removed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stash_counts_its_bytes() {
        let common = Common::default();
        assert!(common.put(b"a", &[0; 100], Put::Over, 1000).is_ok());
        assert!(common.put(b"a", &[0; 100], Put::Cat, 1000).is_ok());
        assert!(common.put(b"b", &[0; 1000], Put::Over, 1000).is_err());
        assert!(common.put(b"a", b"x", Put::Keep, 1000).is_ok());
        assert!(common.put(b"a", b"x", Put::Over, 1000).is_ok());
        assert_eq!(common.stash.lock().bytes, 2 + OVERHEAD);
        assert!(common.out(b"a") && !common.out(b"a"));
        assert_eq!(common.stash.lock().bytes, 0);
    }

    #[test]
    fn a_lock_is_waited_for_until_the_end() {
        let common = Common::default();
        let soon = || Instant::now() + Duration::from_millis(20);
        assert_eq!(common.lock(b"a", soon(), || false), Locked::Yes);
        assert_eq!(common.lock(b"a", soon(), || false), Locked::TooLate);
        assert_eq!(common.lock(b"a", soon(), || true), Locked::Stopping);
        assert!(common.unlock(b"a") && !common.unlock(b"a"));
        assert_eq!(common.lock(b"a", soon(), || false), Locked::Yes);
    }
}
