//! What one thread has reserved others cannot change; everything else goes on.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use lcnode_storage::{
    Arrival, Author, Change, Error, Options, Place, Received, Reservation, Stamp, Store, tombstone,
};

use crate::scene::{self, small_segments};

/// Long enough for anything that ends at all.
const LONG: Duration = Duration::from_secs(30);
/// Long enough for a thread that does not wait.
const SHORT: Duration = Duration::from_millis(50);

fn memory() -> Store {
    Store::open(Options { origin: 1, buckets: 64, ..Options::new(Place::Memory) }).unwrap()
}

fn long() -> Instant {
    Instant::now() + LONG
}

fn held<'a>(store: &'a Store, key: &[u8]) -> Reservation<'a> {
    store.reserve(key, Instant::now()).unwrap()
}

/// A key that cannot be reserved by somebody else while `key` is, or one that can.
fn other_key(store: &Store, key: &[u8], shares: bool) -> Vec<u8> {
    let _reserved = held(store, key);
    let mut others = (0..100_000_u32).map(|number| number.to_le_bytes().to_vec());
    others
        .find(|other| elsewhere(|| refused(store.reserve(other, Instant::now()).map(drop))) == shares)
        .unwrap()
}

/// What `run` gives on another thread.
fn elsewhere<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

fn value(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get(key, <[u8]>::to_vec).unwrap()
}

fn refused<T>(result: lcnode_storage::Result<T>) -> bool {
    matches!(result, Err(Error::Reserved))
}

/// The results of all kinds of changes of a key that is there.
fn changes(store: &Store, key: &[u8]) -> Vec<lcnode_storage::Result<bool>> {
    vec![
        store.put(key, b"new!").map(|()| true),
        store.update(key, |old| Change::Put { kept: old.unwrap_or_default(), new: b"" }),
        store.update(key, |_| Change::Keep).map(|changed| !changed),
        store.add_int(key, 1).map(|sum| sum.is_some()),
        store.delete(key),
        store.add_double(key, 1.5).map(|sum| sum.is_some()),
        store.vanish().map(|()| true),
    ]
}

#[test]
fn others_are_refused_and_the_owner_is_not() {
    for counting in [false, true] {
        let store = memory();
        if counting {
            store.set_counting().unwrap();
        }
        store.put(b"key", b"1234").unwrap();
        let shares = other_key(&store, b"key", true);
        let shares_not = other_key(&store, b"key", false);
        let reservation = held(&store, b"key");
        for (number, result) in elsewhere(|| changes(&store, b"key")).into_iter().enumerate() {
            assert!(refused(result), "change {number}, counting: {counting}");
        }
        assert_eq!((value(&store, b"key"), store.records()), (Some(b"1234".to_vec()), 1));
        elsewhere(|| store.put(&shares_not, b"v")).unwrap();
        assert!(refused(elsewhere(|| store.reserve(&shares, Instant::now()).map(drop))));
        elsewhere(|| store.put(&shares, b"v").and_then(|()| store.delete(&shares))).unwrap();
        // Whoever has two keys of a stripe has all of it.
        let both = held(&store, &shares);
        for key in [b"key", &*shares] {
            assert!(refused(elsewhere(|| store.put(key, b"v"))));
        }
        drop(both);
        assert_eq!(elsewhere(|| value(&store, b"key")), Some(b"1234".to_vec()), "readers don't wait");
        assert_eq!(elsewhere(|| scene::keys(&store).len()), 2);
        for (number, result) in changes(&store, b"key").into_iter().enumerate() {
            assert!(result.unwrap(), "own change {number}, counting: {counting}");
        }
        drop(reservation);
        store.put(b"key", b"1234").unwrap();
        for result in elsewhere(|| changes(&store, b"key")) {
            assert!(result.unwrap());
        }
    }
}

#[test]
fn all_keys_at_once() {
    let store = memory();
    let all = store.reserve_all(long()).unwrap();
    for number in 0..2_000_u32 {
        assert!(refused(elsewhere(|| store.put(&number.to_le_bytes(), b"v"))));
        if number % 100 == 0 {
            store.put(&number.to_le_bytes(), b"v").unwrap();
        }
    }
    assert!(refused(elsewhere(|| store.reserve(b"key", Instant::now()).map(drop))));
    assert!(refused(elsewhere(|| store.reserve_all(Instant::now()).map(drop))));
    store.vanish().unwrap();
    drop(all);
    elsewhere(|| store.put(b"key", b"v")).unwrap();
    let _one = held(&store, b"key");
    assert!(refused(elsewhere(|| store.reserve_all(Instant::now()).map(drop))), "one is enough");
}

