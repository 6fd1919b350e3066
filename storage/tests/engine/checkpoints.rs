//! Checkpoints while the store is in use, and the starts after them: a start from a checkpoint, and one
//! that reads the whole log on all cores, must come to the same, to the last live byte.
//!
//! `LCNODE_IMAGES` sets how many moments are looked at (40).

use std::fs;
use std::path::Path;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lcnode_storage::{Error, Options, SegmentFigures, Store, SyncMode};
use parking_lot::Mutex;

use crate::faulty::{Call, Faulty};
use crate::random::{self, Random};
use crate::scene::{self, Model, check, patch, small_segments};

const SEGMENT: usize = 1 << 16;
const WRITERS: u64 = 3;

fn read_only(path: &Path) -> Options {
    Options { read_only: true, ..small_segments(path, SEGMENT) }
}

fn checkpoint(path: &Path) -> std::path::PathBuf {
    path.join("index/checkpoint")
}

/// What a start finds, checked against the model. It starts no threads, so nothing changes meanwhile.
fn start(path: &Path, model: &Model, scene: &str) -> (Vec<SegmentFigures>, u64) {
    let store = Store::open(read_only(path)).unwrap_or_else(|error| panic!("{scene}: {error}"));
    check(&store, model, scene);
    (store.segments(), store.figures().entries)
}

/// Starts with the checkpoint that is there and without one, and compares; returns the positions of the
/// checkpoint.
fn compare_starts(path: &Path, model: &Model, scene: &str) -> Option<[(u64, u64); 2]> {
    let bytes = fs::read(checkpoint(path)).ok();
    let with = start(path, model, &format!("{scene}, with its checkpoint"));
    _ = fs::remove_file(checkpoint(path));
    let without = start(path, model, &format!("{scene}, from the whole log"));
    assert_eq!(with, without, "{scene}: live bytes, tombstones, entries");
    let bytes = bytes?;
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    Some([(word(32), word(40)), (word(120), word(128))])
}

/// Changes own keys until told to stop, each change under the gate.
fn write(store: &Store, writer: u64, seed: u64, gate: &RwLock<()>, model: &Mutex<Model>, stop: &AtomicBool) {
    let mut random = Random::new(seed + writer);
    let mut spread = 100;
    while !stop.load(Ordering::Relaxed) {
        let _open = gate.read().unwrap();
        for _ in 0..20 {
            let key = format!("{writer}:{}", random.below(spread)).into_bytes();
            if random.below(3) == 0 {
                assert_eq!(store.delete(&key).unwrap(), model.lock().remove(&key).is_some());
            } else {
                let len = if random.below(300) == 0 { 20_000 } else { random.below(80) };
                let value = random.bytes(len);
                store.put(&key, &value).unwrap();
                model.lock().insert(key, value);
            }
        }
        // Hot keys, which leave segments dead soon, and ever more others.
        spread = if random.below(3) == 0 { 100 + random.below(6_000) } else { 100 };
    }
}

fn survive(test: &str, with_vanish: bool) {
    let seed = random::seed(test);
    let mut random = Random::new(seed + 99);
    let folder = scene::quick_folder();
    let path = folder.path().join("live.tch");
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    let gate = RwLock::new(());
    let models: Vec<Mutex<Model>> = (0..WRITERS).map(|_| Mutex::default()).collect();
    let stop = AtomicBool::new(false);
    let images = random::variable("LCNODE_IMAGES").unwrap_or(40);
    let (mut between, mut over_segments) = (0, 0);
    std::thread::scope(|scope| {
        let (store, gate, stop) = (&store, &gate, &stop);
        for (writer, model) in (0..).zip(&models) {
            scope.spawn(move || write(store, writer, seed, gate, model, stop));
        }
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                store.checkpoint().unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        scope.spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(60));
                store.optimize().unwrap();
            }
        });
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for image in 0..images {
                std::thread::sleep(Duration::from_millis(5 + random.below(30)));
                let killed = folder.path().join("killed.tch");
                let mut model = Model::new();
                {
                    let _shut = gate.write().unwrap();
                    if with_vanish && random.below(3) == 0 {
                        store.vanish().unwrap();
                        models.iter().for_each(|model| model.lock().clear());
                    }
                    models.iter().for_each(|one| model.extend(one.lock().clone()));
                    scene::crash(&path, &killed);
                }
                let positions = compare_starts(&killed, &model, &format!("{test}, image {image}"));
                if let Some([from, to]) = positions {
                    assert!(from <= to);
                    between += u64::from(from < to);
                    over_segments += u64::from(from.0 < to.0);
                }
                fs::remove_dir_all(&killed).unwrap();
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    });
    eprintln!(
        "{test}: {images} images, {between} with changes during the checkpoint, {over_segments} over segments"
    );
    assert!(between > 0, "no checkpoint was written beside writers");
    let mut model = Model::new();
    models.iter().for_each(|one| model.extend(one.lock().clone()));
    check(&store, &model, "while open");
    store.close().unwrap();
    let positions = compare_starts(&path, &model, "after a close").unwrap();
    assert_eq!(positions[0], positions[1], "nothing changes during a close");
}

