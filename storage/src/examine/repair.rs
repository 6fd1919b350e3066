//! Saving every whole record of a damaged database into a new one.
//!
//! Of each key the record that counts is taken, as when a log is read at a start: the largest (time, origin),
//! of equals the later in the log; a delete or a vanish that can be read counts. It is copied as it is. What
//! cannot be read may have been a newer value or a delete, so an older value may come back.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crc32fast::Hasher;

use crate::error::{Error, Result};
use crate::examine::check::kit;
use crate::examine::report::{Finding, Findings, Weight};
use crate::examine::survey::{Head, LogFile, MAX_FILE, Meter, Progress, Survey};
use crate::examine::walk::{Piece, walk};
use crate::hash::KeyHasher;
use crate::index::checkpoint;
use crate::log::address::{Address, MAX_SPAN, Position};
use crate::log::manifest::Manifest;
use crate::log::reading::Sink;
use crate::log::record::{Head as RecordHead, Kind, Record, SEAL, Stamp};
use crate::log::segment::{self, HEADER, Segment, Segments};
use crate::medium::{Appender, Directory, Medium, Memory};
use crate::meta::{self, DatabaseId, Meta};
use crate::options::DEFAULT_SEGMENT;
use crate::store::replay::Replay;

const LOST: &str = "what was here is lost; a key in it has the value that it had before, or none";

/// What a repair came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Repaired {
    /// Records in the new database.
    pub saved: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whole records that were found, dead ones and deletes too.
    pub found: u64,
    /// What was lost, file by file.
    pub lost: Vec<Finding>,
}

