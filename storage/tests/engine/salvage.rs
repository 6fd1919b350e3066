//! Repairs: what is saved from databases with a damage that is known, and where it goes.

use std::fs;
use std::path::Path;

use lcnode_storage::examine::{Verdict, Weight, repair};
use lcnode_storage::{Options, Store};

use crate::examine::{Scene, files};
use crate::scene::{self, patch, small_segments};

const SEGMENT: usize = 1 << 16;

#[test]
fn a_missing_segment_is_named_and_the_rest_is_saved() {
    let scene = Scene::new(false);
    let second = scene::segment(&scene.path, 2);
    fs::remove_file(&second).unwrap();
    let report = scene.check();
    let text = report.findings.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(report.verdict(), Verdict::Damaged);
    assert!(text[0].contains("0000000002.seg") && text[0].contains("is missing"), "{text:#?}");
    let repaired = repair(&scene.path, &scene.folder.path().join("new.tch"), &mut |_| ()).unwrap();
    assert!(repaired.saved > 0);
    assert!(repaired.lost.iter().any(|one| one.to_string().contains("0000000002.seg")), "{repaired:#?}");
}

#[test]
fn without_meta_or_headers_everything_is_saved() {
    let scene = Scene::new(false);
    let meta = fs::read(scene.path.join("meta")).unwrap();
    patch(&scene.path.join("meta"), 20, &[meta[20] ^ 1]);
    scene.finds(Weight::Damage, &["meta", "CRC"]);
    assert_eq!(scene.repairs(&scene.model).len(), 1);
    fs::remove_file(scene.path.join("meta")).unwrap();
    scene.finds(Weight::Damage, &["meta", "is missing"]);
    let segments = scene::segments(&scene.path);
    for file in &segments {
        patch(file, 3, &[0xff, 0xff]);
    }
    let lost = scene.repairs(&scene.model);
    assert_eq!(lost.len(), 1 + segments.len(), "{lost:#?}");
    // Renamed as well: the numbers of the headers count.
    let scene = Scene::new(false);
    let (one, two, aside) =
        (scene::segment(&scene.path, 1), scene::segment(&scene.path, 2), scene.path.join("x"));
    for (from, to) in [(&one, &aside), (&two, &one), (&aside, &two)] {
        fs::rename(from, to).unwrap();
    }
    assert_eq!(scene.check().verdict(), Verdict::Damaged);
    assert_eq!(scene.repairs(&scene.model), [""; 0]);
}

#[test]
fn nothing_is_taken_from_another_database() {
    let (scene, other) = (Scene::new(false), Scene::new(false));
    let third = scene::segment(&scene.path, 3);
    fs::copy(scene::segment(&other.path, 3), &third).unwrap();
    let text: Vec<_> = scene.check().findings.iter().map(ToString::to_string).collect();
    assert!(
        text.iter().any(|line| line.contains("0000000003.seg") && line.contains("another database")),
        "{text:#?}"
    );
    let new = scene.folder.path().join("new.tch");
    let repaired = repair(&scene.path, &new, &mut |_| ()).unwrap();
    assert!(repaired.lost.iter().any(|one| one.to_string().contains("another database")));
    fs::remove_file(&third).unwrap();
    let without = repair(&scene.path, &scene.folder.path().join("without.tch"), &mut |_| ()).unwrap();
    assert_eq!(repaired.saved, without.saved);
}

#[test]
fn a_repair_goes_nowhere_else() {
    let scene = Scene::new(false);
    let taken = scene.folder.path().join("taken.tch");
    fs::create_dir(&taken).unwrap();
    let inside = scene.path.join("new.tch");
    let nowhere = scene.folder.path().join("none/new.tch");
    for target in [&taken, &inside, &nowhere, &scene.path] {
        let before = files(&scene.path);
        let error = repair(&scene.path, target, &mut |_| ()).unwrap_err().to_string();
        assert!(error.contains(target.to_str().unwrap()), "{error}");
        assert!(files(&scene.path) == before);
    }
    assert_eq!(fs::read_dir(&taken).unwrap().count(), 0);
    assert!(!inside.exists() && !nowhere.exists());
}

#[test]
fn a_repaired_record_keeps_its_stamp() {
    let folder = scene::quick_folder();
    let (path, new) = (folder.path().join("a.tch"), folder.path().join("b.tch"));
    let store = Store::open(Options { origin: 513, ..small_segments(&path, SEGMENT) }).unwrap();
    store.put(b"deleted", b"x").unwrap();
    store.put(b"kept", b"a value").unwrap();
    store.delete(b"deleted").unwrap();
    store.close().unwrap();
    let mut big = vec![7; 300_000];
    let store = Store::open(small_segments(&path, SEGMENT)).unwrap();
    store.put(b"big", &big).unwrap();
    store.close().unwrap();
    let record = |path: &Path, text: &[u8]| {
        let files = scene::segments(path).into_iter().map(|file| fs::read(file).unwrap());
        let found = files.filter_map(|bytes| {
            let at = bytes.windows(text.len()).position(|window| window == text)?;
            Some(bytes[at - 20..at + text.len()].to_vec())
        });
        found.collect::<Vec<_>>()
    };
    let expected = record(&path, b"kepta value");
    assert_eq!((expected.len(), &expected[0][6..8]), (1, &513u16.to_le_bytes()[..]));
    let repaired = repair(&path, &new, &mut |_| ()).unwrap();
    assert_eq!((repaired.saved, repaired.found), (2, 4));
    assert_eq!(record(&new, b"kepta value"), expected);
    let store = Store::open(small_segments(&new, SEGMENT)).unwrap();
    assert_eq!(store.get(b"deleted", |_| ()).unwrap(), None);
    big.push(1);
    assert_eq!(store.get(b"big", |found| found == &big[..300_000]).unwrap(), Some(true));
}

/// A vanish is of all before it in the log, whatever the files are called.
#[test]
fn what_vanished_before_its_file_was_renamed_stays_so() {
    let folder = scene::quick_folder();
    let (live, path) = (folder.path().join("live.tch"), folder.path().join("scene.tch"));
    let store = Store::open(small_segments(&live, SEGMENT)).unwrap();
    for number in 0..1_500 {
        store.put(format!("k{number}").as_bytes(), &[1; 100]).unwrap();
    }
    scene::crash(&live, &path);
    let last = store.end().segment;
    store.vanish().unwrap();
    store.put(b"new", b"value").unwrap();
    // Before compaction took the old ones away.
    let (first, with_vanish) = (scene::segment(&path, 1), scene::segment(&path, last));
    fs::rename(&first, &with_vanish).unwrap();
    fs::copy(scene::segment(&live, last), &first).unwrap();
    let new = folder.path().join("new.tch");
    let repaired = repair(&path, &new, &mut |_| ()).unwrap();
    assert!(repaired.found > 1_500, "the old records are there");
    let store = Store::open(small_segments(&new, SEGMENT)).unwrap();
    assert_eq!((store.records(), store.get(b"new", <[u8]>::len).unwrap()), (1, Some(5)));
}
