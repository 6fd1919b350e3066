//! Records that end some time: hidden from then on, dropped by compaction, and never followed by an older value.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lcnode_storage::{Attributes, Change, KeyIterator, Options, Place, Store, SyncMode};

use crate::format::{Map, rows};
use crate::scene::{self, small_segments};

const SEGMENT: usize = 1 << 16;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn until(expiry: u64) -> Attributes {
    Attributes { expiry: Some(expiry), flags: 0 }
}

fn value(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get(key, <[u8]>::to_vec).unwrap()
}

fn key(number: u64) -> Vec<u8> {
    format!("key {number:06}").into_bytes()
}

#[test]
fn a_record_is_hidden_at_its_instant() {
    for place in [Place::Memory, Place::Directory(scene::quick_folder().keep().join("expiry.tch"))] {
        let store = Store::open(Options { sync: SyncMode::Never, ..Options::new(place.clone()) }).unwrap();
        let expiry = now() + 300;
        store.put_with(b"soon", b"1", Attributes { expiry: Some(expiry), flags: 7 }).unwrap();
        store.put_with(b"late", b"2", until(u64::MAX)).unwrap();
        store.put_with(b"past", b"3", until(now() - 1)).unwrap();
        store.put_with(b"flags", b"4", Attributes { expiry: None, flags: u32::MAX }).unwrap();
        let with =
            |key: &[u8]| store.get_with(key, |record| (record.value.to_vec(), record.attributes)).unwrap();
        let soon = with(b"soon");
        if now() < expiry {
            assert_eq!(soon, Some((b"1".to_vec(), Attributes { expiry: Some(expiry), flags: 7 })));
        }
        assert_eq!(with(b"flags").unwrap().1.flags, u32::MAX);
        assert_eq!(value(&store, b"past"), None);
        // Both a note of the put and the table are to tell the same.
        assert_eq!(store.records(), 4);
        assert_eq!(value(&store, b"past"), None);
        while now() < expiry {
            assert!(value(&store, b"soon").is_some() || now() >= expiry);
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!((value(&store, b"soon"), with(b"soon")), (None, None));
        let mut walked = scene::keys(&store);
        walked.sort();
        assert_eq!(walked, [b"flags".to_vec(), b"late".to_vec()]);
        assert!(KeyIterator::starting_at(&store, b"soon").unwrap().is_none());
        if let Place::Directory(path) = place {
            drop(store);
            fs::remove_dir_all(path.parent().unwrap()).unwrap();
        }
    }
}

#[test]
fn changes_take_an_expired_record_for_none() {
    let store = Store::open(Options::new(Place::Memory)).unwrap();
    let gone = until(now() - 1);
    store.put_with(b"deleted", b"old", gone).unwrap();
    assert!(!store.delete(b"deleted").unwrap());
    store.put_with(b"kept", b"old", gone).unwrap();
    let put = |old: Option<&[u8]>| old.is_none();
    let put = store.update(b"kept", |old| match put(old) {
        true => Change::Put { kept: &[], new: b"new" },
        false => Change::Keep,
    });
    assert!(put.unwrap());
    let (kept, attributes) =
        store.get_with(b"kept", |record| (record.value.to_vec(), record.attributes)).unwrap().unwrap();
    assert_eq!((&kept[..], attributes), (&b"new"[..], Attributes::default()), "a new record has neither");
    // What is there is changed without its end.
    let later = Attributes { expiry: Some(now() + 60_000), flags: 3 };
    store.put_with(b"later", b"a", later).unwrap();
    fn append(old: Option<&[u8]>) -> Change<'_, 'static> {
        Change::Put { kept: old.unwrap_or_default(), new: b"b" }
    }
    assert!(store.update(b"later", append).unwrap());
    let after = store.get_with(b"later", |record| (record.value.to_vec(), record.attributes)).unwrap();
    assert_eq!(after, Some((b"ab".to_vec(), later)));
    store.put(b"later", b"c").unwrap();
    assert_eq!(store.get_with(b"later", |record| record.attributes).unwrap(), Some(Attributes::default()));
    assert_eq!(store.records(), 3);
}

/// Three of four records end, after older values of theirs have got into older segments.
fn fill(store: &Store, count: u64, expiry: u64) {
    for round in 0..2 {
        for number in 0..count {
            let value = [round; 60];
            match round == 1 && number % 4 < 3 {
                true => store.put_with(&key(number), &value, until(expiry)).unwrap(),
                false => store.put(&key(number), &value).unwrap(),
            }
        }
    }
}

fn check(store: &Store, count: u64, scene: &str) {
    for number in 0..count {
        let expected = (number % 4 == 3).then(|| vec![1; 60]);
        assert_eq!(value(store, &key(number)), expected, "{scene}: record {number}");
    }
}

fn rebuilt(path: &Path, scene: &str, count: u64) {
    for without_checkpoint in [false, true] {
        if without_checkpoint {
            _ = fs::remove_file(path.join("index/checkpoint"));
        }
        let store = Store::open(small_segments(path, SEGMENT)).unwrap();
        check(&store, count, &format!("{scene}, without checkpoint: {without_checkpoint}"));
    }
}

#[test]
fn compaction_drops_what_has_expired_and_nothing_older_comes_back() {
    let folder = scene::quick_folder();
    let (path, killed) = (folder.path().join("expiry.tch"), folder.path().join("killed.tch"));
    let count = 4_000;
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    let expiry = now() + 200;
    fill(&store, count, expiry);
    store.optimize().unwrap();
    std::thread::sleep(Duration::from_millis(expiry.saturating_sub(now()) + 1));
    check(&store, count, "hidden");
    store.optimize().unwrap();
    check(&store, count, "after the log was rewritten");
    scene::crash(&path, &killed);
    rebuilt(&killed, "killed after the log was rewritten", count);
    // Once the last second of them is over all are known to have expired.
    std::thread::sleep(Duration::from_secs(1));
    store.optimize().unwrap();
    assert_eq!(store.records(), count / 4);
    check(&store, count, "dropped");
    store.close().unwrap();
    rebuilt(&path, "closed", count);
}

/// A closed database knows of segments that it has not read when their records end.
#[test]
fn what_a_checkpoint_knows_of_expiries_is_used() {
    let folder = scene::quick_folder();
    let path = folder.path().join("expiry.tch");
    let count = 4_000;
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    let expiry = now() + 1_500;
    fill(&store, count, expiry);
    store.close().unwrap();
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    let started = Instant::now();
    // By itself: less than half of the log is what has expired, then.
    while store.figures().log_bytes > 2 * count / 4 * (30 + 60) {
        assert!(started.elapsed() < Duration::from_secs(30), "{:?}", store.figures());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(now() >= expiry);
    check(&store, count, "dropped by the next store");
}

#[test]
fn optional_fields_are_as_documented() {
    let folder = scene::quick_folder();
    let path = folder.path().join("fields.tch");
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    let long = [b'k'; 300];
    let attributes = Attributes { expiry: Some(0x0102_0304_0506_0708), flags: 0x1122_3344 };
    store.put_with(&long, b"value", attributes).unwrap();
    store.close().unwrap();
    let bytes = fs::read(scene::segment(&path, 1)).unwrap();
    let record = &bytes[64..];
    let mut map = Map::of("### Fields of a record", &record[..20]);
    assert_eq!(map.number("kind"), 1 | 1 << 4 | 1 << 5);
    let mut at = 20;
    let mut found = Vec::new();
    // What is made here came from nowhere.
    for row in rows("### Optional fields of a record").into_iter().filter(|row| !row[1].starts_with("via")) {
        let size: usize = row[0].parse().unwrap();
        let number = record[at..at + size].iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        found.push((row[1].split(':').next().unwrap().to_owned(), number));
        at += size;
    }
    let expected = [("long key length", 300), ("expiry", 0x0102_0304_0506_0708), ("flags", 0x1122_3344)];
    assert!(found.iter().map(|(name, number)| (name.as_str(), *number)).eq(expected), "{found:?}");
    assert_eq!(&record[at..at + 305], [&long[..], b"value"].concat());
    let checkpoint = fs::read(path.join("index/checkpoint")).unwrap();
    let mut header = Map::of("### Fields of a checkpoint header", &checkpoint[..4096]);
    let (base, overflow_base) = (header.number("base"), header.number("overflow base"));
    let tail = 4096 + (64 << base) + (64 << overflow_base);
    let mut state = Map::of("### Fields of a segment in the tail", &checkpoint[tail..tail + 64]);
    let seconds = 34_359_738_368;
    assert_eq!(state.number("expiring"), at as u64 + 305);
    assert_eq!(state.number("expiring records"), 1);
    assert_eq!((state.number("expiries"), state.number("latest expiry")), (seconds, seconds));
}
