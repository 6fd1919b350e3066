//! What the tests share: databases, their files, and what should be in them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lcnode_storage::{KeyIterator, Options, Place, Store, SyncMode};

/// What should be in a database.
pub type Model = BTreeMap<Vec<u8>, Vec<u8>>;

/// A database in `path` with the smallest table and segments of `size` bytes, never synced by itself.
pub fn small_segments(path: &Path, size: usize) -> Options {
    Options {
        segment_size: size,
        buckets: 1,
        sync: SyncMode::Never,
        ..Options::new(Place::Directory(path.to_owned()))
    }
}

/// All keys, as the iterator gives them.
pub fn keys(store: &Store) -> Vec<Vec<u8>> {
    let mut keys = Vec::new();
    let mut iterator = KeyIterator::new();
    while let Some(key) = iterator.next(store).unwrap() {
        keys.push(key.into_vec());
    }
    keys
}

/// Checks that a store holds what the model does, and nothing else.
pub fn check(store: &Store, model: &Model, scene: &str) {
    assert_eq!(store.records(), model.len() as u64, "{scene}: the number of records");
    for (key, value) in model {
        let found = store.get(key, |found| found == value).unwrap();
        assert_eq!(found, Some(true), "{scene}: the value of {key:?}");
    }
    let mut keys = keys(store);
    keys.sort();
    assert!(
        keys.iter().eq(model.keys()),
        "{scene}: the iterator gave {} keys of {}",
        keys.len(),
        model.len()
    );
}

/// A folder in memory where there is one: for tests that make many databases, and whose subject is not
/// the disk.
pub fn quick_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The files of the log, in the order of their numbers.
pub fn segments(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(path.join("log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|file| file.extension().is_some_and(|extension| extension == "seg"))
        .collect();
    files.sort();
    files
}

/// The file of segment `number`.
pub fn segment(path: &Path, number: u64) -> PathBuf {
    path.join(format!("log/{number:010}.seg"))
}

/// Copies the files as they are, as a killed process would leave them. Tries again where a segment
/// came or went meanwhile: such a copy is of no one moment.
pub fn crash(from: &Path, to: &Path) {
    loop {
        let before = segments(from);
        copy_files(from, to);
        if segments(from) == before && segments(to).len() == before.len() {
            return;
        }
        fs::remove_dir_all(to).unwrap();
    }
}

/// Copies a directory. A file that is just being removed is left out. Holes stay holes. A checkpoint is
/// copied before the log, so that it is never newer.
pub fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    let mut entries: Vec<_> = fs::read_dir(from).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_files(&entry.path(), &target),
            false => _ = fs::copy(entry.path(), target),
        }
    }
}

/// Overwrites bytes of a file.
pub fn patch(file: &Path, offset: u64, bytes: &[u8]) {
    use std::os::unix::fs::FileExt;
    fs::OpenOptions::new().write(true).open(file).unwrap().write_all_at(bytes, offset).unwrap();
}

/// The offset behind the last byte of a file that is not zero.
pub fn used(file: &Path) -> u64 {
    fs::read(file).unwrap().iter().rposition(|&b| b != 0).map_or(0, |last| last as u64 + 1)
}
