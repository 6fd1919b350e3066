//! Holds FORMAT.md against bytes that were really written: every field of every table, and the
//! constants. A change of either side alone fails here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lcnode_storage::{Error, Options, Place, Store, SyncMode};

use crate::scene;

/// A field: its name, and the numbers before it.
struct Field {
    name: String,
    numbers: Vec<u64>,
    text: String,
}

fn document() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("FORMAT.md")).unwrap()
}

/// The cells of the rows of the first table after a line.
pub fn rows(after: &str) -> Vec<Vec<String>> {
    let document = document();
    let rest = document.lines().skip_while(|line| *line != after);
    let table =
        rest.skip(1).skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = table.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "no table after {after:?}");
    rows
}

/// The fields of a table whose first cells are numbers and whose next is "name: text".
fn fields(heading: &str) -> Vec<Field> {
    let field = |row: Vec<String>| {
        let numbers: Vec<u64> = row.iter().map_while(|cell| cell.parse().ok()).collect();
        let text = row[numbers.len()].clone();
        let name = text.split(':').next().unwrap().to_owned();
        Field { name, numbers, text }
    };
    rows(heading).into_iter().map(field).collect()
}

/// Bytes and the fields that should be in them.
pub struct Map<'a> {
    fields: BTreeMap<String, &'a [u8]>,
    texts: BTreeMap<String, String>,
}

impl<'a> Map<'a> {
    /// Cuts `bytes` up as a table says; what no field covers must be zero.
    pub fn of(heading: &str, bytes: &'a [u8]) -> Self {
        let (mut fields_by_name, mut texts) = (BTreeMap::new(), BTreeMap::new());
        let mut at = 0;
        for Field { name, numbers, text } in fields(heading) {
            let (offset, size) = (numbers[0] as usize, numbers[1] as usize);
            assert!(offset >= at, "{heading}: {name} overlaps");
            assert!(bytes[at..offset].iter().all(|&b| b == 0), "{heading}: something before {name}");
            at = offset + size;
            fields_by_name.insert(name.clone(), &bytes[offset..at]);
            texts.insert(name, text);
        }
        assert_eq!(at, bytes.len(), "{heading} ends at {at}");
        Self { fields: fields_by_name, texts }
    }

    fn take(&mut self, name: &str) -> &'a [u8] {
        self.fields.remove(name).unwrap_or_else(|| panic!("the document has no field {name:?}"))
    }

    pub fn number(&mut self, name: &str) -> u64 {
        let bytes = self.take(name);
        bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    }

    fn magic(&mut self) {
        let text = &self.texts["magic"].clone();
        let magic = text.split('`').nth(1).unwrap().as_bytes();
        assert_eq!(self.take("magic"), magic);
    }

    pub fn end(self) {
        assert!(self.fields.is_empty(), "not checked: {:?}", self.fields.keys());
    }
}

pub fn constant(name: &str) -> u64 {
    let rows = rows("state 1.");
    let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no constant {name:?}"));
    row[1].parse().unwrap()
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64
}

struct Scene {
    _folder: tempfile::TempDir,
    path: PathBuf,
    from: u64,
    to: u64,
}

const SEGMENT: usize = 1 << 17;

pub fn options(path: &Path) -> Options {
    Options {
        segment_size: SEGMENT,
        buckets: 1,
        origin: 513,
        sync: SyncMode::Never,
        ..Options::new(Place::Directory(path.to_owned()))
    }
}

/// A database with two segments, a long key, a tombstone and a checkpoint.
fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("format.tch");
    let from = now();
    let store = Store::open(options(&path)).unwrap();
    store.put(b"key", b"value").unwrap();
    store.put(&[b'k'; 300], b"long").unwrap();
    store.put(b"gone", b"soon").unwrap();
    store.delete(b"gone").unwrap();
    store.put(b"large", &[7; 100_000]).unwrap();
    store.put(b"rotates", &[8; 50_000]).unwrap();
    // The oldest segment stays: most of it is live.
    for number in 0..1_000_u32 {
        store.put(&number.to_le_bytes(), b"").unwrap();
    }
    store.close().unwrap();
    Scene { _folder: folder, path, from, to: now() }
}

