//! Connections that are readable at the same moment: the records that they ask for are fetched from memory together.
//!
//! Between two requests of a connection the kernel's work pushes buckets and records out of the caches, and a request that
//! comes alone waits for both, one after the other. So one that is read gives its turn away: its bucket is asked for, the
//! other connections that are ready do the same, and the first that has its turn again asks for the records of all. With 50
//! connections a get takes 6 to 15 % less of a core so. Where connections come one at a time this only costs, so it is
//! left out then, but for a look now and then.

use std::cell::RefCell;

use arrayvec::ArrayVec;
use lcnode_storage::{KeyHash, Store};

/// After so many turns with nobody else there, requests are carried out at once.
const ALONE: u32 = 8;
/// Then every so many requests one looks whether others are there.
const LOOK: u32 = 64;

thread_local! {
    static CROWD: RefCell<Crowd> = const { RefCell::new(Crowd { keys: ArrayVec::new_const(), alone: 0 }) };
}

/// The requests of a thread that have given their turn away. What is in it is a hint: that of another thread, or none, does
/// no harm.
struct Crowd {
    keys: ArrayVec<KeyHash, 64>,
    /// Turns in a row with nobody else there, and then requests since the last look.
    alone: u32,
}

/// Whether a request should give its turn away.
#[inline]
pub(super) fn is_likely() -> bool {
    CROWD.with_borrow_mut(|crowd| {
        if crowd.alone < ALONE {
            return true;
        }
        crowd.alone += 1;
        if crowd.alone == ALONE + LOOK {
            // One more turn alone, and it is left out again.
            crowd.alone = ALONE - 1;
        }
        crowd.alone < ALONE
    })
}

/// Asks for the bucket of a key, of which a request gives its turn away.
#[inline]
pub(super) fn join(store: &Store, key: &[u8]) {
    let hash = store.prefetch_bucket(key);
    // Those that have no place wait for their records as ever.
    CROWD.with_borrow_mut(|crowd| _ = crowd.keys.try_push(hash));
}

/// Asks for the records of all who have given their turn away; called by each of them when it has its turn again.
#[inline]
pub(super) fn proceed(store: &Store) {
    CROWD.with_borrow_mut(|crowd| {
        match crowd.keys.len() {
            0 => return,
            1 => crowd.alone += 1,
            _ => crowd.alone = 0,
        }
        store.prefetch_records(&crowd.keys);
        crowd.keys.clear();
    });
}

#[cfg(test)]
mod tests {
    use lcnode_storage::{Options, Place};

    use super::*;

    #[test]
    fn who_is_alone_looks_only_now_and_then() {
        let store = Store::open(Options::new(Place::Memory)).unwrap();
        let alone = |store: &Store| {
            let gives_way = is_likely();
            if gives_way {
                join(store, b"key");
                proceed(store);
            }
            gives_way
        };
        assert_eq!((0..ALONE).filter(|_| alone(&store)).count(), ALONE as usize);
        let looks = (0..10 * LOOK).filter(|_| alone(&store)).count();
        assert_eq!(looks, 10);
        // Others are there: all give way again.
        while !is_likely() {}
        join(&store, b"one");
        join(&store, b"two");
        proceed(&store);
        proceed(&store);
        assert_eq!((0..ALONE).filter(|_| alone(&store)).count(), ALONE as usize);
    }
}
