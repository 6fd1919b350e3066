//! What a start does with what a crash can leave: each case of FORMAT.md, made by hand.

use std::fs;
use std::path::{Path, PathBuf};

use lcnode_storage::{Error, Store};

use crate::random;
use crate::scene::{self, Model, check, patch, segment, segments, small_segments, used};

const SEGMENT: usize = 1 << 16;

fn open(path: &Path) -> Result<Store, Error> {
    Store::open(small_segments(path, SEGMENT))
}

/// A killed database, and its model after every change.
struct Scene {
    _folder: tempfile::TempDir,
    path: PathBuf,
    /// The model after so many changes.
    models: Vec<Model>,
}

impl Scene {
    /// Records of 40 to 60 bytes, in `changes` changes; no key is put twice, so nothing is compacted.
    fn new(changes: u32) -> Self {
        let folder = scene::quick_folder();
        let live = folder.path().join("live.tch");
        let store = open(&live).unwrap();
        let mut models = vec![Model::new()];
        for number in 0..changes {
            let (key, value) =
                (number.to_be_bytes().to_vec(), vec![number as u8 | 1; 16 + number as usize % 20]);
            store.put(&key, &value).unwrap();
            let mut model = models.last().unwrap().clone();
            model.insert(key, value);
            models.push(model);
        }
        let path = folder.path().join("killed.tch");
        scene::crash(&live, &path);
        Self { _folder: folder, path, models }
    }

    fn last(&self) -> &Model {
        self.models.last().unwrap()
    }

    /// The number of the segment with the last record.
    fn active(&self) -> u64 {
        (1..)
            .take_while(|&number| {
                segment(&self.path, number).exists() && used(&segment(&self.path, number)) > 64
            })
            .last()
            .unwrap()
    }

    /// Opens, checks, writes, and does it all again, with and without a close.
    fn check(&self, model: &Model, scene: &str) {
        let mut model = model.clone();
        for round in 0..3 {
            let store = open(&self.path).unwrap_or_else(|error| panic!("{scene}, round {round}: {error}"));
            check(&store, &model, scene);
            for number in 0..2_000_u32 {
                let key = [&b"new"[..], &(number % 700).to_be_bytes()].concat();
                let value = [&number.to_be_bytes()[..], &[round; 30]].concat();
                store.put(&key, &value).unwrap();
                model.insert(key, value);
            }
            check(&store, &model, scene);
            if round == 1 {
                store.close().unwrap();
            } else {
                let killed = self.path.with_extension("next");
                scene::crash(&self.path, &killed);
                drop(store);
                fs::remove_dir_all(&self.path).unwrap();
                fs::rename(&killed, &self.path).unwrap();
            }
        }
    }
}

#[test]
fn a_torn_end_is_dropped_wherever_it_is_torn() {
    let mut random = random::seeded("a_torn_end_is_dropped_wherever_it_is_torn");
    for _ in 0..40 {
        let scene = Scene::new(100);
        let file = segment(&scene.path, 1);
        let end = used(&file);
        // The last record is 39 to 60 bytes long: 20 of header, 4 of key.
        let torn = random.below(39) + 1;
        let model = match random.below(3) {
            0 => {
                // Cut off at some byte.
                patch(&file, end - torn, &vec![0; torn as usize]);
                &scene.models[99]
            }
            1 => {
                let byte = fs::read(&file).unwrap()[(end - torn) as usize];
                patch(&file, end - torn, &[byte ^ 0x10]);
                &scene.models[99]
            }
            _ => {
                // The next record came only in part, or not in order.
                let behind = random.below(100);
                patch(&file, end + behind, &random.bytes(30));
                &scene.models[100]
            }
        };
        let store = open(&scene.path).unwrap();
        check(&store, model, "a torn end");
        drop(store);
        scene.check(model, "a torn end");
    }
}