#[test]
fn a_start_from_a_checkpoint_written_in_use_comes_to_the_same_as_the_log() {
    survive("a_start_from_a_checkpoint_written_in_use_comes_to_the_same_as_the_log", false);
}

#[test]
fn a_start_from_a_checkpoint_written_beside_vanishes_comes_to_the_same_as_the_log() {
    survive("a_start_from_a_checkpoint_written_beside_vanishes_comes_to_the_same_as_the_log", true);
}

fn fill(store: &Store, model: &mut Model, random: &mut Random, spread: u64, count: u64) {
    for _ in 0..count {
        let key = random.below(spread).to_be_bytes();
        if random.below(4) == 0 {
            assert_eq!(store.delete(&key).unwrap(), model.remove(&key[..]).is_some());
        } else {
            let len = random.below(100);
            let value = random.bytes(len);
            store.put(&key, &value).unwrap();
            model.insert(key.to_vec(), value);
        }
    }
}

#[test]
fn a_long_replay_comes_to_the_same_as_the_log() {
    let mut random = random::seeded("a_long_replay_comes_to_the_same_as_the_log");
    for round in 0..4 {
        let folder = scene::quick_folder();
        let path = folder.path().join("live.tch");
        let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
        let mut model = Model::new();
        fill(&store, &mut model, &mut random, 3_000, 20_000);
        assert!(store.checkpoint().unwrap());
        fill(&store, &mut model, &mut random, 3_000, 30_000);
        if round >= 2 {
            store.vanish().unwrap();
            model.clear();
            // Few or many records after it, in segments of their own or not.
            fill(&store, &mut model, &mut random, 3_000, [50, 20_000][round % 2]);
        }
        if round % 2 == 1 {
            // Moved records have the stamps of those that they were moved from.
            store.optimize().unwrap();
            fill(&store, &mut model, &mut random, 3_000, 1_000);
        }
        let killed = folder.path().join("killed.tch");
        scene::crash(&path, &killed);
        compare_starts(&killed, &model, &format!("round {round}"));
        store.close().unwrap();
        compare_starts(&path, &model, &format!("round {round}, closed"));
    }
}

#[test]
fn the_first_damaged_record_is_named_though_segments_are_read_at_once() {
    let mut random = random::seeded("the_first_damaged_record_is_named_though_segments_are_read_at_once");
    let folder = scene::quick_folder();
    let path = folder.path().join("live.tch");
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    for number in 0..20_000_u32 {
        // Records of 64 bytes, so that it is known where each begins.
        store.put(&number.to_be_bytes(), &[1; 40]).unwrap();
    }
    store.close().unwrap();
    fs::remove_file(checkpoint(&path)).unwrap();
    let files = scene::segments(&path);
    let is_whole = |file: &&std::path::PathBuf| fs::metadata(file).unwrap().len() < SEGMENT as u64;
    let count = files.iter().filter(is_whole).count() as u64;
    assert!(count > 12, "{count} whole segments");
    for _ in 0..20 {
        let mut segments = [random.below(count), random.below(count), random.below(count)];
        segments.sort_unstable();
        let at = random.below(1_000) * 64;
        // Each segment but the first begins with a memo of 20 bytes.
        let place = |number: u64| 64 + at + if number == 0 { 0 } else { 20 };
        let damage = |number: u64| {
            let record = place(number);
            let file = &files[number as usize];
            let byte = fs::read(file).unwrap()[record as usize + 30];
            patch(file, record + 30, &[byte ^ 4]);
        };
        segments.iter().for_each(|&number| damage(number));
        // Twice is not at all.
        let first = segments.iter().find(|&&one| segments.iter().filter(|&&other| other == one).count() != 2);
        match Store::open(read_only(&path)).unwrap_err() {
            Error::Damaged { path, offset, .. } => {
                assert_eq!(Path::new(&path), files[*first.unwrap() as usize]);
                assert_eq!(offset, place(*first.unwrap()));
            }
            error => panic!("{error}"),
        }
        segments.iter().for_each(|&number| damage(number));
    }
    assert_eq!(Store::open(read_only(&path)).unwrap().records(), 20_000);
}

