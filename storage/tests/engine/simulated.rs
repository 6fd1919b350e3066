//! Databases without threads, on a disk that is simulated: the same calls do the same, and what was promised
//! survives any loss of power.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use lcnode_storage::medium::Simulated;
use lcnode_storage::{Attributes, Clock, Options, Place, Store, SyncMode};

use crate::random::{self, Random};
use crate::scene::{Model, check};

const SEGMENT: usize = 1 << 16;

/// Time that goes on by a millisecond whenever it is looked at.
fn clock() -> Clock {
    let now = AtomicU64::new(1_700_000_000_000_000);
    Clock::Given(Arc::new(move || now.fetch_add(1_000, Ordering::Relaxed)))
}

fn options(seed: u64, sync: SyncMode) -> Options {
    Options {
        segment_size: SEGMENT,
        buckets: 64,
        sync,
        background: false,
        clock: clock(),
        seed: Some(seed),
        ..Options::new(Place::Memory)
    }
}

fn open(disk: &Simulated, options: Options) -> Store {
    Store::on(Arc::new(disk.clone()), options, None).unwrap()
}

type Changes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// What is there after so many changes.
fn as_of(changes: &Changes, count: usize) -> Model {
    let mut model = Model::new();
    for (key, value) in &changes[..count] {
        match value {
            Some(value) => _ = model.insert(key.clone(), value.clone()),
            None => _ = model.remove(key),
        }
    }
    model
}

fn contents(store: &Store) -> Model {
    let keys = crate::scene::keys(store);
    keys.into_iter()
        .map(|key| (store.get(&key, <[u8]>::to_vec).unwrap().unwrap(), key))
        .map(|(v, k)| (k, v))
        .collect()
}

/// Changes, and work between them; notes the changes, and how many of them are durable.
fn live(store: &Store, random: &mut Random, count: u64, changes: &mut Changes, durable: &mut usize) {
    for _ in 0..count {
        let key = random.below(300).to_le_bytes().to_vec();
        match random.below(40) {
            0..4 if store.delete(&key).unwrap() => changes.push((key, None)),
            0..4 => {}
            4 => store.work().unwrap(),
            5 if random.below(4) == 0 => {
                store.sync().unwrap();
                *durable = changes.len();
            }
            _ => {
                let len = random.below(400);
                let value = random.bytes(len);
                store.put(&key, &value).unwrap();
                changes.push((key, Some(value)));
            }
        }
    }
}

fn run(seed: u64) -> BTreeMap<String, Vec<u8>> {
    let mut random = Random::new(seed);
    let disk = Simulated::new().unwrap();
    let clock = clock();
    let (mut changes, mut durable) = (Changes::new(), 0);
    for round in 0..3 {
        let options = Options { clock: clock.clone(), ..options(seed, SyncMode::Never) };
        let store = open(&disk, options);
        live(&store, &mut random, 3_000, &mut changes, &mut durable);
        let soon = Attributes { expiry: Some(store.now() / 1000 + 5), flags: 0 };
        (0..200_u64).for_each(|key| store.put_with(&[b'e', key as u8], b"ends", soon).unwrap());
        (0..10).for_each(|_| store.work().unwrap());
        match round {
            0 => store.close().unwrap(),
            1 => store.optimize().unwrap(),
            _ => {}
        }
    }
    disk.files().unwrap()
}

#[test]
fn the_same_calls_write_the_same_bytes() {
    let seed = random::seed("the_same_calls_write_the_same_bytes");
    let (first, second) = (run(seed), run(seed));
    assert!(
        first.contains_key("index/checkpoint") && !first.contains_key("log/0000000001.seg"),
        "{:?}",
        first.keys()
    );
    assert!(first.keys().eq(second.keys()), "{:?} {:?}", first.keys(), second.keys());
    for (name, bytes) in &first {
        assert!(second[name] == *bytes, "{name}");
    }
    assert!(run(seed + 1)["meta"] != first["meta"]);
}

