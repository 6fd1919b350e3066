//! Opening a log: which segments there are, where it ends, what its records say.
//!
//! What is always true:
//! - Only the unsealed end of the log may be torn. Anything wrong before it is an error that names file
//!   and offset, as is a segment that is missing.
//! - Nothing is dropped that was ever reported durable: a segment whose file has been cut to its seal
//!   was synced before that, and so was all before it.
//! - Nothing on disk is changed before the whole log has been read and found to be in order.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{info, warn};

use crate::error::{Error, Result};
use crate::index::checkpoint::SegmentState;
use crate::log::address::{MAX_SPAN, Position};
use crate::log::manifest::Manifest;
use crate::log::record::{At, Kind, Record};
use crate::log::segment::{self, HEADER, Header, Segment, Segments};
use crate::log::writer::{Active, Kit};
use crate::medium::Region;

/// A file of the log folder.
struct Found {
    number: u64,
    name: String,
    /// Its bytes, and how many it was made with; none where it has no header, so never was durable.
    content: Option<(Region, u64)>,
    len: u64,
}

impl Found {
    /// Whether it was sealed, synced and cut to its length.
    fn is_cut(&self) -> bool {
        self.content.as_ref().is_some_and(|(region, capacity)| (region.capacity() as u64) < *capacity)
    }
}

/// What is known before the log is read.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// All records before this position are in the table.
    pub position: Position,
    /// The segments at that time.
    pub segments: Vec<SegmentState>,
    /// Whether nothing on disk may be changed.
    pub read_only: bool,
}

/// A log whose records have been read.
#[derive(Debug, Default)]
pub struct Opened {
    /// All segments but the spare.
    pub segments: Segments,
    /// The last segment; none where nothing may be written.
    pub active: Option<Active>,
    /// Segments allocated ahead.
    pub spares: Vec<Active>,
    /// Segments that were sealed but not yet cut to their seal, oldest first.
    pub uncut: Vec<Arc<Segment>>,
    /// Bytes of records read.
    pub replayed: u64,
    /// The last manifest that was met.
    manifest: Manifest,
}