#[test]
fn nothing_behind_a_torn_end_comes_back() {
    // A whole record behind the torn one, exactly where the next will end: it must not be read again.
    let scene = Scene::new(100);
    let file = segment(&scene.path, 1);
    let bytes = fs::read(&file).unwrap();
    let end = used(&file);
    let record = |number: usize| 20 + 4 + 16 + number % 20;
    let len = (record(99) + record(98)) as u64;
    // Record 98 is torn, record 99 is whole.
    patch(&file, end - len + 10, &[bytes[(end - len) as usize + 10] ^ 1]);
    let store = open(&scene.path).unwrap();
    check(&store, &scene.models[98], "torn before the last record");
    // The same length as record 98.
    store.put(b"newk", &[5; 16 + 98 % 20]).unwrap();
    scene::crash(&scene.path, &scene.path.with_extension("again"));
    let mut model = scene.models[98].clone();
    model.insert(b"newk".to_vec(), vec![5; 16 + 98 % 20]);
    let again = open(&scene.path.with_extension("again")).unwrap();
    check(&again, &model, "what was torn came back");
}

#[test]
fn later_segments_go_with_a_torn_end() {
    // As after a power loss: a page of the segment before the last was lost.
    let scene = Scene::new(4_000);
    let active = scene.active();
    assert!(active >= 3);
    let before = segment(&scene.path, active - 1);
    let full = fs::OpenOptions::new().write(true).open(&before).unwrap();
    full.set_len(SEGMENT as u64).unwrap();
    patch(&before, 4096 * 3, &[0; 4096]);
    let store = open(&scene.path).unwrap();
    let model = &scene.models[store.records() as usize];
    check(&store, model, "as after a power loss");
    drop(store);
    scene.check(model, "as after a power loss");
}

#[test]
fn damage_before_what_was_durable_is_an_error() {
    let scene = Scene::new(4_000);
    let (first, second) = (segment(&scene.path, 1), segment(&scene.path, 2));
    assert!(fs::metadata(&second).unwrap().len() < SEGMENT as u64, "the second is cut");
    // In a segment that was cut, and in one that is not, but has one behind it that was cut.
    for uncut in [false, true] {
        if uncut {
            fs::OpenOptions::new().write(true).open(&first).unwrap().set_len(SEGMENT as u64).unwrap();
        }
        let bytes = fs::read(&first).unwrap();
        patch(&first, 5_000, &[bytes[5_000] ^ 1]);
        match open(&scene.path).unwrap_err() {
            Error::Damaged { path, offset, .. } => {
                assert_eq!(Path::new(&path), first);
                assert!((4_900..=5_000).contains(&offset), "{offset}");
            }
            error => panic!("{error}"),
        }
        patch(&first, 5_000, &[bytes[5_000]]);
    }
    scene.check(scene.last(), "mended");
}

#[test]
fn the_tail_of_a_segment_that_was_cut_is_never_dropped() {
    let scene = Scene::new(4_000);
    let len = |number: &u64| fs::metadata(segment(&scene.path, *number)).unwrap().len();
    // None behind it was cut: that it was itself has to do.
    let last = (1..=scene.active()).rev().find(|number| len(number) < SEGMENT as u64).unwrap();
    let file = segment(&scene.path, last);
    let bytes = fs::read(&file).unwrap();
    let flipped = [&bytes[..5_000], &[bytes[5_000] ^ 1], &bytes[5_001..]].concat();
    // A flipped bit, a lost seal, a lost end, a record cut in two.
    for damaged in [&flipped[..], &bytes[..bytes.len() - 20], &bytes[..9_000], &bytes[..bytes.len() - 7]] {
        fs::write(&file, damaged).unwrap();
        match open(&scene.path).unwrap_err() {
            Error::Damaged { path, .. } => assert_eq!(Path::new(&path), file),
            error => panic!("{error}"),
        }
    }
    fs::write(&file, bytes).unwrap();
    scene.check(scene.last(), "mended");
}

#[test]
fn a_sealed_segment_that_was_not_cut_is_read() {
    let scene = Scene::new(4_000);
    for number in 1..scene.active() {
        let file = segment(&scene.path, number);
        fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(SEGMENT as u64).unwrap();
    }
    scene.check(scene.last(), "uncut segments");
    assert!(fs::metadata(segment(&scene.path, 1)).unwrap().len() < SEGMENT as u64, "it is cut later");
}

