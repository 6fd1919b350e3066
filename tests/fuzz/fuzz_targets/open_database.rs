//! A database directory that somebody has been at: opening it and reading all of it gives values that
//! were once written, or an error; never a panic, and what is written afterwards is there after a
//! reopen.
//!
//! The first byte of the input chooses a directory to begin with: a database that was closed, one that
//! was killed, an empty directory. The rest is a list of edits, each a byte that says what, then what
//! it needs. Some edits give a header or a record a valid CRC again; then values may be new ones, but
//! nothing else changes.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lcnode_storage::examine::{self, Verdict};
use lcnode_storage::{Options, Place, Store, SyncMode};
use libfuzzer_sys::fuzz_target;

type Files = BTreeMap<String, Vec<u8>>;

/// What the inputs begin with, and every value that each key ever had.
struct Templates {
    files: [Files; 3],
    history: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>>,
}

fn options(path: &Path) -> Options {
    Options {
        segment_size: 1 << 16,
        buckets: 1,
        sync: SyncMode::Never,
        ..Options::new(Place::Directory(path.to_owned()))
    }
}

/// A folder in memory where there is one.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

fn read_files(root: &Path, below: &str, files: &mut Files) {
    for entry in fs::read_dir(root.join(below)).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{below}{}", entry.file_name().to_string_lossy());
        match entry.path().is_dir() {
            true => read_files(root, &format!("{name}/"), files),
            false => _ = files.insert(name, fs::read(entry.path()).expect("a file")),
        }
    }
}

fn write_files(root: &Path, files: &Files) {
    for folder in ["log", "index"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    for (name, bytes) in files {
        fs::write(root.join(name), bytes).expect("a file");
    }
}

fn templates() -> &'static Templates {
    static TEMPLATES: OnceLock<Templates> = OnceLock::new();
    TEMPLATES.get_or_init(|| {
        let folder = folder();
        let path = folder.path().join("fuzz.tch");
        let mut history: BTreeMap<Vec<u8>, BTreeSet<Vec<u8>>> = BTreeMap::new();
        let mut change = |store: &Store, from: u32, to: u32| {
            for number in from..to {
                let key = format!("key:{}", number * 7 % 150).into_bytes();
                if number % 5 == 4 {
                    store.delete(&key).expect("a delete");
                    continue;
                }
                let value = vec![number as u8; 100 + (number as usize * 37) % 400];
                store.put(&key, &value).expect("a put");
                history.entry(key).or_default().insert(value);
            }
        };
        let (mut closed, mut killed) = (Files::new(), Files::new());
        let store = Store::open(options(&path)).expect("a new database");
        change(&store, 0, 400);
        store.close().expect("a close");
        read_files(&path, "", &mut closed);
        let store = Store::open(options(&path)).expect("the database again");
        change(&store, 400, 500);
        read_files(&path, "", &mut killed);
        drop(store);
        Templates { files: [closed, killed, Files::new()], history }
    })
}

/// The input, taken from the front.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    fn number(&mut self) -> Option<usize> {
        let (low, middle, high) = (self.byte()?, self.byte()?, self.byte()?);
        Some(usize::from(low) | usize::from(middle) << 8 | usize::from(high & 1) << 16)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let len = usize::from(self.byte()?).min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(bytes.to_vec())
    }
}

fn name(choice: u8) -> String {
    match choice % 8 {
        0 => "meta".to_owned(),
        1 => "index/checkpoint".to_owned(),
        2 => "index/checkpoint.tmp".to_owned(),
        3 => "log/something".to_owned(),
        n => format!("log/{:010}.seg", n - 3),
    }
}

fn put_crc(bytes: &mut [u8], at: usize, crc: u32) {
    if let Some(field) = bytes.get_mut(at..at + 4) {
        field.copy_from_slice(&crc.to_le_bytes());
    }
}

/// Makes one edit; says whether it forged a CRC. `None` at the end of the input.
fn edit(files: &mut Files, input: &mut Input<'_>) -> Option<bool> {
    let what = input.byte()?;
    let name = name(what / 8);
    match what % 8 {
        0 => {
            let at = input.number()?;
            let new = input.bytes()?;
            let file = files.entry(name).or_default();
            for (old, new) in file.iter_mut().skip(at).zip(new) {
                *old = new;
            }
        }
        1 => {
            let (at, bit) = (input.number()?, input.byte()?);
            if let Some(byte) = files.entry(name).or_default().get_mut(at) {
                *byte ^= 1 << (bit % 8);
            }
        }
        2 => {
            let len = input.number()?;
            files.entry(name).or_default().resize(len, 0);
        }
        3 => _ = files.remove(&name),
        4 => {
            let content = input.bytes()?;
            files.insert(name, content);
        }
        5 => {
            let other = self::name(input.byte()?);
            if let Some(content) = files.get(&other).cloned() {
                files.insert(name, content);
            }
        }
        6 => {
            // The CRCs of a header, and of the buckets of a checkpoint.
            let file = files.entry(name.clone()).or_default();
            if name == "index/checkpoint" {
                forge_buckets(file);
            }
            let end = if name == "index/checkpoint" { 4092 } else { 60 };
            if let Some(covered) = file.get(..end) {
                let crc = crc32fast::hash(covered);
                put_crc(file, end, crc);
            }
            return Some(true);
        }
        _ => {
            // The CRC of the record at or behind a place.
            let at = input.number()?;
            let file = files.entry(name).or_default();
            forge_record(file, at);
            return Some(true);
        }
    }
    Some(false)
}

