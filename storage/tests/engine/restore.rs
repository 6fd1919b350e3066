//! Restoring: to any time it is the state of that time, what cannot be restored from is refused by name, and
//! nothing that it was made of changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lcnode_storage::{Backup, Error, Options, Phase, Restore, Restored, Store, restore};

use crate::backup::{files, wear_out};
use crate::random::{self, Random};
use crate::scene::{self, Model, check, copy_files, small_segments};

const SEGMENT: usize = 1 << 16;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// A change: its stamp or a little more, a time after it and before the next, and what it was. No value: a
/// delete. No key: a vanish.
struct Changed {
    stamp: u64,
    time: u64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

/// A database whose every change is known.
struct History {
    folder: tempfile::TempDir,
    store: Option<Store>,
    changes: Vec<Changed>,
}

impl History {
    fn new() -> Self {
        let folder = scene::quick_folder();
        let store = Store::open(small_segments(&folder.path().join("live.tch"), SEGMENT)).unwrap();
        Self { folder, store: Some(store), changes: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn close(&mut self) {
        self.store.take().unwrap().close().unwrap();
    }

    fn reopen(&mut self) {
        self.store = Some(Store::open(small_segments(&self.path("live.tch"), SEGMENT)).unwrap());
    }

    /// Notes a change, and sees to it that the next has a later time.
    fn note(&mut self, key: Option<Vec<u8>>, value: Option<Vec<u8>>) {
        let stamp = self.store().last_change();
        let time = now().max(stamp);
        self.changes.push(Changed { stamp, time, key, value });
        while now() <= time {
            std::hint::spin_loop();
        }
    }

    fn put(&mut self, key: u64, value: Vec<u8>) {
        self.store().put(&key.to_le_bytes(), &value).unwrap();
        self.note(Some(key.to_le_bytes().to_vec()), Some(value));
    }

    fn delete(&mut self, key: u64) {
        if self.store().delete(&key.to_le_bytes()).unwrap() {
            self.note(Some(key.to_le_bytes().to_vec()), None);
        }
    }

    fn vanish(&mut self) {
        self.store().vanish().unwrap();
        self.note(None, None);
    }

    /// Puts keys of a range, each once.
    fn put_all(&mut self, keys: std::ops::Range<u64>, random: &mut Random) {
        for key in keys {
            let len = random.below(100);
            self.put(key, random.bytes(len));
        }
    }

    /// Some of everything.
    fn go_on(&mut self, changes: u64, keys: u64, random: &mut Random) {
        for _ in 0..changes {
            let key = random.below(keys);
            match random.below(10) {
                0 => self.delete(key),
                _ => {
                    let len = random.below(100);
                    self.put(key, random.bytes(len));
                }
            }
        }
    }

    fn backup(&self, name: &str) -> Backup {
        self.store().copy_to(&self.path(name)).unwrap().0
    }

    /// A time right after one of the changes that a backup does not have; it is before the next.
    fn moment(&self, backup: &Backup, random: &mut Random) -> u64 {
        let later = self.changes.partition_point(|change| change.stamp <= backup.last_change) as u64;
        self.changes[(later + random.below(self.changes.len() as u64 - later)) as usize].time
    }

    /// A time a few changes before another.
    fn moment_before(&self, time: u64) -> u64 {
        self.changes[self.changes.partition_point(|change| change.time < time) - 4].time
    }

    /// What was there at a time.
    fn at(&self, time: u64) -> Model {
        let mut model = Model::new();
        for Changed { key, value, .. } in self.changes.iter().take_while(|change| change.stamp <= time) {
            match (key, value) {
                (Some(key), Some(value)) => _ = model.insert(key.clone(), value.clone()),
                (Some(key), None) => _ = model.remove(key),
                (None, _) => model.clear(),
            }
        }
        model
    }

    /// Restores into `target`, which must not be there even in part where that fails.
    fn restore(&self, backup: &str, log: Option<&str>, until: Option<u64>) -> Result<Restored, Error> {
        let target = self.path("target.tch");
        if target.exists() {
            fs::remove_dir_all(&target).unwrap();
        }
        let log = log.map(|log| self.path(log));
        let what = Restore { backup: self.path(backup), target: target.clone(), log, until };
        let mut last = (Phase::Log, 0);
        let restored = restore(&what, &mut |phase, done, total| {
            assert!(phase != last.0 || done >= last.1, "{phase:?}: {done} of {total} after {last:?}");
            last = (phase, done);
        });
        assert_eq!(restored.is_ok(), target.exists());
        assert!(!self.path("target.tch.unfinished").exists());
        restored
    }

    fn check(&self, model: &Model, scene: &str) {
        for _ in 0..2 {
            check(&Store::open(small_segments(&self.path("target.tch"), SEGMENT)).unwrap(), model, scene);
        }
    }
}

/// A history with a backup in the middle; after it, all that was before is written once more, so that
/// compaction takes the segments from before it and leaves those from behind it.
fn history(random: &mut Random) -> (History, Backup) {
    let mut history = History::new();
    history.put_all(0..3_000, random);
    history.go_on(1_000, 3_000, random);
    let backup = history.backup("backup.tch");
    let more = random.below(300);
    history.go_on(more, 3_000, random);
    history.put_all(0..3_000, random);
    (history, backup)
}

#[test]
fn a_backup_alone_is_the_state_at_its_position() {
    let mut random = random::seeded("a_backup_alone_is_the_state_at_its_position");
    let (history, backup) = history(&mut random);
    let restored = history.restore("backup.tch", None, None).unwrap();
    assert_eq!((restored.position, restored.backup), (backup.position, backup));
    assert_eq!(restored.last_change, backup.last_change);
    assert!(restored.ways.linked > 2, "{:?}", restored.ways);
    history.check(&history.at(backup.last_change), "the backup alone");
}

#[test]
fn any_time_can_be_restored_to() {
    let mut random = random::seeded("any_time_can_be_restored_to");
    let (mut history, backup) = history(&mut random);
    // Compaction has removed old segments, and moved what lived in them.
    scene_without_first_segment(&history);
    history.close();
    for round in 0..40 {
        let until = match round {
            0 => backup.last_change,
            1 => history.changes.last().unwrap().time,
            2 => u64::MAX,
            _ => history.moment(&backup, &mut random),
        };
        let restored = history.restore("backup.tch", Some("live.tch"), Some(until)).unwrap();
        let scene = format!("round {round}: until {until}");
        assert!(restored.last_change <= until && restored.position >= backup.position, "{scene}");
        history.check(&history.at(until), &scene);
    }
    let restored = history.restore("backup.tch", Some("live.tch"), None).unwrap();
    assert!(restored.torn.is_none());
    history.check(&history.at(u64::MAX), "all of it");
}

/// Waits until compaction has removed the first segment.
fn scene_without_first_segment(history: &History) {
    let since = std::time::Instant::now();
    while scene::segment(&history.path("live.tch"), 1).exists() {
        assert!(since.elapsed().as_secs() < 60, "compaction removes nothing");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Compaction has removed segments from behind the backup: what lived in them was moved, so that all of the
/// log can be gone along, and times since then can be restored to.
#[test]
fn a_log_that_was_compacted_behind_the_backup_still_serves() {
    let mut random = random::seeded("a_log_that_was_compacted_behind_the_backup_still_serves");
    let (mut across, mut refused) = (0, 0);
    for _ in 0..5 {
        let mut history = History::new();
        history.put_all(0..1_500, &mut random);
        let backup = history.backup("backup.tch");
        // The segment with the position stays: nothing in it is written again.
        history.put_all(1_500..3_000, &mut random);
        for _ in 0..4 {
            for key in 3_000..4_000 {
                match random.below(6) {
                    0 => history.delete(key),
                    _ => history.put(key, random.bytes(60)),
                }
            }
        }
        history.store().optimize().unwrap();
        for _ in 0..500 {
            history.put(random.below(4_000), random.bytes(60));
        }
        history.close();
        for round in 0..8 {
            let until = if round == 0 { u64::MAX } else { history.moment(&backup, &mut random) };
            match history.restore("backup.tch", Some("live.tch"), Some(until)) {
                Ok(restored) => {
                    history.check(&history.at(until), "along a compacted log");
                    let numbers = scene::segments(&history.path("target.tch")).len() as u64;
                    across += u64::from(restored.position.segment > numbers);
                }
                Err(Error::Unusable { why, .. }) if why.contains("compaction") => refused += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    eprintln!("{across} restored across segments that are gone, {refused} refused");
    assert!(across >= 5 && refused > 0);
}

/// Reopened and killed in between, with vanishes, and from one backup after the other.
#[test]
fn restores_follow_a_log_through_crashes_and_vanishes() {
    let mut random = random::seeded("restores_follow_a_log_through_crashes_and_vanishes");
    let mut history = History::new();
    history.put_all(0..500, &mut random);
    let mut backups = Vec::new();
    for round in 0..6 {
        let name = format!("backup{round}.tch");
        backups.push((name.clone(), history.backup(&name)));
        history.go_on(300, 500, &mut random);
        match round % 3 {
            0 => history.vanish(),
            1 => {
                history.close();
                history.reopen();
            }
            _ => {
                // Killed: the next life goes on with what is there.
                let crashed = history.path("crashed.tch");
                scene::crash(&history.path("live.tch"), &crashed);
                drop(history.store.take());
                fs::remove_dir_all(history.path("live.tch")).unwrap();
                fs::rename(crashed, history.path("live.tch")).unwrap();
                history.reopen();
            }
        }
        history.go_on(100, 500, &mut random);
    }
    // As it is while the node runs, and after a clean stop.
    scene::crash(&history.path("live.tch"), &history.path("crashed.tch"));
    history.close();
    for log in ["live.tch", "crashed.tch"] {
        for (name, backup) in &backups {
            for until in [history.moment(backup, &mut random), u64::MAX] {
                let scene = format!("{name} along {log} until {until}");
                match history.restore(name, Some(log), Some(until)) {
                    Ok(_) => history.check(&history.at(until), &scene),
                    // What vanished is soon removed, and then newer backups are needed.
                    Err(Error::Unusable { why, .. }) => assert!(why.contains("compaction"), "{scene}: {why}"),
                    Err(error) => panic!("{scene}: {error}"),
                }
            }
        }
    }
    // One that was made at the end is at the end.
    history.reopen();
    history.backup("newest.tch");
    history.go_on(20, 500, &mut random);
    history.close();
    history.restore("newest.tch", Some("live.tch"), None).unwrap();
    history.check(&history.at(u64::MAX), "the newest backup");
}

#[test]
fn nothing_that_a_database_was_restored_from_changes() {
    let mut random = random::seeded("nothing_that_a_database_was_restored_from_changes");
    let (mut history, _) = history(&mut random);
    history.close();
    let before = (files(&history.path("backup.tch")), files(&history.path("live.tch")));
    let restored = history.restore("backup.tch", Some("live.tch"), None).unwrap();
    assert!(restored.ways.linked > 3, "{:?}", restored.ways);
    wear_out(&history.path("target.tch"));
    let after = (files(&history.path("backup.tch")), files(&history.path("live.tch")));
    assert!(before == after, "a backup or a log was changed");
}

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
    let time = u64::from_le_bytes(bytes[64 + 8..64 + 16].try_into().unwrap());
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
    let time = u64::from_le_bytes(bytes[64 + 8..64 + 16].try_into().unwrap());
    // In the key.
    scene::patch(&file, 64 + 21, &[bytes[64 + 21] ^ 1]);
    let damaged = |restored: Result<Restored, Error>, file: &Path, from: u64, to: u64| match restored {
        Err(Error::Damaged { path, offset, .. }) => {
            assert_eq!(path, file.to_str().unwrap());
            assert!((from..=to).contains(&offset), "{offset} is not within {from} to {to}");
        }
        other => panic!("{other:?}"),
    };
    damaged(history.restore("backup.tch", Some("live.tch"), None), &file, 64, 64);
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

/// Segments of another size, and a record that has one of its own.
#[test]
fn large_records_and_other_sizes_are_restored() {
    let mut history = History::new();
    history.put(1, vec![1; 300_000]);
    history.backup("backup.tch");
    history.put(2, vec![2; 400_000]);
    let middle = history.changes.last().unwrap().time;
    history.close();
    let live = history.path("live.tch");
    history.store =
        Some(Store::open(Options { segment_size: 1 << 18, ..small_segments(&live, SEGMENT) }).unwrap());
    history.put(3, vec![3; 500_000]);
    history.close();
    for until in [middle, u64::MAX] {
        match history.restore("backup.tch", Some("live.tch"), Some(until)) {
            Ok(_) => history.check(&history.at(until), "large records"),
            // An empty segment that a large record passed over is removed, maybe after that time.
            Err(Error::Unusable { why, .. }) => {
                assert!(until == middle && why.contains("compaction"), "{why}")
            }
            Err(error) => panic!("{error}"),
        }
    }
}
