//! What is opened, and what is refused: foreign, newer, missing, unreadable or used by another.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use lcnode_storage::{Error, Options, Place, Store};

use crate::scene::{self, Model, check, patch, small_segments};

const SEGMENT: usize = 1 << 16;

fn open(path: &Path) -> Result<Store, Error> {
    Store::open(small_segments(path, SEGMENT))
}

fn read_only(path: &Path) -> Options {
    Options { read_only: true, ..small_segments(path, SEGMENT) }
}

/// A database with some segments, closed.
fn make(path: &Path) -> Model {
    let store = open(path).unwrap();
    let mut model = Model::new();
    for number in 0..3_000_u32 {
        store.put(&number.to_be_bytes(), &[number as u8; 40]).unwrap();
        model.insert(number.to_be_bytes().to_vec(), vec![number as u8; 40]);
    }
    for number in (0..3_000_u32).step_by(7) {
        store.delete(&number.to_be_bytes()).unwrap();
        model.remove(&number.to_be_bytes()[..]);
    }
    store.close().unwrap();
    model
}

/// Names and contents of all files but the lock.
fn contents(path: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in [path.to_owned(), path.join("log"), path.join("index")] {
        for entry in fs::read_dir(folder).unwrap() {
            let file = entry.unwrap().path();
            if file.is_file() && !file.ends_with("LOCK") {
                files.push((file.clone(), fs::read(file).unwrap()));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn a_file_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("casket.tch");
    fs::write(&path, b"ToKyO CaBiNeT\n").unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"ToKyO CaBiNeT\n");
}

#[test]
fn a_strange_directory_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("letter.txt"), b"dear").unwrap();
    for truncate in [false, true] {
        let options = Options { truncate, ..small_segments(folder.path(), SEGMENT) };
        let error = Store::open(options).unwrap_err();
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
        assert!(error.to_string().contains("letter.txt"), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made there");
}

#[test]
fn an_empty_directory_becomes_a_database() {
    let folder = tempfile::tempdir().unwrap();
    open(folder.path()).unwrap().put(b"key", b"value").unwrap();
    assert_eq!(open(folder.path()).unwrap().records(), 1);
}

#[test]
fn a_missing_database_is_made_only_where_that_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("casket.tch");
    for options in [Options { create: false, ..small_segments(&path, SEGMENT) }, read_only(&path)] {
        let error = Store::open(options).unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error}");
        assert!(!path.exists());
    }
    let nowhere = folder.path().join("no/such/folder.tch");
    let error = open(&nowhere).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn a_directory_that_may_not_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("casket.tch");
    make(&path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read_dir(&path).is_ok() {
        eprintln!("skipped: this user may read everything");
    } else {
        let error = open(&path).unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_second_open_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("casket.tch");
    let store = open(&path).unwrap();
    for options in [small_segments(&path, SEGMENT), read_only(&path)] {
        let error = Store::open(options).unwrap_err();
        assert!(matches!(error, Error::Locked { .. }), "{error}");
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
    }
    drop(store);
    open(&path).unwrap();
}

#[test]
fn a_database_that_is_only_read_does_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("casket.tch");
    let model = make(&path);
    let crashed = folder.path().join("crashed.tch");
    {
        let store = open(&path).unwrap();
        store.put(b"torn", b"soon").unwrap();
        scene::crash(&path, &crashed);
        store.delete(b"torn").unwrap();
    }
    // A torn end, which only a database that may be written is mended at.
    let last = scene::segments(&crashed).into_iter().rfind(|file| scene::used(file) > 64).unwrap();
    patch(&last, scene::used(&last) - 2, b"x");
    for path in [&path, &crashed] {
        let before = contents(path);
        let store = Store::open(read_only(path)).unwrap();
        check(&store, &model, "only read");
        assert!(matches!(store.put(b"key", b"value"), Err(Error::ReadOnly)));
        assert!(matches!(store.delete(b"key"), Err(Error::ReadOnly)));
        assert!(matches!(store.vanish(), Err(Error::ReadOnly)));
        assert!(matches!(store.optimize(), Err(Error::ReadOnly)));
        assert!(matches!(store.sync(), Err(Error::ReadOnly)));
        let copy = folder.path().join("copy.tch");
        store.copy_to(&copy).unwrap();
        store.close().unwrap();
        assert!(contents(path) == before, "something was changed");
        check(&open(&copy).unwrap(), &model, "a copy of what is only read");
        fs::remove_dir_all(&copy).unwrap();
    }
    check(&open(&crashed).unwrap(), &model, "opened for writing again");
}

#[test]
fn a_newer_format_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("casket.tch");
    make(&path);
    let files = [path.join("meta"), scene::segment(&path, 1)];
    for file in files {
        let before = fs::read(&file).unwrap();
        let mut bytes = before.clone();
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        fs::write(&file, &bytes).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(error, Error::Newer { found: 2, supported: 1, .. }), "{error}");
        assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        fs::write(&file, &before).unwrap();
    }
    open(&path).unwrap();
}

#[test]
fn truncating_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("casket.tch");
    make(&path);
    let truncating = Options { truncate: true, ..small_segments(&path, SEGMENT) };
    let store = Store::open(truncating.clone()).unwrap();
    check(&store, &Model::new(), "emptied");
    store.put(b"key", b"value").unwrap();
    store.close().unwrap();
    assert_eq!(open(&path).unwrap().records(), 1);
    // Without its meta only truncating helps.
    fs::remove_file(path.join("meta")).unwrap();
    let error = open(&path).unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert_eq!(Store::open(truncating).unwrap().records(), 0);
}

#[test]
fn a_copy_never_replaces_anything() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("casket.tch");
    let model = make(&path);
    let store = open(&path).unwrap();
    for target in [path.clone(), folder.path().to_owned()] {
        assert!(matches!(store.copy_to(&target), Err(Error::Io { .. })));
    }
    assert!(matches!(store.copy_to(&folder.path().join("no/such/folder")), Err(Error::Io { .. })));
    check(&store, &model, "after copies that failed");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
}

#[test]
fn segments_of_another_size_may_follow() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("casket.tch");
    let mut model = make(&path);
    for (round, size) in [1 << 20, 1 << 16, 1 << 18].into_iter().enumerate() {
        let store = Store::open(small_segments(&path, size)).unwrap();
        check(&store, &model, "another size");
        for number in 0..5_000_u32 {
            store.put(&number.to_be_bytes(), &[round as u8; 50]).unwrap();
            model.insert(number.to_be_bytes().to_vec(), vec![round as u8; 50]);
        }
        scene::crash(&path, &folder.path().join(size.to_string()));
        let crashed =
            Options { segment_size: 1 << 17, ..small_segments(&folder.path().join(size.to_string()), 0) };
        check(&Store::open(crashed).unwrap(), &model, "another size, after a crash");
    }
    let place = Place::Directory(path);
    check(&Store::open(Options::new(place)).unwrap(), &model, "the usual size");
}
