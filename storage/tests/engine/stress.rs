//! Many threads at once: writers with keys of their own and shared ones, readers, growth from the
//! smallest table, compaction, optimize, copies and, in one variant, vanish. Values say whose they
//! are, so that a wrong, torn or older one is noticed.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lcnode_storage::{Change, KeyIterator, Store};

use crate::random::{self, Random};
use crate::scene::{self, small_segments};

const WRITERS: u64 = 3;
const OWN_KEYS: u64 = 2_000;
const SHARED_KEYS: u64 = 50;
const SEGMENT: usize = 1 << 18;

/// Where a value comes from: who wrote it, and the how manieth of its writes it was.
fn value(key: &[u8], writer: u64, version: u64, random: &mut Random) -> Vec<u8> {
    let len = if random.below(200) == 0 { 20_000 } else { random.below(100) };
    let mut value =
        [&writer.to_le_bytes()[..], &version.to_le_bytes(), &(key.len() as u64).to_le_bytes(), key].concat();
    let seed = version ^ writer << 48;
    value.extend((0..len).map(|i| (seed.wrapping_mul(i | 1) >> 8) as u8));
    value
}

/// Checks that a value is one of `key`, whole; returns writer and version.
fn parse(key: &[u8], value: &[u8]) -> (u64, u64) {
    let word = |at: usize| u64::from_le_bytes(value[at..at + 8].try_into().unwrap());
    let (writer, version, key_len) = (word(0), word(8), word(16) as usize);
    assert_eq!(&value[24..24 + key_len], key, "the value of another key");
    let seed = version ^ writer << 48;
    for (i, &byte) in value[24 + key_len..].iter().enumerate() {
        assert_eq!(byte, (seed.wrapping_mul(i as u64 | 1) >> 8) as u8, "a torn value of {key:?}");
    }
    (writer, version)
}

fn own_key(writer: u64, number: u64) -> Vec<u8> {
    format!("own:{writer}:{number}").into_bytes()
}

fn shared_key(number: u64) -> Vec<u8> {
    format!("shared:{number}").into_bytes()
}

/// What a writer knows of its own keys: the version of each, none where it was deleted.
type Written = HashMap<Vec<u8>, Option<u64>>;

/// Writes until told to stop. Nobody else writes its own keys, so each has the version written last,
/// or, where there are vanishes, none.
fn write(store: &Store, writer: u64, seed: u64, stop: &AtomicBool, with_vanish: bool) -> Written {
    let mut random = Random::new(seed + writer);
    let mut written = Written::new();
    let mut version = 0;
    while !stop.load(Ordering::Relaxed) {
        version += 1;
        let is_shared = random.below(10) == 0;
        let key = match is_shared {
            true => shared_key(random.below(SHARED_KEYS)),
            false => own_key(writer, random.below(OWN_KEYS)),
        };
        let expected = written.get(&key).copied().flatten();
        if !is_shared && random.below(5) == 0 {
            let existed = store.delete(&key).unwrap();
            assert!(existed == expected.is_some() || with_vanish && !existed, "was {key:?} there");
            written.insert(key, None);
            continue;
        }
        let new = value(&key, writer, version, &mut random);
        let mut old = None;
        store
            .update(&key, |there| {
                old = there.map(|there| parse(&key, there));
                Change::Put { kept: &[], new: &new }
            })
            .unwrap();
        if !is_shared {
            let old = old.map(|(_, version)| version);
            assert!(old == expected || with_vanish && old.is_none(), "{key:?} was {old:?}, not {expected:?}");
            written.insert(key, Some(version));
        }
    }
    written
}

