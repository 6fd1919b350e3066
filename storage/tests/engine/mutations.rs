//! Databases that somebody has been at, in random ways: check, inspect and repair end, and agree with what
//! opening the database comes to.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use lcnode_storage::examine::{Verdict, check, inspect, repair};
use lcnode_storage::{Options, Store};

use crate::examine::{change, files};
use crate::forged::forge;
use crate::random::{self, Random};
use crate::scene::{self, Model, patch, small_segments};

const SEGMENT: usize = 1 << 16;

struct Scene {
    _folder: tempfile::TempDir,
    pristine: PathBuf,
    work: PathBuf,
    new: PathBuf,
    model: Model,
    history: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    /// No change is behind the checkpoint, so a lost end is noticed.
    closed: bool,
}

impl Scene {
    fn new(closed: bool, random: &mut Random) -> Self {
        let folder = scene::quick_folder();
        let at = |name: &str| folder.path().join(name);
        let (mut model, mut history) = (Model::new(), BTreeMap::new());
        let store = Store::open(small_segments(&at("live.tch"), SEGMENT)).unwrap();
        change(&store, random, 1_000, &mut model, &mut history);
        store.close().unwrap();
        if !closed {
            let store = Store::open(small_segments(&at("live.tch"), SEGMENT)).unwrap();
            change(&store, random, 500, &mut model, &mut history);
            scene::crash(&at("live.tch"), &at("pristine.tch"));
        } else {
            scene::copy_files(&at("live.tch"), &at("pristine.tch"));
        }
        let (pristine, work, new) = (at("pristine.tch"), at("work.tch"), at("new.tch"));
        Self { _folder: folder, pristine, work, new, model, history, closed }
    }

    /// Does something bad to a file; says what. A CRC may be forged.
    fn mutate(&self, random: &mut Random, forged: &mut bool) -> String {
        let names: Vec<PathBuf> = files(&self.pristine).into_keys().collect();
        let pick = |random: &mut Random| names[random.below(names.len() as u64) as usize].clone();
        let name = pick(random);
        let file = self.work.join(name.strip_prefix(&self.pristine).unwrap());
        let Ok(len) = fs::metadata(&file).map(|found| found.len()) else { return "nothing".to_owned() };
        // Most of what is there is in the front.
        let reach = if random.below(3) == 0 { len.max(1) } else { len.clamp(1, 200) };
        let at = random.below(reach);
        let what = random.below(9);
        match what {
            0 => fs::remove_file(&file).unwrap(),
            1 => fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(at).unwrap(),
            2 => fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(len + at).unwrap(),
            3 => _ = fs::copy(pick(random), &file).unwrap(),
            4 if len > 0 => {
                let count = random.below(5_000).min(len - at);
                patch(&file, at, &vec![0; count as usize]);
            }
            5 if len > 0 => {
                let count = (random.below(3_000) + 1).min(len - at);
                patch(&file, at, &random.bytes(count));
            }
            6 if len >= 4096 && file.ends_with("checkpoint") => {
                let at = [32 + random.below(16), 80 + random.below(24), 4096 + random.below(3_000)];
                for at in at {
                    if random.below(2) == 0 {
                        patch(&file, at, &random.bytes(1));
                    }
                }
                *forged |= forge(&file);
            }
            6 if len >= 64 => {
                let mut head = fs::read(&file).unwrap()[..64].to_vec();
                head[(at % 60) as usize] ^= 1 << random.below(8);
                let crc = crc32fast::hash(&head[..60]).to_le_bytes();
                head[60..].copy_from_slice(&crc);
                patch(&file, 0, &head);
                *forged = true;
            }
            _ if len > 0 => {
                let byte = fs::read(&file).unwrap()[at as usize];
                patch(&file, at, &[byte ^ 1 << random.below(8)]);
            }
            _ => {}
        }
        format!("{what} {} at {at}", file.display())
    }

    fn was_stored(&self, key: &[u8], value: &[u8]) -> bool {
        self.history.get(key).is_some_and(|values| values.iter().any(|one| one == value))
    }

    fn judge(&self, forged: bool, story: &str) -> Verdict {
        let before = files(&self.work);
        let checked = check(&self.work, &mut |_| ());
        let inspected = inspect(&self.work, &mut |_| ());
        let repaired = repair(&self.work, &self.new, &mut |_| ());
        assert!(files(&self.work) == before, "{story}: the database was changed");
        let verdict = checked.as_ref().map_or(Verdict::Damaged, |report| report.verdict());
        if let Ok(repaired) = &repaired {
            let report = check(&self.new, &mut |_| ()).unwrap();
            assert_eq!(report.findings, [], "{story}");
            let store = Store::open(small_segments(&self.new, SEGMENT)).unwrap();
            assert_eq!(store.records(), repaired.saved, "{story}");
            for key in scene::keys(&store) {
                let known = store.get(&key, |value| self.was_stored(&key, value)).unwrap();
                assert_eq!(known, Some(true), "{story}: {key:?}");
            }
            if verdict == Verdict::Sound && self.closed {
                scene::check(&store, &self.model, story);
            }
            drop(store);
            fs::remove_dir_all(&self.new).unwrap();
        }
        // A forged table might lead nowhere, and the store believes what has its CRC.
        if forged && verdict == Verdict::Damaged {
            return verdict;
        }
        for read_only in [true, false] {
            match Store::open(Options { read_only, ..small_segments(&self.work, SEGMENT) }) {
                Err(error) => {
                    let is_begun_anew = inspected.as_ref().is_ok_and(|view| !view.complete) && read_only;
                    assert!(
                        verdict == Verdict::Damaged || is_begun_anew,
                        "{story}: {checked:#?}, but {error}"
                    );
                    assert!(inspected.is_err() || is_begun_anew, "{story}: {error}");
                }
                Ok(store) if verdict == Verdict::Sound && self.closed => {
                    scene::check(&store, &self.model, story);
                    assert!(repaired.is_ok() && inspected.is_ok(), "{story}");
                }
                Ok(store) if verdict != Verdict::Damaged => {
                    for key in scene::keys(&store) {
                        let known = store.get(&key, |value| self.was_stored(&key, value)).unwrap();
                        assert_eq!(known, Some(true), "{story}: {key:?}");
                    }
                }
                Ok(_) => {}
            }
        }
        verdict
    }
}

#[test]
fn what_they_say_is_what_opening_comes_to() {
    let mut random = random::seeded("what_they_say_is_what_opening_comes_to");
    let rounds = random::variable("LCNODE_ROUNDS").unwrap_or(120);
    let mut verdicts: BTreeMap<Verdict, u64> = BTreeMap::new();
    for closed in [true, false] {
        let scene = Scene::new(closed, &mut random);
        for round in 0..rounds {
            _ = fs::remove_dir_all(&scene.work);
            scene::copy_files(&scene.pristine, &scene.work);
            let mut forged = false;
            let count = if round % 3 == 0 { 1 + random.below(3) } else { 1 };
            let story: Vec<_> = (0..count).map(|_| scene.mutate(&mut random, &mut forged)).collect();
            eprintln!("round {round}: {}", story.join(", "));
            *verdicts.entry(scene.judge(forged, &story.join(", "))).or_default() += 1;
        }
    }
    eprintln!("{verdicts:?}");
    assert_eq!(verdicts.len(), 3, "each verdict was met: {verdicts:?}");
}
