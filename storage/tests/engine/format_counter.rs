//! FORMAT.md's tables of counters and memos, held against records that were really written.

use std::fs;

use lcnode_storage::{Options, Place, Store};

use crate::format::{Map, rows};
use crate::scene;

/// The bytes of the first record of a kind in the first segment, and where its value begins.
fn record(path: &std::path::Path, kind: u8) -> (Vec<u8>, usize) {
    let bytes = fs::read(scene::segment(path, 1)).unwrap();
    let mut at = 64;
    loop {
        let mut head = Map::of("### Fields of a record", &bytes[at..at + 20]);
        let (found, key) = (head.number("kind") as u8, head.number("key length") as usize);
        let len = 20 + key + head.number("value length") as usize;
        assert_ne!(found, 0, "no record of kind {kind}");
        if found == kind {
            return (bytes[at..at + len].to_vec(), 20 + key);
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

    let (bytes, value) = record(&path, 6);
    let value = &bytes[value..];
    assert_eq!(value[..4], 993_i32.to_le_bytes());
    let len = number(&value[value.len() - 2..]) as usize;
    let state = &value[4..value.len() - 2];
    assert_eq!(state.len(), len);
    let names = names("### Fields of a counter's state");
    assert_eq!(names, ["kinds", "base time", "base origin", "base value", "step"]);
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
fn memos_are_as_documented() {
    let folder = scene::quick_folder();
    let path = folder.path().join("memo.tch");
    let store = Store::open(Options::new(Place::Directory(path.clone()))).unwrap();
    store.set_memo(b"key", b"what is remembered").unwrap();
    store.close().unwrap();
    let (bytes, value) = record(&path, 7);
    assert_eq!(bytes[value], 0, "not joined");
    let mut item = Map::of("### Fields of an item", &bytes[value + 1..value + 4]);
    assert_eq!((item.number("key length"), item.number("value length")), (3, 18));
    item.end();
    assert_eq!(&bytes[value + 4..], b"keywhat is remembered");
    let checkpoint = fs::read(path.join("index/checkpoint")).unwrap();
    assert!(checkpoint.ends_with(&bytes[value..]), "and the checkpoint ends with it");
}