/// What a scan of a segment came to.
enum Ending {
    Sealed(usize),
    Open(usize),
    Torn(usize, &'static str),
}

/// Where the log ends: in a file, at an offset. What is behind it there, if anything, is torn.
struct End {
    file: String,
    number: u64,
    offset: usize,
    torn: Option<&'static str>,
    /// The segment where records were found; none where not even a header was.
    segment: Option<Arc<Segment>>,
    /// Bytes of the file.
    len: u64,
}

/// Takes records in: the segments so far, the one that holds the record, its offset, the record.
pub trait Apply: FnMut(&Segments, &Arc<Segment>, usize, &Record<'_>) -> Result<()> {}
impl<F: FnMut(&Segments, &Arc<Segment>, usize, &Record<'_>) -> Result<()>> Apply for F {}

/// Makes the first segment of a new log, in place of anything that an interrupted try left there.
pub fn create(kit: &Kit) -> Result<Opened> {
    let listed = kit.medium.list(segment::FOLDER);
    for (name, _) in listed.map_err(Error::io("list", kit.medium.describe(segment::FOLDER)))? {
        if segment::number_of(&name).is_some() {
            remove(kit, &format!("{}/{name}", segment::FOLDER))?;
        }
    }
    let active = kit.segment(kit.segment_size)?;
    let mut log = Opened::default();
    log.segments.push(Arc::clone(&active.segment));
    log.active = Some(active);
    Ok(log)
}

/// Opens the segments and hands every record from the known position on to `apply`, in order.
pub fn open(kit: &Kit, known: &Known, mut apply: impl Apply) -> Result<Opened> {
    let mut log = Opened {
        manifest: Manifest::of(known.segments.iter().map(|state| state.number)),
        ..Opened::default()
    };
    let mut rest = files(kit)?.into_iter();
    let mut end = None;
    while end.is_none() {
        let Some(file) = rest.next() else { break };
        if file.number < known.position.segment {
            take_known(kit, known, file, &mut log)?;
        } else {
            end = read_segment(kit, known, file, &mut log, &mut apply)?;
        }
    }
    let rest: Vec<Found> = rest.collect();
    check_complete(kit, &log, end.as_ref(), &rest)?;
    let Some(end) = end else { return Ok(log) };
    if known.read_only {
        if let Some(segment) = &end.segment {
            log.segments.replace(&mapped_anew(kit, segment, end.offset)?);
        }
        return Ok(log);
    }
    let spares = drop_rest(kit, &end, rest)?;
    kit.next_number.store(end.number + 1 + spares.len() as u64, Ordering::Relaxed);
    log.active = Some(resume(kit, &end)?);
    if let Some(active) = &log.active {
        match end.segment {
            Some(_) => log.segments.replace(&active.segment),
            None => log.segments.push(Arc::clone(&active.segment)),
        }
    }
    for (number, mut region) in spares {
        region.set_written(HEADER);
        let segment = Arc::new(Segment::new(number, Arc::new(region)));
        log.spares.extend(segment.region().appender().map(|appender| Active { segment, appender }));
    }
    Ok(log)
}

/// A segment before the known position: it need not be read.
fn take_known(kit: &Kit, known: &Known, file: Found, log: &mut Opened) -> Result<()> {
    let damaged = |offset: u64, why| Error::Damaged { path: kit.medium.describe(&file.name), offset, why };
    let Some(state) = known.segments.iter().find(|state| state.number == file.number) else {
        return Err(damaged(0, "the checkpoint does not know this segment"));
    };
    let Some((mut region, _)) = file.content else {
        return Err(damaged(0, "it is blank, but the log goes on after it"));
    };
    if state.written > region.capacity() as u64 {
        return Err(damaged(region.capacity() as u64, "the file is shorter than what was written"));
    }
    region.set_written(state.written as usize);
    let segment = Arc::new(Segment::new(file.number, Arc::new(region)));
    segment.set_live(state.live, state.tombstones);
    segment.set_sealed();
    if state.written < segment.region().capacity() as u64 {
        log.uncut.push(Arc::clone(&segment));
    }
    log.segments.push(segment);
    Ok(())
}

/// Reads a segment; returns the end of the log where it is there.
fn read_segment(
    kit: &Kit,
    known: &Known,
    file: Found,
    log: &mut Opened,
    apply: &mut impl Apply,
) -> Result<Option<End>> {
    let is_cut = file.is_cut();
    let Found { number, name, content, len } = file;
    let Some((region, _)) = content else {
        let torn = Some("the segment has no header");
        return Ok(Some(End { file: name, number, offset: 0, torn, segment: None, len }));
    };
    let start = if number == known.position.segment { known.position.offset as usize } else { HEADER };
    if start > region.capacity() {
        let (path, offset) = (kit.medium.describe(&name), region.capacity() as u64);
        return Err(Error::Damaged { path, offset, why: "the file is shorter than what was written" });
    }
    let segment = Arc::new(Segment::new(number, Arc::new(region)));
    if let Some(state) = known.segments.iter().find(|state| state.number == number) {
        segment.set_live(state.live, state.tombstones);
    }
    log.segments.push(Arc::clone(&segment));
    let ending = scan(log, &segment, start, apply)?;
    let (Ending::Sealed(offset) | Ending::Open(offset) | Ending::Torn(offset, _)) = ending;
    log.replayed += offset.saturating_sub(start) as u64;
    let torn = match ending {
        Ending::Sealed(offset) => {
            let sealed = match offset == segment.region().written() {
                true => segment,
                false => mapped_anew(kit, &segment, offset)?,
            };
            sealed.set_sealed();
            log.segments.replace(&sealed);
            if offset < sealed.region().capacity() {
                log.uncut.push(sealed);
            }
            return Ok(None);
        }
        Ending::Open(_) => None,
        Ending::Torn(_, why) => Some(why),
    };
    if is_cut {
        let why = torn.unwrap_or("the segment ends without its seal");
        return Err(Error::Damaged { path: kit.medium.describe(&name), offset: offset as u64, why });
    }
    Ok(Some(End { file: name, number, offset, torn, segment: Some(segment), len }))
}

/// Reads a segment's records from `start` to its end.
fn scan(log: &mut Opened, segment: &Arc<Segment>, start: usize, apply: &mut impl Apply) -> Result<Ending> {
    let mut offset = start;
    loop {
        match segment.at(offset) {
            At::Record(record) if record.kind == Kind::Seal => {
                return Ok(Ending::Sealed(offset + record.len));
            }
            At::Record(record) => {
                if record.kind == Kind::Manifest
                    && let Some(manifest) = Manifest::decode(record.value)
                {
                    log.manifest = manifest;
                }
                apply(&log.segments, segment, offset, &record)?;
                offset += record.len;
            }
            At::End => {
                // Only zeros may follow: else something was written here, and torn.
                let rest = segment.region().bytes().get(offset..).unwrap_or_default();
                return Ok(match used(rest) {
                    0 => Ending::Open(offset),
                    _ => Ending::Torn(offset, "zeros where a record should begin"),
                });
            }
            At::Damage(why) => return Ok(Ending::Torn(offset, why)),
        }
    }
}

/// Bytes up to the last that is not zero.
pub fn used(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    // A page at a time, as most of them are zeros: comparing is ten times faster than looking at each.
    let pages = bytes.rchunks(4096).take_while(|page| **page == ZEROS[..page.len()]).map(<[u8]>::len);
    let len = bytes.len() - pages.sum::<usize>();
    bytes[..len].iter().rposition(|&b| b != 0).map_or(0, |last| last + 1)
}

/// An error where a segment is missing, or where the log ends before something that was durable.
fn check_complete(kit: &Kit, log: &Opened, end: Option<&End>, rest: &[Found]) -> Result<()> {
    let newest = log.segments.iter().next_back().map_or(0, |segment| segment.number());
    let missing = |number| Error::Damaged {
        path: kit.medium.describe(&segment::file_name(number)),
        offset: 0,
        why: "this segment of the log is missing",
    };
    let read = log.segments.iter().map(|segment| segment.number());
    let blank = end.filter(|end| end.segment.is_none()).map(|end| end.number);
    if let Some(number) = log.manifest.missing(read.chain(blank), blank.unwrap_or(newest)) {
        return Err(missing(number));
    }
    let Some(end) = end else {
        // The last segment is sealed, so there was another one.
        return Err(missing(newest + 1));
    };
    if let Some(later) = rest.iter().find(|file| file.is_cut()) {
        info!(file = later.name, "this later segment was made durable");
        let why = end.torn.unwrap_or("the segment ends without its seal, but later ones were made durable");
        let path = kit.medium.describe(&end.file);
        return Err(Error::Damaged { path, offset: end.offset as u64, why });
    }
    if end.segment.is_none() && end.len < (HEADER + crate::log::record::SEAL) as u64 {
        let path = kit.medium.describe(&end.file);
        return Err(Error::Damaged {
            path,
            offset: end.len,
            why: "the log goes on here, but the file is cut short",
        });
    }
    Ok(())
}

/// Removes what lies behind the end of the log and was never promised to last, newest first, so that
/// no try that is interrupted leaves a gap. Returns the spares, which stay.
fn drop_rest(kit: &Kit, end: &End, rest: Vec<Found>) -> Result<Vec<(u64, Region)>> {
    let is_blank = |region: &Region| used(&region.bytes()[HEADER..]) == 0;
    let mut spares = Vec::new();
    let mut rest = rest.into_iter().peekable();
    let mut number = end.number + 1;
    while let Some(Found { content: Some((region, _)), .. }) = rest.next_if(|file| {
        let usual = kit.segment_size as u64;
        file.number == number
            && (usual / 2..=usual).contains(&file.len)
            && file.content.as_ref().is_some_and(|(region, _)| is_blank(region))
    }) {
        spares.push((number, region));
        number += 1;
    }
    for file in rest.rev() {
        if file.content.as_ref().is_some_and(|(region, _)| !is_blank(region)) {
            let path = kit.medium.describe(&file.name);
            warn!(file = path, "dropping records after the torn end of the log; they were never synced");
        }
        remove(kit, &file.name)?;
    }
    Ok(spares)
}

fn remove(kit: &Kit, name: &str) -> Result<()> {
    kit.medium.remove(name).map_err(Error::io("remove", kit.medium.describe(name)))
}

/// Makes the segment where the log ends the active one, without what was torn.
fn resume(kit: &Kit, end: &End) -> Result<Active> {
    let path = kit.medium.describe(&end.file);
    let mut region = kit.medium.open(&end.file).map_err(Error::io("open", &path))?;
    if let Some(why) = end.torn {
        let used = end.offset + used(&region.bytes()[end.offset..]);
        if used > end.offset {
            warn!(
                file = path,
                offset = end.offset,
                used,
                why,
                "the log ends in a torn record, which is dropped"
            );
            let wiped = kit.medium.wipe(&end.file, end.offset as u64, used as u64);
            wiped.map_err(Error::io("write", &path))?;
        }
    }
    region.set_written(end.offset);
    let capacity = region.capacity() as u64;
    let segment = Segment::new(end.number, Arc::new(region));
    let Some(mut appender) = segment.region().appender() else {
        return Err(Error::Failed(format!("{path} has two writers")));
    };
    match &end.segment {
        Some(read) => segment.set_live(read.live_word(), read.tombstones()),
        None => _ = appender.append(&[&segment::header(kit.id, end.number, capacity)]),
    }
    Ok(Active { segment: Arc::new(segment), appender })
}

/// The same segment, mapped anew with `written` bytes, its live bytes kept.
fn mapped_anew(kit: &Kit, segment: &Segment, written: usize) -> Result<Arc<Segment>> {
    let name = segment.region().name();
    let mut region = kit.medium.open(name).map_err(Error::io("open", kit.medium.describe(name)))?;
    region.set_written(written);
    let again = Segment::new(segment.number(), Arc::new(region));
    again.set_live(segment.live_word(), segment.tombstones());
    Ok(Arc::new(again))
}

/// Opens the files of the log folder in order of their numbers and checks their headers.
fn files(kit: &Kit) -> Result<Vec<Found>> {
    let listed = kit.medium.list(segment::FOLDER);
    let listed = listed.map_err(Error::io("list", kit.medium.describe(segment::FOLDER)))?;
    let mut files = Vec::new();
    for (name, len) in listed {
        let Some(number) = segment::number_of(&name) else {
            info!(file = name, "not a segment, left alone");
            continue;
        };
        let name = segment::file_name(number);
        let path = kit.medium.describe(&name);
        if len == 0 {
            files.push(Found { number, name, content: None, len });
            continue;
        }
        let region = kit.medium.open(&name).map_err(Error::io("open", &path))?;
        let content = match segment::check_header(region.bytes(), kit.id, number) {
            Header::Ours(capacity) if len > capacity => {
                let why = "the file is longer than it was made";
                return Err(Error::Damaged { path, offset: capacity, why });
            }
            Header::Ours(capacity) => Some((region, capacity)),
            Header::Blank => None,
            Header::Newer(found) => return Err(Error::Newer { path, found, supported: segment::VERSION }),
            Header::Bad(why) => return Err(Error::Damaged { path, offset: 0, why }),
        };
        files.push(Found { number, name, content, len });
    }
    files.sort_by_key(|file| file.number);
    match (files.first(), files.last()) {
        (Some(first), Some(last)) if last.number - first.number >= MAX_SPAN => Err(Error::Damaged {
            path: kit.medium.describe(&last.name),
            offset: 0,
            why: "its number is too far from that of the oldest segment",
        }),
        _ => Ok(files),
    }
}
