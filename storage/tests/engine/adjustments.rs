//! Integers in decimal text that are adjusted where they are, and the ids of records.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lcnode_storage::{Attributes, Change, Clock, Kind, Options, Place, Store};

use crate::counters::{pass, server};
use crate::random;
use crate::scene;

fn alone() -> Store {
    Store::open(Options { buckets: 64, ..Options::new(Place::Memory) }).unwrap()
}

fn value(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get(key, <[u8]>::to_vec).unwrap()
}

fn unique(store: &Store, key: &[u8]) -> Option<u64> {
    store.get_with(key, |record| record.unique).unwrap()
}

/// The kind of the last record of the log.
fn last_kind(store: &Store) -> Kind {
    let mut kind = Kind::Vanish;
    store.read_log(store.oldest(), usize::MAX, |record| kind = record.kind).unwrap();
    kind
}

/// Adds, with 0 as the least; what is no number is 0.
fn add(store: &Store, key: &[u8], num: i64) -> Option<i64> {
    let text = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse::<i64>().ok();
    let sum = store.adjust_decimal(key, |old| text(old).unwrap_or(0).wrapping_add(num).max(0)).unwrap();
    if let Some(sum) = sum {
        assert_eq!(value(store, key), Some(sum.to_string().into_bytes()));
    }
    sum
}

#[test]
fn a_number_is_adjusted_within_its_bound() {
    for is_counting in [false, true] {
        let store = if is_counting { server(1) } else { alone() };
        for (old, num, sum, kind) in [
            (&b"2"[..], 3, 5, Kind::Counter),
            (b"2", -3, 0, Kind::Counter),
            (b"0", 0, 0, Kind::Counter),
            (b"-5", 3, 0, Kind::Counter),
            (b"9223372036854775807", 1, 0, Kind::Counter),
            (b"9223372036854775806", 1, i64::MAX, Kind::Counter),
            // What is added would be no integer.
            (b"-9223372036854775808", 5, 0, Kind::Put),
            (b"text", 7, 7, Kind::Put),
            (b"", 7, 7, Kind::Put),
            (b" 12", 7, 19, Kind::Put),
            (b"012", 7, 19, Kind::Put),
            (b"1.5", 7, 7, Kind::Put),
            (&[1, 0, 0, 0], 7, 7, Kind::Put),
        ] {
            store.put(b"key", old).unwrap();
            assert_eq!(add(&store, b"key", num), Some(sum), "{old:?} and {num}");
            assert_eq!(last_kind(&store), if is_counting { kind } else { Kind::Put }, "{old:?} and {num}");
        }
        // A counter of the other family is replaced.
        assert_eq!(store.add_int(b"int", 258).unwrap(), Some(258));
        assert_eq!((add(&store, b"int", 3), last_kind(&store)), (Some(3), Kind::Put));
    }
}

#[test]
fn only_what_is_there_is_adjusted_and_the_rest_of_it_stays() {
    let now = Arc::new(AtomicU64::new(1_800_000_000_000_000));
    for is_counting in [false, true] {
        let clock = Arc::clone(&now);
        let clock = Clock::Given(Arc::new(move || clock.fetch_add(1, Ordering::Relaxed)));
        let store = Store::open(Options { clock, ..Options::new(Place::Memory) }).unwrap();
        if is_counting {
            store.set_counting().unwrap();
        }
        let end = store.end();
        assert_eq!(store.adjust_decimal(b"key", |_| panic!("there is none")).unwrap(), None);
        assert_eq!((store.end(), value(&store, b"key")), (end, None), "nothing is created");
        let attributes = Attributes { expiry: Some(store.now() / 1_000 + 60_000), flags: 7 };
        for old in [&b"5"[..], b" 5"] {
            store.put_with(b"key", old, attributes).unwrap();
            assert_eq!((add(&store, b"key", 1), add(&store, b"key", -2)), (Some(6), Some(4)));
            let found = store.get_with(b"key", |record| record.attributes).unwrap();
            assert_eq!(found, Some(attributes), "{old:?}");
        }
        now.fetch_add(61_000_000, Ordering::Relaxed);
        assert_eq!((add(&store, b"key", 1), value(&store, b"key")), (None, None), "it has ended");
        store.put(b"key", b"5").unwrap();
        store.delete(b"key").unwrap();
        assert_eq!(add(&store, b"key", 1), None);
    }
}