/// Writes a new database into the directory `target`, which must not exist, with all records of the one in
/// `path` that can be read. Nothing is left behind where that fails. `progress` is told how far it has come,
/// twice over the log. Takes some 14 bytes of memory a key.
///
/// The new database has an identity of its own: no segment of the damaged one can be taken for one of its.
///
/// Errors: the database is in use, `path` is none, it is of a newer format, `target` is there, or a file cannot be
/// read or written.
pub fn repair(path: &Path, target: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Repaired> {
    let unfinished = unfinished_of(path, target)?;
    let survey = Survey::of(path)?;
    if let Some((file, found)) = survey.files.iter().find_map(|file| match file.head {
        Head::Newer(found) => Some((file, found)),
        _ => None,
    }) {
        let path = survey.shown(&file.name);
        return Err(Error::Newer { path, found, supported: segment::VERSION });
    }
    let mut meter = Meter::new(progress);
    let mut salvage = Salvage::read(&survey, &mut meter)?;
    let made = salvage.write(&unfinished, &mut meter).and_then(|()| {
        let shown = target.display().to_string();
        fs::rename(&unfinished, target).and_then(|()| sync_folder(target)).map_err(Error::io("name", shown))
    });
    if let Err(error) = made {
        // What cannot be removed keeps its telling name, and does no harm.
        let _ = fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    Ok(salvage.result)
}

/// Where the new database is made before it gets its name.
fn unfinished_of(path: &Path, target: &Path) -> Result<PathBuf> {
    let mut unfinished = target.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    for taken in [target, &unfinished] {
        if taken.symlink_metadata().is_ok() {
            let source = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(Error::Io { what: "create", path: taken.display().to_string(), source });
        }
    }
    let shown = target.display().to_string();
    let parent = fs::canonicalize(parent_of(target)).map_err(Error::io("create", &shown))?;
    let database = fs::canonicalize(path).map_err(Error::io("open", path.display().to_string()))?;
    if parent.starts_with(database) {
        return Err(Error::Foreign {
            path: shown,
            why: "it would be inside of the damaged database".to_owned(),
        });
    }
    Ok(unfinished)
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    fs::File::open(parent_of(path))?.sync_all()
}

/// What could be read: the segments, and a table of the records that count.
struct Salvage<'a> {
    survey: &'a Survey,
    /// The files that are read, in the order of the log.
    files: Vec<&'a LogFile>,
    replay: Replay,
    /// The id of the new database.
    id: DatabaseId,
    /// Bytes of the records that count, tombstones left out.
    left: u64,
    result: Repaired,
}

impl<'a> Salvage<'a> {
    fn read(survey: &'a Survey, meter: &mut Meter<'_>) -> Result<Self> {
        let mut findings = Findings::default();
        if !matches!(survey.meta, Ok(Some(_))) {
            let what = survey.meta.as_ref().err().map_or("it is missing", String::as_str);
            let meaning = "nothing is lost with it: the new database has its own";
            findings.add(Finding::of_file(survey.shown(meta::NAME), what, meaning, Weight::Mended));
        }
        let mut files: Vec<&LogFile> = survey.files.iter().collect();
        files.sort_by_key(|file| number(file));
        files.retain(|file| {
            let is_ours = file.head != Head::Foreign;
            if !is_ours {
                let (file, what) = (survey.shown(&file.name), "it belongs to another database");
                findings.add(Finding::of_file(file, what, "nothing of it is taken over", Weight::Damage));
            }
            is_ours && !file.bytes().is_empty()
        });
        if files.len() as u64 >= MAX_SPAN {
            let path = survey.shown(segment::FOLDER);
            return Err(Error::Foreign { path, why: "it holds more files than a log can have".to_owned() });
        }
        // A database in memory has no checkpoint, so this table is empty.
        let medium: Arc<dyn Medium> = Arc::new(Memory);
        let new = Meta::random(None)?;
        let replay = Replay::start(&kit(medium, new.id), KeyHasher::new(new.hash_key), 1 << 16)?;
        let mut salvage = Self { survey, files, replay, id: new.id, left: 0, result: Repaired::default() };
        meter.begin("reading the log", salvage.bytes_of_files());
        salvage.take_all(&mut findings, meter)?;
        salvage.result.lost = findings.finish();
        Ok(salvage)
    }

    /// Reads all files into the table. They are numbered anew, from 1: numbers in names may be anything.
    fn take_all(&mut self, findings: &mut Findings, meter: &mut Meter<'_>) -> Result<()> {
        let mut segments = Segments::default();
        let mut manifest = Manifest::default();
        for (index, &file) in self.files.iter().enumerate() {
            let Some(region) = &file.region else { continue };
            let segment = Arc::new(Segment::new(index as u64 + 1, Arc::clone(region)));
            segments.push(Arc::clone(&segment));
            if let Head::Damaged(why) = file.head {
                let meaning = "no record is lost with its header";
                findings.add(Finding::of_file(self.survey.shown(&file.name), why, meaning, Weight::Mended));
            }
            let mut done = HEADER.min(file.bytes().len());
            meter.add(done as u64);
            walk(file.bytes(), HEADER, |piece| {
                let end = match piece {
                    Piece::Gap(gap) => {
                        let end = gap.offset + gap.len;
                        let file = self.survey.shown(&file.name);
                        findings.add(Finding::of_gap(file, gap, LOST, Weight::Damage));
                        end
                    }
                    Piece::Record(offset, record) => {
                        self.result.found += u64::from(matches!(record.kind, Kind::Put | Kind::Delete));
                        if let (Kind::Manifest, Some(list)) = (record.kind, Manifest::decode(record.value)) {
                            manifest = list;
                        }
                        self.replay.take(&segments, &segment, &[(offset, record)])?;
                        offset + record.len
                    }
                };
                meter.add((end - done) as u64);
                done = end;
                Ok(())
            })?;
            meter.add(file.len.min(MAX_FILE) - done as u64);
        }
        self.replay.finish(&kit(Arc::new(Memory), self.id), &segments, true)?;
        self.left = segments.iter().map(|segment| segment.live().saturating_sub(segment.tombstones())).sum();
        self.tell_missing(&manifest, findings);
        Ok(())
    }

    /// Names the segments that are missing; those behind the last that is there cannot be known.
    fn tell_missing(&self, manifest: &Manifest, findings: &mut Findings) {
        let present: Vec<u64> = self.survey.files.iter().map(|file| file.number).collect();
        let known = self.survey.id.map(|id| checkpoint::load(&*self.survey.medium, id));
        let listed = match known {
            Some(Ok((_, state))) => Manifest::of(state.segments.iter().map(|state| state.number)),
            _ => Manifest::default(),
        };
        let end = present.last().copied().unwrap_or_default();
        // The later of the two says more: it no longer names what compaction has removed in between.
        let list = if listed.newest() > manifest.newest() { &listed } else { manifest };
        for (first, last) in list.all_missing(&present, end) {
            let what = match last - first {
                0 => "this segment of the log is missing".to_owned(),
                more => format!("this segment of the log and the {more} after it are missing"),
            };
            let file = self.survey.shown(&segment::file_name(first));
            findings.add(Finding::of_file(file, what, LOST, Weight::Damage));
        }
    }

    /// Writes the records that count into a new database.
    fn write(&mut self, folder: &Path, meter: &mut Meter<'_>) -> Result<()> {
        for path in [folder.to_owned(), folder.join(segment::FOLDER), folder.join(checkpoint::FOLDER)] {
            let made = DirBuilder::new().mode(0o755).create(&path);
            made.map_err(Error::io("create", path.display().to_string()))?;
        }
        let medium = Directory::new(folder);
        let meta = Meta { complete: true, ..Meta::random(None)? };
        let mut log = NewLog { medium: &medium, meta, current: None, next: 1, left: self.left, last_ts: 0 };
        meter.begin("writing the records", self.bytes_of_files());
        let (mut saved, mut bytes) = (0, 0);
        for (index, file) in self.files.iter().enumerate() {
            let number = index as u64 + 1;
            let mut done = 0;
            walk(file.bytes(), HEADER, |piece| {
                let Piece::Record(offset, record) = piece else { return Ok(()) };
                meter.add((offset + record.len - done) as u64);
                done = offset + record.len;
                if self.counts(Position { segment: number, offset: offset as u64 }, &record) {
                    log.append(&file.bytes()[offset..offset + record.len], record.stamp)?;
                    saved += 1;
                    bytes += record.len as u64;
                }
                Ok(())
            })?;
            meter.add(file.len.min(MAX_FILE) - done as u64);
        }
        (self.result.saved, self.result.bytes) = (saved, bytes);
        log.finish()?;
        meta.save(&medium)?;
        let synced =
            sync_folder(&folder.join(segment::FOLDER)).and_then(|()| sync_folder(&folder.join(meta::NAME)));
        synced.map_err(Error::io("sync", folder.display().to_string()))
    }

    /// Whether the record at a place is the one of its key. Tombstones hide nothing in the new log.
    fn counts(&self, place: Position, record: &Record<'_>) -> bool {
        if record.kind != Kind::Put {
            return false;
        }
        let address = Address::new(place.segment, place.offset as usize);
        let hash = self.replay.hasher.hash(record.key);
        self.replay.table.find(hash, |entry| (entry.address() == address).then_some(())).is_some()
    }

    fn bytes_of_files(&self) -> u64 {
        self.files.iter().map(|file| file.len.min(MAX_FILE)).sum()
    }
}

/// The place of a file in the log: its header's number if that can be believed, else its name's.
fn number(file: &LogFile) -> u64 {
    match file.head {
        Head::Misplaced(number) => number,
        _ => file.number,
    }
}

/// A log that is written anew.
struct NewLog<'a> {
    medium: &'a Directory,
    meta: Meta,
    current: Option<(Segment, Appender)>,
    /// Number of the next segment.
    next: u64,
    /// Bytes that may still come.
    left: u64,
    last_ts: u64,
}

