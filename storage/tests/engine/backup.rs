//! Backups: under load they are the state at their position, they share no file that anybody writes, and
//! interrupted ones leave nothing in the way.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lcnode_storage::examine::{self, Verdict};
use lcnode_storage::{Backup, Error, Options, Place, Position, Store, SyncMode, Ways};

use crate::faulty::{Call, Faulty};
use crate::random::{self, Random};
use crate::scene::{self, Model, check, small_segments};

const SEGMENT: usize = 1 << 16;

/// What a writer did: where the log ended before and after it, and the key's new value. No key: vanish.
struct Done {
    before: Position,
    after: Position,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
}

fn apply(model: &mut Model, done: &Done) {
    match (&done.key, &done.value) {
        (Some(key), Some(value)) => _ = model.insert(key.clone(), value.clone()),
        (Some(key), None) => _ = model.remove(key),
        (None, _) => model.clear(),
    }
}

/// Changes keys of its own until told to stop, and keeps a record of it.
fn write(store: &Store, writer: u64, seed: u64, stop: &AtomicBool, vanishes: bool) -> Vec<Done> {
    let mut random = Random::new(seed + writer);
    let mut record = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let key = format!("{writer}:{}", random.below(2_000)).into_bytes();
        let before = store.end();
        let (key, value) = match random.below(2_000) {
            0 if vanishes => {
                store.vanish().unwrap();
                (None, None)
            }
            1..400 => {
                store.delete(&key).unwrap();
                (Some(key), None)
            }
            chance => {
                let len = if chance < 410 { 10_000 } else { random.below(100) };
                let value = [&(record.len() as u64).to_le_bytes()[..], &random.bytes(len)].concat();
                store.put(&key, &value).unwrap();
                (Some(key), Some(value))
            }
        };
        record.push(Done { before, after: store.end(), key, value });
    }
    record
}

/// Checks that a backup holds of each writer exactly what it had done when the log was at the position:
/// all that had ended before it, nothing that began behind it. One change of each may have been under way.
fn check_state(path: &Path, backup: &Backup, records: &[Vec<Done>]) {
    assert_eq!(Backup::load(path).unwrap(), *backup);
    let report = examine::check(path, &mut |_| ()).unwrap();
    assert_eq!(report.verdict(), Verdict::Sound, "{report:#?}");
    let store = Store::open(small_segments(path, SEGMENT)).unwrap();
    let mut whole = Model::new();
    for (writer, record) in records.iter().enumerate() {
        let prefix = format!("{writer}:").into_bytes();
        let mut found = Model::new();
        for key in scene::keys(&store).into_iter().filter(|key| key.starts_with(&prefix)) {
            let value = store.get(&key, <[u8]>::to_vec).unwrap().unwrap();
            found.insert(key, value);
        }
        let least = record.iter().take_while(|done| done.after <= backup.position).count();
        let most = record.iter().take_while(|done| done.before < backup.position).count();
        assert!(most <= least + 1, "a writer does one thing at a time");
        let mut model = Model::new();
        record[..least].iter().for_each(|done| apply(&mut model, done));
        if model != found {
            record[least..most].iter().for_each(|done| apply(&mut model, done));
            assert!(model == found, "writer {writer} is not as after {least} or {most} changes");
        }
        whole.extend(model);
    }
    check(&store, &whole, "the backup as a whole");
}

fn backups_under_load(place: impl Fn(&Path) -> Place, writers: u64, vanishes: bool) {
    let mut random = random::seeded("backups_under_load");
    let folder = scene::quick_folder();
    // On another file system nothing can be linked.
    let elsewhere = tempfile::tempdir().unwrap();
    let options = Options { place: place(folder.path()), ..small_segments(folder.path(), SEGMENT) };
    let store = Store::open(options).unwrap();
    let stop = AtomicBool::new(false);
    let seed = random.next() >> 8;
    let (records, backups) = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..writers)
            .map(|writer| {
                let (store, stop) = (&store, &stop);
                scope.spawn(move || write(store, writer, seed, stop, vanishes))
            })
            .collect();
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                store.optimize().unwrap();
            }
        });
        let mut backups: Vec<(PathBuf, Backup, Ways)> = Vec::new();
        for number in 0..10 {
            std::thread::sleep(Duration::from_millis(random.below(150)));
            let root = if number % 2 == 0 { folder.path() } else { elsewhere.path() };
            let path = root.join(format!("backup{number}.tch"));
            let (backup, ways) = store.copy_to(&path).unwrap();
            backups.push((path, backup, ways));
        }
        stop.store(true, Ordering::Relaxed);
        (writers.into_iter().map(|writer| writer.join().unwrap()).collect::<Vec<_>>(), backups)
    });
    let is_memory = store.is_memory();
    drop(store);
    let changes: usize = records.iter().map(Vec::len).sum();
    eprintln!("{changes} changes, {} backups", backups.len());
    assert!(backups.last().unwrap().1.position.segment > 3, "too little was written");
    for (path, backup, ways) in &backups {
        let segments = scene::segments(path);
        // The last is copied, and those that were filled to the last byte: no cut tells them from others.
        let is_filled = |file: &&PathBuf| fs::metadata(file).unwrap().len() == SEGMENT as u64;
        let own = 1 + segments.iter().filter(is_filled).count();
        let can_link = !is_memory && path.starts_with(folder.path());
        let linked = if can_link { segments.len() - own } else { 0 };
        assert_eq!(
            (ways.linked + ways.cloned, ways.copied),
            (linked as u64, (segments.len() - linked) as u64)
        );
        check_state(path, backup, &records);
    }
}

