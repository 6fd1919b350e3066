//! Damaged databases: opening and reading gives the right values, or an error that names the file. A
//! wrong value or a panic never.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use lcnode_storage::{Error, Options, Store};

use crate::random::{self, Random};
use crate::scene::{self, Model, patch, small_segments};

const SEGMENT: usize = 1 << 16;

/// A small database on disk and all values that each key ever had.
struct Scene {
    _folder: tempfile::TempDir,
    pristine: PathBuf,
    work: PathBuf,
    model: Model,
    history: BTreeMap<Vec<u8>, BTreeSet<Option<Vec<u8>>>>,
}

impl Scene {
    /// With three full segments and a checkpoint; `killed` also with changes that no checkpoint knows.
    fn new(killed: bool, random: &mut Random) -> Self {
        let folder = scene::quick_folder();
        let (live, pristine) = (folder.path().join("live.tch"), folder.path().join("pristine.tch"));
        let mut model = Model::new();
        let mut history: BTreeMap<Vec<u8>, BTreeSet<Option<Vec<u8>>>> = BTreeMap::new();
        let mut change = |store: &Store, count: u64| {
            for _ in 0..count {
                let key = format!("key:{}", random.below(800)).into_bytes();
                let len = 20 + random.below(200);
                let new = (random.below(5) > 0).then(|| random.bytes(len));
                match &new {
                    Some(value) => {
                        store.put(&key, value).unwrap();
                        model.insert(key.clone(), value.clone());
                    }
                    None => {
                        store.delete(&key).unwrap();
                        model.remove(&key);
                    }
                }
                history.entry(key).or_default().insert(new);
            }
        };
        let store = Store::open(small_segments(&live, SEGMENT)).unwrap();
        change(&store, 1_600);
        store.close().unwrap();
        if killed {
            let store = Store::open(small_segments(&live, SEGMENT)).unwrap();
            change(&store, 400);
            scene::crash(&live, &pristine);
        } else {
            scene::copy_files(&live, &pristine);
        }
        let work = folder.path().join("work.tch");
        Self { _folder: folder, pristine, work, model, history }
    }

    fn restore(&self) {
        _ = fs::remove_dir_all(&self.work);
        scene::copy_files(&self.pristine, &self.work);
    }

    /// Files that hold something, below the directory.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![PathBuf::from("meta"), PathBuf::from("index/checkpoint")];
        files.extend(
            scene::segments(&self.pristine)
                .iter()
                .map(|file| file.strip_prefix(&self.pristine).unwrap().to_owned()),
        );
        files
    }

    /// Opens the database and reads everything. Returns whether it could be opened.
    fn judge(&self, scene: &str, strict: bool, read_only: bool) -> bool {
        let options = Options { read_only, ..small_segments(&self.work, SEGMENT) };
        let store = match Store::open(options) {
            Ok(store) => store,
            Err(error) => {
                assert!(names_a_file(&error, &self.work), "{scene}: {error}");
                return false;
            }
        };
        for number in 0..800 {
            let key = format!("key:{number}").into_bytes();
            match store.get(&key, <[u8]>::to_vec) {
                Ok(found) if found.as_ref() == self.model.get(&key) => {}
                Ok(found) => {
                    let history = self.history.get(&key);
                    let was_so = found.is_none() || history.is_some_and(|history| history.contains(&found));
                    assert!(was_so, "{scene}: {key:?} has a value that was never written");
                    assert!(!strict, "{scene}: {key:?} has an older value");
                }
                Err(error) => assert!(names_a_file(&error, &self.work), "{scene}: {error}"),
            }
        }
        _ = store.for_each(|_, _| std::ops::ControlFlow::Continue(()));
        if !read_only {
            // It may refuse, but not panic; and what it accepts is there.
            if store.put(b"new", b"value").is_ok() {
                assert_eq!(store.get(b"new", |value| value == b"value").unwrap(), Some(true), "{scene}");
            }
            _ = store.optimize();
            _ = store.close();
        }
        true
    }
}