#[test]
fn a_missing_segment_is_named() {
    let scene = Scene::new(5_000);
    let active = scene.active();
    for number in 1..=active {
        let file = segment(&scene.path, number);
        let away = scene.path.join("away");
        fs::rename(&file, &away).unwrap();
        match open(&scene.path).unwrap_err() {
            Error::Damaged { path, .. } => assert_eq!(Path::new(&path), file),
            error => panic!("{error}"),
        }
        fs::rename(&away, &file).unwrap();
    }
    scene.check(scene.last(), "all are there again");
}

#[test]
fn a_missing_segment_is_named_after_compaction_too() {
    let mut random = random::seeded("a_missing_segment_is_named_after_compaction_too");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.tch");
    let store = open(&path).unwrap();
    for number in 0..30_000_u64 {
        // Some stay for ever, most are overwritten: segments go from the middle of the log.
        let key = if number % 40 == 0 { number } else { random.below(200) };
        store.put(&key.to_be_bytes(), &random.bytes(40)).unwrap();
    }
    store.optimize().unwrap();
    let (killed, closed) = (folder.path().join("killed.tch"), folder.path().join("closed.tch"));
    scene::crash(&path, &killed);
    let records = store.records();
    store.close().unwrap();
    fs::rename(&path, &closed).unwrap();
    for path in [killed, closed] {
        let mut files = segments(&path);
        files.retain(|file| used(file) > 64);
        for file in files {
            let away = path.join("away");
            fs::rename(&file, &away).unwrap();
            // Where the last manifest is missing too, the first one that it would have excused is named.
            match open(&path).unwrap_err() {
                Error::Damaged { path, why, .. } => assert!(why.contains("missing"), "{path}: {why}"),
                error => panic!("{error}"),
            }
            fs::rename(&away, &file).unwrap();
        }
        assert_eq!(open(&path).unwrap().records(), records);
    }
}

#[test]
fn what_allocation_left_behind_is_used_or_removed() {
    let scene = Scene::new(4_000);
    let active = scene.active();
    let spare = segment(&scene.path, active + 1);
    let header = fs::read(&spare).unwrap();
    // Nothing, an empty file, zeros without a header, a part of it; then as it was.
    fs::remove_file(&spare).unwrap();
    let store = open(&scene.path).unwrap();
    check(&store, scene.last(), "without a spare");
    drop(store);
    let killed = |content: &[u8]| {
        for number in active + 1..active + 3 {
            fs::write(segment(&scene.path, number), content).unwrap();
        }
        fs::write(segment(&scene.path, active + 9), b"").unwrap();
        _ = fs::remove_file(scene.path.join("index/checkpoint"));
    };
    for content in [&[][..], &[0; 40], &vec![0; SEGMENT]] {
        killed(content);
        let store = open(&scene.path).unwrap();
        assert!(!segment(&scene.path, active + 9).exists(), "it takes up space and is of no use");
        check(&store, scene.last(), "half a spare");
        drop(store);
    }
    for number in active + 2..active + 10 {
        _ = fs::remove_file(segment(&scene.path, number));
    }
    fs::write(&spare, header).unwrap();
    scene.check(scene.last(), "a spare");
}

#[test]
fn a_segment_that_lost_its_header_and_was_never_durable_is_used_again() {
    // As after a power loss right after the seal of the segment before it was synced.
    let scene = Scene::new(4_000);
    let active = scene.active();
    for number in active..active + 5 {
        _ = fs::remove_file(segment(&scene.path, number));
    }
    let mut content = vec![0; SEGMENT];
    for dirty in [false, true] {
        if dirty {
            content[5_000..6_000].fill(7);
        }
        fs::write(segment(&scene.path, active), &content).unwrap();
        let store = open(&scene.path).unwrap();
        check(&store, &scene.models[store.records() as usize], "no header");
        assert!(store.records() > 1_000);
        drop(store);
    }
    let records = open(&scene.path).unwrap().records();
    scene.check(&scene.models[records as usize], "no header");
}