impl NewLog<'_> {
    fn append(&mut self, record: &[u8], stamp: Stamp) -> Result<()> {
        let fits = |appender: &Appender| {
            let region = appender.region();
            record.len() + SEAL <= region.capacity() - region.written()
        };
        if !self.current.as_ref().is_some_and(|(_, appender)| fits(appender)) {
            self.go_on(record.len())?;
        }
        let placed = self.current.as_mut().and_then(|(_, appender)| appender.append(&[record]));
        self.left = self.left.saturating_sub(record.len() as u64);
        self.last_ts = self.last_ts.max(stamp.ts);
        placed.map(drop).ok_or_else(|| Error::Failed("a new segment has no room for its record".to_owned()))
    }

    /// Makes the next segment, then seals the current one: a sealed segment always has a successor.
    fn go_on(&mut self, len: usize) -> Result<()> {
        // The last one is no larger than what is left for it.
        let usual = DEFAULT_SEGMENT - HEADER - SEAL;
        let left = usize::try_from(self.left).unwrap_or(usual);
        let capacity = HEADER + left.min(usual).max(len) + SEAL;
        let next = Segment::create(self.medium, self.meta.id, self.next, capacity)?;
        self.next += 1;
        if let Some((segment, mut appender)) = self.current.replace(next) {
            let stamp = Stamp { ts: self.last_ts, origin: 0 };
            appender.append(&[RecordHead::new(Kind::Seal, 0, 0).finish(stamp, Hasher::new())]);
            self.make_durable(&segment, segment.region().written())?;
        }
        Ok(())
    }

    /// Syncs a segment and cuts it to `len` bytes.
    fn make_durable(&self, segment: &Segment, len: usize) -> Result<()> {
        let region = segment.region();
        let synced = self
            .medium
            .sync(region, 0, region.written())
            .and_then(|()| if len < region.capacity() { self.medium.cut(region, len) } else { Ok(()) });
        synced.map_err(Error::io("write", self.medium.describe(region.name())))
    }

    /// Makes the last segment durable. It stays open, and in full: a shorter one would be taken for sealed.
    fn finish(&mut self) -> Result<()> {
        if self.current.is_none() {
            self.go_on(0)?;
        }
        match &self.current {
            Some((segment, _)) => self.make_durable(segment, segment.region().capacity()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record;

    #[test]
    fn a_record_that_is_written_anew_is_read_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(segment::FOLDER)).unwrap();
        let medium = Directory::new(folder.path());
        let meta = Meta::random(None).unwrap();
        let mut log = NewLog { medium: &medium, meta, current: None, next: 1, left: 250, last_ts: 0 };
        let mut head = RecordHead::new(Kind::Put, 1, 100);
        let stamp = Stamp { ts: 77, origin: 9 };
        let (key, value) = (b"k", [5; 100]);
        let mut body = Hasher::new();
        body.update(key);
        body.update(&value);
        let bytes = [head.finish(stamp, body), key, &value].concat();
        for _ in 0..3 {
            log.append(&bytes, stamp).unwrap();
        }
        log.finish().unwrap();
        let files = medium.list(segment::FOLDER).unwrap();
        assert_eq!(files.len(), 2, "{files:?}");
        let first = fs::read(folder.path().join(segment::file_name(1))).unwrap();
        assert_eq!(first[HEADER..HEADER + bytes.len()], bytes);
        let seal = record::peek(&first[first.len() - SEAL..]).unwrap();
        assert_eq!((seal.kind, seal.stamp.ts), (Kind::Seal, 77));
    }
}