#[test]
fn what_was_promised_survives_any_loss_of_power() {
    let mut random = random::seeded("what_was_promised_survives_any_loss_of_power");
    let (mut lost, mut kept) = (0, 0);
    for _ in 0..60 {
        let mut disk = Simulated::new().unwrap();
        let (mut changes, mut durable) = (Changes::new(), 0);
        for _ in 0..3 {
            let options = options(random.next(), SyncMode::Never);
            let store = open(&disk, options.clone());
            let count = random.below(1_500);
            live(&store, &mut random, count, &mut changes, &mut durable);
            disk = disk.power_loss(random.next()).unwrap();
            assert!(store.sync().is_err(), "the old disk is dead");
            drop(store);
            let store = open(&disk, options);
            let found = contents(&store);
            let count = (durable..=changes.len()).rev().find(|&count| as_of(&changes, count) == found);
            let count =
                count.unwrap_or_else(|| panic!("{durable} of {} changes are promised", changes.len()));
            lost += usize::from(count < changes.len());
            kept += usize::from(count > durable);
            changes.truncate(count);
            // What an opened database shows it makes durable before long.
            store.sync().unwrap();
            durable = count;
            store.close().unwrap();
        }
    }
    assert!(lost > 10 && kept > 10, "{lost} lost something, {kept} kept more than was promised");
}

#[test]
fn a_killed_process_loses_nothing_but_the_power_later_may() {
    let mut model = Model::new();
    (0..200_u32).for_each(|key| _ = model.insert(key.to_le_bytes().to_vec(), b"value".to_vec()));
    let mut shorter = 0;
    for seed in 0..40 {
        let disk = Simulated::new().unwrap();
        let store = open(&disk, options(1, SyncMode::Never));
        model.iter().for_each(|(key, value)| store.put(key, value).unwrap());
        let killed = disk.kill().unwrap();
        drop(store);
        let files = killed.files().unwrap();
        assert!(disk.files().unwrap() == files, "the old disk changes no more");
        if seed == 0 {
            check(&open(&killed, options(1, SyncMode::Never)), &model, "after the kill");
        } else {
            // Nobody has synced it yet.
            shorter += u32::from(killed.power_loss(seed).unwrap().files().unwrap() != files);
        }
    }
    assert!(shorter > 10, "{shorter}");
}

#[test]
fn writers_never_wait_for_a_thread_that_is_not_there() {
    let disk = Simulated::new().unwrap();
    let store = open(&disk, options(1, SyncMode::Every(std::time::Duration::from_secs(1))));
    let mut model = Model::new();
    let mut put = |key: u32, len: usize| {
        store.put(&key.to_le_bytes(), &vec![key as u8; len]).unwrap();
        model.insert(key.to_le_bytes().to_vec(), vec![key as u8; len]);
    };
    (0..3_000).for_each(|key| put(key, 500));
    put(3_000, 300_000);
    (0..3_000).for_each(|key| put(key, 600));
    store.optimize().unwrap();
    check(&store, &model, "without any work");
    let before = store.segments().len();
    (0..3_000_u32).for_each(|key| assert!(store.delete(&key.to_le_bytes()).unwrap()));
    model.retain(|key, _| *key == 3_000_u32.to_le_bytes());
    (0..200).for_each(|_| store.work().unwrap());
    assert!(store.segments().len() < before / 2, "{} of {before}", store.segments().len());
    assert!(store.is_durable(store.end()).unwrap());
    check(&store, &model, "after work");
    store.vanish().unwrap();
    store.close().unwrap();
    let store = open(&disk, options(1, SyncMode::Never));
    assert!(store.opened().clean);
    check(&store, &Model::new(), "after all went");
}

#[test]
fn work_is_for_databases_without_threads() {
    let store = Store::open(Options::new(Place::Memory)).unwrap();
    assert!(store.work().is_err());
}

#[test]
fn thousands_of_databases_are_made_in_no_time() {
    const COUNT: u32 = 2_000;
    let started = Instant::now();
    for seed in 0..COUNT {
        let disk = Simulated::new().unwrap();
        let store = open(&disk, options(seed.into(), SyncMode::Never));
        store.put(b"key", b"value").unwrap();
    }
    let each = started.elapsed() / COUNT;
    eprintln!("{each:?} for a database, closed too");
    // Usually a tenth of it.
    assert!(each.as_millis() < 5, "{each:?}");
}
