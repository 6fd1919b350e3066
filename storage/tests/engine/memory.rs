//! The database in memory: bounds, and everything else as on disk.

use lcnode_storage::{Options, Place, Store};

use crate::scene;

fn open(max_records: Option<u64>, max_bytes: Option<u64>) -> Store {
    let options = Options { max_records, max_bytes, segment_size: 1 << 16, ..Options::new(Place::Memory) };
    Store::open(options).unwrap()
}

#[test]
fn the_oldest_records_go_first() {
    let store = open(Some(1_000), None);
    for number in 0..50_000_u64 {
        store.put(&number.to_le_bytes(), &number.to_be_bytes()).unwrap();
        assert!(store.records() <= 1_000 + 256, "{} records after {number}", store.records());
    }
    store.sync().unwrap();
    assert_eq!(store.records(), 1_000);
    for number in 0..50_000_u64 {
        let found = store.get(&number.to_le_bytes(), |value| value == number.to_be_bytes()).unwrap();
        // Compaction may move an old one behind newer ones, but only few segments are left at all.
        if number >= 49_500 {
            assert_eq!(found, Some(true), "record {number}");
        }
    }
    assert_eq!(scene::keys(&store).len(), 1_000);
}

#[test]
fn a_bound_in_bytes_holds() {
    let store = open(None, Some(1 << 20));
    for number in 0..20_000_u64 {
        store.put(&number.to_le_bytes(), &[7; 1_000]).unwrap();
    }
    store.sync().unwrap();
    let figures = store.figures();
    assert!(figures.live_bytes <= 1 << 20, "{figures:?}");
    assert!(store.records() >= 1_000, "{figures:?}");
    store.optimize().unwrap();
    assert!(store.figures().log_bytes < 2 << 20, "{:?}", store.figures());
}

#[test]
fn dropping_records_does_not_slow_down_with_their_number() {
    let store = Store::open(Options { max_records: Some(200_000), ..Options::new(Place::Memory) }).unwrap();
    let started = std::time::Instant::now();
    for number in 0..1_000_000_u64 {
        store.put(&number.to_le_bytes(), b"").unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    store.sync().unwrap();
    assert_eq!(store.records(), 200_000);
    assert!(seconds < 30.0, "{seconds} s");
}

#[test]
fn a_bound_set_later_holds_too() {
    let store = open(None, None);
    for number in 0..5_000_u64 {
        store.put(&number.to_le_bytes(), b"").unwrap();
    }
    store.set_bounds(Some(10), None);
    store.sync().unwrap();
    assert_eq!(store.records(), 10);
}

#[test]
fn a_database_in_memory_can_be_copied_to_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(None, None);
    let mut model = scene::Model::new();
    for number in 0..5_000_u64 {
        store.put(&(number % 1_000).to_le_bytes(), &number.to_le_bytes()).unwrap();
        model.insert((number % 1_000).to_le_bytes().to_vec(), number.to_le_bytes().to_vec());
    }
    let copy = folder.path().join("copy.tch");
    store.copy_to(&copy).unwrap();
    assert!(store.copy_to(&copy).is_err(), "a copy replaced another");
    let copied = Store::open(scene::small_segments(&copy, 1 << 16)).unwrap();
    scene::check(&copied, &model, "a copy");
}
