//! Restoring: to any time it is the state of that time, and nothing that it was made of changes.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lcnode_storage::{Clock, Error, Options, Restore, Store, restore};

use crate::backup::{files, wear_out};
use crate::history::{History, SEGMENT, history};
use crate::random;
use crate::scene::{self, Model, check, small_segments};

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

/// A segment begins with a memo whose time goes on with the records of the log, those that compaction moved
/// included, while the time of changes stands still.
#[test]
fn a_time_to_restore_to_is_one_of_changes() {
    let folder = scene::quick_folder();
    let path = |name: &str| folder.path().join(name);
    let time = Arc::new(AtomicU64::new(1_800_000_000_000_000));
    let shown = Arc::clone(&time);
    let clock = Clock::Given(Arc::new(move || shown.load(Ordering::Relaxed)));
    let store = Store::open(Options { clock, ..small_segments(&path("live.tch"), SEGMENT) }).unwrap();
    let mut model = Model::new();
    let mut put = |key: u64| {
        let value = store.last_change().to_le_bytes().to_vec();
        store.put(&key.to_le_bytes(), &value).unwrap();
        model.insert(key.to_le_bytes().to_vec(), value);
    };
    (0..10_000).for_each(&mut put);
    (0..10_000).filter(|key| key % 2 == 0).for_each(&mut put);
    store.copy_to(&path("backup.tch")).unwrap();
    store.optimize().unwrap();
    (20_000..23_000).for_each(&mut put);
    let until = store.last_change();
    let expected = model.clone();
    // Changes of one microsecond are restored together.
    time.store(until + 1, Ordering::Relaxed);
    (20_000..20_100_u64).for_each(|key| store.put(&key.to_le_bytes(), b"later").unwrap());
    store.close().unwrap();
    let (log, until) = (Some(path("live.tch")), Some(until));
    let what = Restore { backup: path("backup.tch"), target: path("target.tch"), log, until };
    let restored = restore(&what, &mut |_, _, _| ()).unwrap();
    assert_eq!(Some(restored.last_change), until);
    let store = Store::open(small_segments(&path("target.tch"), SEGMENT)).unwrap();
    check(&store, &expected, "up to a time");
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