#[test]
fn adjustments_of_several_servers_add_up() {
    let mut random = random::seeded("adjustments_of_several_servers_add_up");
    let servers = [1, 2, 3].map(server);
    let mut total = 1_000_000;
    servers[0].put(b"key", b"1000000").unwrap();
    (1..3).for_each(|to| _ = pass(&servers[0], &servers[to], b"key"));
    for _ in 0..3_000 {
        let num = random.below(201) as i64 - 100;
        assert!(add(&servers[random.below(3) as usize], b"key", num).is_some());
        total += num;
        if random.below(4) == 0 {
            let (from, to) = (random.below(3) as usize, random.below(3) as usize);
            pass(&servers[from], &servers[to], b"key");
        }
    }
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1), (1, 0)] {
        pass(&servers[from], &servers[to], b"key");
    }
    for server in &servers {
        assert_eq!(value(server, b"key"), Some(total.to_string().into_bytes()));
        assert_eq!(unique(server, b"key"), unique(&servers[0], b"key"));
    }
}

/// Each has kept the bound with what it knew. Who adjusts it next keeps it again.
#[test]
fn what_is_taken_away_at_once_may_be_too_much() {
    let (one, two) = (server(1), server(2));
    one.put(b"key", b"5").unwrap();
    pass(&one, &two, b"key");
    assert_eq!((add(&one, b"key", -4), add(&two, b"key", -4)), (Some(1), Some(1)));
    pass(&one, &two, b"key");
    pass(&two, &one, b"key");
    for store in [&one, &two] {
        assert_eq!(value(store, b"key"), Some(b"-3".to_vec()));
    }
    assert_eq!(add(&one, b"key", 1), Some(0));
    pass(&one, &two, b"key");
    assert_eq!(value(&two, b"key"), Some(b"0".to_vec()));
}

#[test]
fn threads_lose_no_adjustment() {
    for store in [alone(), server(1)] {
        store.put(b"key", b"0").unwrap();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| (0..2_000).for_each(|_| assert!(add_blindly(&store))));
            }
        });
        assert_eq!(value(&store, b"key"), Some(b"8000".to_vec()));
    }
}

fn add_blindly(store: &Store) -> bool {
    let text = |text: &[u8]| std::str::from_utf8(text).unwrap().parse::<i64>().unwrap();
    store.adjust_decimal(b"key", |old| text(old) + 1).unwrap().is_some()
}

/// Each change makes an id that no other has made, whatever it changes; who looks sees it until the next one.
#[test]
fn each_change_makes_an_id_of_its_own() {
    let store = server(1);
    let mut ids = HashSet::new();
    store.put(b"key", b"0").unwrap();
    for round in 0..200 {
        match round % 5 {
            0 => store.put(b"key", b"7").unwrap(),
            1 => _ = add(&store, b"key", 0),
            2 => _ = store.update(b"key", |old| Change::Put { kept: old.unwrap(), new: b"" }).unwrap(),
            3 => _ = store.add_decimal(b"key", lcnode_storage::Decimal::Int(0), |_| None).unwrap(),
            _ => {
                store.delete(b"key").unwrap();
                assert_eq!(unique(&store, b"key"), None);
                store.put(b"key", b"7").unwrap();
            }
        }
        let id = unique(&store, b"key").unwrap();
        assert_eq!(unique(&store, b"key"), Some(id));
        assert!(ids.insert(id), "round {round}");
        let mut seen = None;
        let kept = store.update_with(b"key", |old| {
            seen = old.map(|old| old.unique);
            (Change::Keep, Attributes::default())
        });
        assert!(!kept.unwrap());
        assert_eq!(seen, Some(id), "those who change it see the same");
    }
}

#[test]
fn ids_are_the_same_on_all_servers_and_at_all_times() {
    let folder = scene::quick_folder();
    let path = folder.path().join("ids.tch");
    let options =
        || Options { origin: 1, segment_size: 1 << 16, ..Options::new(Place::Directory(path.clone())) };
    let store = Store::open(options()).unwrap();
    store.set_counting().unwrap();
    let other = server(2);
    store.put(b"key", b"value").unwrap();
    store.put(b"number", b"5").unwrap();
    add(&store, b"number", 1);
    // Merged of what both have added.
    pass(&store, &other, b"number");
    add(&other, b"number", 2);
    pass(&other, &store, b"number");
    pass(&store, &other, b"key");
    pass(&store, &other, b"number");
    let ids = [&b"key"[..], b"number"].map(|key| unique(&store, key).unwrap());
    let check = |store: &Store| {
        assert_eq!([&b"key"[..], b"number"].map(|key| unique(store, key).unwrap()), ids);
    };
    check(&other);
    (0..5_000_u32).for_each(|round| store.put(b"filler", &round.to_le_bytes()).unwrap());
    store.optimize().unwrap();
    check(&store);
    store.close().unwrap();
    check(&Store::open(options()).unwrap());
}