fn crc(parts: &[&[u8]]) -> u64 {
    let mut hasher = crc32fast::Hasher::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

fn id(scene: &Scene) -> Vec<u8> {
    let meta = fs::read(scene.path.join("meta")).unwrap();
    let field = fields("### Fields of meta").into_iter().find(|field| field.name == "id").unwrap();
    meta[field.numbers[0] as usize..][..field.numbers[1] as usize].to_vec()
}

#[test]
fn meta_is_as_documented() {
    let scene = scene();
    let bytes = fs::read(scene.path.join("meta")).unwrap();
    let mut map = Map::of("### Fields of meta", &bytes);
    map.magic();
    assert_eq!(map.number("format"), constant("format of `meta`"));
    assert_eq!(map.number("state"), 1);
    assert!(map.take("id").iter().any(|&b| b != 0));
    assert!(map.take("hash key").iter().any(|&b| b != 0));
    assert_ne!(map.number("identity"), 0);
    assert!((1..=65534).contains(&map.number("origin")));
    assert_eq!(map.number("closed"), 1);
    assert_eq!(map.number("crc"), crc(&[&bytes[..60]]));
    map.end();
}

#[test]
fn segments_are_as_documented() {
    let scene = scene();
    let files = scene::segments(&scene.path);
    // A second spare is there where a writer had to ask for the first.
    assert!(matches!(files.len(), 3 | 4), "a full segment, the active one and a spare: {files:?}");
    for (number, file) in (1..).zip(&files) {
        assert_eq!(*file, scene::segment(&scene.path, number));
        let bytes = fs::read(file).unwrap();
        let mut map = Map::of("### Fields of a segment header", &bytes[..64]);
        map.magic();
        assert_eq!(map.number("format"), constant("format of a segment"));
        assert_eq!(map.take("id"), id(&scene));
        assert_eq!(map.number("number"), number);
        assert_eq!(map.number("capacity"), SEGMENT as u64);
        assert_eq!(map.number("crc"), crc(&[&bytes[..60]]));
        map.end();
        assert_eq!(number == 1, bytes.len() < SEGMENT, "only a sealed segment is cut");
        assert_eq!(number >= 3, bytes[64..].iter().all(|&b| b == 0), "only the spare has no records");
    }
}

/// A record as the document says.
pub struct Parsed {
    pub kind: String,
    pub moved: bool,
    time: u64,
    pub key: Vec<u8>,
    value: Vec<u8>,
    offset: usize,
}

fn kinds() -> BTreeMap<u64, String> {
    rows("### Kinds of record").into_iter().map(|row| (row[0].parse().unwrap(), row[1].clone())).collect()
}

/// All records of a segment, cut up as the document says.
pub fn records(bytes: &[u8]) -> Vec<Parsed> {
    let kinds = kinds();
    let header: usize = fields("### Fields of a record").iter().map(|field| field.numbers[1] as usize).sum();
    let mut parsed = Vec::new();
    let mut at = 64;
    while at + header <= bytes.len() && bytes[at..at + header].iter().any(|&b| b != 0) {
        let mut map = Map::of("### Fields of a record", &bytes[at..at + header]);
        let sum = map.number("crc");
        let bits = map.number("kind");
        let (kind, moved) = (bits & 0xf, bits & 1 << 6 != 0);
        let mut key_len = map.number("key length") as usize;
        let is_ours = ["seal", "memo"].contains(&&*kinds[&kind]);
        assert_eq!(map.number("origin"), if is_ours { 0 } else { 513 });
        let (time, value_len) = (map.number("time"), map.number("value length") as usize);
        map.end();
        let mut head = header;
        if key_len == 255 {
            let long = &rows("### Optional fields of a record")[0];
            assert_eq!(long[1], "long key length");
            let size: usize = long[0].parse().unwrap();
            let field = &bytes[at + head..at + head + size];
            key_len = field.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte));
            head += size;
        }
        let body = &bytes[at + head..at + head + key_len + value_len];
        assert_eq!(sum, crc(&[body, &bytes[at + 4..at + head]]), "the CRC of the record at {at}");
        let (key, value) = body.split_at(key_len);
        let kind = kinds[&kind].clone();
        parsed.push(Parsed { kind, moved, time, key: key.to_vec(), value: value.to_vec(), offset: at });
        at += head + body.len();
    }
    assert!(bytes[at..].iter().all(|&b| b == 0), "something after the last record");
    parsed
}

#[test]
fn records_are_as_documented() {
    let scene = scene();
    let first = records(&fs::read(scene::segment(&scene.path, 1)).unwrap());
    let second = records(&fs::read(scene::segment(&scene.path, 2)).unwrap());
    let expected: [(&str, &[u8], &[u8]); 6] = [
        ("put", b"key", b"value"),
        ("put", &[b'k'; 300], b"long"),
        ("put", b"gone", b"soon"),
        ("delete", b"gone", b""),
        ("put", b"large", &[7; 100_000]),
        ("seal", b"", b""),
    ];
    assert_eq!(first.len(), expected.len());
    for (record, (kind, key, value)) in first.iter().zip(expected) {
        assert_eq!((&*record.kind, &*record.key, &*record.value), (kind, key, value));
    }
    assert_eq!(
        (&*second[0].kind, &second[0].value[..]),
        ("memo", &[][..]),
        "each segment but the first begins with one"
    );
    assert!(second[0].time >= first[5].time);
    assert_eq!((&*second[1].key, second.len()), (&b"rotates"[..], 1_002));
    let changes: Vec<u64> = first
        .iter()
        .chain(&second)
        .filter(|record| !["seal", "memo"].contains(&&*record.kind))
        .map(|record| record.time)
        .collect();
    assert!(changes.windows(2).all(|two| two[0] <= two[1]), "times never fall");
    assert!(scene.from <= changes[0] && changes[0] <= scene.to, "times are microseconds");
    assert_eq!(first[5].time, first[4].time, "the seal has the time of the last change");
}