#[test]
fn a_backup_under_load_is_the_state_at_its_position() {
    backups_under_load(|path| Place::Directory(path.join("live.tch")), 3, false);
}

#[test]
fn a_backup_between_vanishes_is_the_state_at_its_position() {
    backups_under_load(|path| Place::Directory(path.join("live.tch")), 1, true);
}

#[test]
fn a_backup_of_memory_is_the_state_at_its_position() {
    backups_under_load(|_| Place::Memory, 2, false);
}

/// A database with some full segments, and what is in it.
fn full_segments(path: &Path) -> (Store, Model) {
    let store = Store::open(small_segments(path, SEGMENT)).unwrap();
    let mut model = Model::new();
    for number in 0..6_000_u64 {
        let (key, value) = (number.to_le_bytes().to_vec(), vec![number as u8; 40]);
        store.put(&key, &value).unwrap();
        model.insert(key, value);
    }
    (store, model)
}

/// The bytes of all files of a directory but the lock.
pub fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(self::files(&entry.path())),
            false if entry.file_name() == "LOCK" => {}
            false => _ = files.insert(entry.path(), fs::read(entry.path()).unwrap()),
        }
    }
    files
}

/// Overwrites and removes all there is, in several lives.
pub fn wear_out(path: &Path) {
    for round in 0..3_u8 {
        let store = Store::open(small_segments(path, SEGMENT)).unwrap();
        let mut keys = scene::keys(&store);
        keys.sort();
        for key in &keys {
            store.put(key, &[round; 30]).unwrap();
        }
        keys.iter().step_by(2).for_each(|key| _ = store.delete(key).unwrap());
        store.optimize().unwrap();
        match round {
            1 => _ = store.vanish(),
            _ => store.close().unwrap(),
        }
    }
    let truncated = Options { truncate: true, ..small_segments(path, SEGMENT) };
    Store::open(truncated).unwrap().put(b"new", b"").unwrap();
}

#[test]
fn neither_changes_when_the_other_is_written_to() {
    let folder = scene::quick_folder();
    let [live, one, two] = ["live.tch", "one.tch", "two.tch"].map(|name| folder.path().join(name));
    let (store, model) = full_segments(&live);
    let (_, ways) = store.copy_to(&one).unwrap();
    store.copy_to(&two).unwrap();
    assert!(ways.linked > 3 && ways.copied == 1, "{ways:?}");
    assert!(fs::metadata(scene::segment(&live, 1)).unwrap().nlink() == 3);
    store.close().unwrap();

    let before = (files(&one), files(&live));
    wear_out(&two);
    assert!((files(&one), files(&live)) == before, "writing to a backup changed others");
    let before = files(&one);
    wear_out(&live);
    assert!(files(&one) == before, "writing to the database changed a backup");
    check(&Store::open(small_segments(&one, SEGMENT)).unwrap(), &model, "the backup");
}