#[test]
fn a_log_that_ends_before_its_checkpoint_is_an_error() {
    // Large segments, so that both positions are in one.
    let size = 1 << 24;
    let folder = scene::quick_folder();
    let path = folder.path().join("live.tch");
    let store = Store::open(small_segments(&path, size)).unwrap();
    let stop = AtomicBool::new(false);
    let (killed, [from, to]) = std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0_u64.. {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                // No key twice, so that nothing is compacted.
                store.put(&number.to_be_bytes(), &number.to_be_bytes()).unwrap();
            }
        });
        let killed = folder.path().join("killed.tch");
        for _ in 0..100 {
            assert!(store.checkpoint().unwrap());
            let bytes = fs::read(checkpoint(&path)).unwrap();
            let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            let (from, to) = ((word(32), word(40)), (word(120), word(128)));
            if from < to && from.0 == to.0 {
                stop.store(true, Ordering::Relaxed);
                fs::create_dir(&killed).unwrap();
                fs::write(folder.path().join("checkpoint"), bytes).unwrap();
                return (killed, [from, to]);
            }
        }
        stop.store(true, Ordering::Relaxed);
        panic!("no checkpoint was written beside changes");
    });
    scene::copy_files(&path, &killed);
    fs::copy(folder.path().join("checkpoint"), checkpoint(&killed)).unwrap();
    for later in to.0 + 1..to.0 + 1_000 {
        _ = fs::remove_file(scene::segment(&killed, later));
    }
    // As if what was synced had been lost from the middle of what lies between the positions.
    let file = scene::segment(&killed, to.0);
    let used = scene::used(&file);
    fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(size as u64).unwrap();
    patch(&file, from.1, &vec![0; (used - from.1) as usize]);
    match Store::open(small_segments(&killed, size)).unwrap_err() {
        Error::Damaged { path, offset, .. } => {
            assert_eq!((Path::new(&path), offset), (&*file, from.1));
        }
        error => panic!("{error}"),
    }
}

#[test]
fn a_checkpoint_that_fails_loses_nothing_and_leaves_nothing() {
    let mut random = random::seeded("a_checkpoint_that_fails_loses_nothing_and_leaves_nothing");
    let folder = scene::quick_folder();
    let path = folder.path().join("live.tch");
    let medium = Faulty::new(&path);
    let store = Store::on(medium.clone(), small_segments(&path, SEGMENT), None).unwrap();
    let mut model = Model::new();
    fill(&store, &mut model, &mut random, 1_000, 5_000);
    assert!(store.checkpoint().unwrap());
    let before = fs::read(checkpoint(&path)).unwrap();
    fill(&store, &mut model, &mut random, 1_000, 5_000);
    medium.fail(Call::WriteWhole, 0, 1);
    let error = store.checkpoint().unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    assert!(fs::read(checkpoint(&path)).unwrap() == before, "the older one stays");
    let killed = folder.path().join("killed.tch");
    scene::crash(&path, &killed);
    compare_starts(&killed, &model, "with the older checkpoint");
    // The next one goes well.
    assert!(store.checkpoint().unwrap());
    assert!(fs::read(checkpoint(&path)).unwrap() != before);
    fill(&store, &mut model, &mut random, 1_000, 5_000);
    // What it points at cannot be made durable: then it gets no name.
    let before = fs::read(checkpoint(&path)).unwrap();
    medium.fail(Call::Sync, 0, 1);
    assert!(store.checkpoint().is_err());
    assert!(fs::read(checkpoint(&path)).unwrap() == before, "the older one stays");
    assert!(!path.join("index/checkpoint.tmp").exists(), "its space is given back");
    check(&store, &model, "after a failed sync");
}