/// Reads keys of all writers: versions of one writer's key never go back.
fn read(store: &Store, seed: u64, stop: &AtomicBool) -> u64 {
    let mut random = Random::new(seed);
    let mut seen: HashMap<Vec<u8>, u64> = HashMap::new();
    let mut reads = 0;
    while !stop.load(Ordering::Relaxed) {
        reads += 1;
        let key = own_key(random.below(WRITERS), random.below(OWN_KEYS));
        if let Some((_, version)) = store.get(&key, |value| parse(&key, value)).unwrap() {
            let newest = seen.entry(key.clone()).or_default();
            assert!(version >= *newest, "{key:?} went back from {newest} to {version}");
            *newest = version;
        }
        let key = shared_key(random.below(SHARED_KEYS));
        store.get(&key, |value| parse(&key, value)).unwrap();
        if reads % 5_000 == 0 {
            let mut iterator = KeyIterator::new();
            while iterator.next(store).unwrap().is_some() {}
        }
    }
    reads
}

fn disturb(store: &Store, folder: &Path, seed: u64, stop: &AtomicBool, with_vanish: bool) {
    let mut random = Random::new(seed);
    while !stop.load(Ordering::Relaxed) {
        match random.below(3) {
            0 => store.optimize().unwrap(),
            1 => {
                let copy = folder.join("copy.tch");
                store.copy_to(&copy).unwrap();
                let copied = Store::open(small_segments(&copy, SEGMENT)).unwrap();
                for key in scene::keys(&copied) {
                    copied.get(&key, |value| parse(&key, value)).unwrap();
                }
                drop(copied);
                std::fs::remove_dir_all(&copy).unwrap();
            }
            _ => {
                if with_vanish {
                    store.vanish().unwrap();
                }
                std::thread::sleep(Duration::from_millis(random.below(100)));
            }
        }
    }
}

fn run(test: &str, with_vanish: bool) {
    let seed = random::seed(test);
    let seconds = random::variable("LCNODE_SECONDS").unwrap_or(5);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stress.tch");
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    let stop = AtomicBool::new(false);
    let (written, reads) = std::thread::scope(|scope| {
        let (store, stop) = (&store, &stop);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || write(store, writer, seed, stop, with_vanish)))
            .collect();
        let readers: Vec<_> =
            (0..2).map(|reader| scope.spawn(move || read(store, seed + 100 + reader, stop))).collect();
        let root = folder.path();
        let disturber = scope.spawn(move || disturb(store, root, seed + 200, stop, with_vanish));
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end
            && !writers.iter().any(|writer| writer.is_finished())
            && !disturber.is_finished()
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        stop.store(true, Ordering::Relaxed);
        let written: Vec<Written> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
        disturber.join().unwrap();
        (written, readers.into_iter().map(|reader| reader.join().unwrap()).sum::<u64>())
    });
    eprintln!("{test}: {reads} reads, {:?}", store.figures());
    let crashed = folder.path().join("crashed.tch");
    scene::crash(&path, &crashed);
    compare(&store, &written, with_vanish, "while open");
    store.close().unwrap();
    for (path, scene) in [(&path, "after a clean reopen"), (&crashed, "after a crash")] {
        let store = Store::open(small_segments(path, SEGMENT)).unwrap();
        compare(&store, &written, with_vanish, scene);
    }
}

/// Compares with what the writers wrote last.
fn compare(store: &Store, written: &[Written], with_vanish: bool, scene: &str) {
    let mut found = 0;
    for (writer, written) in written.iter().enumerate() {
        for number in 0..OWN_KEYS {
            let key = own_key(writer as u64, number);
            let there = store.get(&key, |value| parse(&key, value).1).unwrap();
            found += u64::from(there.is_some());
            let expected = written.get(&key).copied().flatten();
            if !with_vanish || there.is_some() {
                assert_eq!(there, expected, "{scene}: {key:?}");
            }
        }
    }
    for number in 0..SHARED_KEYS {
        let key = shared_key(number);
        found += u64::from(store.get(&key, |value| parse(&key, value)).unwrap().is_some());
    }
    assert_eq!(store.records(), found, "{scene}: the number of records");
    assert_eq!(scene::keys(store).len() as u64, found, "{scene}: the number of keys");
}

#[test]
fn threads_agree() {
    run("threads_agree", false);
}

#[test]
fn threads_agree_with_vanish() {
    run("threads_agree_with_vanish", true);
}