/// What may still be cut is not linked: the cut would change both.
#[test]
fn a_segment_that_is_not_cut_yet_is_copied() {
    let folder = scene::quick_folder();
    let [live, copy] = ["live.tch", "copy.tch"].map(|name| folder.path().join(name));
    let (store, model) = full_segments(&live);
    store.close().unwrap();
    // As a power loss between seal and cut leaves it.
    let uncut = scene::segment(&live, 2);
    let cut = fs::metadata(&uncut).unwrap().len();
    File::options().write(true).open(&uncut).unwrap().set_len(SEGMENT as u64).unwrap();
    let store = Store::open(Options { read_only: true, ..small_segments(&live, SEGMENT) }).unwrap();
    let (_, ways) = store.copy_to(&copy).unwrap();
    assert_eq!(ways.copied, 2, "{ways:?}");
    drop(store);
    for (number, links, len) in [(1, 2, None), (2, 1, Some(cut)), (3, 2, None)] {
        let found = fs::metadata(scene::segment(&copy, number)).unwrap();
        assert_eq!(found.nlink(), links, "segment {number}");
        assert!(len.is_none_or(|len| found.len() == len));
    }
    let before = files(&copy);
    Store::open(small_segments(&live, SEGMENT)).unwrap().close().unwrap();
    assert_eq!(fs::metadata(&uncut).unwrap().len(), cut, "cut by now");
    assert!(files(&copy) == before);
    check(&Store::open(small_segments(&copy, SEGMENT)).unwrap(), &model, "the copy");
}

/// After a power loss the log can end behind a seal. A database that is only read stays so.
#[test]
fn a_log_that_ends_with_a_seal_is_copied() {
    let folder = scene::quick_folder();
    let [live, copy] = ["live.tch", "copy.tch"].map(|name| folder.path().join(name));
    let (store, mut model) = full_segments(&live);
    let end = store.end();
    store.close().unwrap();
    fs::remove_file(live.join("index/checkpoint")).unwrap();
    for file in scene::segments(&live).into_iter().skip(end.segment as usize) {
        fs::remove_file(file).unwrap();
    }
    fs::write(scene::segment(&live, end.segment), [0; SEGMENT]).unwrap();
    let store = Store::open(Options { read_only: true, ..small_segments(&live, SEGMENT) }).unwrap();
    let (backup, _) = store.copy_to(&copy).unwrap();
    assert_eq!(backup.position, Position { segment: end.segment, offset: 64 });
    let keys = scene::keys(&store);
    model.retain(|key, _| keys.contains(key));
    assert!(model.len() > 3_000);
    drop(store);
    check(&Store::open(small_segments(&copy, SEGMENT)).unwrap(), &model, "the copy");
    Store::open(small_segments(&copy, SEGMENT)).unwrap().put(b"more", b"").unwrap();
}

#[test]
fn what_is_in_the_way_is_refused_or_removed() {
    let folder = scene::quick_folder();
    let (store, model) = full_segments(&folder.path().join("live.tch"));
    let copy = folder.path().join("copy.tch");
    let left = folder.path().join("copy.tch.unfinished");
    // Of a process that was killed.
    fs::create_dir_all(left.join("log")).unwrap();
    fs::write(left.join("log/0000000001.seg"), "half").unwrap();
    // Of one that is at work.
    let lock = File::open(&left).unwrap();
    lock.lock().unwrap();
    let refused = store.copy_to(&copy);
    assert!(
        matches!(&refused, Err(Error::Unusable { why, .. }) if why.contains("somebody else")),
        "{refused:?}"
    );
    assert!(left.join("log/0000000001.seg").exists() && !copy.exists());
    drop(lock);
    store.copy_to(&copy).unwrap();
    assert!(!left.exists());
    let before = files(&copy);
    let refused = store.copy_to(&copy);
    assert!(matches!(refused, Err(Error::Io { .. })), "{refused:?}");
    // That name would be removed by the next copy to the name without its ending.
    assert!(store.copy_to(&left).is_err() && store.copy_to(&folder.path().join("..")).is_err());
    // A link is nobody's left-over.
    symlink(&copy, folder.path().join("other.tch.unfinished")).unwrap();
    assert!(store.copy_to(&folder.path().join("other.tch")).is_err());
    // A slash at the end is no name of its own.
    store.copy_to(&folder.path().join("slash.tch/")).unwrap();
    assert!(files(&copy) == before);
    check(&Store::open(small_segments(&folder.path().join("slash.tch"), SEGMENT)).unwrap(), &model, "slash");
}

#[test]
fn a_snapshot_goes_when_it_is_dropped() {
    let folder = scene::quick_folder();
    let (store, model) = full_segments(&folder.path().join("live.tch"));
    let path = folder.path().join("live.tch.snapshot");
    // Of a process that was killed.
    fs::create_dir_all(path.join("log")).unwrap();
    let snapshot = store.snapshot_at(&path).unwrap();
    assert_eq!(snapshot.backup.last_change, store.last_change());
    let refused = store.snapshot_at(&path);
    assert!(matches!(refused, Err(Error::Unusable { .. })), "one at a time: {refused:?}");
    check(&Store::open(small_segments(&path, SEGMENT)).unwrap(), &model, "the snapshot");
    drop(snapshot);
    assert!(!path.exists());
}

