//! Random operations on a store and on a `BTreeMap`: both must always agree, through growth from the
//! smallest table, compaction, clean reopens and crashes.
//!
//! `LCNODE_SEED` repeats a run, `LCNODE_OPERATIONS` sets its length (1,000,000).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use lcnode_storage::{Change, Inline, KeyIterator, Options, Place, Store, SyncMode};

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// xorshift64*: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect(name))
}

fn options(path: &Path) -> Options {
    Options {
        segment_size: 1 << 18,
        buckets: 1,
        sync: SyncMode::Never,
        ..Options::new(Place::Directory(path.to_owned()))
    }
}

fn check(store: &Store, model: &Model, scene: &str) {
    assert_eq!(store.records(), model.len() as u64, "{scene}: the number of records");
    for (key, value) in model {
        let found = store.get(key, |found| found == value).unwrap();
        assert_eq!(found, Some(true), "{scene}: the value of {key:?}");
    }
    let mut keys = Vec::new();
    let mut iterator = KeyIterator::new();
    while let Some(key) = iterator.next(store).unwrap() {
        keys.push(key.into_vec());
    }
    keys.sort();
    assert!(
        keys.iter().eq(model.keys()),
        "{scene}: the iterator gave {} keys of {}",
        keys.len(),
        model.len()
    );
}

/// The names of the log's files.
fn segments(path: &Path) -> Vec<std::ffi::OsString> {
    let mut names: Vec<_> =
        fs::read_dir(path.join("log")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// Copies the files as they are, as a killed process would leave them. Tries again where a segment
/// came or went meanwhile: such a copy is of no one moment.
fn crash(from: &Path, to: &Path) {
    loop {
        let before = segments(from);
        copy_files(from, to);
        if segments(from) == before {
            return;
        }
        fs::remove_dir_all(to).unwrap();
    }
}

fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_files(&entry.path(), &target),
            // It may just have been removed; then the copy is made anew.
            false => _ = fs::copy(entry.path(), target),
        }
    }
}

fn key(random: &mut Random, spread: u64) -> Vec<u8> {
    match random.below(50) {
        0 => Vec::new(),
        1 => vec![b'k'; 300],
        _ => format!("key:{}", random.below(spread)).into_bytes(),
    }
}

fn one_operation(random: &mut Random, store: &Store, model: &mut Model, spread: u64) {
    let key = key(random, spread);
    let len = if random.below(100) == 0 { 5000 } else { random.below(60) };
    match random.below(20) {
        0..9 => {
            let value = random.bytes(len);
            store.put(&key, &value).unwrap();
            model.insert(key, value);
        }
        9..13 => {
            assert_eq!(store.delete(&key).unwrap(), model.remove(&key).is_some());
        }
        13 | 14 => {
            let more = random.bytes(len % 20);
            let append = |old: Option<&[u8]>| old.map_or(0, <[u8]>::len) < 10_000;
            let grown = store
                .update(&key, |old| match append(old) {
                    true => Change::Put { kept: old.unwrap_or_default(), new: &more },
                    false => Change::Keep,
                })
                .unwrap();
            assert_eq!(grown, append(model.get(&key).map(Vec::as_slice)));
            if grown {
                model.entry(key).or_default().extend_from_slice(&more);
            }
        }
        15 => {
            let number = random.next().to_le_bytes();
            store
                .update(&key, |old| match old {
                    None => Change::PutInline(Inline::new(&number)),
                    Some(_) => Change::Keep,
                })
                .unwrap();
            model.entry(key).or_insert(number.to_vec());
        }
        _ => {
            let found = store.get(&key, |value| value.to_vec()).unwrap();
            assert_eq!(found.as_ref(), model.get(&key), "get of {key:?}");
        }
    }
}

#[test]
fn store_equals_model() {
    let seed = variable("LCNODE_SEED")
        .unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64);
    let operations = variable("LCNODE_OPERATIONS").unwrap_or(1_000_000);
    println!("LCNODE_SEED={seed} LCNODE_OPERATIONS={operations}");
    let mut random = Random(seed | 1);
    let folder = tempfile::tempdir().unwrap();
    let mut generation = 0;
    let path = |generation: u32| folder.path().join(format!("{generation}.tch"));
    let mut store = Store::open(options(&path(0))).unwrap();
    let mut model = Model::new();
    let mut spread = 10;
    for done in 0..operations {
        one_operation(&mut random, &store, &mut model, spread);
        if done % 10_000 == 9_999 {
            spread = [10, 1_000, 30_000][random.below(3) as usize];
        }
        match random.below(20_000) {
            0 => {
                store.close().unwrap();
                store = Store::open(options(&path(generation))).unwrap();
                check(&store, &model, "after a clean reopen");
            }
            1 => {
                crash(&path(generation), &path(generation + 1));
                drop(store);
                fs::remove_dir_all(path(generation)).unwrap();
                generation += 1;
                store = Store::open(options(&path(generation))).unwrap();
                check(&store, &model, "after a crash");
            }
            2 if random.below(2) == 0 => {
                store.vanish().unwrap();
                model.clear();
            }
            3 => {
                store.optimize().unwrap();
                check(&store, &model, "after optimize");
                let figures = store.figures();
                assert!(
                    figures.log_bytes <= figures.live_bytes * 11 / 10 + (1 << 18),
                    "optimize left too much: {figures:?}"
                );
            }
            4 => {
                let copy = folder.path().join("copy.tch");
                store.copy_to(&copy).unwrap();
                let copied = Store::open(options(&copy)).unwrap();
                check(&copied, &model, "a copy");
                drop(copied);
                fs::remove_dir_all(&copy).unwrap();
            }
            _ => {}
        }
    }
    check(&store, &model, "at the end");
    let figures = store.figures();
    println!("{figures:?}");
    store.close().unwrap();
    let store = Store::open(options(&path(generation))).unwrap();
    check(&store, &model, "at the very end");
}
