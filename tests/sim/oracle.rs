//! What the masters must hold in the end.
//!
//! Always: the same, of every key. Where nothing could be lost, also: of a key that is put and deleted what was
//! written last by stamp, unless all was deleted at once after it; of a key that is only added to the sum of all.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use lcnode_storage::{Stamp, Store};

/// What was acknowledged.
#[derive(Debug, Default)]
pub struct Oracle {
    /// Of each key the last stamp, and what was written then.
    last: BTreeMap<Vec<u8>, (Stamp, Option<Vec<u8>>)>,
    vanished: Stamp,
    sums: BTreeMap<Vec<u8>, i32>,
    /// Of numbers in decimal text, in halves.
    halves: BTreeMap<Vec<u8>, i32>,
}

/// What a store holds: of each key its version and what a client sees.
pub type Held = BTreeMap<Vec<u8>, (u64, Vec<u8>)>;

impl Oracle {
    /// A key was written.
    pub fn wrote(&mut self, store: &Store, key: &[u8]) {
        let Some((stamp, _)) = store.stamp_of(key).unwrap() else { return };
        let value = store.get(key, <[u8]>::to_vec).unwrap();
        let last = self.last.entry(key.to_vec()).or_default();
        if stamp > last.0 {
            *last = (stamp, value);
        }
    }

    pub fn added(&mut self, key: &[u8], num: i32) {
        *self.sums.entry(key.to_vec()).or_default() += num;
    }

    pub fn added_in_text(&mut self, key: &[u8], halves: i32) {
        *self.halves.entry(key.to_vec()).or_default() += halves;
    }

    /// All was deleted at once.
    pub fn vanished(&mut self, stamp: Stamp) {
        self.vanished = self.vanished.max(stamp);
    }

    /// Checks what all hold. Where peers were `given_up`, deletions may have been forgotten, and what was deleted without
    /// knowledge of a put elsewhere may be there.
    pub fn check(&self, held: &[Held], given_up: bool, plan: &dyn std::fmt::Debug) {
        for (key, (stamp, value)) in &self.last {
            let expected = value.as_ref().filter(|_| *stamp > self.vanished);
            if given_up && value.is_none() {
                continue;
            }
            for (number, held) in held.iter().enumerate() {
                let found = held.get(key).map(|(_, value)| value);
                let lens = (found.map(Vec::len), expected.map(Vec::len));
                let vanish = self.vanished;
                assert!(
                    found == expected,
                    "node {number}, {key:?} of {stamp:?}, {vanish:?}: bytes {lens:?}, {plan:?}"
                );
            }
        }
        for (key, sum) in &self.sums {
            let found = held[0].get(key).map(|(_, value)| i32::from_le_bytes(value[..].try_into().unwrap()));
            assert_eq!(found, Some(*sum), "the sum of {key:?}");
        }
        for (key, halves) in &self.halves {
            let found = held[0].get(key).map(|(_, value)| String::from_utf8_lossy(value).into_owned());
            assert_eq!(found, Some((f64::from(*halves) / 2.0).to_string()), "the sum of {key:?}");
        }
    }
}

/// What a store holds.
pub fn held(store: &Store) -> Held {
    let mut held = Held::new();
    let visited = store.visit(|visited| {
        if visited.deleted {
            return ControlFlow::Continue(());
        }
        let value = store.get(visited.key, <[u8]>::to_vec).unwrap().unwrap_or_default();
        let before = held.insert(visited.key.to_vec(), (visited.version, value));
        assert_eq!(before, None, "{:?} is there once", visited.key);
        ControlFlow::Continue(())
    });
    visited.unwrap();
    assert_eq!(held.len() as u64, store.records());
    held
}
