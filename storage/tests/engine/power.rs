//! Power losses: whatever was synced is there, and of what came after it a part from the front.
//!
//! `LCNODE_LOSSES` sets how often the power fails (150).

use std::path::PathBuf;

use lcnode_storage::examine::Verdict;
use lcnode_storage::{Options, Store, SyncMode};

use crate::faulty::Faulty;
use crate::random::{self, Random};
use crate::scene::{self, Model, small_segments};

const SEGMENT: usize = 1 << 16;
const KEYS: u64 = 700;

/// One change; its number is in the value.
enum Change {
    Put(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Vanish,
}

fn change(number: u64, random: &mut Random) -> Change {
    let key = format!("key:{}", random.below(KEYS)).into_bytes();
    match random.below(5_000) {
        0 => Change::Vanish,
        1..1_500 => Change::Delete(key),
        _ => {
            let len = if random.below(300) == 0 { 20_000 } else { random.below(150) };
            Change::Put(key, [&number.to_le_bytes()[..], &random.bytes(len)].concat())
        }
    }
}

fn apply(model: &mut Model, change: &Change) {
    match change {
        Change::Put(key, value) => _ = model.insert(key.clone(), value.clone()),
        Change::Delete(key) => _ = model.remove(key),
        Change::Vanish => model.clear(),
    }
}

/// The model after what was synced, and all changes since.
struct History {
    synced: Model,
    since: Vec<Change>,
}

impl History {
    fn sync(&mut self) {
        for change in self.since.drain(..) {
            apply(&mut self.synced, &change);
        }
    }

    /// Checks that a store is as after some number of the changes since the last sync; returns the rest.
    fn check(&self, store: &Store, scene: &str) {
        let mut found = Model::new();
        for key in scene::keys(store) {
            let value = store.get(&key, <[u8]>::to_vec).unwrap().unwrap();
            found.insert(key, value);
        }
        let mut model = self.synced.clone();
        if model == found {
            return;
        }
        for change in &self.since {
            apply(&mut model, change);
            if model == found {
                return;
            }
        }
        panic!("{scene}: {} records are as at no moment since the last sync", found.len());
    }
}

fn survive(test: &str, sync: SyncMode, mut random: Random) {
    let losses = random::variable("LCNODE_LOSSES").unwrap_or(150);
    let folder = scene::quick_folder();
    let path = |generation: u64| -> PathBuf { folder.path().join(format!("{generation}.tch")) };
    let mut generation = 0;
    let mut medium = Faulty::new(&path(0));
    let options = |generation| Options { sync, ..small_segments(&path(generation), SEGMENT) };
    let mut store = Store::on(medium.clone(), options(0), None).unwrap();
    let mut history = History { synced: Model::new(), since: Vec::new() };
    let (mut number, mut lost) = (0, 0);
    while lost < losses {
        number += 1;
        let next = change(number, &mut random);
        match &next {
            Change::Put(key, value) => store.put(key, value).unwrap(),
            Change::Delete(key) => _ = store.delete(key).unwrap(),
            Change::Vanish => store.vanish().unwrap(),
        }
        history.since.push(next);
        match random.below(3_000) {
            0..30 => {
                store.sync().unwrap();
                history.sync();
            }
            30 => {
                store.close().unwrap();
                history.sync();
                store = Store::on(medium.clone(), options(generation), None).unwrap();
            }
            31 => store.optimize().unwrap(),
            32..40 => {
                lost += 1;
                let image = path(generation + 1);
                medium.lose_power(&image, &mut random);
                let scene = format!("{test}, loss {lost}");
                let after = Faulty::new(&image);
                if random.below(2) == 0 {
                    // A checkpoint is only a shortcut.
                    _ = std::fs::remove_file(image.join("index/checkpoint"));
                }
                // What a loss of power leaves is never taken for damage.
                let report = lcnode_storage::examine::check(&image, &mut |_| ()).unwrap();
                assert!(report.verdict() != Verdict::Damaged, "{scene}: {report:#?}");
                let opened = Store::on(after.clone(), options(generation + 1), None);
                let opened = opened.unwrap_or_else(|error| panic!("{scene}: {error}"));
                history.check(&opened, &scene);
                if random.below(4) > 0 {
                    drop(opened);
                    std::fs::remove_dir_all(&image).unwrap();
                    continue;
                }
                // Go on with what was left.
                drop(store);
                std::fs::remove_dir_all(path(generation)).unwrap();
                generation += 1;
                (medium, store) = (after, opened);
                history = History { synced: Model::new(), since: Vec::new() };
                for key in scene::keys(&store) {
                    let value = store.get(&key, <[u8]>::to_vec).unwrap().unwrap();
                    history.synced.insert(key, value);
                }
                store.sync().unwrap();
            }
            _ => {}
        }
    }
    eprintln!("{test}: {lost} power losses in {number} changes, {generation} gone on after");
}

#[test]
fn what_was_synced_survives_a_power_loss() {
    let random = random::seeded("what_was_synced_survives_a_power_loss");
    survive("synced by hand", SyncMode::Never, random);
}

#[test]
fn what_was_synced_survives_a_power_loss_while_others_sync_too() {
    let random = random::seeded("what_was_synced_survives_a_power_loss_while_others_sync_too");
    survive("synced every millisecond", SyncMode::Every(std::time::Duration::from_millis(1)), random);
}
