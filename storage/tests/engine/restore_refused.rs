//! What cannot be restored from is refused by name, and leaves nothing.

use std::fs;
use std::path::Path;

use lcnode_storage::{Error, Restore, Restored, Store, restore};

use crate::history::{History, SEGMENT, history};
use crate::random;
use crate::scene::{self, copy_files, small_segments};

/// Where the first change in a segment begins: behind the header and a memo.
const FIRST: usize = 64 + 20;

fn unusable(restored: Result<Restored, Error>, part: &str) {
    match restored {
        Err(Error::Unusable { why, .. }) if why.contains(part) => {}
        other => panic!("{part:?}: {other:?}"),
    }
}

#[test]
fn what_cannot_be_restored_from_is_refused() {
    let mut random = random::seeded("what_cannot_be_restored_from_is_refused");
    let (mut history, backup) = history(&mut random);
    let in_use = history.restore("backup.tch", Some("live.tch"), None);
    assert!(matches!(in_use, Err(Error::Locked { .. })), "{in_use:?}");
    history.close();
    unusable(history.restore("live.tch", None, None), "no file `backup`");
    unusable(history.restore("nowhere.tch", None, None), "no such directory");
    let early = history.restore("backup.tch", Some("live.tch"), Some(backup.last_change - 1));
    unusable(early, "use an older backup");

    // Another database, one that went another way, and one that ends too soon.
    let other = Store::open(small_segments(&history.path("other.tch"), SEGMENT)).unwrap();
    other.close().unwrap();
    unusable(history.restore("backup.tch", Some("other.tch"), None), "another database");
    let mut short = History::new();
    short.put_all(0..100, &mut random);
    short.backup("early.tch");
    short.put_all(0..1_500, &mut random);
    short.backup("late.tch");
    short.close();
    short.restore("early.tch", None, None).unwrap();
    fs::rename(short.path("target.tch"), short.path("forked.tch")).unwrap();
    unusable(short.restore("late.tch", Some("forked.tch"), None), "ends before the backup");
    let forked = Store::open(small_segments(&short.path("forked.tch"), SEGMENT)).unwrap();
    (0..6_000_u64).for_each(|key| forked.put(&key.to_be_bytes(), &[9; 30]).unwrap());
    drop(forked);
    unusable(short.restore("late.tch", Some("forked.tch"), None), "other records");
    short.restore("late.tch", Some("live.tch"), None).unwrap();

    // A target that is there stays as it is.
    let target = history.path("mine.tch");
    fs::create_dir(&target).unwrap();
    let what = Restore { backup: history.path("backup.tch"), target: target.clone(), log: None, until: None };
    assert!(matches!(restore(&what, &mut |_, _, _| ()), Err(Error::Io { .. })));
    assert_eq!(fs::read_dir(&target).unwrap().count(), 0);

    // Opened is not written to.
    copy_files(&history.path("backup.tch"), &history.path("opened.tch"));
    Store::open(small_segments(&history.path("opened.tch"), SEGMENT)).unwrap().close().unwrap();
    history.restore("opened.tch", None, None).unwrap();
    let opened = Store::open(small_segments(&history.path("opened.tch"), SEGMENT)).unwrap();
    opened.put(b"more", b"").unwrap();
    opened.close().unwrap();
    unusable(history.restore("opened.tch", None, None), "written to since");
}

/// Compaction removes a segment from behind the backup: up to there, and no further.
#[test]
fn a_gap_in_the_log_is_noticed_where_it_is_needed() {
    let mut random = random::seeded("a_gap_in_the_log_is_noticed_where_it_is_needed");
    let (mut history, backup) = history(&mut random);
    history.close();
    let live = history.path("live.tch");
    let gap = scene::segment(&live, backup.position.segment + 2);
    assert!(gap.exists() && scene::segments(&live).last().unwrap() > &gap);
    let restored = history.restore("backup.tch", Some("live.tch"), None).unwrap();
    assert!(restored.position.segment > backup.position.segment + 2);
    // The time of the first record of the gap: bytes 8 to 15 of it.
    let bytes = fs::read(&gap).unwrap();
    let time = u64::from_le_bytes(bytes[FIRST + 8..FIRST + 16].try_into().unwrap());
    fs::remove_file(&gap).unwrap();
    let missing = history.restore("backup.tch", Some("live.tch"), None);
    assert!(missing.as_ref().is_err_and(|error| error.to_string().contains(gap.to_str().unwrap())));
    unusable(missing, "compaction");
    unusable(history.restore("backup.tch", Some("live.tch"), Some(time)), "compaction");
    let before = history.moment_before(time);
    history.restore("backup.tch", Some("live.tch"), Some(before)).unwrap();
    history.check(&history.at(before), "before the gap");

    // The very segment in which the backup ends.
    fs::remove_file(scene::segment(&live, backup.position.segment)).unwrap();
    unusable(history.restore("backup.tch", Some("live.tch"), Some(backup.last_change)), "made later");
    history.restore("backup.tch", None, None).unwrap();
}

