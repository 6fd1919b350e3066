//! Reading segments for a restore: every record with its CRC, up to the end, the seal or a time.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::log::address::Position;
use crate::log::manifest::Manifest;
use crate::log::record::{At, Kind};
use crate::log::segment::{self, HEADER, Header, Segment};
use crate::medium::{Directory, Medium};
use crate::meta::DatabaseId;

/// What was met on the way.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// The largest stamp, in microseconds since the Unix epoch.
    pub last_change: u64,
    /// The last manifest.
    pub manifest: Manifest,
}

/// How the reading of a segment ended, each with the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Behind its seal.
    Sealed(usize),
    /// Where nothing has been written yet, or at the end of the range.
    Open(usize),
    /// Before the first change that is later than asked for.
    Later(usize),
    /// At something that is no record.
    Torn(usize, &'static str),
}

/// A segment's file.
pub(crate) struct File {
    pub(crate) segment: Segment,
    /// Bytes that the file was made with.
    pub(crate) capacity: u64,
}

impl File {
    /// Maps segment `number` of the database in `medium`; none where it has no header yet.
    pub(crate) fn open(medium: &Directory, id: DatabaseId, number: u64) -> Result<Option<Self>> {
        let name = segment::file_name(number);
        let path = medium.describe(&name);
        let damaged = |offset, why| Err(Error::Damaged { path: path.clone(), offset, why });
        let listed = medium.list(segment::FOLDER).map_err(Error::io("list", &path))?;
        let len = listed.iter().find(|(name, _)| segment::number_of(name) == Some(number));
        match len {
            None => return damaged(0, "this segment of the log is missing"),
            // An empty file cannot be mapped.
            Some((_, 0)) => return Ok(None),
            Some(_) => {}
        }
        let region = medium.open(&name).map_err(Error::io("open", &path))?;
        match segment::check_header(region.bytes(), id, number) {
            Header::Ours(capacity) if region.capacity() as u64 > capacity => {
                damaged(capacity, "the file is longer than it was made")
            }
            Header::Ours(capacity) => {
                Ok(Some(Self { segment: Segment::new(number, Arc::new(region)), capacity }))
            }
            Header::Blank => Ok(None),
            Header::Newer(found) => Err(Error::Newer { path, found, supported: segment::VERSION }),
            Header::Bad(why) => damaged(0, why),
        }
    }

    /// Whether it was sealed, synced and cut to its length.
    pub(crate) fn is_cut(&self) -> bool {
        (self.segment.region().capacity() as u64) < self.capacity
    }

    /// The whole file.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.segment.region().bytes()
    }

    /// Reads the records that begin in a range of offsets, up to the first change that is later than `until`.
    /// Records that compaction moved keep their older stamps; the time of a memo is not that of a change.
    pub(crate) fn read(&self, range: Range<usize>, until: Option<u64>, met: &mut Met) -> Ending {
        let mut offset = range.start;
        loop {
            if offset >= range.end {
                return Ending::Open(offset);
            }
            match self.segment.at(offset) {
                At::Record(record) if record.kind == Kind::Seal => {
                    return Ending::Sealed(offset + record.len);
                }
                At::Record(record)
                    if record.kind != Kind::Memo && until.is_some_and(|until| record.stamp.ts > until) =>
                {
                    return Ending::Later(offset);
                }
                At::Record(record) => {
                    if record.kind != Kind::Memo {
                        met.last_change = met.last_change.max(record.stamp.ts);
                    }
                    if record.kind == Kind::Manifest
                        && let Some(manifest) = Manifest::decode(record.value)
                    {
                        met.manifest = manifest;
                    }
                    offset += record.len;
                }
                At::End => {
                    let rest = self.bytes().get(offset..).unwrap_or_default();
                    return match is_blank(rest) {
                        true => Ending::Open(offset),
                        false => Ending::Torn(offset, "zeros where a record should begin"),
                    };
                }
                At::Damage(why) => return Ending::Torn(offset, why),
            }
        }
    }
}

/// Whether all bytes are zero.
pub(crate) fn is_blank(bytes: &[u8]) -> bool {
    const ZEROS: [u8; 4096] = [0; 4096];
    bytes.chunks(4096).all(|page| *page == ZEROS[..page.len()])
}

/// Where rolling forward ends.
#[derive(Debug)]
pub(crate) struct Rolled {
    /// Full segments on the way, and how many bytes of each.
    pub(crate) full: Vec<(u64, usize)>,
    /// The end.
    pub(crate) end: Position,
    /// Segments on the way that are not there.
    gaps: Vec<u64>,
    /// Where the log itself ends in something torn, as after a crash.
    pub(crate) torn: Option<(String, u64)>,
}