#[test]
fn no_checkpoint_is_written_on_a_full_disk() {
    let folder = scene::quick_folder();
    let path = folder.path().join("live.tch");
    let medium = Faulty::new(&path);
    let store = Store::on(medium.clone(), small_segments(&path, SEGMENT), None).unwrap();
    medium.limit(8 * SEGMENT as u64);
    for number in 0_u64.. {
        if store.put(&number.to_be_bytes(), &[1; 100]).is_err() {
            break;
        }
    }
    assert!(store.full().is_some());
    assert!(!store.checkpoint().unwrap());
    assert_eq!(fs::read_dir(path.join("index")).unwrap().count(), 0);
}

#[test]
fn half_a_checkpoint_is_removed_at_a_start() {
    let folder = scene::quick_folder();
    let path = folder.path().join("live.tch");
    Store::open(small_segments(&path, SEGMENT)).unwrap().close().unwrap();
    let half = path.join("index/checkpoint.tmp");
    fs::write(&half, [7; 5_000]).unwrap();
    drop(Store::open(read_only(&path)).unwrap());
    assert!(half.exists(), "what is only read is not changed");
    drop(Store::open(small_segments(&path, SEGMENT)).unwrap());
    assert!(!half.exists());
}

/// Several kills, each while checkpoints are written as often as they can be, and each start goes on from
/// what the last left.
#[test]
fn generations_of_checkpoints_keep_exact_counts() {
    let mut random = random::seeded("generations_of_checkpoints_keep_exact_counts");
    let folder = scene::quick_folder();
    let mut model = Model::new();
    let path = |generation: u32| folder.path().join(format!("{generation}.tch"));
    for generation in 0..8 {
        let sync = SyncMode::Every(Duration::from_millis(1));
        let store = Store::open(Options { sync, ..small_segments(&path(generation), SEGMENT) }).unwrap();
        check(&store, &model, "from what was left");
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    store.checkpoint().unwrap();
                }
            });
            fill(&store, &mut model, &mut random, 500 + u64::from(generation) * 500, 15_000);
            scene::crash(&path(generation), &path(generation + 1));
            stop.store(true, Ordering::Relaxed);
        });
        drop(store);
        let copy = folder.path().join("copy.tch");
        scene::copy_files(&path(generation + 1), &copy);
        compare_starts(&copy, &model, &format!("generation {generation}"));
        fs::remove_dir_all(&copy).unwrap();
    }
}

/// The segments between the two positions of a checkpoint stay, or the checkpoint does not.
#[test]
fn no_segment_goes_that_the_checkpoint_on_disk_needs() {
    let folder = scene::quick_folder();
    let path = folder.path().join("pinned.tch");
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    let put = |number: u64| store.put(&(number % 3_000).to_le_bytes(), &[7; 100]).unwrap();
    (0..3_000).for_each(put);
    let positions = || {
        let bytes = fs::read(checkpoint(&path)).ok()?;
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        Some([(word(32), word(40)), (word(120), word(128))])
    };
    let mut needed = None;
    for _ in 0..100 {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| (0..).take_while(|_| !stop.load(Ordering::Relaxed)).for_each(put));
            store.checkpoint().unwrap();
            stop.store(true, Ordering::Relaxed);
        });
        needed = positions().filter(|[from, to]| from < to);
        if needed.is_some() {
            break;
        }
    }
    let [from, _] = needed.expect("a checkpoint with something between its positions");
    // Nothing of what is between them is live then.
    (0..6_000).for_each(put);
    store.optimize().unwrap();
    assert!(!scene::segment(&path, from.0).exists(), "the segment has been removed");
    if let Some([from, to]) = positions().filter(|[from, to]| from < to) {
        for number in from.0..=to.0 {
            assert!(scene::segment(&path, number).exists(), "segment {number} of {from:?} to {to:?}");
        }
    }
    store.close().unwrap();
}