#[test]
fn a_vanish_outlives_what_it_declared_dead() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.tch");
    let mut random = random::seeded("a_vanish_outlives_what_it_declared_dead");
    for _ in 0..5 {
        let store = open(&path).unwrap();
        for number in 0..8_000_u64 {
            store.put(&number.to_be_bytes(), &random.bytes(40)).unwrap();
        }
        store.vanish().unwrap();
        let mut model = Model::new();
        for number in 0..random.below(6_000) {
            store.put(&number.to_be_bytes(), b"later").unwrap();
            model.insert(number.to_be_bytes().to_vec(), b"later".to_vec());
        }
        // Killed at some moment while dead segments are removed.
        for _ in 0..3 {
            let killed = folder.path().join("killed.tch");
            scene::crash(&path, &killed);
            let after = open(&killed).unwrap();
            check(&after, &model, "killed after a vanish");
            drop(after);
            fs::remove_dir_all(&killed).unwrap();
        }
        drop(store);
        fs::remove_file(path.join("index/checkpoint")).unwrap();
    }
}

#[test]
fn a_tombstone_outlives_what_it_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.tch");
    let mut random = random::seeded("a_tombstone_outlives_what_it_deleted");
    let store = open(&path).unwrap();
    let mut model = Model::new();
    for round in 0..60_u64 {
        for _ in 0..600 {
            let key = random.below(3_000).to_be_bytes();
            if random.below(2) == 0 {
                let value = random.bytes(30);
                store.put(&key, &value).unwrap();
                model.insert(key.to_vec(), value);
            } else {
                assert_eq!(store.delete(&key).unwrap(), model.remove(&key[..]).is_some());
            }
        }
        // One that stays, so that old segments stay too.
        store.put(&(1 << 40 | round).to_be_bytes(), &[1; 20_000]).unwrap();
        model.insert((1 << 40 | round).to_be_bytes().to_vec(), vec![1; 20_000]);
        let killed = folder.path().join("killed.tch");
        scene::crash(&path, &killed);
        let after = open(&killed).unwrap();
        check(&after, &model, "killed while tombstones are dropped");
        drop(after);
        fs::remove_dir_all(&killed).unwrap();
    }
    for key in model.keys() {
        store.delete(key).unwrap();
    }
    // The first gathers them behind all else, where they are the oldest for the second.
    store.optimize().unwrap();
    store.optimize().unwrap();
    assert_eq!(store.figures().entries, 0, "all tombstones are gone: {:?}", store.figures());
}

#[test]
fn an_old_checkpoint_is_no_harm() {
    let mut random = random::seeded("an_old_checkpoint_is_no_harm");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.tch");
    let mut model = Model::new();
    for round in 0..4 {
        let store = open(&path).unwrap();
        check(&store, &model, "after a close");
        for _ in 0..20_000 {
            let key = random.below(1_500).to_be_bytes();
            if random.below(3) == 0 {
                store.delete(&key).unwrap();
                model.remove(&key[..]);
            } else {
                let value = random.bytes(30);
                store.put(&key, &value).unwrap();
                model.insert(key.to_vec(), value);
            }
        }
        if round == 2 {
            store.vanish().unwrap();
            model.clear();
        }
        // By now no segment is left that the checkpoint knows.
        let killed = folder.path().join("killed.tch");
        scene::crash(&path, &killed);
        let after = open(&killed).unwrap();
        check(&after, &model, "killed long after the checkpoint");
        drop(after);
        check(&open(&killed).unwrap(), &model, "and closed");
        fs::remove_dir_all(&killed).unwrap();
        store.close().unwrap();
    }
}

#[test]
fn of_two_records_of_a_key_that_with_the_later_stamp_counts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stamps.tch");
    Store::open(small_segments(&path, SEGMENT)).unwrap().put(b"k", b"new").unwrap();
    fs::remove_file(path.join("index/checkpoint")).unwrap();
    // The same record again, a microsecond older, with another value.
    let file = segment(&path, 1);
    let mut record = fs::read(&file).unwrap()[64..64 + 24].to_vec();
    let time = u64::from_le_bytes(record[8..16].try_into().unwrap()) - 1;
    record[8..16].copy_from_slice(&time.to_le_bytes());
    record[21..].copy_from_slice(b"old");
    let crc = crc32fast::hash(&[&record[20..], &record[4..20]].concat());
    record[..4].copy_from_slice(&crc.to_le_bytes());
    patch(&file, 64 + 24, &record);
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    assert_eq!(store.get(b"k", <[u8]>::to_vec).unwrap(), Some(b"new".to_vec()));
    assert!(store.figures().log_bytes >= 64 + 48, "the older one was read");
}
