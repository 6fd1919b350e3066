//! Looking at databases that no node has open: what check, inspect and repair say of sound ones, and of ones
//! with a damage that is known.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lcnode_storage::examine::{
    CheckpointView, Inspection, Report, SegmentState, Verdict, Weight, check, inspect, repair,
};
use lcnode_storage::{Error, Options, Store};

use crate::random::{self, Random};
use crate::scene::{self, Model, patch, small_segments};

const SEGMENT: usize = 1 << 16;

/// Changes a database at random, and the model with it. All values that a key ever had are in `history`.
pub fn change(
    store: &Store,
    random: &mut Random,
    count: u64,
    model: &mut Model,
    history: &mut BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
) {
    for _ in 0..count {
        let key = format!("key:{}", random.below(800)).into_bytes();
        if random.below(5) == 0 {
            store.delete(&key).unwrap();
            model.remove(&key);
            continue;
        }
        let len = 20 + random.below(200);
        let value = random.bytes(len);
        store.put(&key, &value).unwrap();
        history.entry(key.clone()).or_default().push(value.clone());
        model.insert(key, value);
    }
}

/// Everything in a database but its lock.
pub fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for folder in [path.to_owned(), path.join("log"), path.join("index")] {
        for entry in fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() && entry.file_name() != "LOCK" {
                files.insert(entry.path(), fs::read(entry.path()).unwrap());
            }
        }
    }
    files
}

/// A database and what is in it.
pub struct Scene {
    pub folder: tempfile::TempDir,
    pub path: PathBuf,
    pub model: Model,
}

impl Scene {
    /// A database with some full segments; `killed` with changes that its checkpoint does not know.
    pub fn new(killed: bool) -> Self {
        let folder = scene::quick_folder();
        let (live, path) = (folder.path().join("live.tch"), folder.path().join("scene.tch"));
        let (mut model, mut history) = (Model::new(), BTreeMap::new());
        let mut random = random::seeded("examine");
        let store = Store::open(small_segments(&live, SEGMENT)).unwrap();
        change(&store, &mut random, 1_600, &mut model, &mut history);
        store.close().unwrap();
        if killed {
            let store = Store::open(small_segments(&live, SEGMENT)).unwrap();
            change(&store, &mut random, 100, &mut model, &mut history);
            scene::crash(&live, &path);
        } else {
            scene::copy_files(&live, &path);
        }
        Self { folder, path, model }
    }

    pub fn check(&self) -> Report {
        let before = files(&self.path);
        let (mut last, mut total) = (0, 0);
        let report = check(&self.path, &mut |progress| {
            assert!(progress.done <= progress.total && (progress.done == 0 || progress.done > last));
            (last, total) = (progress.done, progress.total);
        });
        assert_eq!(last, total, "the progress ends at its end");
        assert!(files(&self.path) == before, "a check changes nothing");
        report.unwrap()
    }

    /// Checks, and expects one finding alone, whose text has all of `parts`.
    pub fn finds(&self, weight: Weight, parts: &[&str]) {
        let report = self.check();
        assert_eq!(report.findings.len(), 1, "{report:#?}");
        let text = report.findings[0].to_string();
        assert_eq!(report.findings[0].weight, weight, "{text}");
        for part in parts {
            assert!(text.contains(part), "{part:?} is not in {text}");
        }
    }

    /// Repairs into a new database, which is then sound, and holds what `expected` does.
    pub fn repairs(&self, expected: &Model) -> Vec<String> {
        let before = files(&self.path);
        let new = self.folder.path().join("new.tch");
        let repaired = repair(&self.path, &new, &mut |_| ()).unwrap();
        assert!(files(&self.path) == before, "a repair changes nothing");
        assert_eq!(check(&new, &mut |_| ()).unwrap().findings, []);
        assert_eq!(repaired.saved, expected.len() as u64);
        let store = Store::open(small_segments(&new, SEGMENT)).unwrap();
        scene::check(&store, expected, "repaired");
        store.put(b"one more", b"value").unwrap();
        store.close().unwrap();
        fs::remove_dir_all(&new).unwrap();
        repaired.lost.iter().map(ToString::to_string).collect()
    }

    /// The model without the key of a record, which must be the live one.
    fn without(&self, key: &[u8]) -> Model {
        self.model.iter().filter(|(other, _)| *other != key).map(|(k, v)| (k.clone(), v.clone())).collect()
    }

