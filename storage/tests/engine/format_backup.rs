//! Holds the description of the file `backup` in FORMAT.md against one that was really written.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use lcnode_storage::Store;

use crate::format::{constant, rows};
use crate::scene::{self, small_segments};

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

#[test]
fn backup_is_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(small_segments(&folder.path().join("format.tch"), 1 << 16)).unwrap();
    for number in 0..3_000_u32 {
        store.put(&number.to_le_bytes(), &[1; 30]).unwrap();
    }
    let (changed, end) = (now(), store.end());
    let copy = folder.path().join("copy.tch");
    let (backup, _) = store.copy_to(&copy).unwrap();
    let taken = now();
    let text = fs::read_to_string(copy.join("backup")).unwrap();

    let names: Vec<String> = rows("### Lines of backup").into_iter().map(|row| row[0].clone()).collect();
    let lines: Vec<(&str, &str)> =
        text.split_terminator('\n').map(|line| line.split_once(" = ").unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line.0).collect::<Vec<_>>(), names);
    let value = |name: &str| lines.iter().find(|line| line.0 == name).unwrap().1;
    let number = |name: &str| value(name).parse::<u64>().unwrap();
    assert_eq!(number("format"), constant("format of `backup`"));
    let meta = fs::read(copy.join("meta")).unwrap();
    let id: String = meta[16..32].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(value("id"), id);
    assert_eq!((number("segment"), number("offset")), (end.segment, end.offset));
    assert_eq!(backup.position, end);
    assert!(end.segment > 1, "there are segments to link");
    let last = scene::segment(&copy, end.segment);
    assert_eq!(fs::metadata(&last).unwrap().len(), end.offset + 20, "room for a seal");
    assert_eq!(scene::segments(&copy).last(), Some(&last));
    assert_eq!(number("last change"), store.last_change());
    // Stamps may be a little ahead of the clock after many changes in a short time.
    assert!(number("last change").abs_diff(changed) < 10_000_000);
    assert!(changed <= number("taken") && number("taken") <= taken);
    let (before, crc) = text.split_at(text.rfind("crc").unwrap());
    assert_eq!(crc, format!("crc = {:08x}\n", crc32fast::hash(before.as_bytes())));
    assert!(!copy.join("index/checkpoint").exists());
    assert!(!folder.path().join("copy.tch.unfinished").exists());

    // It stays when the copy becomes a database of its own.
    let store = Store::open(small_segments(&copy, 1 << 16)).unwrap();
    store.put(b"more", b"").unwrap();
    store.close().unwrap();
    assert_eq!(fs::read_to_string(copy.join("backup")).unwrap(), text);
}
