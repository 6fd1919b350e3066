//! An overview of a database, without reading all of it where its checkpoint allows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::examine::check::kit;
use crate::examine::checkpoint::{self as examined, Loaded, bytes_behind};
use crate::examine::opening::open_log;
use crate::examine::survey::{Head, LogFile, Meter, Progress, Survey};
use crate::hash::KeyHasher;
use crate::index::checkpoint;
use crate::log::address::Position;
use crate::log::reading::used;
use crate::log::record::{self, Kind};
use crate::log::recovery::Known;
use crate::log::segment::{HEADER, Segment};
use crate::medium::Medium;
use crate::meta;
use crate::store::replay::Replay;

/// What a segment is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SegmentState {
    /// Full: nothing more is written to it.
    Sealed,
    /// The one that is written.
    Active,
    /// Allocated ahead.
    Spare,
    /// Behind the torn end of the log, or without a header: the next start removes it or uses it anew.
    Leftover,
}

/// A segment of the log. Times are microseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentView {
    /// Its number.
    pub number: u64,
    /// Bytes of its file.
    pub file_bytes: u64,
    /// Bytes up to the end of its records.
    pub written: u64,
    /// Bytes of records that count, tombstones included.
    pub live: u64,
    /// Bytes of records that count no more: what compaction can give back.
    pub dead: u64,
    /// Bytes of the live records that are tombstones.
    pub tombstones: u64,
    /// Time of the first record; none where there is none, or it cannot be read.
    pub first: Option<u64>,
    /// Time of the last record.
    pub last: Option<u64>,
    /// What it is there for.
    pub state: SegmentState,
}

/// The checkpoint as the next start uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckpointView {
    /// It is used from this position on.
    Used(Position),
    /// It cannot be used, and why: the next start reads the whole log.
    Unused(String),
}

/// An overview of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Its identity, in `meta` and every segment.
    pub id: [u8; 16],
    /// The format of `meta`.
    pub format: u32,
    /// Whether it is one; else it was being made or emptied, and the next start begins anew. Then all that
    /// follows is empty.
    pub complete: bool,
    /// The segments, oldest first.
    pub segments: Vec<SegmentView>,
    /// Records that a client sees.
    pub records: u64,
    /// Entries of the table: records and tombstones.
    pub entries: u64,
    /// Primary buckets of the table.
    pub buckets: u64,
    /// Overflow buckets that are part of a chain.
    pub overflow: u64,
    /// Buckets of the longest chain.
    pub longest: u64,
    /// Bytes of the buckets in use.
    pub table_bytes: u64,
    /// The checkpoint.
    pub checkpoint: CheckpointView,
    /// Bytes of the log that were read for this, and are by the next start.
    pub replayed: u64,
    /// Where the log ends.
    pub end: Position,
    /// Bytes of a torn record at the end of the log, which the next start overwrites with zeros.
    pub torn: u64,
}

impl Inspection {
    /// Sums over all segments: bytes of files, live bytes, dead bytes, bytes of tombstones.
    pub fn totals(&self) -> (u64, u64, u64, u64) {
        self.segments.iter().fold((0, 0, 0, 0), |sum, segment| {
            (
                sum.0 + segment.file_bytes,
                sum.1 + segment.live,
                sum.2 + segment.dead,
                sum.3 + segment.tombstones,
            )
        })
    }
}

