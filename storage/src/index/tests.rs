//! The table against a `HashMap`, with hashes chosen to be awkward, and checkpoints of it.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use super::checkpoint::{self, BLOCK, HEADER, NAME, SegmentState, State};
use super::checkpointing::{self, Source};
use super::{Entry, Slot, Table, Target};
use crate::log::address::{Address, Position};
use crate::log::segment::{Counts, Expiring};
use crate::medium::{Directory, Medium};
use crate::meta::DatabaseId;

/// "Records": the hash of each, found by the offset of its address.
#[derive(Default)]
struct Records(Vec<u64>);

impl Records {
    fn add(&mut self, hash: u64) -> Target {
        self.0.push(hash);
        Target { address: Address::new(1, self.0.len() - 1), tombstone: self.0.len().is_multiple_of(3) }
    }

    fn hash(&self, entry: Entry) -> u64 {
        self.0[entry.address().offset()]
    }
}

/// A hash whose bits are random, or all alike but few.
fn hash(number: u64, kind: u64) -> u64 {
    let mixed =
        (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    match kind {
        // Random.
        0 => mixed,
        // Only the highest bits differ: all in one bucket with one tag.
        1 => mixed << 40,
        // All in one bucket, but with different tags.
        2 => mixed << 6,
        // The same tag in many buckets.
        _ => mixed & 0x3f,
    }
}

fn put(table: &Table, records: &mut Records, hash: u64) {
    let target = records.add(hash);
    let slot = table.slot(hash, |entry| records.hash(entry) == hash).unwrap();
    table.point(slot, hash, target).unwrap();
}

fn grow(table: &Table, records: &Records) {
    while table.is_loaded() {
        table.grow(|_| (), |entry| Some(records.hash(entry))).unwrap();
    }
}

fn find(table: &Table, records: &Records, hash: u64) -> Option<Target> {
    table.find(hash, |entry| (records.hash(entry) == hash).then_some(entry.target()))
}

#[test]
fn the_table_equals_a_map_whatever_the_hashes() {
    for kind in 0..4 {
        let (table, mut records) = (Table::new(1).unwrap(), Records::default());
        let mut map: HashMap<u64, Target> = HashMap::new();
        let count = if kind == 0 { 50_000 } else { 1_000 };
        for number in 0..count {
            let hash = hash(number % (count * 3 / 4), kind);
            if number % 7 == 6 {
                let gone = self::hash(number / 2, kind);
                if let Some(Slot::Found(word, _)) = table.slot(gone, |entry| records.hash(entry) == gone) {
                    table.clear(word);
                    assert!(map.remove(&gone).is_some());
                }
            }
            put(&table, &mut records, hash);
            map.insert(
                hash,
                Target {
                    address: Address::new(1, records.0.len() - 1),
                    tombstone: records.0.len().is_multiple_of(3),
                },
            );
            grow(&table, &records);
        }
        assert_eq!(table.entries(), map.len() as u64, "kind {kind}");
        for (&hash, &target) in &map {
            assert_eq!(find(&table, &records, hash), Some(target), "kind {kind}");
        }
        for number in count..count * 2 {
            let hash = hash(number, kind);
            assert_eq!(find(&table, &records, hash), map.get(&hash).copied(), "kind {kind}");
        }
        let mut all = table.entries_where(|_| true);
        all.sort_by_key(|entry| entry.address().0);
        let mut expected: Vec<u64> = map.values().map(|target| target.address.0).collect();
        expected.sort_unstable();
        assert!(all.iter().map(|entry| entry.address().0).eq(expected), "kind {kind}");
    }
}

#[test]
fn buckets_are_given_back_when_chains_get_shorter() {
    let (table, mut records) = (Table::new(1).unwrap(), Records::default());
    for number in 0..20_000 {
        put(&table, &mut records, hash(number, 0));
        grow(&table, &records);
    }
    let bytes = table.bytes();
    assert!(bytes < 20_000 * 17, "{bytes} bytes");
}

#[test]
fn an_unreadable_record_is_still_met_after_splits() {
    let (table, mut records) = (Table::new(1).unwrap(), Records::default());
    for number in 0..64 {
        put(&table, &mut records, hash(number, 0));
    }
    let lost = hash(0, 0);
    for number in 64..100_000 {
        put(&table, &mut records, hash(number, 0));
        while table.is_loaded() {
            // Nobody can tell the hash of the first record any more.
            table.grow(|_| (), |entry| Some(records.hash(entry)).filter(|&hash| hash != lost)).unwrap();
        }
    }
    let met = table.find(lost, |entry| (entry.address().offset() == 0).then_some(()));
    assert_eq!(met, Some(()));
}

/// Readers find every key that is there all the time, while the table grows from the smallest.
#[test]
fn readers_find_everything_during_growth() {
    const KEYS: u64 = 200;
    let table = Table::new(1).unwrap();
    // An entry's address is the number of its key.
    let target = |number: u64| Target { address: Address::new(0, number as usize), tombstone: false };
    let point = |number: u64| {
        let hash = hash(number, 0);
        let slot = table.slot(hash, |entry| entry.address() == target(number).address).unwrap();
        table.point(slot, hash, target(number)).unwrap();
    };
    (0..KEYS).for_each(point);
    let (stop, searches) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for number in 0..KEYS {
                        let is_it = |entry: Entry| (entry.target() == target(number)).then_some(());
                        assert_eq!(
                            table.find(hash(number, 0), is_it),
                            Some(()),
                            "key {number} was not found"
                        );
                    }
                    // One that moved meanwhile may be there twice.
                    let all = table.entries_where(|entry| entry.address().offset() < KEYS as usize);
                    let all: HashSet<u64> = all.iter().map(|entry| entry.address().0).collect();
                    assert_eq!(all.len(), KEYS as usize);
                    searches.fetch_add(KEYS, Ordering::Relaxed);
                }
            });
        }
        for number in KEYS..300_000 {
            point(number);
            while table.is_loaded() {
                table.grow(|_| (), |entry| Some(hash(entry.address().offset() as u64, 0))).unwrap();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(searches.load(Ordering::Relaxed) > 0);
}

fn counts(live: u64) -> Counts {
    let expiring = Expiring { bytes: 1, records: live + 1, seconds: live + 2, latest: live + 3 };
    Counts { live, tombstones: live + 4, expiring }
}

const ID: DatabaseId = DatabaseId([9; 16]);

fn write(medium: &Directory, table: &Table, state: &State) {
    let source = Source {
        id: ID,
        table,
        wait: &|_| panic!("nothing is changed meanwhile"),
        pause: &|| Ok(()),
        state: &|| Ok(state.clone()),
    };
    assert_eq!(checkpointing::write(medium, &source).unwrap(), *state);
}

fn written(count: u64, folder: &tempfile::TempDir) -> (Directory, Table, Records, State) {
    std::fs::create_dir(folder.path().join("index")).unwrap();
    let medium = Directory::new(folder.path());
    let (table, mut records) = (Table::new(1).unwrap(), Records::default());
    for number in 0..count {
        // Every tenth in one bucket, for a long chain.
        put(&table, &mut records, hash(number, if number % 10 == 0 { 2 } else { 0 }));
        grow(&table, &records);
    }
    let state = State {
        position: Position { segment: 6, offset: 77 },
        counted: Position { segment: 7, offset: 1234 },
        records: count / 3 * 2,
        last_ts: 99,
        segments: vec![
            SegmentState { number: 3, written: 5, counts: counts(4) },
            SegmentState { number: 7, written: 1234, counts: counts(1000) },
        ],
        memos: b"what is remembered".to_vec(),
    };
    write(&medium, &table, &state);
    (medium, table, records, state)
}

#[test]
fn a_checkpoint_is_read_back_and_grows_on() {
    for count in [0, 1, 100, 30_000] {
        let folder = tempfile::tempdir().unwrap();
        let (medium, before, mut records, state) = written(count, &folder);
        let (table, loaded) = checkpoint::load(&medium, ID).unwrap();
        assert_eq!(loaded, state);
        assert_eq!((table.entries(), table.size()), (before.entries(), before.size()));
        for number in count..count + 5_000 {
            put(&table, &mut records, hash(number, 0));
            grow(&table, &records);
        }
        for &hash in &records.0 {
            assert!(find(&table, &records, hash).is_some());
        }
        assert!(checkpoint::load(&medium, DatabaseId([8; 16])).is_err(), "of another database");
    }
}

#[test]
fn a_checkpoint_with_a_flipped_byte_or_another_length_is_refused_or_the_same() {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let (medium, before, records, state) = written(500, &folder);
    let file = folder.path().join(NAME);
    let bytes = std::fs::read(&file).unwrap();
    let used = HEADER + before.size() as usize * 64;
    assert!(used < bytes.len() && bytes.len() < BLOCK);
    // All of what says something, and some of the zeros.
    for at in (0..bytes.len()).filter(|&at| bytes[at] != 0 || at % 16 == 0) {
        let mut bad = bytes.clone();
        bad[at] ^= 1 << (at % 8);
        std::fs::write(&file, &bad).unwrap();
        if let Ok((table, loaded)) = checkpoint::load(&medium, ID) {
            // What is allotted to buckets but not used counts for nothing.
            assert!(at >= used && bytes[at] == 0, "byte {at} was not noticed");
            assert_eq!((loaded, table.entries()), (state.clone(), before.entries()));
        }
    }
    for len in (0..bytes.len()).step_by(13) {
        std::fs::write(&file, &bytes[..len]).unwrap();
        assert!(checkpoint::load(&medium, ID).is_err(), "cut to {len}");
    }
    std::fs::write(&file, &bytes).unwrap();
    let (table, _) = checkpoint::load(&medium, ID).unwrap();
    assert!(records.0.iter().all(|&hash| find(&table, &records, hash).is_some()));
}

#[test]
fn nothing_in_the_unused_part_of_a_checkpoint_comes_to_light() {
    let folder = tempfile::tempdir().unwrap();
    let (medium, before, mut records, _) = written(700, &folder);
    let file = folder.path().join(NAME);
    let mut bytes = std::fs::read(&file).unwrap();
    let (used, base) = (HEADER + before.size() as usize * 64, before.size().next_power_of_two() as usize);
    bytes[used..HEADER + base * 64].fill(0xa5);
    std::fs::write(&file, &bytes).unwrap();
    let (table, _) = checkpoint::load(&medium, ID).unwrap();
    for number in 700..10_000 {
        put(&table, &mut records, hash(number, 0));
        grow(&table, &records);
    }
    assert!(records.0.iter().all(|&hash| find(&table, &records, hash).is_some()));
    assert_eq!(medium.list("index").unwrap().len(), 1);
}

/// Adds records on a thread of its own while `table` is copied again and again, and looks at each copy.
#[test]
fn a_checkpoint_of_holes_takes_up_no_memory() {
    let folder = tempfile::tempdir().unwrap();
    let (medium, ..) = written(10, &folder);
    let size = 1 << 36;
    let (base, overflow_base) = checkpoint::bases(size, 1);
    let numbers = checkpoint::Numbers {
        segment: 1,
        offset: 64,
        size,
        base,
        overflow: 1,
        overflow_base,
        entries: 0,
        records: 0,
        last_ts: 0,
        segments: 0,
        tail_crc: 0,
        counted_segment: 1,
        counted_offset: 64,
        memos: 0,
    };
    let file = std::fs::File::create(folder.path().join(NAME)).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &checkpoint::header(ID, &numbers), 0).unwrap();
    let crcs = (size * 64).div_ceil(BLOCK as u64) * 4 + 4;
    file.set_len(numbers.tail_offset() + crcs).unwrap();
    let why = checkpoint::load(&medium, ID).unwrap_err();
    assert!(why.contains("far larger"), "{why}");
}