    /// The first put of `key` with the value that it has now: file, offset in it, bytes.
    fn place_of(&self, key: &[u8]) -> (PathBuf, u64, u64) {
        let value = &self.model[key];
        for file in scene::segments(&self.path) {
            let bytes = fs::read(&file).unwrap();
            let text = [key, value].concat();
            if let Some(at) = bytes.windows(text.len()).position(|window| window == text) {
                return (file, at as u64 - 20, text.len() as u64 + 20);
            }
        }
        panic!("{key:?} is not in the log");
    }
}

#[test]
fn a_sound_database_is_called_sound() {
    let scene = Scene::new(false);
    let report = scene.check();
    assert_eq!((report.verdict(), &report.findings[..]), (Verdict::Sound, &[][..]));
    assert_eq!(report.segments, scene::segments(&scene.path).len() as u64);
    assert!(report.records >= scene.model.len() as u64);
    assert_eq!(scene.repairs(&scene.model), [""; 0]);
    fs::remove_file(scene.path.join("index/checkpoint")).unwrap();
    assert_eq!(scene.check().verdict(), Verdict::Sound, "nothing is wrong with having no checkpoint");
    fs::remove_dir(scene.path.join("index")).unwrap();
    assert_eq!(scene.check().verdict(), Verdict::Sound);
}

#[test]
fn a_backup_and_an_empty_database_are_sound() {
    let folder = scene::quick_folder();
    let (path, copy) = (folder.path().join("a.tch"), folder.path().join("b.tch"));
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    for number in 0..2_000 {
        store.put(format!("k{number}").as_bytes(), &[1; 100]).unwrap();
    }
    store.vanish().unwrap();
    store.put(b"k", b"v").unwrap();
    store.copy_to(&copy).unwrap();
    drop(store);
    for path in [&path, &copy] {
        assert_eq!(check(path, &mut |_| ()).unwrap().findings, []);
        assert_eq!(inspect(path, &mut |_| ()).unwrap().records, 1);
        let new = path.with_extension("new");
        assert_eq!(repair(path, &new, &mut |_| ()).unwrap().saved, 1, "vanished is vanished");
    }
    let empty = folder.path().join("empty.tch");
    Store::open(small_segments(&empty, SEGMENT)).unwrap().close().unwrap();
    assert_eq!(check(&empty, &mut |_| ()).unwrap().verdict(), Verdict::Sound);
    assert_eq!(repair(&empty, &folder.path().join("none.tch"), &mut |_| ()).unwrap().saved, 0);
    assert_eq!(check(&folder.path().join("none.tch"), &mut |_| ()).unwrap().verdict(), Verdict::Sound);
}

#[test]
fn an_overview_shows_the_figures_of_the_store() {
    for killed in [false, true] {
        let scene = Scene::new(killed);
        let before = files(&scene.path);
        let view = inspect(&scene.path, &mut |_| ()).unwrap();
        assert!(files(&scene.path) == before, "looking changes nothing");
        let store = Store::open(Options { read_only: true, ..small_segments(&scene.path, SEGMENT) }).unwrap();
        let figures = store.figures();
        assert_eq!(view.records, scene.model.len() as u64);
        assert_eq!((view.records, view.entries), (figures.records, figures.entries));
        assert_eq!((view.table_bytes, view.end), (figures.table_bytes, store.end()));
        let counted: Vec<_> = view.segments.iter().filter(|one| one.written > 0).collect();
        assert_eq!(counted.len() as u64, figures.segments);
        assert_eq!(counted.iter().map(|one| one.written).sum::<u64>(), figures.log_bytes);
        let (file_bytes, live, dead, tombstones) = view.totals();
        assert_eq!(live, figures.live_bytes);
        assert_eq!(live + dead + 64 * figures.segments, figures.log_bytes);
        assert!(tombstones > 0 && file_bytes > figures.log_bytes);
        let states: Vec<_> = view.segments.iter().map(|one| one.state).collect();
        assert_eq!(states.iter().filter(|&&state| state == SegmentState::Active).count(), 1);
        let spares = states.iter().rev().take_while(|&&state| state == SegmentState::Spare).count();
        assert_eq!(states[states.len() - 1 - spares], SegmentState::Active, "{states:?}");
        assert!(spares > 0 && states[..states.len() - 1 - spares].iter().all(|&s| s == SegmentState::Sealed));
        for pair in counted.windows(2) {
            assert!(pair[0].first < pair[0].last && pair[0].last < pair[1].last);
        }
        assert!(matches!(view.checkpoint, CheckpointView::Used(_)));
        assert_eq!(view.replayed > 0, killed);
        assert_eq!(view.torn, 0);
        drop(store);
        fs::write(scene.path.join("index/checkpoint"), b"nonsense").unwrap();
        let again = inspect(&scene.path, &mut |_| ()).unwrap();
        assert_eq!(again.checkpoint, CheckpointView::Unused("it is shorter than its header".to_owned()));
        // Tombstones that compaction had dropped already are read again where their segment is still there.
        let without_tombstones = |view: &Inspection| {
            let (file_bytes, live, _, tombstones) = view.totals();
            (view.records, file_bytes, live - tombstones)
        };
        assert_eq!(without_tombstones(&again), without_tombstones(&view));
    }
}