#[test]
fn it_ends_with_the_last_of_ones_reservations() {
    let store = memory();
    let is_free = |key: &[u8]| elsewhere(|| !refused(store.put(key, b"v")));
    let other = other_key(&store, b"key", false);
    let (first, second) = (held(&store, b"key"), held(&store, b"key"));
    drop(first);
    assert!(!is_free(b"key") && is_free(&other));
    // In any order.
    let all = store.reserve_all(long()).unwrap();
    drop(second);
    assert!(!is_free(b"key") && !is_free(&other));
    let again = store.reserve_all(long()).unwrap();
    let key = held(&store, b"key");
    drop(all);
    assert!(!is_free(b"key") && !is_free(&other));
    drop(again);
    assert!(!is_free(b"key") && is_free(&other));
    drop(key);
    assert!(is_free(b"key") && is_free(&other));
}

#[test]
fn a_panic_ends_it() {
    let store = memory();
    let panicked = elsewhere(|| {
        let run = || {
            let _one = held(&store, b"key");
            let _all = store.reserve_all(long()).unwrap();
            // Also in the middle of a change.
            store.update(b"key", |_| panic!("on purpose")).map(drop)
        };
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err()
    });
    assert!(panicked);
    store.put(b"key", b"v").unwrap();
    drop(store.reserve_all(Instant::now()).unwrap());
}

/// Has `change` begun on another thread while `key` is reserved; nothing may come of it before that is let go.
/// `meanwhile` runs just before.
fn waits<T: Send>(
    store: &Store,
    key: &[u8],
    change: impl FnOnce() -> T + Send,
    meanwhile: impl FnOnce(),
) -> T {
    let (begin, begun) = mpsc::channel();
    thread::scope(|scope| {
        let reservation = held(store, key);
        let before = value(store, key);
        let thread = scope.spawn(move || {
            begin.send(()).unwrap();
            change()
        });
        begun.recv().unwrap();
        thread::sleep(SHORT);
        assert!(!thread.is_finished(), "it did not wait");
        assert_eq!(value(store, key), before);
        meanwhile();
        drop(reservation);
        thread.join().unwrap()
    })
}

#[test]
fn what_others_send_waits_and_then_the_later_one_wins() {
    let store = memory();
    let deleted = |ts: u64| tombstone(b"key", Stamp { ts, origin: 2 });
    let apply = |bytes: &[u8]| {
        store.apply(&[Received::read(bytes).unwrap().0], Arrival { via: 2, buried: 0 }).unwrap()
    };
    store.put(b"key", b"old").unwrap();
    let later = deleted(store.now() + 60_000_000);
    assert_eq!(waits(&store, b"key", || apply(&later), || store.put(b"key", b"mine").unwrap()), 1);
    assert_eq!(value(&store, b"key"), None, "the later one");
    store.put(b"key", b"new").unwrap();
    assert_eq!(waits(&store, b"key", || apply(&later), || {}), 0, "it is known");
    let now = deleted(store.now());
    assert_eq!(waits(&store, b"key", || apply(&now), || store.put(b"key", b"mine").unwrap()), 0);
    assert_eq!(value(&store, b"key"), Some(b"mine".to_vec()), "what was done meanwhile is later");
    let other = memory();
    other.vanish().unwrap();
    let vanish = other.last_vanish().unwrap();
    let key = other_key(&store, b"key", false);
    assert_eq!(waits(&store, &key, || apply(&vanish), || store.put(&key, b"later").unwrap()), 1);
    assert_eq!((store.records(), value(&store, &key)), (2, Some(b"later".to_vec())));
}

