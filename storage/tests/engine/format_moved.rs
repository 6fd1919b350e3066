//! The mark of records that compaction moved, held against `FORMAT.md`.

use std::fs;

use lcnode_storage::Store;

use crate::format::{Parsed, options, records};
use crate::scene;

#[test]
fn moved_records_are_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("format.tch");
    let store = Store::open(options(&path)).unwrap();
    store.put(b"key", b"stays").unwrap();
    store.put(b"large", &[1; 100_000]).unwrap();
    store.put(b"large", &[2; 100_000]).unwrap();
    store.optimize().unwrap();
    store.put(b"last", b"new").unwrap();
    store.close().unwrap();
    let mut met: Vec<Parsed> =
        scene::segments(&path).iter().flat_map(|file| records(&fs::read(file).unwrap())).collect();
    met.retain(|record| record.kind == "put");
    let seen: Vec<(&[u8], bool)> = met.iter().map(|record| (&*record.key, record.moved)).collect();
    assert!(seen.contains(&(b"key", true)) && !seen.contains(&(b"key", false)), "{seen:?}");
    assert!(seen.contains(&(b"last", false)), "{seen:?}");
}
