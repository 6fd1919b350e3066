//! Values up to 256 MiB, and records larger than a segment, among small ones.

use lcnode_storage::{Error, Options, Place, Store};

use crate::random::{self, Random};
use crate::scene::small_segments;

/// Bytes that depend on the key alone.
fn value(number: u64, len: usize) -> Vec<u8> {
    let mut random = Random::new(number);
    let block: Vec<u8> = random.bytes(4099);
    block.iter().copied().cycle().take(len).collect()
}

fn length(number: u64, sizes: &[usize]) -> usize {
    let mut random = Random::new(number ^ 0xabcd);
    if random.below(4) == 0 {
        sizes[random.below(sizes.len() as u64) as usize]
    } else {
        random.below(200) as usize
    }
}

fn check(store: &Store, numbers: impl Iterator<Item = u64>, sizes: &[usize]) {
    for number in numbers {
        let expected = value(number, length(number, sizes));
        let same = store.get(&number.to_le_bytes(), |found| found == expected).unwrap();
        assert_eq!(same, Some(true), "record {number} of {} bytes", expected.len());
    }
}

fn mixed(store: &Store, sizes: &[usize]) {
    for round in 0..3 {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    for number in (thread..120_u64).step_by(4) {
                        if (number + round) % 3 != 0 {
                            store.put(&number.to_le_bytes(), &value(number, length(number, sizes))).unwrap();
                        }
                    }
                });
            }
        });
    }
    check(store, 0..120, sizes);
}

const AROUND_A_SEGMENT: [usize; 8] = [1 << 15, 65_300, 65_400, 65_452, 65_453, 1 << 16, 200_000, 1 << 20];

#[test]
fn records_larger_than_a_segment_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let options = || small_segments(&folder.path().join("large.tch"), 1 << 16);
    let store = Store::open(options()).unwrap();
    mixed(&store, &AROUND_A_SEGMENT);
    store.optimize().unwrap();
    check(&store, 0..120, &AROUND_A_SEGMENT);
    crate::scene::crash(&folder.path().join("large.tch"), &folder.path().join("crashed.tch"));
    store.close().unwrap();
    let store = Store::open(options()).unwrap();
    check(&store, 0..120, &AROUND_A_SEGMENT);
    drop(store);
    let store = Store::open(small_segments(&folder.path().join("crashed.tch"), 1 << 16)).unwrap();
    check(&store, 0..120, &AROUND_A_SEGMENT);
}

#[test]
fn records_larger_than_a_segment_are_kept_in_memory() {
    let store = Store::open(Options { segment_size: 1 << 16, ..Options::new(Place::Memory) }).unwrap();
    mixed(&store, &AROUND_A_SEGMENT);
    store.optimize().unwrap();
    check(&store, 0..120, &AROUND_A_SEGMENT);
}

#[test]
fn values_up_to_256_mib_are_kept() {
    let big = [256 << 20, (256 << 20) - 1, 70 << 20];
    let folder = tempfile::tempdir().unwrap();
    let options = || Options::new(Place::Directory(folder.path().join("big.tch")));
    let store = Store::open(options()).unwrap();
    for (i, &len) in big.iter().enumerate() {
        store.put(format!("big:{i}").as_bytes(), &vec![i as u8 + 1; len]).unwrap();
        store.put(format!("small:{i}").as_bytes(), b"small").unwrap();
    }
    let check = |store: &Store| {
        for (i, &len) in big.iter().enumerate() {
            let whole = |value: &[u8]| value.len() == len && value.iter().all(|&b| b == i as u8 + 1);
            assert_eq!(store.get(format!("big:{i}").as_bytes(), whole).unwrap(), Some(true));
            let small = store.get(format!("small:{i}").as_bytes(), |value| value == b"small");
            assert_eq!(small.unwrap(), Some(true));
        }
    };
    check(&store);
    drop(store);
    std::fs::remove_file(folder.path().join("big.tch/index/checkpoint")).unwrap();
    let store = Store::open(options()).unwrap();
    check(&store);
    let too_large = store.put(b"key", &vec![0; (512 << 20) - 10]);
    assert!(matches!(too_large, Err(Error::TooLarge { .. })), "{too_large:?}");
    for i in 0..big.len() {
        assert!(store.delete(format!("big:{i}").as_bytes()).unwrap());
    }
    store.optimize().unwrap();
    assert!(store.figures().log_bytes < 1 << 20, "{:?}", store.figures());
}

/// Two large records asked for at once, of different sizes: the segment made for both must not take
/// small records where addresses don't reach.
#[test]
fn no_record_begins_where_addresses_end() {
    let store = Store::open(Options { segment_size: 1 << 16, ..Options::new(Place::Memory) }).unwrap();
    let mut random = random::seeded("no_record_begins_where_addresses_end");
    let (first, second) = (vec![1; 270 << 20], vec![2; 300 << 20]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let large = [("first", &first), ("second", &second)].map(|(key, value)| {
            let store = &store;
            scope.spawn(move || store.put(key.as_bytes(), value).unwrap())
        });
        let small = scope.spawn(|| {
            let mut count = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                store.put(format!("small:{count}").as_bytes(), &u64::to_le_bytes(count)).unwrap();
                count += 1;
                if random.below(100) == 0 {
                    std::thread::sleep(std::time::Duration::from_micros(100));
                }
            }
            count
        });
        for put in large {
            put.join().unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        let count = small.join().unwrap();
        for number in 0..count {
            let found =
                store.get(format!("small:{number}").as_bytes(), |value| value == number.to_le_bytes());
            assert_eq!(found.unwrap(), Some(true), "small:{number} of {count}");
        }
    });
    assert_eq!(store.get(b"first", |value| *value == first).unwrap(), Some(true));
    assert_eq!(store.get(b"second", |value| *value == second).unwrap(), Some(true));
}