#[test]
fn what_is_done_for_others_waits() {
    let store = memory();
    let author = Author { origin: 2, via: 0, memo: Some((b"memo", b"1")) };
    let by = || store.authored(author);
    waits(&store, b"key", || by().put(b"key", b"abc").unwrap(), || store.put(b"key", b"0").unwrap());
    assert_eq!(value(&store, b"key"), Some(b"abc".to_vec()));
    let append = |old: Option<&[u8]>| old.map_or(0, <[u8]>::len);
    let mut seen = 0;
    let update = || {
        by().update(b"key", |old| {
            seen = append(old);
            Change::Put { kept: old.unwrap_or_default(), new: b"d" }
        })
    };
    assert!(waits(&store, b"key", update, || store.put(b"key", b"ab").unwrap()).unwrap());
    assert_eq!((value(&store, b"key"), seen), (Some(b"abd".to_vec()), 2));
    assert!(waits(&store, b"key", || by().delete(b"key").unwrap(), || {}));
    assert_eq!(
        waits(&store, b"n", || by().add_int(b"n", 5).unwrap(), || _ = store.add_int(b"n", 2)),
        Some(7)
    );
    assert_eq!(waits(&store, b"d", || by().add_double(b"d", 0.5).unwrap(), || {}), Some(0.5));
    waits(&store, b"key", || by().vanish().unwrap(), || store.put(b"key", b"v").unwrap());
    assert_eq!((store.records(), store.memo(b"memo")), (0, Some(b"1".to_vec())));
}

#[test]
fn waiting_without_a_deadline_can_be_ended() {
    let store = memory();
    let reservation = held(&store, b"key");
    let by = || store.authored(Author { origin: 2, ..Author::default() });
    thread::scope(|scope| {
        let waits = scope.spawn(|| by().put(b"key", b"v"));
        thread::sleep(SHORT);
        assert!(!waits.is_finished());
        store.end_waiting();
        assert!(refused(waits.join().unwrap()));
    });
    assert!(refused(elsewhere(|| by().put(b"key", b"v"))), "from then on");
    drop(reservation);
    elsewhere(|| by().put(b"key", b"v")).unwrap();
}

#[test]
fn the_engine_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reserved.tch");
    let store = Store::open(small_segments(&path, 1 << 16)).unwrap();
    let all = store.reserve_all(long()).unwrap();
    let mut model = scene::Model::new();
    // The table grows from its smallest, and most of the log dies.
    for number in 0..40_000_u32 {
        let (key, value) = ((number % 10_000).to_le_bytes().to_vec(), vec![number as u8; 40]);
        store.put(&key, &value).unwrap();
        model.insert(key, value);
    }
    let before = store.figures();
    elsewhere(|| {
        store.optimize().unwrap();
        store.sync().unwrap();
        store.copy_to(&folder.path().join("copy.tch")).unwrap();
        assert_eq!(store.set_memo(b"memo", b"1").ok(), Some(()));
        scene::check(&store, &model, "while all is reserved");
    });
    let after = store.figures();
    assert!(
        before.table_bytes > 50_000 && after.log_bytes < before.live_bytes * 11 / 10,
        "{before:?} {after:?}"
    );
    // Never let go: the store closes all the same, with a checkpoint, and nobody finds it reserved afterwards.
    std::mem::forget(all);
    elsewhere(|| store.close()).unwrap();
    for path in [path, folder.path().join("copy.tch")] {
        let store = Store::open(small_segments(&path, 1 << 16)).unwrap();
        scene::check(&store, &model, "afterwards");
        elsewhere(|| store.put(b"key", b"v")).unwrap();
    }
}

#[test]
fn what_is_reserved_is_not_dropped_for_want_of_room() {
    let store = Store::open(Options { max_records: Some(10), ..Options::new(Place::Memory) }).unwrap();
    store.put(b"key", b"oldest").unwrap();
    let reservation = held(&store, b"key");
    elsewhere(|| {
        for number in 0..5_000_u32 {
            let put = store.put(&number.to_le_bytes(), b"v");
            assert!(put.is_ok());
        }
        store.sync().unwrap();
    });
    assert_eq!((store.records(), value(&store, b"key")), (10, Some(b"oldest".to_vec())));
    drop(reservation);
    // Compaction takes it to where it is met again.
    for _ in 0..2 {
        for number in 0..5_000_u32 {
            store.put(&number.to_le_bytes(), b"v").unwrap();
        }
        store.optimize().unwrap();
    }
    assert_eq!((store.records(), value(&store, b"key")), (10, None));
}

#[test]
fn a_database_that_is_only_read_can_be_reserved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("read.tch");
    Store::open(small_segments(&path, 1 << 16)).unwrap().close().unwrap();
    let store = Store::open(Options { read_only: true, ..small_segments(&path, 1 << 16) }).unwrap();
    let _one = held(&store, b"key");
    let _all = store.reserve_all(Instant::now()).unwrap();
    assert!(matches!(store.put(b"key", b"v"), Err(Error::ReadOnly)));
    assert!(refused(elsewhere(|| store.reserve(b"key", Instant::now()).map(drop))));
}
