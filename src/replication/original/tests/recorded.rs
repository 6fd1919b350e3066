//! What servers of the original have sent and logged, followed and replayed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lcnode_protocol::Limits;
use lcnode_storage::{Clock, Options, Place, Store};

use super::super::pull::{Pull, Settings};
use super::super::restore::{Replay, restore};
use super::{contents, settings};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replication")
}

/// An empty store of server 99, at the end of the year 2099: all was recorded before.
fn store() -> Arc<Store> {
    let clock = Clock::Given(Arc::new(|| 4_102_000_000_000_000));
    Arc::new(Store::open(Options { origin: 99, clock, ..Options::new(Place::Memory) }).unwrap())
}

/// What comes of a stream that is cut off `left_out` bytes before its end, and how many entries that were. Each must
/// have the outcome that it had there.
fn followed(name: &str, left_out: usize) -> (Vec<(String, String)>, u64) {
    let bytes = std::fs::read(folder().join(name)).unwrap();
    let store = store();
    let mut pull = Pull::new(Arc::clone(&store), Settings { check: true, ..settings() });
    for byte in &bytes[..bytes.len() - left_out] {
        pull.take(&[*byte]).unwrap();
    }
    (texts(&store), pull.figures().entries)
}

fn texts(store: &Store) -> Vec<(String, String)> {
    let text = |bytes: Vec<u8>| bytes.escape_ascii().to_string();
    contents(store).into_iter().map(|(key, value)| (text(key), text(value))).collect()
}

/// What comes of update logs, each entry with the outcome that it had there.
fn replayed(folder: &Path) -> (Vec<(String, String)>, u64) {
    let store = store();
    let replay = Replay { folder: folder.to_owned(), ts: 0, check: true, limits: Limits::default() };
    let entries = restore(&store, &replay, || false).unwrap().entries;
    (texts(&store), entries)
}

/// The same of one file.
fn replayed_file(name: &str) -> (Vec<(String, String)>, u64) {
    let target = tempfile::tempdir().unwrap();
    std::fs::copy(folder().join(name), target.path().join("00000001.ulog")).unwrap();
    replayed(target.path())
}

#[test]
fn every_command_has_the_outcome_that_it_had_there() {
    let (records, entries) = followed("one.stream", 0);
    assert_eq!(entries, 28);
    assert_eq!(records, [("last".to_owned(), "x".repeat(300))]);
    assert_eq!(replayed_file("one.ulog"), (records, 28));
    // Up to the vanish before the last put: an entry has 17 bytes before its block, that put 14 and its fields.
    let bytes = std::fs::read(folder().join("one.stream")).unwrap();
    let last = bytes.windows(4).rposition(|window| window == b"last").unwrap() - 10 - 17;
    let vanish = last - 17 - 3;
    let (records, entries) = followed("one.stream", bytes.len() - vanish);
    assert_eq!(entries, 26);
    let of = |key: &str| records.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str());
    for (key, value) in [
        ("one", "6789"),
        ("", ""),
        ("kept", "first"),
        ("silent", "stored without a reply"),
        ("int", r"\xfe\xff\xff\xff"),
        ("double", r"\x00\x00\x00\x00\x00\x00\xe8\xbf"),
        ("by misc", "value"),
    ] {
        assert_eq!(of(key), Some(value), "{key}");
    }
    assert_eq!(records.len(), 8);
}

#[test]
fn files_are_replayed_as_they_were_sent() {
    let (records, entries) = followed("files.stream", 0);
    assert_eq!((records.len(), entries), (20, 20));
    assert_eq!(replayed(&folder().join("files")), (records, 20));
    assert_eq!(followed("nothing-new.stream", 0), (vec![], 0));
}

#[test]
fn of_two_masters_each_has_all() {
    let at_a = followed("pair-a-to-99.stream", 0);
    assert_eq!(at_a, followed("pair-b-to-99.stream", 0));
    assert_eq!(at_a, replayed_file("pair-a.ulog"));
    assert_eq!(at_a, (vec![("after".to_owned(), "all".to_owned())], 10));
}