/// Segments that were removed since the checkpoint, and a manifest that no longer names them.
#[test]
fn what_compaction_leaves_is_in_order() {
    let folder = scene::quick_folder();
    let (live, path) = (folder.path().join("live.tch"), folder.path().join("scene.tch"));
    let (mut model, mut history) = (Model::new(), BTreeMap::new());
    let mut random = random::seeded("what_compaction_leaves_is_in_order");
    for round in 0..3 {
        let store = Store::open(small_segments(&live, SEGMENT)).unwrap();
        change(&store, &mut random, 3_000, &mut model, &mut history);
        store.optimize().unwrap();
        change(&store, &mut random, 10, &mut model, &mut history);
        _ = fs::remove_dir_all(&path);
        scene::crash(&live, &path);
        let report = check(&path, &mut |_| ()).unwrap();
        let expected = if round == 0 { Verdict::Sound } else { Verdict::Mended };
        assert_eq!(report.verdict(), expected, "{report:#?}");
        assert_eq!(inspect(&path, &mut |_| ()).unwrap().records, model.len() as u64);
        let new = folder.path().join(format!("new{round}.tch"));
        assert_eq!(repair(&path, &new, &mut |_| ()).unwrap().lost, []);
        let again = Store::open(small_segments(&new, SEGMENT)).unwrap();
        scene::check(&again, &model, "repaired after compaction");
        store.close().unwrap();
        assert_eq!(check(&live, &mut |_| ()).unwrap().findings, []);
    }
    assert!(!scene::segment(&live, 1).exists(), "compaction was at work");
}

#[test]
fn a_database_in_use_is_left_alone() {
    let folder = scene::quick_folder();
    let path = folder.path().join("used.tch");
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    let new = folder.path().join("new.tch");
    let refused = [
        check(&path, &mut |_| ()).map(drop),
        inspect(&path, &mut |_| ()).map(drop),
        repair(&path, &new, &mut |_| ()).map(drop),
    ];
    for result in refused {
        assert!(matches!(result, Err(Error::Locked { .. })), "{result:?}");
    }
    assert!(!new.exists());
    store.put(b"k", b"v").unwrap();
}

