use std::sync::Arc;

use lcnode_protocol::Limits;
use lcnode_protocol::update_log::Change;
use lcnode_storage::Store;

use super::super::position::{Place, Slot};
use super::super::pull::{End, Pull, Settings};
use super::{entry, fields, get, misc, put, store};

/// Small limits, so that what is over them is.
fn settings() -> Settings {
    Settings { limits: Limits { max_key: 100, max_value: 1000 }, ..super::settings() }
}

fn pull(store: &Arc<Store>) -> Pull {
    Pull::new(Arc::clone(store), settings())
}

fn hello(ts: u64, sid: u32) -> Vec<u8> {
    [&[0xC8, 0xA0][..], &ts.to_be_bytes(), &sid.to_be_bytes()].concat()
}

const SID_3: [u8; 4] = [0, 0, 0, 3];
/// Longest time ago that a test's time stamps are.
const T: u64 = 1_700_000_000_000_000;

fn failure(result: Result<(), End>) -> String {
    match result {
        Err(End::Failed(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stream_is_the_same_however_it_is_cut() {
    let mut stream = SID_3.to_vec();
    stream.push(0xCA);
    stream.extend(entry(T, 3, put("a", "1"), true));
    stream.extend(entry(T + 5, 4, Change::PutCat { key: b"a", value: b"2" }, true));
    stream.push(0xCA);
    stream.extend(entry(T + 9, 3, Change::Out { key: b"none" }, false));
    stream.extend(entry(T + 11, 3, Change::AddInt { key: b"n", num: 5 }, true));
    for cut in 0..=stream.len() {
        let store = store(1);
        let mut pull = pull(&store);
        assert_eq!(pull.hello(), hello(1, 1));
        pull.take(&stream[..cut]).unwrap();
        let before = pull.figures();
        // What is remembered speaks of what was applied, and not of more.
        assert_eq!(Slot::named().load(&store).map_or(0, |place| place.ts), before.ts);
        pull.take(&stream[cut..]).unwrap();
        let figures = pull.figures();
        assert_eq!((figures.sid, figures.ts, figures.entries, figures.differences), (3, T + 11, 4, 0));
        assert_eq!(get(&store, "a").as_deref(), Some("12"));
        assert_eq!(Slot::named().load(&store), Some(Place { ts: T + 11, sid: 3 }));
        drop(pull);
        assert_eq!(self::pull(&store).hello(), hello(T + 12, 1));
    }
}

#[test]
fn changes_bear_the_ids_of_where_they_came_from() {
    let store = store(1);
    let mut pull = pull(&store);
    pull.take(&SID_3).unwrap();
    for (key, sid) in [("from-master", 3), ("from-beyond", 4), ("imported", 0)] {
        pull.take(&entry(T, sid, put(key, "v"), true)).unwrap();
        let (stamp, is_deleted) = store.stamp_of(key.as_bytes()).unwrap().unwrap();
        assert_eq!((stamp.origin, is_deleted), (if sid == 4 { 4 } else { 3 }, false), "{key}");
        assert!(stamp.ts > T, "by the clock here");
    }
    pull.take(&entry(T, 1, put("own", "old"), true)).unwrap();
    assert_eq!(get(&store, "own"), None, "what was made here does not come back");
}

#[test]
fn what_was_only_passed_over_is_remembered_at_the_end() {
    let store = store(1);
    let none = fields(&["none"]);
    let mut pull = pull(&store);
    let entries = [entry(T, 3, misc("get", &none), false), entry(T + 1, 1, put("k", "v"), true)].concat();
    pull.take(&[&SID_3[..], &entries].concat()).unwrap();
    assert_eq!((Slot::named().load(&store), pull.figures().ts), (None, T + 1));
    drop(pull);
    assert_eq!(Slot::named().load(&store), Some(Place { ts: T + 1, sid: 3 }));
}

#[test]
fn where_a_master_without_a_position_is_followed_from() {
    let store = store(1);
    let begun = |begin| Pull::new(Arc::clone(&store), Settings { begin, ..settings() }).hello();
    assert_eq!(begun(0), hello(1, 1));
    assert_eq!(begun(T), hello(T + 1, 1));
    assert_eq!(begun(u64::MAX), hello(u64::MAX, 1));
    Slot::named().save(&store, Place { ts: 41, sid: 0 }).unwrap();
    assert_eq!(begun(T), hello(42, 1), "the own position counts");
    let other = Settings { slot: Slot::of("db:1978"), ..settings() };
    assert_eq!(Pull::new(Arc::clone(&store), other).hello(), hello(1, 1), "each has its own");
}

#[test]
fn differences_are_noted_or_end_it() {
    let store = store(1);
    let refused = entry(T, 3, Change::PutKeep { key: b"k", value: b"v" }, false);
    let mut noting = pull(&store);
    noting.take(&[&SID_3[..], &refused].concat()).unwrap();
    assert_eq!(noting.figures().differences, 1);
    let mut checking = Pull::new(Arc::clone(&store), Settings { check: true, ..settings() });
    let next = entry(T + 2, 3, put("next", "v"), true);
    let differs = entry(T + 1, 3, Change::Out { key: b"none" }, true);
    let end = checking.take(&[&SID_3[..], &differs, &next].concat()).unwrap_err();
    assert!(matches!(&end, End::Stopped(reason) if reason.contains("detected inconsistency")), "{end:?}");
    assert_eq!(get(&store, "next"), None);
    // As the original: the one that differs is applied and counts.
    assert_eq!(Slot::named().load(&store), Some(Place { ts: T + 1, sid: 3 }));
}

#[test]
fn what_is_no_such_stream_ends_it_with_a_reason() {
    let good = entry(T, 3, put("good", "v"), true);
    let late = entry(4_102_444_800_000_000, 3, put("late", "v"), true);
    let mut unknown = entry(T, 3, put("k", "v"), true);
    unknown[18] = 0x15;
    let mut cut = entry(T, 3, put("k", "v"), true);
    cut[22] = 50;
    let endless = [&[0xC9][..], &T.to_be_bytes(), &[0, 0, 0, 3], &[0xFF; 4]].concat();
    for (bytes, part) in [
        (&b"\x55"[..], "begins with 0x55"),
        (&endless, "4294967295"),
        (&unknown, "0x15"),
        (&cut, "needs"),
        (&late, "ahead of the clock"),
    ] {
        let store = store(1);
        let mut pull = pull(&store);
        let reason = failure(pull.take(&[&SID_3[..], &good, bytes].concat()));
        assert!(reason.starts_with("db:1978: ") && reason.contains(part), "{reason}");
        assert_eq!((get(&store, "good").as_deref(), store.records()), (Some("v"), 1), "{reason}");
        drop(pull);
        assert_eq!(Slot::named().load(&store), Some(Place { ts: T, sid: 3 }), "{reason}");
    }
    for (answer, part) in [
        ([0, 0, 0, 0], "no server id"),
        ([0, 0, 0, 1], "the server id of this node, 1"),
        ([0, 1, 0, 0], "65536 is no server id"),
    ] {
        let reason = failure(pull(&store(1)).take(&answer));
        assert!(reason.contains(part), "{reason}");
    }
}