#[test]
fn a_table_that_grows_while_it_is_copied_is_copied_whole() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("index")).unwrap();
    let medium = Directory::new(folder.path());
    let (table, records) = (Table::new(1).unwrap(), Mutex::new(Records::default()));
    let (stop, copying, splits) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Every tenth in one bucket, for a long chain.
            let kind = |number: u64| if number.is_multiple_of(10) { 2 } else { 0 };
            for number in 0..100_000 {
                while !copying.load(Ordering::Relaxed) && !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                let mut records = records.lock();
                put(&table, &mut records, hash(number, kind(number)));
                grow(&table, &records);
            }
        });
        // On a busy machine it may take more copies until one is under way while the table grows.
        for _ in (0..60).chain((60..6_000).take_while(|_| splits.load(Ordering::Relaxed) == 0)) {
            let known = records.lock().0.len();
            let size = table.size();
            let state = State { segments: Vec::new(), ..State::default() };
            let source = Source {
                id: ID,
                table: &table,
                wait: &|_| std::thread::yield_now(),
                pause: &|| Ok(()),
                state: &|| {
                    copying.store(false, Ordering::Relaxed);
                    splits.fetch_add(table.size() - size, Ordering::Relaxed);
                    Ok(state.clone())
                },
            };
            copying.store(true, Ordering::Relaxed);
            checkpointing::write(&medium, &source).unwrap();
            let (copy, _) = checkpoint::load(&medium, ID).unwrap();
            assert!(copy.size() >= size);
            let records = records.lock();
            for &hash in &records.0[..known] {
                let expected = find(&table, &records, hash);
                assert!(expected.is_some() && find(&copy, &records, hash) == expected);
            }
            let all = copy.entries_where(|_| true);
            let distinct: HashSet<u64> = all.iter().map(|entry| entry.address().0).collect();
            assert_eq!((all.len(), all.len() as u64), (distinct.len(), copy.entries()), "nothing twice");
            // It grows on like any other, though it may be rather full.
            while copy.is_loaded() {
                copy.grow(|_| (), |entry| Some(records.hash(entry))).unwrap();
            }
            for &hash in &records.0[..known] {
                assert!(find(&copy, &records, hash).is_some());
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert!(splits.load(Ordering::Relaxed) > 0, "it grew while it was copied");
}
