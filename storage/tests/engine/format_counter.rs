//! FORMAT.md's tables of counters and memos, held against records that were really written.

use std::fs;

use lcnode_storage::{Decimal, Options, Place, Store};

use crate::format::{Map, rows};
use crate::scene;

/// The bytes of the records of a kind in the first segment, and where their values begin.
fn records(path: &std::path::Path, kind: u8) -> Vec<(Vec<u8>, usize)> {
    let bytes = fs::read(scene::segment(path, 1)).unwrap();
    let (mut at, mut records) = (64, Vec::new());
    loop {
        let mut head = Map::of("### Fields of a record", &bytes[at..at + 20]);
        let (found, key) = (head.number("kind") as u8, head.number("key length") as usize);
        let len = 20 + key + head.number("value length") as usize;
        if found == 0 {
            assert_ne!(records.len(), 0, "no record of kind {kind}");
            return records;
        }
        if found == kind {
            records.push((bytes[at..at + len].to_vec(), 20 + key));
        }
        at += len;
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The names of a table's fields, in order.
fn names(heading: &str) -> Vec<String> {
    rows(heading).into_iter().map(|row| row[1].split(':').next().unwrap().to_owned()).collect()
}

#[test]
fn counters_are_as_documented() {
    let folder = scene::quick_folder();
    let path = folder.path().join("counter.tch");
    let options = Options { origin: 513, ..Options::new(Place::Directory(path.clone())) };
    let store = Store::open(options).unwrap();
    store.set_counting().unwrap();
    store.put(b"key", &1000_i32.to_le_bytes()).unwrap();
    let (base, _) = store.stamp_of(b"key").unwrap().unwrap();
    store.add_int(b"key", -7).unwrap();
    let (stamp, _) = store.stamp_of(b"key").unwrap().unwrap();
    store.close().unwrap();

    let (bytes, value) = records(&path, 6).remove(0);
    let value = &bytes[value..];
    assert_eq!(value[..4], 993_i32.to_le_bytes());
    let len = number(&value[value.len() - 2..]) as usize;
    let state = &value[4..value.len() - 2];
    assert_eq!(state.len(), len);
    let names = names("### Fields of a counter's state");
    assert_eq!(names, ["kinds", "base time", "base origin", "base length", "base value", "step"]);
    assert_eq!(state[0], 1 | 1 << 4, "a base of 4 bytes, a step that is an integer");
    assert_eq!(number(&state[1..9]), base.ts);
    assert_eq!(number(&state[9..11]), 513);
    assert_eq!(state[11..15], 1000_i32.to_le_bytes());
    assert_eq!(number(&state[15..23]), (-7_i32) as u32 as u64);
    let mut sum = Map::of("### Fields of a sum", &state[23..]);
    assert_eq!((sum.number("kind"), sum.number("server")), (1, 513));
    assert_ne!(sum.number("run"), 0);
    assert_eq!((sum.number("since"), sum.number("time")), (stamp.ts, stamp.ts));
    assert_eq!(sum.number("amount"), (-7_i32) as u32 as u64);
    sum.end();
}

#[test]
fn counters_in_decimal_text_are_as_documented() {
    let folder = scene::quick_folder();
    let path = folder.path().join("decimal.tch");
    let options = Options { origin: 513, ..Options::new(Place::Directory(path.clone())) };
    let store = Store::open(options).unwrap();
    store.set_counting().unwrap();
    store.put(b"key", b"10").unwrap();
    for amount in [Decimal::Int(-12), Decimal::Real(0.5)] {
        store.add_decimal(b"key", amount, |_| None).unwrap().unwrap();
    }
    let (stamp, _) = store.stamp_of(b"key").unwrap().unwrap();
    store.close().unwrap();

    let (bytes, value) = records(&path, 6).pop().unwrap();
    let value = &bytes[value..];
    assert_eq!(&value[..4], b"-1.5");
    let state = &value[4..value.len() - 2];
    assert_eq!(number(&value[value.len() - 2..]) as usize, state.len());
    assert_eq!(state[0], 4, "a base in decimal text, no step");
    assert_eq!(number(&state[9..11]), 513);
    assert_eq!(&state[11..14], b"\x0210", "its length, and the base");
    let sums = &state[14..];
    assert_eq!(sums.len(), 2 * 31);
    for (at, kind, amount) in [(0, 3, (-12_i64) as u64), (31, 4, 0.5_f64.to_bits())] {
        let mut sum = Map::of("### Fields of a sum", &sums[at..at + 31]);
        assert_eq!((sum.number("kind"), sum.number("server")), (kind, 513));
        assert_ne!(sum.number("run"), 0);
        let times = (sum.number("since"), sum.number("time"));
        assert!(times.0 == times.1 && (times.0 == stamp.ts) == (kind == 4), "{times:?}, {stamp:?}");
        assert_eq!(sum.number("amount"), amount);
        sum.end();
    }
}

#[test]
fn memos_are_as_documented() {
    let folder = scene::quick_folder();
    let path = folder.path().join("memo.tch");
    let store = Store::open(Options::new(Place::Directory(path.clone()))).unwrap();
    store.set_memo(b"key", b"what is remembered").unwrap();
    store.close().unwrap();
    let (bytes, value) = records(&path, 7).remove(0);
    assert_eq!(bytes[value], 0, "not joined");
    let mut item = Map::of("### Fields of an item", &bytes[value + 1..value + 4]);
    assert_eq!((item.number("key length"), item.number("value length")), (3, 18));
    item.end();
    assert_eq!(&bytes[value + 4..], b"keywhat is remembered");
    let checkpoint = fs::read(path.join("index/checkpoint")).unwrap();
    assert!(checkpoint.ends_with(&bytes[value..]), "and the checkpoint ends with it");
}
