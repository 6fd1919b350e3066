//! Random operations on a store and on a `BTreeMap`: both must always agree, through growth from the
//! smallest table, compaction, clean reopens and crashes.
//!
//! `LCNODE_OPERATIONS` sets the length: 1,000,000 unless told otherwise.

use lcnode_storage::{Change, Inline, Store};

use crate::random::{self, Random};
use crate::scene::{self, Model, check, copy_files, small_segments};

/// Bytes of a segment here.
const SEGMENT: usize = 1 << 18;

fn key(random: &mut Random, spread: u64) -> Vec<u8> {
    match random.below(50) {
        0 => Vec::new(),
        1 => vec![b'k'; 300],
        _ => format!("key:{}", random.below(spread)).into_bytes(),
    }
}

fn one_operation(random: &mut Random, store: &Store, model: &mut Model, spread: u64) {
    let key = key(random, spread);
    let len = if random.below(100) == 0 { 5000 } else { random.below(60) };
    match random.below(20) {
        0..9 => {
            let value = random.bytes(len);
            store.put(&key, &value).unwrap();
            model.insert(key, value);
        }
        9..13 => {
            assert_eq!(store.delete(&key).unwrap(), model.remove(&key).is_some());
        }
        13 | 14 => {
            let more = random.bytes(len % 20);
            let append = |old: Option<&[u8]>| old.map_or(0, <[u8]>::len) < 10_000;
            let grown = store
                .update(&key, |old| match append(old) {
                    true => Change::Put { kept: old.unwrap_or_default(), new: &more },
                    false => Change::Keep,
                })
                .unwrap();
            assert_eq!(grown, append(model.get(&key).map(Vec::as_slice)));
            if grown {
                model.entry(key).or_default().extend_from_slice(&more);
            }
        }
        15 => {
            let number = random.next().to_le_bytes();
            store
                .update(&key, |old| match old {
                    None => Change::PutInline(Inline::new(&number)),
                    Some(_) => Change::Keep,
                })
                .unwrap();
            model.entry(key).or_insert(number.to_vec());
        }
        _ => {
            let found = store.get(&key, |value| value.to_vec()).unwrap();
            assert_eq!(found.as_ref(), model.get(&key), "get of {key:?}");
        }
    }
}

#[test]
fn store_equals_model() {
    let mut random = random::seeded("model");
    let operations = random::variable("LCNODE_OPERATIONS").unwrap_or(1_000_000);
    let folder = tempfile::tempdir().unwrap();
    let mut generation = 0;
    let path = |generation: u32| folder.path().join(format!("{generation}.tch"));
    let options = |generation| small_segments(&path(generation), SEGMENT);
    let mut store = Store::open(options(0)).unwrap();
    let mut model = Model::new();
    let mut spread = 10;
    for done in 0..operations {
        one_operation(&mut random, &store, &mut model, spread);
        if done % 10_000 == 9_999 {
            spread = [10, 1_000, 30_000][random.below(3) as usize];
        }
        match random.below(20_000) {
            0 => {
                store.close().unwrap();
                store = Store::open(options(generation)).unwrap();
                check(&store, &model, "after a clean reopen");
            }
            1 => {
                scene::crash(&path(generation), &path(generation + 1));
                drop(store);
                std::fs::remove_dir_all(path(generation)).unwrap();
                generation += 1;
                if random.below(2) == 0 {
                    // The table is then rebuilt from the whole log.
                    _ = std::fs::remove_file(path(generation).join("index/checkpoint"));
                }
                store = Store::open(options(generation)).unwrap();
                check(&store, &model, "after a crash");
            }
            2 if random.below(2) == 0 => {
                store.vanish().unwrap();
                model.clear();
            }
            3 => {
                store.optimize().unwrap();
                check(&store, &model, "after optimize");
                let figures = store.figures();
                assert!(
                    figures.log_bytes <= figures.live_bytes * 11 / 10 + SEGMENT as u64,
                    "optimize left too much: {figures:?}"
                );
            }
            4 => {
                let copy = folder.path().join("copy.tch");
                store.copy_to(&copy).unwrap();
                let copied = Store::open(small_segments(&copy, SEGMENT)).unwrap();
                check(&copied, &model, "a copy");
                copied.put(b"only here", b"").unwrap();
                drop(copied);
                std::fs::remove_dir_all(&copy).unwrap();
            }
            _ => {}
        }
    }
    check(&store, &model, "at the end");
    eprintln!("{:?}", store.figures());
    store.close().unwrap();
    copy_files(&path(generation), &path(generation + 1));
    for generation in [generation, generation + 1] {
        let store = Store::open(options(generation)).unwrap();
        check(&store, &model, "at the very end");
    }
}
