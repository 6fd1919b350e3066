//! Walking over all keys while others change the database: every key that stays is met exactly once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use lcnode_storage::{KeyIterator, Options, Place, Store};

use crate::random::{self, Random};
use crate::scene::{self, small_segments};

const STAYING: u64 = 3_000;

fn staying(number: u64) -> Vec<u8> {
    format!("stays:{number}").into_bytes()
}

/// Walks once with pauses in which `meanwhile` runs, and checks what was met.
fn walk(store: &Store, mut meanwhile: impl FnMut()) {
    let mut met: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut iterator = KeyIterator::new();
    while let Some(key) = iterator.next(store).unwrap() {
        *met.entry(key.into_vec()).or_default() += 1;
        meanwhile();
    }
    for number in 0..STAYING {
        let key = staying(number);
        assert_eq!(met.get(&key), Some(&1), "{key:?}");
    }
    for (key, times) in met {
        assert_eq!(times, 1, "{key:?}");
    }
}

#[test]
fn every_key_that_stays_is_met_once() {
    let seed = random::seed("every_key_that_stays_is_met_once");
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(small_segments(&folder.path().join("walk.tch"), 1 << 17)).unwrap();
    for number in 0..STAYING {
        store.put(&staying(number), b"here").unwrap();
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in 0..2 {
            let (store, stop) = (&store, &stop);
            scope.spawn(move || {
                let mut random = Random::new(seed + writer);
                for number in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    // The table grows all the time; keys that stay get new values and new places.
                    store.put(format!("comes:{writer}:{number}").as_bytes(), b"").unwrap();
                    store.delete(format!("comes:{writer}:{}", random.below(number + 1)).as_bytes()).unwrap();
                    store.put(&staying(random.below(STAYING)), &random.bytes(8)).unwrap();
                }
            });
        }
        let rounds = random::variable("LCNODE_ROUNDS").unwrap_or(20);
        for _ in 0..rounds {
            walk(&store, || {});
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_walk_goes_on_through_a_vanish_into_a_smaller_table() {
    let store = Store::open(Options { buckets: 1, ..Options::new(Place::Memory) }).unwrap();
    for number in 0..50_000_u64 {
        store.put(&number.to_le_bytes(), b"").unwrap();
    }
    let mut iterator = KeyIterator::new();
    for _ in 0..1000 {
        iterator.next(&store).unwrap().unwrap();
    }
    store.vanish().unwrap();
    assert_eq!(iterator.next(&store).unwrap(), None);
    let mut iterator = KeyIterator::new();
    assert_eq!(iterator.next(&store).unwrap(), None);
    for number in 0..STAYING {
        store.put(&staying(number), b"").unwrap();
    }
    walk(&store, || {});
}

#[test]
fn a_walk_can_begin_at_any_key() {
    let store = Store::open(Options { buckets: 1, ..Options::new(Place::Memory) }).unwrap();
    for number in 0..500 {
        store.put(&staying(number), b"").unwrap();
    }
    let keys = scene::keys(&store);
    for (i, key) in keys.iter().enumerate() {
        let mut iterator = KeyIterator::starting_at(&store, key).unwrap().unwrap();
        let mut rest = Vec::new();
        while let Some(key) = iterator.next(&store).unwrap() {
            rest.push(key.into_vec());
        }
        assert_eq!(rest, keys[i..]);
    }
    assert!(KeyIterator::starting_at(&store, b"not there").unwrap().is_none());
}

#[test]
fn for_each_meets_every_record_and_breaks_off_when_told() {
    use std::ops::ControlFlow::{Break, Continue};
    let store = Store::open(Options { buckets: 1, ..Options::new(Place::Memory) }).unwrap();
    for number in 0..1_000_u64 {
        store.put(&number.to_le_bytes(), &(number * 2).to_le_bytes()).unwrap();
    }
    let mut sum = 0;
    store
        .for_each(|key, value| {
            assert_eq!(
                u64::from_le_bytes(value.try_into().unwrap()),
                u64::from_le_bytes(key.try_into().unwrap()) * 2
            );
            sum += 1;
            Continue(())
        })
        .unwrap();
    assert_eq!(sum, 1_000);
    store
        .for_each(|_, _| {
            sum += 1;
            if sum == 1_010 { Break(()) } else { Continue(()) }
        })
        .unwrap();
    assert_eq!(sum, 1_010);
}
