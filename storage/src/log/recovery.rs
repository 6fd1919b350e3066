//! Opening a log: which segments there are, where it ends, what its records say.
//!
//! What is always true: only the unsealed end of the log may be torn, and is cut there; anything
//! wrong before it is an error that names file and offset. Nothing is cut that was ever reported
//! durable: a segment whose file has been cut to its seal was synced before that.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tracing::{info, warn};

use crate::error::{Error, Result};
use crate::index::checkpoint::SegmentState;
use crate::log::address::Position;
use crate::log::record::{At, Kind, Record};
use crate::log::segment::{self, HEADER, Header, Segment, Segments};
use crate::log::writer::{Active, Kit, seal};
use crate::medium::Region;

/// A file of the log folder, opened.
struct Found {
    number: u64,
    region: Region,
    /// Bytes that the file was allocated with.
    capacity: u64,
}

/// A log whose records have been read.
#[derive(Debug, Default)]
pub struct Opened {
    /// All segments but the spare.
    pub segments: Segments,
    /// The last segment, if it can be appended to.
    pub active: Option<Active>,
    /// A segment allocated ahead.
    pub spare: Option<Active>,
    /// Segments that were sealed but not yet cut to their seal, oldest first.
    pub uncut: Vec<Arc<Segment>>,
    /// Bytes of records read.
    pub replayed: u64,
}

/// What a scan of a segment came to.
enum Ending {
    Sealed(usize),
    Open(usize),
    Torn(usize, &'static str),
}

/// Opens the segments and hands every record from `from` on to `apply`, in order. `known` tells what
/// the checkpoint says of a segment.
pub fn open(
    kit: &Kit,
    from: Position,
    known: impl Fn(u64) -> Option<SegmentState>,
    mut apply: impl FnMut(&Segments, &Arc<Segment>, usize, &Record<'_>) -> Result<()>,
) -> Result<Opened> {
    let mut opened = Opened::default();
    let mut found = files(kit)?.into_iter();
    for file in found.by_ref() {
        let Found { number, mut region, capacity } = file;
        let path = kit.medium.describe(region.name());
        kit.next_number.fetch_max(number + 1, Ordering::Relaxed);
        if number < from.segment {
            let Some(SegmentState { written, live, tombstones, .. }) = known(number) else {
                return Err(Error::Damaged {
                    path,
                    offset: 0,
                    why: "the checkpoint does not know this segment",
                });
            };
            if written > region.capacity() as u64 {
                let offset = region.capacity() as u64;
                return Err(Error::Damaged {
                    path,
                    offset,
                    why: "the file is shorter than what was written",
                });
            }
            region.set_written(written as usize);
            let segment = Arc::new(Segment::new(number, Arc::new(region)));
            segment.set_live(live, tombstones);
            segment.set_sealed();
            if written < segment.region().capacity() as u64 {
                opened.uncut.push(Arc::clone(&segment));
            }
            opened.segments.push(segment);
            continue;
        }
        let start = if number == from.segment { from.offset as usize } else { HEADER };
        let is_cut = (region.capacity() as u64) < capacity;
        let mut segment = Arc::new(Segment::new(number, Arc::new(region)));
        if let Some(state) = known(number) {
            segment.set_live(state.live, state.tombstones);
        }
        opened.segments.push(Arc::clone(&segment));
        let ending = scan(&opened.segments, &segment, start, &mut apply)?;
        let (Ending::Sealed(end) | Ending::Open(end) | Ending::Torn(end, _)) = ending;
        opened.replayed += (end - start.min(end)) as u64;
        match ending {
            Ending::Sealed(end) => {
                segment = close(&mut opened.segments, &segment, kit, end)?;
                if end < segment.region().capacity() {
                    opened.uncut.push(segment);
                }
            }
            Ending::Open(end) | Ending::Torn(end, _) if is_cut => {
                let why = match ending {
                    Ending::Torn(_, why) => why,
                    _ => "the segment ends without its seal",
                };
                return Err(Error::Damaged { path, offset: end as u64, why });
            }
            Ending::Open(end) => {
                let segment = reopened(&segment, kit, end)?;
                opened.segments.push_again(&segment);
                opened.active = segment.region().appender().map(|appender| Active { segment, appender });
                break;
            }
            Ending::Torn(end, why) => {
                warn!(file = path, offset = end, why, "the log ends in a torn record, which is cut off");
                let segment = reopened(&segment, kit, end)?;
                opened.segments.push_again(&segment);
                let Some(appender) = segment.region().appender() else { break };
                let mut active = Active { segment, appender };
                seal(&mut active, 0);
                cut(kit, &active.segment)?;
                break;
            }
        }
    }
    after_the_end(kit, found, &mut opened)?;
    Ok(opened)
}

/// What lies behind the end of the log: the spare, and what was never promised to last.
fn after_the_end(kit: &Kit, rest: impl Iterator<Item = Found>, opened: &mut Opened) -> Result<()> {
    for Found { number, mut region, .. } in rest {
        let blank = region.bytes()[HEADER..].iter().all(|&b| b == 0);
        kit.next_number.fetch_max(number + 1, Ordering::Relaxed);
        let usable = blank && opened.active.is_some() && opened.spare.is_none();
        if usable && region.capacity() == kit.segment_size {
            region.set_written(HEADER);
            let segment = Arc::new(Segment::new(number, Arc::new(region)));
            opened.spare = segment.region().appender().map(|appender| Active { segment, appender });
            continue;
        }
        let path = kit.medium.describe(region.name());
        if !blank {
            warn!(file = path, "dropping records after the torn end of the log; they were never synced");
        }
        kit.medium.remove(region.name()).map_err(Error::io("remove", path))?;
    }
    Ok(())
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
            warn!(file = path, "removing a segment that was never allocated");
            kit.medium.remove(&name).map_err(Error::io("remove", path))?;
            continue;
        }
        let region = kit.medium.open(&name).map_err(Error::io("open", &path))?;
        match segment::check_header(region.bytes(), kit.id, number) {
            Header::Ours(capacity) => files.push(Found { number, region, capacity }),
            Header::Blank if region.bytes().iter().all(|&b| b == 0) => {
                drop(region);
                kit.medium.remove(&name).map_err(Error::io("remove", path))?;
            }
            Header::Blank => {
                return Err(Error::Damaged {
                    path,
                    offset: 0,
                    why: "its header is blank but records follow",
                });
            }
            Header::Newer(found) => return Err(Error::Newer { path, found, supported: segment::VERSION }),
            Header::Bad(why) => return Err(Error::Damaged { path, offset: 0, why }),
        }
    }
    files.sort_by_key(|file| file.number);
    Ok(files)
}