/// Gives the buckets of a checkpoint, and the list behind them, the CRCs of their bytes, where all are small.
fn forge_buckets(file: &mut [u8]) {
    let word = |file: &[u8], at: usize| {
        let bytes = file.get(at..at + 8)?.try_into().ok()?;
        usize::try_from(u64::from_le_bytes(bytes)).ok().filter(|&number| number < 1 << 12)
    };
    let word = |at| word(file, at);
    let (Some(size), Some(base), Some(overflow), Some(overflow_base), Some(segments)) =
        (word(48), word(56), word(64), word(72), word(104))
    else {
        return;
    };
    if base.max(overflow_base) > 12 {
        return;
    }
    let second = 4096 + (64 << base);
    let tail = second + (64 << overflow_base);
    let mut at = tail + segments * 64;
    for (from, buckets) in [(4096, size), (second, overflow)] {
        if let Some(crc) = file.get(from..from + buckets * 64).map(crc32fast::hash) {
            put_crc(file, at, crc);
        }
        at += 4;
    }
    if let Some(crc) = file.get(tail..).map(crc32fast::hash) {
        put_crc(file, 112, crc);
    }
}

/// Gives the first record that begins at or behind `at` the CRC of its bytes.
fn forge_record(file: &mut [u8], at: usize) {
    let mut offset = 64;
    while let Some(head) = file.get(offset..offset + 20) {
        let value_len = u32::from_le_bytes([head[16], head[17], head[18], head[19]]) as usize;
        let header = 20
            + if head[5] == 255 { 4 } else { 0 }
            + if head[4] & 0x10 != 0 { 8 } else { 0 }
            + if head[4] & 0x20 != 0 { 4 } else { 0 };
        let key_len = match head[5] {
            255 => match file.get(offset + 20..offset + 24) {
                Some(long) => u32::from_le_bytes([long[0], long[1], long[2], long[3]]) as usize,
                None => return,
            },
            short => usize::from(short),
        };
        let end = offset + header + key_len + value_len;
        if offset < at {
            offset = end;
            continue;
        }
        if let (Some(body), Some(head)) =
            (file.get(offset + header..end), file.get(offset + 4..offset + header))
        {
            let mut hasher = crc32fast::Hasher::new();
            hasher.update(body);
            hasher.update(head);
            let crc = hasher.finalize();
            put_crc(file, offset, crc);
        }
        return;
    }
}

/// Reads everything; checks values against the history unless they may be forged.
fn read_all(store: &Store, forged: bool) {
    for (key, values) in &templates().history {
        if let Ok(Some(found)) = store.get(key, <[u8]>::to_vec) {
            assert!(forged || values.contains(&found), "{key:?} has a value that was never written");
        }
    }
    let mut count = 0_u64;
    let walked = store.for_each(|key, value| {
        let values = templates().history.get(key);
        assert!(forged || values.is_some_and(|values| values.contains(value)), "a record that never was");
        count += 1;
        ControlFlow::Continue(())
    });
    if walked.is_ok() && !forged {
        assert_eq!(count, store.records(), "the number of records");
    }
}

/// What check, inspect and repair say: a sound database opens, and a repair never gives a value that was
/// never written.
fn examine_all(path: &Path, forged: bool) {
    let report = examine::check(path, &mut |_| ());
    _ = examine::inspect(path, &mut |_| ());
    let sound = report.is_ok_and(|report| report.verdict() == Verdict::Sound);
    let read_only = Options { read_only: true, ..options(path) };
    let opened = Store::open(read_only).map(drop);
    assert!(opened.is_ok() || !sound, "a sound database does not open: {opened:?}");
    let repaired = path.with_file_name("repaired.tch");
    _ = fs::remove_dir_all(&repaired);
    if examine::repair(path, &repaired, &mut |_| ()).is_ok() {
        let store = Store::open(options(&repaired)).expect("what was repaired can be opened");
        read_all(&store, forged);
    }
}

fn work() -> &'static Path {
    static WORK: OnceLock<PathBuf> = OnceLock::new();
    WORK.get_or_init(|| folder().keep())
}

fuzz_target!(|data: &[u8]| {
    let mut input = Input(data);
    let Some(first) = input.byte() else { return };
    let mut files = templates().files[usize::from(first % 3)].clone();
    let mut forged = false;
    for _ in 0..20 {
        match edit(&mut files, &mut input) {
            Some(forges) => forged |= forges,
            None => break,
        }
    }
    let path = work().join("work.tch");
    _ = fs::remove_dir_all(&path);
    write_files(&path, &files);

    let read_only = Options { read_only: true, ..options(&path) };
    if let Ok(store) = Store::open(read_only) {
        read_all(&store, forged);
    }
    if first & 0x80 != 0 {
        examine_all(&path, forged);
    }
    let Ok(store) = Store::open(options(&path)) else { return };
    read_all(&store, forged);
    let accepted = store.put(b"new", b"value").is_ok();
    if first & 0x40 != 0 {
        _ = store.optimize();
    }
    if accepted {
        assert_eq!(store.get(b"new", |value| value == b"value").ok(), Some(Some(true)));
    }
    if store.close().is_err() {
        return;
    }
    let store = Store::open(options(&path)).expect("what was just closed can be opened");
    if accepted {
        assert_eq!(store.get(b"new", |value| value == b"value").ok(), Some(Some(true)), "after a reopen");
    }
});