#[test]
fn damage_is_named_with_file_and_offset() {
    let mut random = random::seeded("damage_is_named_with_file_and_offset");
    let (mut history, backup) = history(&mut random);
    history.close();
    let live = history.path("live.tch");
    let number = backup.position.segment + 2;
    let file = scene::segment(&live, number);
    let bytes = fs::read(&file).unwrap();
    let time = u64::from_le_bytes(bytes[FIRST + 8..FIRST + 16].try_into().unwrap());
    // In the key.
    scene::patch(&file, FIRST as u64 + 21, &[bytes[FIRST + 21] ^ 1]);
    let damaged = |restored: Result<Restored, Error>, file: &Path, from: u64, to: u64| match restored {
        Err(Error::Damaged { path, offset, .. }) => {
            assert_eq!(path, file.to_str().unwrap());
            assert!((from..=to).contains(&offset), "{offset} is not within {from} to {to}");
        }
        other => panic!("{other:?}"),
    };
    damaged(history.restore("backup.tch", Some("live.tch"), None), &file, FIRST as u64, FIRST as u64);
    let before = history.moment_before(time);
    history.restore("backup.tch", Some("live.tch"), Some(before)).unwrap();
    history.check(&history.at(before), "before the damage");

    // In the backup: in a full segment (a file of its own here), in the last one, one that is missing.
    copy_files(&history.path("backup.tch"), &history.path("whole.tch"));
    let backup_file = |number| scene::segment(&history.path("bad.tch"), number);
    for at in [(1, 1_000), (2, 64), (backup.position.segment, 64 + 4), (1, 70)] {
        copy_files(&history.path("whole.tch"), &history.path("bad.tch"));
        let byte = fs::read(backup_file(at.0)).unwrap()[at.1 as usize];
        scene::patch(&backup_file(at.0), at.1, &[byte ^ 0x10]);
        damaged(history.restore("bad.tch", None, None), &backup_file(at.0), 64, at.1);
        fs::remove_dir_all(history.path("bad.tch")).unwrap();
    }
    for number in 1..=backup.position.segment {
        copy_files(&history.path("whole.tch"), &history.path("bad.tch"));
        fs::remove_file(backup_file(number)).unwrap();
        damaged(history.restore("bad.tch", None, None), &backup_file(number), 0, 0);
        fs::remove_dir_all(history.path("bad.tch")).unwrap();
    }
    copy_files(&history.path("whole.tch"), &history.path("bad.tch"));
    let text = fs::read_to_string(history.path("bad.tch/backup")).unwrap();
    fs::write(history.path("bad.tch/backup"), text.replace("offset = ", "offset = 1")).unwrap();
    damaged(history.restore("bad.tch", None, None), &history.path("bad.tch/backup"), 0, 0);
}

/// After a crash a log may end in half a record, which was never acknowledged as durable. After a clean
/// stop it may not.
#[test]
fn a_torn_end_is_left_out_and_told() {
    let mut random = random::seeded("a_torn_end_is_left_out_and_told");
    let (mut history, _) = history(&mut random);
    let end = history.store().end();
    let crashed = history.path("crashed.tch");
    scene::crash(&history.path("live.tch"), &crashed);
    let file = scene::segment(&crashed, end.segment);
    scene::patch(&file, end.offset, &[7; 30]);
    let restored = history.restore("backup.tch", Some("crashed.tch"), None).unwrap();
    assert_eq!(restored.torn, Some((file.display().to_string(), end.offset)));
    history.check(&history.at(u64::MAX), "without the torn end");

    history.close();
    let live = scene::segment(&history.path("live.tch"), end.segment);
    // The last byte of the last record.
    let last = scene::used(&live) - 1;
    scene::patch(&live, last, &[fs::read(&live).unwrap()[last as usize] ^ 1]);
    let damaged = history.restore("backup.tch", Some("live.tch"), None);
    assert!(matches!(damaged, Err(Error::Damaged { .. })), "{damaged:?}");
}