fn names_a_file(error: &Error, path: &Path) -> bool {
    // Missing: all that made it a database has been removed.
    let known = matches!(
        error,
        Error::Damaged { .. } | Error::Foreign { .. } | Error::Newer { .. } | Error::Missing { .. }
    );
    known && error.to_string().contains(path.to_str().unwrap())
}

/// Flips bits at many offsets: all of the headers, a random choice of the rest.
fn flip(scene: &Scene, random: &mut Random, strict: bool) -> (u64, u64) {
    let rounds = random::variable("LCNODE_ROUNDS").unwrap_or(200);
    let (mut opened, mut all) = (0, 0);
    for file in scene.files() {
        let bytes = fs::read(scene.pristine.join(&file)).unwrap();
        let header = match bytes.len() {
            64 => 64,
            _ => 130,
        };
        let step = random.below(3) + 1;
        let offsets =
            (0..header).step_by(step as usize).chain((0..rounds).map(|_| random.below(bytes.len() as u64)));
        for offset in offsets.filter(|&offset| offset < bytes.len() as u64).collect::<Vec<_>>() {
            scene.restore();
            let flipped = bytes[offset as usize] ^ 1 << random.below(8);
            patch(&scene.work.join(&file), offset, &[flipped]);
            let text = format!("{} at {offset}: {} to {flipped}", file.display(), bytes[offset as usize]);
            opened += u64::from(scene.judge(&text, strict, random.below(2) == 0));
            all += 1;
        }
    }
    (opened, all)
}

#[test]
fn a_flipped_bit_is_noticed_after_a_clean_close() {
    let mut random = random::seeded("a_flipped_bit_is_noticed_after_a_clean_close");
    let scene = Scene::new(false, &mut random);
    let (opened, all) = flip(&scene, &mut random, true);
    eprintln!("{opened} of {all} could be opened");
}

/// In what was not yet closed a flipped bit may look like a torn end.
#[test]
fn a_flipped_bit_is_noticed_after_a_kill() {
    let mut random = random::seeded("a_flipped_bit_is_noticed_after_a_kill");
    let scene = Scene::new(true, &mut random);
    let (opened, all) = flip(&scene, &mut random, false);
    eprintln!("{opened} of {all} could be opened");
}

#[test]
fn a_file_cut_short_is_noticed() {
    let mut random = random::seeded("a_file_cut_short_is_noticed");
    let scene = Scene::new(false, &mut random);
    for file in scene.files() {
        let len = fs::metadata(scene.pristine.join(&file)).unwrap().len();
        let some =
            [0, 1, 8, 19, 20, 40, 60, 63, 64, 65, 84, 100, 4095, 4096, 4097, len / 2, len - 20, len - 1];
        for cut in some.into_iter().chain((0..10).map(|_| random.below(len))).filter(|&cut| cut < len) {
            scene.restore();
            fs::OpenOptions::new().write(true).open(scene.work.join(&file)).unwrap().set_len(cut).unwrap();
            scene.judge(&format!("{} cut to {cut}", file.display()), true, cut % 2 == 0);
        }
        scene.restore();
        fs::OpenOptions::new()
            .write(true)
            .open(scene.work.join(&file))
            .unwrap()
            .set_len(len + 5_000)
            .unwrap();
        scene.judge(&format!("{} made longer", file.display()), true, false);
    }
}

#[test]
fn a_missing_or_swapped_file_is_noticed() {
    let mut random = random::seeded("a_missing_or_swapped_file_is_noticed");
    for killed in [false, true] {
        let scene = Scene::new(killed, &mut random);
        for file in scene.files() {
            scene.restore();
            fs::remove_file(scene.work.join(&file)).unwrap();
            let opened = scene.judge(&format!("{} removed", file.display()), true, false);
            let is_needed = !file.ends_with("checkpoint") && scene::used(&scene.pristine.join(&file)) > 64;
            assert!(killed || !(opened && is_needed), "{} is missing", file.display());
            for other in scene.files() {
                scene.restore();
                fs::copy(scene.pristine.join(&other), scene.work.join(&file)).unwrap();
                scene.judge(&format!("{} is {}", file.display(), other.display()), true, false);
            }
        }
    }
}