/// Reads a segment's records from `start` to its end.
fn scan(
    segments: &Segments,
    segment: &Arc<Segment>,
    start: usize,
    apply: &mut impl FnMut(&Segments, &Arc<Segment>, usize, &Record<'_>) -> Result<()>,
) -> Result<Ending> {
    let mut offset = start;
    loop {
        match segment.at(offset) {
            At::Record(record) if record.kind == Kind::Seal => {
                return Ok(Ending::Sealed(offset + record.len));
            }
            At::Record(record) => {
                apply(segments, segment, offset, &record)?;
                offset += record.len;
            }
            At::End => {
                // Only zeros may follow: else something was written here, and torn.
                let rest = segment.region().bytes().get(offset..).unwrap_or_default();
                if rest.iter().all(|&b| b == 0) {
                    return Ok(Ending::Open(offset));
                }
                return Ok(Ending::Torn(offset, "zeros where a record should begin"));
            }
            At::Damage(why) => return Ok(Ending::Torn(offset, why)),
        }
    }
}

/// The same segment, mapped anew with `written` bytes, its live bytes kept.
fn reopened(segment: &Arc<Segment>, kit: &Kit, written: usize) -> Result<Arc<Segment>> {
    let name = segment.region().name();
    let mut region = kit.medium.open(name).map_err(Error::io("open", kit.medium.describe(name)))?;
    region.set_written(written);
    let again = Segment::new(segment.number(), Arc::new(region));
    again.set_live(segment.live(), segment.tombstones());
    Ok(Arc::new(again))
}

/// A sealed segment, of which only `end` bytes count.
fn close(segments: &mut Segments, segment: &Arc<Segment>, kit: &Kit, end: usize) -> Result<Arc<Segment>> {
    let closed = match end == segment.region().written() {
        true => Arc::clone(segment),
        false => reopened(segment, kit, end)?,
    };
    closed.set_sealed();
    segments.push_again(&closed);
    Ok(closed)
}

/// Makes a sealed segment durable and cuts its file to what was written.
pub fn cut(kit: &Kit, segment: &Segment) -> Result<()> {
    let region = segment.region();
    let end = region.written();
    let synced = kit.medium.sync(region, 0, end).and_then(|()| kit.medium.cut(region, end));
    synced.map_err(Error::io("sync", kit.medium.describe(region.name())))
}