#[test]
fn what_is_no_database_is_left_as_it_is() {
    let folder = scene::quick_folder();
    fs::write(folder.path().join("notes"), "mine").unwrap();
    for path in [folder.path().to_owned(), folder.path().join("notes")] {
        let error = check(&path, &mut |_| ()).unwrap_err();
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
    }
    let error = check(&folder.path().join("none"), &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains("cannot open"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_a_kill_leaves_is_mended() {
    let scene = Scene::new(true);
    scene.finds(Weight::Mended, &["index/checkpoint", "bytes of the log were written after it"]);
    assert_eq!(scene.repairs(&scene.model), [""; 0]);
    fs::remove_file(scene.path.join("index/checkpoint")).unwrap();
    let view = inspect(&scene.path, &mut |_| ()).unwrap();
    let active = scene::segment(&scene.path, view.end.segment);
    patch(&active, view.end.offset, &[1, 2, 3, 0, 0, 0, 4]);
    scene.finds(
        Weight::Mended,
        &[&format!("at offset {}, 7 bytes", view.end.offset), "the next start drops it"],
    );
    assert_eq!(inspect(&scene.path, &mut |_| ()).unwrap().torn, 7);
    assert_eq!(scene.repairs(&scene.model).len(), 1);
}

#[test]
fn whole_records_behind_a_torn_one_are_told_of_and_saved() {
    let scene = Scene::new(true);
    fs::remove_file(scene.path.join("index/checkpoint")).unwrap();
    let end = inspect(&scene.path, &mut |_| ()).unwrap().end;
    let active = scene::segment(&scene.path, end.segment);
    let bytes = fs::read(&active).unwrap();
    let record = bytes[64..end.offset as usize].to_vec();
    // As if the page in between had been lost.
    patch(&active, end.offset + 300, &record[..record.len().min(4_000)]);
    let report = scene.check();
    assert_eq!(report.verdict(), Verdict::Mended, "{report:#?}");
    let text: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert!(text.iter().any(|line| line.contains("whole records behind the torn end")), "{text:#?}");
}

#[test]
fn each_damaged_record_is_named_and_the_others_are_saved() {
    let scene = Scene::new(false);
    let mut lost = Vec::new();
    for key in [scene.model.keys().next().unwrap(), scene.model.keys().next_back().unwrap()] {
        let (file, offset, len) = scene.place_of(key);
        patch(&file, offset + len - 1, &[fs::read(&file).unwrap()[(offset + len - 1) as usize] ^ 1]);
        lost.push((key.clone(), file, offset, len));
    }
    let report = scene.check();
    assert_eq!(report.verdict(), Verdict::Damaged);
    for (key, file, offset, len) in &lost {
        let one = report
            .findings
            .iter()
            .find(|one| one.file == file.display().to_string() && one.offset == *offset);
        let one = one.unwrap_or_else(|| panic!("{key:?} is not in {report:#?}"));
        assert_eq!((one.bytes, one.key.as_ref(), one.weight), (*len, Some(key), Weight::Damage));
    }
    let table = report.findings.iter().find(|one| one.file.ends_with("checkpoint")).unwrap().to_string();
    assert!(table.contains("2 entries do not point at a whole record"), "{table}");
    assert_eq!(report.findings.len(), 3, "{report:#?}");
    // Older values of the two may come back, so what is left is compared without them.
    let new = scene.folder.path().join("new.tch");
    let repaired = repair(&scene.path, &new, &mut |_| ()).unwrap();
    assert_eq!(repaired.lost.len(), 2, "{repaired:#?}");
    let store = Store::open(small_segments(&new, SEGMENT)).unwrap();
    let left = scene.without(&lost[0].0).into_iter().filter(|(key, _)| *key != lost[1].0);
    for (key, value) in left {
        assert_eq!(store.get(&key, |found| found == value).unwrap(), Some(true), "{key:?}");
    }
}

#[test]
fn damage_of_what_counts_no_more_is_told_from_loss() {
    let folder = scene::quick_folder();
    let path = folder.path().join("a.tch");
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    store.put(b"key", b"old value").unwrap();
    store.put(b"key", b"new value").unwrap();
    store.close().unwrap();
    let (file, first) = (scene::segment(&path, 1), 64 + 20 + 3);
    patch(&file, first, b"O");
    let report = check(&path, &mut |_| ()).unwrap();
    assert_eq!((report.verdict(), report.findings.len()), (Verdict::Damaged, 1), "{report:#?}");
    assert!(report.findings[0].to_string().contains("no record that counts was here"), "{report:#?}");
    patch(&file, first + 9 + 20 + 3, b"N");
    let report = check(&path, &mut |_| ()).unwrap();
    assert!(report.findings[0].to_string().contains("what was here is lost"), "{report:#?}");
    assert_eq!((report.findings[0].offset, report.findings[0].bytes), (64, 2 * 32), "one gap");
}

#[test]
fn a_damaged_checkpoint_is_no_loss() {
    let scene = Scene::new(false);
    let file = scene.path.join("index/checkpoint");
    let len = fs::metadata(&file).unwrap().len();
    for offset in [5, 40, 4_100, len - 3] {
        let before = fs::read(&file).unwrap();
        patch(&file, offset, &[before[offset as usize] ^ 0x20]);
        scene.finds(Weight::Mended, &["index/checkpoint", "the next start reads the whole log"]);
        fs::write(&file, before).unwrap();
    }
    assert_eq!(scene.check().verdict(), Verdict::Sound);
}
