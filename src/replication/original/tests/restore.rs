use std::fs;
use std::path::Path;

use lcnode_protocol::Limits;
use lcnode_protocol::update_log::{Change, Entry, file_name};
use lcnode_storage::Store;

use super::super::restore::{Replay, Replayed, RestoreError, restore};
use super::{block, get, put, store};

const SECOND: u64 = 1_000_000;

fn entry(ts: u64, sid: u16, mid: u16, change: Change<'_>, worked: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    Entry { ts, sid, mid, block: &block(change, worked) }.encode(&mut bytes);
    bytes
}

/// A put of key and value `name` in each file, file N at N minutes.
fn write(folder: &Path, number: u32, names: &[&str]) {
    let entries = names.iter().enumerate();
    let bytes: Vec<u8> = entries
        .flat_map(|(at, name)| {
            entry(u64::from(number) * 60 * SECOND + at as u64, 7, 0, put(name, name), true)
        })
        .collect();
    fs::write(folder.join(file_name(number)), bytes).unwrap();
}

fn replay(store: &Store, folder: &Path, ts: u64) -> Result<Replayed, RestoreError> {
    let replay = Replay { folder: folder.to_owned(), ts, check: false, limits: Limits::default() };
    restore(store, &replay, || false)
}

fn keys(store: &Store) -> String {
    ["a", "b", "c", "d", "e"].into_iter().filter(|key| get(store, key).is_some()).collect()
}

#[test]
fn all_or_what_is_not_older() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(replay(&store(1), folder.path(), 0).unwrap(), Replayed::default());
    assert!(matches!(replay(&store(1), &folder.path().join("none"), 0), Err(RestoreError::Read { .. })));
    for (number, names) in [(1, &["a"][..]), (2, &["b", "c"]), (3, &["d"]), (4, &[])] {
        write(folder.path(), number, names);
    }
    fs::write(folder.path().join("5.ulog"), "not the name of one").unwrap();
    fs::write(folder.path().join("notes"), "nor this").unwrap();
    for (ts, expected, files, earlier) in [
        (0, "abcd", 4, 0),
        (120 * SECOND, "bcd", 4, 1),
        (120 * SECOND + 1, "cd", 4, 2),
        // 30 seconds after the beginning of a file nothing before it can matter.
        (150 * SECOND, "d", 3, 2),
        (180 * SECOND + 1, "", 3, 3),
        (u64::MAX, "", 2, 1),
    ] {
        let store = store(1);
        let done = replay(&store, folder.path(), ts).unwrap();
        assert_eq!((&*keys(&store), done.files, done.earlier), (expected, files, earlier), "{ts}");
        assert_eq!(done.entries, expected.len() as u64);
    }
    // A hole ends the way back.
    fs::remove_file(folder.path().join(file_name(2))).unwrap();
    let store = store(1);
    assert_eq!(replay(&store, folder.path(), 0).unwrap().files, 2);
    assert_eq!(keys(&store), "d");
}

#[test]
fn ids_are_kept_and_outcomes_compared() {
    let folder = tempfile::tempdir().unwrap();
    let entries = [
        entry(1, 7, 0, put("from7", "v"), true),
        entry(2, 8, 7, put("from8", "v"), true),
        entry(3, 1, 7, put("own", "v"), true),
        entry(4, 0, 0, put("nobody", "v"), true),
        entry(5, 7, 0, Change::AddInt { key: b"n", num: 2 }, true),
        entry(6, 7, 0, Change::Out { key: b"none" }, true),
        entry(7, 7, 0, put("behind", "v"), true),
    ];
    fs::write(folder.path().join(file_name(1)), entries.concat()).unwrap();
    let store = store(1);
    let done = replay(&store, folder.path(), 0).unwrap();
    assert_eq!((done.entries, done.differences), (7, 1));
    for (key, origin) in [("from7", 7), ("from8", 8), ("own", 1), ("nobody", 1), ("n", 7)] {
        assert_eq!(store.stamp_of(key.as_bytes()).unwrap().unwrap().0.origin, origin, "{key}");
    }
    let store = self::store(1);
    let replay = Replay { folder: folder.path().to_owned(), ts: 0, check: true, limits: Limits::default() };
    let error = restore(&store, &replay, || false).unwrap_err();
    assert!(matches!(error, RestoreError::Differs { command: "out", ts: 6, .. }), "{error}");
    assert_eq!((get(&store, "own").is_some(), get(&store, "behind")), (true, None));
    let stopped = restore(&self::store(1), &replay, || true).unwrap_err();
    assert!(matches!(stopped, RestoreError::Stopped { offset: 0, ts: 0, .. }), "{stopped}");
}

#[test]
fn damage_ends_it_and_a_torn_end_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |number| folder.path().join(file_name(number));
    write(folder.path(), 1, &["a", "b"]);
    write(folder.path(), 2, &["c"]);
    let whole = fs::read(path(1)).unwrap();
    let one = whole.len() / 2;
    // The end of the last file, where a crash tears.
    for cut in one + 1..whole.len() {
        fs::write(path(2), &whole[..cut]).unwrap();
        let done = replay(&store(1), folder.path(), 0).unwrap();
        assert_eq!((done.entries, done.left_out), (3, (cut - one) as u64), "{cut}");
    }
    write(folder.path(), 2, &["c"]);
    // The end of another file.
    for cut in one + 1..whole.len() {
        fs::write(path(1), &whole[..cut]).unwrap();
        let store = store(1);
        match replay(&store, folder.path(), 0) {
            Ok(done) => {
                assert!(cut - one < 17, "{cut}");
                assert_eq!((&*keys(&store), done.left_out), ("ac", (cut - one) as u64), "{cut}");
            }
            Err(RestoreError::Damaged { offset, .. }) => {
                assert!(cut - one >= 17, "{cut}");
                assert_eq!((&*keys(&store), offset), ("a", one as u64), "{cut}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    // What begins, says or holds nonsense: the magic, the size, the command.
    for (at, byte, part) in [(0, 0, "begins with 0x00"), (13, 0xFF, "bytes, more than"), (18, 0x99, "0x99")] {
        let mut bytes = whole.clone();
        bytes[one + at] = byte;
        fs::write(path(1), &bytes).unwrap();
        let store = store(1);
        let error = replay(&store, folder.path(), 0).unwrap_err().to_string();
        assert!(error.contains("00000001.ulog is damaged at byte") && error.contains(part), "{error}");
        assert!(error.contains(&format!("byte {one}:")), "{error}");
        assert_eq!(keys(&store), "a");
    }
}
