//! A database whose every change is known, so that any state of it can be told.

use std::fs;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use lcnode_storage::{Backup, Error, Phase, Restore, Restored, Store, restore};

use crate::random::Random;
use crate::scene::{self, Model, check, small_segments};

pub const SEGMENT: usize = 1 << 16;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

/// A change: its stamp or a little more, a time after it and before the next, and what it was. No value: a
/// delete. No key: a vanish.
pub struct Changed {
    pub stamp: u64,
    pub time: u64,
    pub key: Option<Vec<u8>>,
    pub value: Option<Vec<u8>>,
}

/// A database whose every change is known.
pub struct History {
    folder: tempfile::TempDir,
    pub store: Option<Store>,
    pub changes: Vec<Changed>,
}

impl History {
    pub fn new() -> Self {
        let folder = scene::quick_folder();
        let store = Store::open(small_segments(&folder.path().join("live.tch"), SEGMENT)).unwrap();
        Self { folder, store: Some(store), changes: Vec::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    pub fn close(&mut self) {
        self.store.take().unwrap().close().unwrap();
    }

    pub fn reopen(&mut self) {
        self.store = Some(Store::open(small_segments(&self.path("live.tch"), SEGMENT)).unwrap());
    }

    /// Notes a change, and sees to it that the next has a later time.
    pub fn note(&mut self, key: Option<Vec<u8>>, value: Option<Vec<u8>>) {
        let stamp = self.store().last_change();
        let time = now().max(stamp);
        self.changes.push(Changed { stamp, time, key, value });
        while now() <= time {
            std::hint::spin_loop();
        }
    }

    pub fn put(&mut self, key: u64, value: Vec<u8>) {
        self.store().put(&key.to_le_bytes(), &value).unwrap();
        self.note(Some(key.to_le_bytes().to_vec()), Some(value));
    }

    pub fn delete(&mut self, key: u64) {
        if self.store().delete(&key.to_le_bytes()).unwrap() {
            self.note(Some(key.to_le_bytes().to_vec()), None);
        }
    }

    pub fn vanish(&mut self) {
        self.store().vanish().unwrap();
        self.note(None, None);
    }

    /// Puts keys of a range, each once.
    pub fn put_all(&mut self, keys: std::ops::Range<u64>, random: &mut Random) {
        for key in keys {
            let len = random.below(100);
            self.put(key, random.bytes(len));
        }
    }

    /// Some of everything.
    pub fn go_on(&mut self, changes: u64, keys: u64, random: &mut Random) {
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

    pub fn backup(&self, name: &str) -> Backup {
        self.store().copy_to(&self.path(name)).unwrap().0
    }

    /// A time right after one of the changes that a backup does not have; it is before the next.
    pub fn moment(&self, backup: &Backup, random: &mut Random) -> u64 {
        let later = self.changes.partition_point(|change| change.stamp <= backup.last_change) as u64;
        self.changes[(later + random.below(self.changes.len() as u64 - later)) as usize].time
    }

    /// A time a few changes before another.
    pub fn moment_before(&self, time: u64) -> u64 {
        self.changes[self.changes.partition_point(|change| change.time < time) - 4].time
    }

    /// What was there at a time.
    pub fn at(&self, time: u64) -> Model {
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
    pub fn restore(&self, backup: &str, log: Option<&str>, until: Option<u64>) -> Result<Restored, Error> {
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

    pub fn check(&self, model: &Model, scene: &str) {
        for _ in 0..2 {
            check(&Store::open(small_segments(&self.path("target.tch"), SEGMENT)).unwrap(), model, scene);
        }
    }
}

/// A key that nothing else puts.
const STAYS: u64 = u64::MAX;

/// A history with a backup in the middle; after it, all that was before is written once more, so that
/// compaction takes the segments from before it and leaves those from behind it. The backup's last segment
/// holds a record from behind its position that stays live: else compaction might take that segment too, and
/// with it the way from the backup on.
pub fn history(random: &mut Random) -> (History, Backup) {
    let mut history = History::new();
    history.put_all(0..3_000, random);
    history.go_on(1_000, 3_000, random);
    let backup = loop {
        let backup = history.backup("backup.tch");
        history.put(STAYS, random.bytes(50));
        if history.store().end().segment == backup.position.segment {
            break backup;
        }
        fs::remove_dir_all(history.path("backup.tch")).unwrap();
    };
    let more = random.below(300);
    history.go_on(more, 3_000, random);
    history.put_all(0..3_000, random);
    (history, backup)
}
