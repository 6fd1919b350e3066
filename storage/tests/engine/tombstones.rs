//! A tombstone lives as long as an older record of its key may lie in the log, and no longer.

use lcnode_storage::Store;

use crate::scene::{self, Model, check, small_segments};

const SEGMENT: usize = 1 << 16;

fn value(number: u32) -> Vec<u8> {
    vec![number as u8; 200]
}

/// Puts so many records of a kind.
fn fill(store: &Store, model: &mut Model, kind: &str, count: u32) {
    for number in 0..count {
        let key = format!("{kind} {number}").into_bytes();
        store.put(&key, &value(number)).unwrap();
        model.insert(key, value(number));
    }
}

#[test]
fn a_deleted_record_does_not_come_back_when_its_tombstone_is_moved() {
    let folder = scene::quick_folder();
    let path = folder.path().join("tombstones.tch");
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    let mut model = Model::new();
    // The first segment is nearly all live, so that it stays.
    store.put(b"deleted", b"value").unwrap();
    fill(&store, &mut model, "stays", 260);
    store.optimize().unwrap();
    let first = scene::segment(&path, 1);
    let bytes = std::fs::read(&first).unwrap();
    // The tombstone lies among records that all die.
    store.delete(b"deleted").unwrap();
    for _ in 0..20 {
        fill(&store, &mut model, "dies", 40);
    }
    for _ in 0..3 {
        store.optimize().unwrap();
    }
    assert!(std::fs::read(&first).unwrap().starts_with(&bytes[..1000]), "the first segment was rewritten");
    check(&store, &model, "after the tombstone was moved");
    let killed = folder.path().join("killed.tch");
    scene::crash(&path, &killed);
    store.close().unwrap();
    std::fs::remove_file(path.join("index/checkpoint")).unwrap();
    for path in [&path, &killed] {
        let store = Store::open(small_segments(path, SEGMENT)).unwrap();
        assert_eq!(store.get(b"deleted", <[u8]>::to_vec).unwrap(), None, "it came back");
        check(&store, &model, "from the log alone");
    }
}

#[test]
fn tombstones_go_once_nothing_older_is_left() {
    let folder = scene::quick_folder();
    let options = small_segments(&folder.path().join("tombstones.tch"), SEGMENT);
    let store = Store::open(options.clone()).unwrap();
    fill(&store, &mut Model::new(), "deleted", 2_000);
    for number in 0..2_000 {
        assert!(store.delete(format!("deleted {number}").as_bytes()).unwrap());
    }
    assert_eq!(store.figures().entries, 2_000, "each tombstone is still needed");
    for _ in 0..3 {
        store.optimize().unwrap();
    }
    let figures = store.figures();
    assert_eq!((figures.records, figures.entries, figures.live_bytes), (0, 0, 0), "{figures:?}");
    store.close().unwrap();
    let store = Store::open(options).unwrap();
    check(&store, &Model::new(), "after all tombstones went");
    assert_eq!(store.figures().entries, 0);
}
