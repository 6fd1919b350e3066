//! Puts that are in the log but not yet in the table: no reader may see less than was acknowledged before it
//! looked, nor less than was seen before, whatever settles the puts meanwhile.
//!
//! A few keys share a few stripes; each has one writer, whose values carry a number that rises. Readers hold
//! what they find against the numbers acknowledged before they looked. `LCNODE_SECONDS` sets how long (3).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lcnode_storage::{Change, Options, Place, Store};

use crate::random::{self, Random};
use crate::scene::{self, small_segments};

const WRITERS: u64 = 2;
const READERS: u64 = 2;
/// Keys of a writer: few, so that several notes of a stripe are of one key.
const KEYS: u64 = 40;
const SEGMENT: usize = 1 << 16;

fn key(writer: u64, number: u64) -> Vec<u8> {
    format!("{writer}:{number}").into_bytes()
}

/// The number of a change, then more of the same.
fn value(number: u64, words: u64) -> Vec<u8> {
    (0..=words).flat_map(|_| number.to_le_bytes()).collect()
}

fn number_of(value: &[u8]) -> u64 {
    let words: Vec<u64> =
        value.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    assert!(words.iter().all(|&word| word == words[0]), "a value of two puts");
    words[0]
}

/// What is known of a key. The lowest bit of a number says whether the change was a delete.
#[derive(Debug, Default)]
struct Known {
    begun: AtomicU64,
    acknowledged: AtomicU64,
    /// The largest number that a reader has seen.
    seen: AtomicU64,
    /// The largest number that a vanish has certainly deleted.
    vanished: AtomicU64,
}

struct Scene {
    store: Store,
    keys: Vec<Vec<Known>>,
    stop: AtomicBool,
}

impl Scene {
    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn write(&self, writer: u64, seed: u64, with_vanish: bool) {
        let mut random = Random::new(seed + writer);
        let mut numbers = vec![0; KEYS as usize];
        while !self.is_over() {
            let number = random.below(KEYS);
            let (key, known) = (key(writer, number), &self.keys[writer as usize][number as usize]);
            let last = numbers[number as usize];
            let is_delete = random.below(12) == 0;
            let new = (last | 1) + 1 + u64::from(is_delete);
            known.begun.store(new, Ordering::SeqCst);
            let words = if random.below(100) == 0 { 2_000 } else { random.below(20) };
            match random.below(8) {
                _ if is_delete => {
                    let existed = store_had(last);
                    let deleted = self.store.delete(&key).unwrap();
                    assert!(
                        deleted == existed || with_vanish && !deleted,
                        "{key:?}, after {last}: {deleted}"
                    );
                }
                0 => {
                    let mut before = None;
                    let value = value(new, words);
                    self.store
                        .update(&key, |old| {
                            before = old.map(number_of);
                            Change::Put { kept: &[], new: &value }
                        })
                        .unwrap();
                    let expected = store_had(last).then_some(last);
                    assert!(
                        before == expected || with_vanish && before.is_none(),
                        "{key:?}: {before:?}, {last}"
                    );
                }
                _ => self.store.put(&key, &value(new, words)).unwrap(),
            }
            known.acknowledged.store(new, Ordering::SeqCst);
            numbers[number as usize] = new;
            if random.below(4) == 0 {
                let found = self.store.get(&key, number_of).unwrap();
                let expected = store_had(new).then_some(new);
                assert!(found == expected || with_vanish && found.is_none(), "{key:?}: {found:?}, not {new}");
            }
        }
    }

    fn read(&self, seed: u64, with_vanish: bool) -> u64 {
        let mut random = Random::new(seed);
        let mut reads = 0;
        while !self.is_over() {
            let (writer, number) = (random.below(WRITERS), random.below(KEYS));
            let (key, known) = (key(writer, number), &self.keys[writer as usize][number as usize]);
            let vanished = known.vanished.load(Ordering::SeqCst);
            let least = known.acknowledged.load(Ordering::SeqCst).max(known.seen.load(Ordering::SeqCst));
            let found = self.store.get(&key, number_of).unwrap();
            let most = known.begun.load(Ordering::SeqCst);
            match found {
                Some(found) => {
                    assert!((least..=most).contains(&found), "{key:?}: {found}, not {least} to {most}");
                    assert!(found > vanished, "{key:?}: {found} after a vanish of {vanished}");
                    known.seen.fetch_max(found, Ordering::SeqCst);
                }
                // Deleted by the last change, or by one since, or with everything.
                None => {
                    let is_deleted = (least..=most).any(|change| !store_had(change)) || least == 0;
                    assert!(is_deleted || with_vanish, "{key:?} is gone, {least} to {most}");
                }
            }
            reads += 1;
        }
        reads
    }