/// Reads the log of the database in `medium` from a position up to the first change later than `until`.
/// `folder` is its directory; `progress` is told the bytes read.
///
/// Compaction may have removed segments on the way. What was live in one was moved before a manifest without
/// it was written. So it is not needed where that manifest is before the end; it is where the end lies
/// between its records and the manifest. Tombstones were moved as well, and a vanish is not in it, since
/// the segment with the position is older and still there.
pub(crate) fn roll(
    medium: &Directory,
    folder: &Path,
    id: DatabaseId,
    from: Position,
    until: Option<u64>,
    met: &mut Met,
    progress: &mut dyn FnMut(u64),
) -> Result<Rolled> {
    let rolled = read_on(medium, folder, id, from, until, met, progress)?;
    match rolled.gaps.iter().find(|&&gap| !met.manifest.is_gone(gap)) {
        Some(&gap) => Err(gone(folder, gap, rolled.end.segment)),
        None => Ok(rolled),
    }
}

fn read_on(
    medium: &Directory,
    folder: &Path,
    id: DatabaseId,
    from: Position,
    until: Option<u64>,
    met: &mut Met,
    progress: &mut dyn FnMut(u64),
) -> Result<Rolled> {
    let listed = medium.list(segment::FOLDER);
    let listed = listed.map_err(Error::io("list", medium.describe(segment::FOLDER)))?;
    let newest = listed.iter().filter_map(|(name, _)| segment::number_of(name)).max().unwrap_or(0);
    let has = |number| listed.iter().any(|(name, _)| segment::number_of(name) == Some(number));
    let (mut full, mut gaps) = (Vec::new(), Vec::new());
    let mut number = from.segment;
    loop {
        if number > newest && number > from.segment {
            let path = medium.describe(&segment::file_name(number));
            return Err(Error::Damaged { path, offset: 0, why: "this segment of the log is missing" });
        }
        if !has(number) && number > from.segment {
            gaps.push(number);
            number += 1;
            continue;
        }
        if !has(number) {
            return Err(gone(folder, number, newest));
        }
        let start = if number == from.segment { from.offset as usize } else { HEADER };
        let at = |offset: usize| Position { segment: number, offset: offset as u64 };
        let Some(file) = File::open(medium, id, number)? else {
            // Sealed, synced, and then the power was lost: it would go on here.
            check_end(medium, id, at(HEADER), newest, "the segment has no header")?;
            return Ok(Rolled { full, end: at(HEADER), gaps, torn: None });
        };
        let ending = file.read(start..usize::MAX, until, met);
        let (Ending::Sealed(end) | Ending::Open(end) | Ending::Later(end) | Ending::Torn(end, _)) = ending;
        progress(end.saturating_sub(start) as u64);
        let torn = match ending {
            Ending::Sealed(end) => {
                full.push((number, end));
                number += 1;
                continue;
            }
            Ending::Later(_) => return Ok(Rolled { full, end: at(end), gaps, torn: None }),
            Ending::Open(_) => None,
            Ending::Torn(_, why) => Some(why),
        };
        let path = medium.describe(&segment::file_name(number));
        if file.is_cut() {
            let why = torn.unwrap_or("the segment ends without its seal");
            return Err(Error::Damaged { path, offset: end as u64, why });
        }
        let why = torn.unwrap_or("the segment ends without its seal, but the log goes on after it");
        check_end(medium, id, at(end), newest, why)?;
        let torn = torn.map(|_| (path, end as u64));
        return Ok(Rolled { full, end: at(end), gaps, torn });
    }
}

/// An error where something behind the end of the log was durable once: then it is damage.
fn check_end(
    medium: &Directory,
    id: DatabaseId,
    end: Position,
    newest: u64,
    why: &'static str,
) -> Result<()> {
    let path = medium.describe(&segment::file_name(end.segment));
    let damaged = || Err(Error::Damaged { path: path.clone(), offset: end.offset, why });
    for number in end.segment + 1..=newest {
        // One that is not there, or has no header, was never durable.
        if File::open(medium, id, number).is_ok_and(|file| file.is_some_and(|file| file.is_cut())) {
            return damaged();
        }
    }
    match crate::index::checkpoint::load(medium, id) {
        Ok((_, state)) if state.position > end => damaged(),
        _ => Ok(()),
    }
}

fn gone(folder: &Path, number: u64, newest: u64) -> Error {
    let what = match number > newest {
        true => "its log ends before the backup does",
        false => {
            "compaction has removed this segment, and with it changes between the backup and the time to \
                  restore to"
        }
    };
    Error::Unusable {
        path: folder.join(segment::file_name(number)).display().to_string(),
        why: format!("{what}; use a backup that was made later, or restore this one alone, without the log"),
    }
}