#[test]
fn segments_of_another_database_are_noticed() {
    let mut random = random::seeded("segments_of_another_database_are_noticed");
    let (scene, other) = (Scene::new(false, &mut random), Scene::new(false, &mut random));
    for file in scene.files().into_iter().filter(|file| other.pristine.join(file).exists()) {
        scene.restore();
        fs::copy(other.pristine.join(&file), scene.work.join(&file)).unwrap();
        let opened = scene.judge(&format!("{} of another database", file.display()), true, false);
        assert!(!opened || file.ends_with("checkpoint"), "{}", file.display());
    }
}

#[test]
fn strange_files_are_left_alone() {
    let mut random = random::seeded("strange_files_are_left_alone");
    let scene = Scene::new(true, &mut random);
    scene.restore();
    let strange = [
        "log/notes.txt",
        "log/0000000001.seg.bak",
        "log/1.seg",
        "index/old",
        "index/checkpoint.tmp",
        "notes",
    ];
    for name in strange {
        fs::write(scene.work.join(name), b"something").unwrap();
    }
    fs::create_dir(scene.work.join("log/0000000099.seg")).unwrap();
    assert!(scene.judge("strange files", true, false));
    for name in strange.into_iter().filter(|name| !name.ends_with(".tmp")) {
        assert_eq!(fs::read(scene.work.join(name)).unwrap(), b"something", "{name}");
    }
    assert!(scene.judge("strange files again", true, true));
}

#[test]
fn many_damages_at_once_are_no_worse() {
    let mut random = random::seeded("many_damages_at_once_are_no_worse");
    let scene = Scene::new(true, &mut random);
    let files = scene.files();
    for round in 0..random::variable("LCNODE_ROUNDS").unwrap_or(300) {
        scene.restore();
        for _ in 0..=random.below(4) {
            let file = scene.work.join(&files[random.below(files.len() as u64) as usize]);
            let Ok(len) = fs::metadata(&file).map(|metadata| metadata.len()) else { continue };
            match random.below(6) {
                0 => fs::remove_file(&file).unwrap(),
                1 => fs::OpenOptions::new()
                    .write(true)
                    .open(&file)
                    .unwrap()
                    .set_len(random.below(len + 1))
                    .unwrap(),
                2 if len > 4096 => patch(&file, random.below(len - 4096), &[0; 4096]),
                _ if len > 0 => {
                    let count = random.below(20) + 1;
                    let bytes = random.bytes(count);
                    patch(&file, random.below(len), &bytes);
                }
                _ => {}
            }
        }
        scene.judge(&format!("round {round}"), false, random.below(3) == 0);
    }
}

/// Else its segment would count as empty, and be removed with what is live in it.
#[test]
fn a_damaged_length_is_not_believed_when_its_record_is_replaced() {
    let folder = scene::quick_folder();
    let path = folder.path().join("length.tch");
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    let mut model = Model::new();
    let value = vec![b'v'; 100];
    for number in 0..200 {
        let key = format!("key {number:03}").into_bytes();
        store.put(&key, &value).unwrap();
        model.insert(key, value.clone());
    }
    // The first record's value is then so long that nothing of the segment seems to be live without it.
    let records = (20 + 7 + value.len() as u32) * 200;
    patch(&scene::segment(&path, 1), 64 + 16, &(records - 27).to_le_bytes());
    store.put(b"key 000", &value).unwrap();
    scene::check(&store, &model, "after the damaged record was replaced");
    store.optimize().unwrap();
    scene::check(&store, &model, "after the log was rewritten");
}
