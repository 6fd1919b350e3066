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
use crate::log::reading::{Ending, Progress, Scanned, Sink, scan, scan_all, used};
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
    /// Everything up to here was durable, and the live bytes of the segments are as of here.
    pub counted: Position,
    /// The segments at that time, rising.
    pub segments: Vec<SegmentState>,
    /// Whether nothing on disk may be changed.
    pub read_only: bool,
    /// Whether no further threads may be used.
    pub alone: bool,
}

impl Known {
    fn state(&self, number: u64) -> Option<&SegmentState> {
        let at = self.segments.binary_search_by_key(&number, |state| state.number).ok()?;
        self.segments.get(at)
    }
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

/// Opens the segments and hands every record from the known position on to `sink`: up to where live bytes
/// are counted in order, then those of segments that are certainly whole in any order, then the rest in
/// order.
pub fn open(kit: &Kit, known: &Known, sink: &dyn Sink) -> Result<Opened> {
    let mut log = Opened {
        manifest: Manifest::of(known.segments.iter().map(|state| state.number)),
        ..Opened::default()
    };
    let files = files(kit)?;
    let unread = files.iter().filter(|file| file.number >= known.position.segment).map(|file| file.len);
    let progress = Progress::new(unread.sum::<u64>().saturating_sub(known.position.offset));
    let mut rest = files.into_iter().peekable();
    while let Some(file) = rest.next_if(|file| file.number < known.position.segment) {
        take_known(kit, known, file, &mut log)?;
    }
    let mut end = None;
    // The table may point at any of these already.
    let mut in_order = Vec::new();
    while let (None, Some(file)) = (&end, rest.next_if(|file| file.number <= known.counted.segment)) {
        match begin(kit, known, file, &mut log)? {
            Ok(unread) => in_order.push(unread),
            Err(blank) => end = Some(blank),
        }
    }
    for unread in in_order {
        let scanned = scan(&log.segments, &unread.segment, unread.start, sink, &progress)?;
        if let Some(found) = conclude(kit, &unread, scanned, &mut log)? {
            end = Some(found);
            break;
        }
    }
    while end.is_none() {
        let mut whole = Vec::new();
        while let Some(file) = rest.next_if(Found::is_cut) {
            whole.extend(begin(kit, known, file, &mut log)?.ok());
        }
        read_whole(kit, known, &whole, &mut log, sink, &progress)?;
        let Some(file) = rest.next() else { break };
        end = match begin(kit, known, file, &mut log)? {
            Ok(unread) => {
                let scanned = scan(&log.segments, &unread.segment, unread.start, sink, &progress)?;
                conclude(kit, &unread, scanned, &mut log)?
            }
            Err(blank) => Some(blank),
        };
    }
    log.replayed = progress.bytes();
    let rest: Vec<Found> = rest.collect();
    check_complete(kit, known, &log, end.as_ref(), &rest)?;
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
    let Some(state) = known.state(file.number) else {
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
    segment.set_counts(&state.counts);
    segment.set_sealed();
    if state.written < segment.region().capacity() as u64 {
        log.uncut.push(Arc::clone(&segment));
    }
    log.segments.push(segment);
    Ok(())
}

/// A segment that is about to be read.
struct Unread {
    segment: Arc<Segment>,
    start: usize,
    /// Whether it was sealed, synced and cut to its length.
    is_cut: bool,
    name: String,
    len: u64,
}

/// Adds a segment that is to be read; or tells that the log ends before it.
fn begin(
    kit: &Kit,
    known: &Known,
    file: Found,
    log: &mut Opened,
) -> Result<std::result::Result<Unread, End>> {
    let is_cut = file.is_cut();
    let Found { number, name, content, len } = file;
    let Some((region, _)) = content else {
        let torn = Some("the segment has no header");
        return Ok(Err(End { file: name, number, offset: 0, torn, segment: None, len }));
    };
    let start = if number == known.position.segment { known.position.offset as usize } else { HEADER };
    if start > region.capacity() {
        let (path, offset) = (kit.medium.describe(&name), region.capacity() as u64);
        return Err(Error::Damaged { path, offset, why: "the file is shorter than what was written" });
    }
    let segment = Arc::new(Segment::new(number, Arc::new(region)));
    if let Some(state) = known.state(number) {
        segment.set_counts(&state.counts);
    }
    log.segments.push(Arc::clone(&segment));
    Ok(Ok(Unread { segment, start, is_cut, name, len }))
}

/// Reads segments that are certainly whole, several at once.
fn read_whole(
    kit: &Kit,
    known: &Known,
    whole: &[Unread],
    log: &mut Opened,
    sink: &dyn Sink,
    progress: &Progress,
) -> Result<()> {
    let wanted: Vec<_> = whole.iter().map(|unread| (Arc::clone(&unread.segment), unread.start)).collect();
    let scanned = scan_all(&log.segments, &wanted, sink, progress, known.alone);
    for (unread, scanned) in whole.iter().zip(scanned) {
        conclude(kit, unread, scanned?, log)?;
    }
    Ok(())
}

/// Draws the conclusions of a scan; returns the end of the log where it is there.
fn conclude(kit: &Kit, unread: &Unread, scanned: Scanned, log: &mut Opened) -> Result<Option<End>> {
    let Unread { segment, is_cut, name, len, .. } = unread;
    if let Some(manifest) = scanned.manifest {
        log.manifest = manifest;
    }
    let (offset, torn) = match scanned.ending {
        Ending::Sealed(offset) => {
            let sealed = match offset == segment.region().written() {
                true => Arc::clone(segment),
                false => mapped_anew(kit, segment, offset)?,
            };
            sealed.set_sealed();
            log.segments.replace(&sealed);
            if offset < sealed.region().capacity() {
                log.uncut.push(sealed);
            }
            return Ok(None);
        }
        Ending::Open(offset) => (offset, None),
        Ending::Torn(offset, why) => (offset, Some(why)),
    };
    if *is_cut {
        let why = torn.unwrap_or("the segment ends without its seal");
        return Err(Error::Damaged { path: kit.medium.describe(name), offset: offset as u64, why });
    }
    let segment = Some(Arc::clone(segment));
    let number = unread.segment.number();
    Ok(Some(End { file: name.clone(), number, offset, torn, segment, len: *len }))
}

/// An error where a segment is missing, or where the log ends before something that was durable.
fn check_complete(kit: &Kit, known: &Known, log: &Opened, end: Option<&End>, rest: &[Found]) -> Result<()> {
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
    // Where nothing but the header is lost, no record is.
    let last = Position { segment: end.number, offset: end.offset.max(HEADER) as u64 };
    if last < known.counted {
        let why = end.torn.unwrap_or("the log ends here, but the checkpoint knows more of it");
        let path = kit.medium.describe(&end.file);
        return Err(Error::Damaged { path, offset: end.offset as u64, why });
    }
    if let Some(later) = rest.iter().find(|file| file.is_cut()) {
        info!(file = later.name, "a segment behind the damaged one is whole");
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
        Some(read) => segment.set_counts(&read.counts()),
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
    again.set_counts(&segment.counts());
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