#[test]
fn vanish_and_manifest_are_as_documented() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("format.tch");
    let store = Store::open(options(&path)).unwrap();
    store.put(b"key", &[1; 100_000]).unwrap();
    store.put(b"key", &[2; 100_000]).unwrap();
    store.vanish().unwrap();
    store.optimize().unwrap();
    drop(store);
    let mut met = Vec::new();
    for file in scene::segments(&path) {
        let number: u64 = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        met.extend(records(&fs::read(file).unwrap()).into_iter().map(|record| (number, record)));
    }
    let (number, last) = met.iter().rfind(|(_, record)| record.kind == "manifest").expect("a manifest");
    let words: Vec<u64> =
        last.value.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
    assert_eq!(words, [*number, *number], "one run: the active segment");
    // A vanish that has segments before it stays in the log.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("format.tch");
    let store = Store::open(options(&path)).unwrap();
    store.vanish().unwrap();
    drop(store);
    let first = records(&fs::read(scene::segment(&path, 1)).unwrap());
    assert_eq!((&*first[0].kind, first[0].key.len(), first[0].value.len()), ("vanish", 0, 0));
    assert_eq!(kinds().len(), 7, "all kinds are met by these tests and those of counters");
}

#[test]
fn the_checkpoint_is_as_documented() {
    let scene = scene();
    let bytes = fs::read(scene.path.join("index/checkpoint")).unwrap();
    let mut map = Map::of("### Fields of a checkpoint header", &bytes[..4096]);
    map.magic();
    assert_eq!(map.number("format"), constant("format of a checkpoint"));
    assert_eq!(map.take("id"), id(&scene));
    let active = fs::read(scene::segment(&scene.path, 2)).unwrap();
    let end = scene::used(&scene::segment(&scene.path, 2));
    let (segment, offset) = (map.number("segment"), map.number("offset"));
    assert_eq!(segment, 2);
    let last = records(&active).pop().unwrap();
    assert_eq!(offset, (last.offset + 20 + last.key.len() + last.value.len()) as u64);
    assert!(offset >= end);
    let (size, base) = (map.number("size"), map.number("base"));
    let (overflow, overflow_base) = (map.number("overflow"), map.number("overflow base"));
    assert!(size > 64 && size <= 1 << base && overflow <= 1 << overflow_base, "{size} {overflow}");
    assert_eq!(map.number("entries"), 1_005);
    assert_eq!(map.number("records"), 1_004);
    assert_eq!(map.number("last time"), last.time);
    assert_eq!(map.number("segments"), 2);
    let tail_crc = map.number("tail crc");
    let memos = map.number("memos") as usize;
    let counted = (map.number("counted segment"), map.number("counted offset"));
    assert_eq!(counted, (segment, offset), "nothing was written while the database was closed");
    assert_eq!(map.number("crc"), crc(&[&bytes[..4092]]));
    map.end();

    let second = 4096 + (64 << base);
    let tail = second + (64 << overflow_base);
    assert_eq!(tail_crc, crc(&[&bytes[tail..]]));
    let (crcs, remembered) = bytes[tail + 2 * 64..].split_at(8);
    assert_eq!(
        (remembered.len(), remembered),
        (memos, &[0][..]),
        "one block each, and nothing is remembered"
    );
    let block = |from: usize, buckets: u64| crc(&[&bytes[from..from + buckets as usize * 64]]) as u32;
    assert_eq!(crcs[..4], block(4096, size).to_le_bytes());
    assert_eq!(crcs[4..], block(second, overflow).to_le_bytes());
    let mut live_records = 0;
    for (number, state) in (1..).zip(bytes[tail..tail + 128].chunks(64)) {
        let mut map = Map::of("### Fields of a segment in the tail", state);
        assert_eq!(map.number("number"), number);
        let file = fs::read(scene::segment(&scene.path, number)).unwrap();
        let written = map.number("written");
        assert_eq!(written, if number == 1 { file.len() as u64 } else { offset });
        // In the first all is live but the record of the key that was deleted, and the seal.
        // In the second, but for the memo that it begins with.
        let dead = if number == 1 { 64 + 20 + 28 } else { 64 + 20 };
        let live = map.number("live");
        assert_eq!(live >> 28, written - dead);
        live_records += live & ((1 << 28) - 1);
        assert_eq!(map.number("tombstones"), if number == 1 { 24 } else { 0 });
        for none in ["expiring", "expiring records", "expiries", "latest expiry"] {
            assert_eq!(map.number(none), 0, "{none}");
        }
        map.end();
    }
    assert_eq!(live_records, 1_005, "the entries");
    check_buckets(&scene, &bytes, size, second);
}