#[test]
fn a_copy_fails_where_the_log_cannot_be_made_durable() {
    let folder = scene::quick_folder();
    let medium = Faulty::new(&folder.path().join("faults.tch"));
    let options = small_segments(&folder.path().join("faults.tch"), SEGMENT);
    let store = Store::on(medium.clone(), options, None).unwrap();
    store.put(b"key", b"value").unwrap();
    medium.fail(Call::Sync, 0, 1);
    let copy = folder.path().join("copy.tch");
    assert!(matches!(store.copy_to(&copy), Err(Error::Failed(_))));
    assert!(!copy.exists() && !folder.path().join("copy.tch.unfinished").exists());
}

/// The child: writes and makes backups until it is killed. Does nothing in an ordinary run.
#[test]
fn child() {
    let Ok(path) = std::env::var("LCNODE_BACKUP_CHILD") else { return };
    let folder = Path::new(&path);
    let options = Options { sync: SyncMode::Never, ..small_segments(&folder.join("live.tch"), SEGMENT) };
    let store = Store::open(options).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in store.records().. {
                store.put(&number.to_be_bytes(), &number.to_le_bytes()).unwrap();
            }
        });
        for round in 0_u64.. {
            let copy = folder.join("copy.tch");
            store.copy_to(&copy).unwrap();
            let (done, trash) = (folder.join(format!("done{}.tch", round % 2)), folder.join("trash"));
            // A half removed one must not be taken for a half made one.
            _ = fs::remove_dir_all(&trash);
            _ = fs::rename(&done, &trash);
            fs::rename(&copy, &done).unwrap();
        }
    });
}

#[test]
fn killed_copies_are_there_in_full_or_not_at_all() {
    let mut random = random::seeded("killed_copies_are_there_in_full_or_not_at_all");
    let folder = scene::quick_folder();
    let mut found = 0;
    for kill in 0..random::variable("LCNODE_KILLS").unwrap_or(12) {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "backup::child", "--nocapture"])
            .env("LCNODE_BACKUP_CHILD", folder.path())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(20 + random.below(150)));
        child.kill().unwrap();
        child.wait().unwrap();
        for name in ["copy.tch", "done0.tch", "done1.tch"] {
            let path = folder.path().join(name);
            if !path.exists() {
                continue;
            }
            // Whole, so that it is the first so many records.
            found += 1;
            let backup = Backup::load(&path).unwrap();
            let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
            assert!(store.end() >= backup.position);
            for number in 0..store.records() {
                let value = store.get(&number.to_be_bytes(), |value| value == number.to_le_bytes()).unwrap();
                assert_eq!(value, Some(true), "kill {kill}: {name}, record {number}");
            }
            drop(store);
            fs::remove_dir_all(path).unwrap();
        }
        // The next node opens the database, and makes a copy of the same name in spite of what is left.
        let store = Store::open(small_segments(&folder.path().join("live.tch"), SEGMENT)).unwrap();
        store.copy_to(&folder.path().join("copy.tch")).unwrap();
        drop(store);
        assert!(!folder.path().join("copy.tch.unfinished").exists());
        fs::remove_dir_all(folder.path().join("copy.tch")).unwrap();
    }
    assert!(found > 0, "no copy was ever finished");
}

/// Nobody here links a file that may still be written; but somebody else may have.
#[test]
fn a_file_with_two_names_is_not_wiped() {
    let folder = scene::quick_folder();
    let live = folder.path().join("live.tch");
    let (store, _) = full_segments(&live);
    let end = store.end();
    let crashed = folder.path().join("crashed.tch");
    scene::crash(&live, &crashed);
    let torn = scene::segment(&crashed, end.segment);
    scene::patch(&torn, end.offset, &[7; 30]);
    let other = folder.path().join("other.seg");
    fs::hard_link(&torn, &other).unwrap();
    let before = fs::read(&other).unwrap();
    let refused = Store::open(small_segments(&crashed, SEGMENT));
    assert!(refused.is_err_and(|error| error.to_string().contains("another name")));
    assert!(fs::read(&other).unwrap() == before);
    fs::remove_file(&other).unwrap();
    assert_eq!(Store::open(small_segments(&crashed, SEGMENT)).unwrap().end(), end);
}