/// Looks at the database in `path`, which no node may have open. Reads what the next start would: the
/// checkpoint and the log behind it, else the whole log, of which `progress` is told.
///
/// Errors: the database is in use, `path` is none, or it does not open; [`check`](crate::examine::check) says
/// more then.
pub fn inspect(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Inspection> {
    let survey = Survey::of(path)?;
    let meta = match &survey.meta {
        Ok(Some(meta)) => *meta,
        Ok(None) => {
            return Err(damaged(&survey, meta::NAME, "it is missing"));
        }
        Err(_) => return Err(damaged(&survey, meta::NAME, "it cannot be read")),
    };
    let mut view = Inspection {
        id: meta.id.0,
        format: meta::VERSION,
        complete: meta.complete,
        segments: Vec::new(),
        records: 0,
        entries: 0,
        buckets: 0,
        overflow: 0,
        longest: 0,
        table_bytes: 0,
        checkpoint: CheckpointView::Unused("there is none".to_owned()),
        replayed: 0,
        end: Position::default(),
        torn: 0,
    };
    if !meta.complete {
        return Ok(view);
    }
    let medium: Arc<dyn Medium> = Arc::clone(&survey.medium) as _;
    let kit = kit(medium, meta.id);
    let mut replay = Replay::start(&kit, KeyHasher::new(meta.hash_key), 1)?;
    let position = replay.state.position;
    view.checkpoint = match replay.state.segments.is_empty() {
        false => CheckpointView::Used(position),
        true => CheckpointView::Unused(match examined::load(&*survey.medium, meta.id) {
            Loaded::Missing => "there is none".to_owned(),
            Loaded::Unusable(why) => why,
            Loaded::Whole(_) => "it knows no segments".to_owned(),
        }),
    };
    let known = Known {
        position,
        counted: replay.state.counted,
        segments: replay.state.segments.clone(),
        read_only: true,
        alone: false,
    };
    let mut meter = Meter::new(progress);
    let behind = survey.files.iter().filter(|file| file.number >= position.segment);
    meter.begin("reading the log", behind.map(|file| file.len).sum());
    let opened = open_log(&kit, &known, Some(&replay), &mut meter)?;
    replay.finish(&kit, &opened.segments, opened.replayed > 0)?;
    let shape = replay.table.audit(|_, _, _| ()).map_err(|why| damaged(&survey, checkpoint::NAME, why))?;
    view.end = opened.segments.iter().next_back().map(|last| last.end()).unwrap_or_default();
    let segments: BTreeMap<u64, &Arc<Segment>> =
        opened.segments.iter().map(|segment| (segment.number(), segment)).collect();
    let view_of = |file: &LogFile| segment_view(file, segments.get(&file.number).copied(), view.end);
    view.segments = survey.files.iter().map(view_of).collect();
    view.replayed = bytes_behind(&opened.segments, position);
    view.torn = torn(&survey.files, view.end);
    view.records = u64::try_from(replay.records).unwrap_or(0);
    (view.entries, view.overflow, view.longest) = (shape.entries, shape.overflow, shape.longest);
    (view.buckets, view.table_bytes) = (replay.table.size(), replay.table.bytes());
    Ok(view)
}

fn damaged(survey: &Survey, name: &str, why: &'static str) -> Error {
    Error::Damaged { path: survey.shown(name), offset: 0, why }
}

fn segment_view(file: &LogFile, segment: Option<&Arc<Segment>>, end: Position) -> SegmentView {
    let written = segment.map_or(0, |segment| segment.written());
    let live = segment.map_or(0, |segment| segment.live());
    let (first, last) = stamps(
        file.bytes().get(..written as usize).unwrap_or_default(),
        segment.is_some_and(|s| s.is_sealed()),
    );
    let is_blank = used(file.bytes().get(HEADER..).unwrap_or_default()) == 0;
    SegmentView {
        number: file.number,
        file_bytes: file.len,
        written,
        live,
        dead: written.saturating_sub(HEADER as u64).saturating_sub(live),
        tombstones: segment.map_or(0, |segment| segment.tombstones()),
        first,
        last,
        state: match segment {
            Some(segment) if segment.is_sealed() => SegmentState::Sealed,
            Some(_) if file.number == end.segment => SegmentState::Active,
            None if file.head == Head::Ours && is_blank => SegmentState::Spare,
            _ => SegmentState::Leftover,
        },
    }
}

/// The times of the first and the last record, without the others where there is a seal.
fn stamps(bytes: &[u8], is_sealed: bool) -> (Option<u64>, Option<u64>) {
    let at = |offset: usize| record::peek(bytes.get(offset..)?);
    let Some(first) = at(HEADER) else { return (None, None) };
    let seal = bytes.len().checked_sub(record::SEAL).and_then(at).filter(|last| last.kind == Kind::Seal);
    if let (true, Some(seal)) = (is_sealed, seal) {
        return (Some(first.stamp.ts), Some(seal.stamp.ts));
    }
    let (mut offset, mut last) = (HEADER, first);
    while let Some(next) = at(offset) {
        (offset, last) = (offset + next.len, next);
    }
    (Some(first.stamp.ts), Some(last.stamp.ts))
}

/// Bytes behind the end of the log in its last segment.
fn torn(files: &[LogFile], end: Position) -> u64 {
    let last = files.iter().find(|file| file.number == end.segment);
    let behind = last.and_then(|file| file.bytes().get(usize::try_from(end.offset).ok()?..));
    behind.map_or(0, |bytes| used(bytes) as u64)
}
