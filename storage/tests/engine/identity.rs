//! Who a database is, and how it tells whether it was closed in order.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use lcnode_storage::medium::Simulated;
use lcnode_storage::{OpenedAt, Options, Place, Position, Restore, Store, SyncMode, restore};

use crate::scene::{self, small_segments};

const SEGMENT: usize = 1 << 16;

fn open(path: &Path) -> Store {
    Store::open(small_segments(path, SEGMENT)).unwrap()
}

#[test]
fn a_database_knows_whether_it_was_closed() {
    let folder = scene::quick_folder();
    let path = folder.path().join("closed.tch");
    let store = open(&path);
    let made = store.opened();
    assert_eq!((made.end, made.last_ts, made.clean), (Position { segment: 1, offset: 64 }, 0, false));
    store.put(b"key", b"value").unwrap();
    let (end, last_ts) = (store.end(), store.last_change());
    store.checkpoint().unwrap();
    let killed = folder.path().join("killed.tch");
    scene::crash(&path, &killed);
    store.close().unwrap();
    let opened = open(&killed).opened();
    assert_eq!(opened, OpenedAt { end, last_ts, clean: false, identity: made.identity });
    // Looking does not change it.
    let looking = Options { read_only: true, ..small_segments(&path, SEGMENT) };
    for _ in 0..2 {
        let store = Store::open(looking.clone()).unwrap();
        assert_eq!(store.opened(), OpenedAt { clean: true, ..opened });
    }
    let store = open(&path);
    assert_eq!(store.opened(), OpenedAt { clean: true, ..opened });
    // From here on it may lose something again.
    fs::remove_dir_all(&killed).unwrap();
    scene::crash(&path, &killed);
    assert!(!open(&killed).opened().clean);
    drop(store);
    assert!(open(&path).opened().clean, "dropping closes");
}

/// All that was written since the last close is lost, so the log ends where the checkpoint says.
#[test]
fn a_log_that_lost_its_end_was_not_closed() {
    let options = Options {
        segment_size: SEGMENT,
        buckets: 64,
        background: false,
        sync: SyncMode::Never,
        ..Options::new(Place::Memory)
    };
    let mut ends_there = 0;
    for seed in 0..30 {
        let disk = Simulated::new().unwrap();
        let on = |disk: &Simulated| Store::on(Arc::new(disk.clone()), options.clone(), None).unwrap();
        let store = on(&disk);
        store.put(b"key", b"value").unwrap();
        let end = store.end();
        store.close().unwrap();
        let store = on(&disk);
        assert_eq!((store.opened().end, store.opened().clean), (end, true));
        store.put(b"key", b"shown to others").unwrap();
        let disk = disk.power_loss(seed).unwrap();
        let opened = on(&disk).opened();
        assert!(!opened.clean, "{opened:?}");
        ends_there += u32::from(opened.end == end);
    }
    assert!((1..30).contains(&ends_there), "{ends_there}");
}

#[test]
fn every_copy_has_an_identity_of_its_own() {
    let folder = scene::quick_folder();
    let path = |name: &str| folder.path().join(name);
    let store = open(&path("live.tch"));
    store.put(b"key", b"value").unwrap();
    store.copy_to(&path("backup.tch")).unwrap();
    let (identity, origin) = (store.opened().identity, store.origin());
    assert!(identity != 0 && (1..=65_534).contains(&origin));
    store.close().unwrap();
    for target in ["first.tch", "second.tch"] {
        let log = Some(path("live.tch"));
        let what = Restore { backup: path("backup.tch"), target: path(target), log, until: None };
        restore(&what, &mut |_, _, _| ()).unwrap();
    }
    let mut identities = Vec::new();
    for name in ["live.tch", "backup.tch", "first.tch", "second.tch"] {
        let store = open(&path(name));
        assert_eq!(store.opened().clean, name == "live.tch", "{name}");
        identities.push(store.opened().identity);
        assert_eq!(store.get(b"key", |_| ()).unwrap(), Some(()));
        assert_eq!(store.origin() == origin, name == "live.tch", "{name}");
    }
    assert_eq!(identities[0], identity);
    identities.sort_unstable();
    identities.dedup();
    assert_eq!(identities.len(), 4);
    // A copy keeps what it has.
    let first = open(&path("first.tch")).opened().identity;
    assert_eq!(open(&path("first.tch")).opened().identity, first);
    // What is asked for counts.
    let asked = Options { origin: 513, ..small_segments(&path("live.tch"), SEGMENT) };
    assert_eq!(Store::open(asked).unwrap().origin(), 513);
    assert_eq!(open(&path("live.tch")).origin(), origin);
}

#[test]
fn one_that_was_made_before_gets_an_identity_and_keeps_it() {
    let folder = scene::quick_folder();
    let path = folder.path().join("old.tch");
    let store = open(&path);
    store.put(b"key", b"value").unwrap();
    store.close().unwrap();
    let mut meta = fs::read(path.join("meta")).unwrap();
    meta[48..60].fill(0);
    let crc = crc32fast::hash(&meta[..60]).to_le_bytes();
    meta[60..].copy_from_slice(&crc);
    fs::write(path.join("meta"), meta).unwrap();
    let looking = Options { read_only: true, ..small_segments(&path, SEGMENT) };
    assert_eq!(Store::open(looking).unwrap().opened().identity, 0);
    let store = open(&path);
    let (opened, origin) = (store.opened(), store.origin());
    assert!(opened.identity != 0 && !opened.clean && origin != 0);
    let killed = folder.path().join("killed.tch");
    scene::crash(&path, &killed);
    let store = open(&killed);
    assert_eq!((store.opened().identity, store.origin()), (opened.identity, origin));
    assert_eq!(store.get(b"key", |_| ()).unwrap(), Some(()));
}