    fn disturb(&self, seed: u64, with_vanish: bool) {
        let mut random = Random::new(seed);
        while !self.is_over() {
            match random.below(5) {
                0 => self.store.optimize().unwrap(),
                1 if !self.store.is_memory() => _ = self.store.checkpoint().unwrap(),
                2 if with_vanish => {
                    let known = || self.keys.iter().flatten();
                    let last: Vec<u64> =
                        known().map(|known| known.acknowledged.load(Ordering::SeqCst)).collect();
                    self.store.vanish().unwrap();
                    known().zip(last).for_each(|(known, last)| known.vanished.store(last, Ordering::SeqCst));
                }
                3 => _ = scene::keys(&self.store),
                _ => _ = self.store.records(),
            }
            std::thread::sleep(Duration::from_micros(random.below(3_000)));
        }
    }
}

/// Whether a change left a record.
fn store_had(change: u64) -> bool {
    change > 0 && change & 1 == 0
}

fn run(test: &str, options: Options, with_vanish: bool) {
    let seed = random::seed(test);
    let seconds = random::variable("LCNODE_SECONDS").unwrap_or(3);
    let keys = (0..WRITERS).map(|_| (0..KEYS).map(|_| Known::default()).collect()).collect();
    let store = Store::open(options).unwrap();
    let scene = Scene { store, keys, stop: AtomicBool::new(false) };
    let reads: u64 = std::thread::scope(|scope| {
        let scene = &scene;
        let mut others: Vec<_> =
            (0..WRITERS).map(|writer| scope.spawn(move || scene.write(writer, seed, with_vanish))).collect();
        others.push(scope.spawn(move || scene.disturb(seed + 50, with_vanish)));
        let readers: Vec<_> = (0..READERS)
            .map(|reader| scope.spawn(move || scene.read(seed + 100 + reader, with_vanish)))
            .collect();
        let end = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < end
            && !others.iter().any(|thread| thread.is_finished())
            && !readers.iter().any(|thread| thread.is_finished())
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        scene.stop.store(true, Ordering::Relaxed);
        others.into_iter().for_each(|thread| thread.join().unwrap());
        readers.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert!(reads > 0);
    let mut there = 0;
    for (writer, keys) in scene.keys.iter().enumerate() {
        for (number, known) in keys.iter().enumerate() {
            let last = known.acknowledged.load(Ordering::SeqCst);
            let found = scene.store.get(&key(writer as u64, number as u64), number_of).unwrap();
            there += u64::from(found.is_some());
            assert!(found == store_had(last).then_some(last) || with_vanish && found.is_none());
        }
    }
    assert_eq!(scene.store.records(), there, "the number of records");
    eprintln!("{test}: {reads} reads, {:?}", scene.store.figures());
    scene.store.close().unwrap();
}

#[test]
fn readers_see_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.tch");
    run("readers_see_what_was_acknowledged", small_segments(&path, SEGMENT), false);
    assert_eq!(lcnode_storage::examine::check(&path, &mut |_| ()).unwrap().findings, []);
}

#[test]
fn readers_see_what_was_acknowledged_with_vanish() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.tch");
    run("readers_see_what_was_acknowledged_with_vanish", small_segments(&path, SEGMENT), true);
}

#[test]
fn readers_see_what_was_acknowledged_in_memory() {
    let options = Options { segment_size: SEGMENT, buckets: 1, ..Options::new(Place::Memory) };
    run("readers_see_what_was_acknowledged_in_memory", options, false);
}

/// Whoever counts records settles what puts have noted, but lets the table grow all the same.
#[test]
fn the_table_grows_though_others_settle() {
    let store = Store::open(Options { buckets: 1, ..Options::new(Place::Memory) }).unwrap();
    for number in 0..20_000_u64 {
        store.put(&number.to_le_bytes(), b"v").unwrap();
        if number % 4 == 0 {
            assert_eq!(store.records(), number + 1);
        }
    }
    let figures = store.figures();
    assert!(figures.table_bytes / 64 * 5 > figures.entries, "{figures:?}");
}

/// What nobody changes any more keeps no view, and so no segment, that is gone.
#[test]
fn nobody_holds_on_to_a_segment_that_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mapped.tch");
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    for number in 0..8_000_u64 {
        store.put(&(number % 1_000).to_le_bytes(), &[1; 100]).unwrap();
    }
    store.optimize().unwrap();
    let mapped = || {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let of_log = maps.lines().filter(|line| line.contains(path.to_str().unwrap()));
        let is_removed = |line: &&str| line.ends_with("(deleted)");
        (of_log.clone().count(), of_log.filter(is_removed).count())
    };
    let end = Instant::now() + Duration::from_secs(10);
    while mapped().1 > 0 && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (all, removed) = mapped();
    assert!(all > 0 && removed == 0, "{removed} of {all} mappings are of files that were removed");
}