/// The bits of a word that a table names.
fn bits(heading: &str, word: u64) -> BTreeMap<String, u64> {
    let fields = fields(heading);
    let sum: u64 = fields.iter().map(|field| field.numbers[1]).sum();
    assert_eq!(sum, 64, "{heading}");
    let cut = |field: Field| {
        let (bit, bits) = (field.numbers[0], field.numbers[1]);
        (field.name, word >> bit & (u64::MAX >> (64 - bits)))
    };
    fields.into_iter().map(cut).collect()
}

/// Finds every record through the buckets, as the document says.
fn check_buckets(scene: &Scene, checkpoint: &[u8], size: u64, second: usize) {
    use siphasher::sip::SipHasher13;
    use std::hash::Hasher;
    let meta = fs::read(scene.path.join("meta")).unwrap();
    let secret: [u8; 16] = Map::of("### Fields of meta", &meta).take("hash key").try_into().unwrap();
    let word = |at: usize| u64::from_le_bytes(checkpoint[at..at + 8].try_into().unwrap());
    let mut found = 0;
    for (number, deleted) in [(1, Some(&b"gone"[..])), (2, None)] {
        for record in records(&fs::read(scene::segment(&scene.path, number)).unwrap()) {
            if ["seal", "memo"].contains(&&*record.kind)
                || record.kind == "put" && Some(&*record.key) == deleted
            {
                continue;
            }
            let mut hasher = SipHasher13::new_with_key(&secret);
            hasher.write(&record.key);
            let hash = hasher.finish();
            let wide = hash & ((2 << size.ilog2()) - 1);
            let bucket = if wide < size { wide } else { hash & ((1 << size.ilog2()) - 1) };
            let mut at = 4096 + bucket as usize * 64;
            let level = match bits("### Bits of a link", word(at + 56))["level"] {
                0 => panic!("all buckets have a level here"),
                level => level,
            };
            let entry = loop {
                let entries = (0..7).map(|i| word(at + i * 8)).filter(|&word| word != 0);
                let mut entries = entries.map(|word| bits("### Bits of an entry", word));
                let here = |entry: &BTreeMap<String, u64>| {
                    (entry["segment"], entry["offset"]) == (number, record.offset as u64)
                };
                if let Some(entry) = entries.find(here) {
                    break entry;
                }
                let link = bits("### Bits of a link", word(at + 56));
                assert_eq!(link["sequence"], 0);
                assert_ne!(link["next"], 0, "{:?} is not in its bucket", record.key);
                at = second + link["next"] as usize * 64;
            };
            assert_eq!(entry["tombstone"], u64::from(record.kind == "delete"));
            let marker = entry["tag"].ilog2();
            assert_eq!(entry["tag"] ^ 1 << marker, hash >> level & ((1 << marker) - 1), "the tag");
            found += 1;
        }
    }
    assert_eq!(found, 1_005);
}

#[test]
fn constants_are_as_documented() {
    use lcnode_storage::limits;
    assert_eq!(constant("largest number of a segment"), limits::MAX_NUMBER);
    assert_eq!(constant("segments from the oldest to the newest, at most"), limits::MAX_SPAN);
    assert_eq!(constant("least size of a segment"), limits::MIN_SEGMENT as u64);
    assert_eq!(constant("largest size of a segment of many records"), limits::MAX_SEGMENT as u64);
    assert_eq!(constant("largest record"), limits::MAX_RECORD);
    assert_eq!(constant("offset at which a record may begin, at most"), limits::MAX_OFFSET);
    assert_eq!(rows("state 1.").len(), 10, "every constant is checked");
}

#[test]
fn limits_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("format.tch");
    let store = Store::open(Options { segment_size: 1, ..options(&path) }).unwrap();
    let capacity = fs::metadata(scene::segment(&path, 1)).unwrap().len();
    assert_eq!(capacity, constant("least size of a segment"));
    let too_large = vec![0; constant("largest record") as usize - 20];
    assert!(matches!(store.put(b"k", &too_large), Err(Error::TooLarge { .. })));
}
