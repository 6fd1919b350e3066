//! Looking at a checkpoint: whether its entries point at whole records of their keys, and its figures are
//! those of the log. What its format allows, beyond what the engine's own reader checks, is told here alone.

use std::io::ErrorKind;

use crate::examine::check::{Opening, checkpoint_file};
use crate::examine::report::{Finding, Findings, Weight};
use crate::examine::survey::{Meter, Survey};
use crate::hash::KeyHasher;
use crate::index::checkpoint::{self, HEADER, State};
use crate::index::{Entry, Table};
use crate::log::address::{Address, Position};
use crate::log::manifest::Manifest;
use crate::log::record::{At, Kind, Record};
use crate::log::recovery::Known;
use crate::log::segment::{self, Segments};
use crate::medium::Medium;
use crate::meta::DatabaseId;

/// Bytes of a bucket.
const BUCKET: u64 = 64;

/// The checkpoint of a database.
#[derive(Debug, Default)]
pub(super) enum Loaded {
    /// There is none: nothing is wrong with that.
    #[default]
    Missing,
    /// Not used, and why.
    Unusable(String),
    /// Every CRC holds, and so does every chain of buckets.
    Whole(Box<(Table, State)>),
}

/// Reads the checkpoint as a start does.
pub(super) fn load(medium: &dyn Medium, id: DatabaseId) -> Loaded {
    let is_there = match medium.list(checkpoint::FOLDER) {
        Ok(files) => {
            files.iter().any(|(name, _)| format!("{}/{name}", checkpoint::FOLDER) == checkpoint::NAME)
        }
        Err(error) => error.kind() != ErrorKind::NotFound,
    };
    match is_there.then(|| checkpoint::load(medium, id)) {
        None => Loaded::Missing,
        Some(Ok(whole)) => Loaded::Whole(Box::new(whole)),
        Some(Err(why)) => Loaded::Unusable(why),
    }
}

impl Loaded {
    /// Where a start would begin to read the log.
    pub(super) fn known(&self) -> Known {
        match self {
            Self::Whole(whole) => {
                let State { position, counted, ref segments, .. } = whole.1;
                Known { position, counted, segments: segments.clone(), ..Known::default() }
            }
            _ => Known::default(),
        }
    }

    /// The list of segments that is the first manifest of a start, and where it stands.
    pub(super) fn manifest(&self) -> (Position, Manifest) {
        let known = self.known();
        (known.position, Manifest::of(known.segments.iter().map(|state| state.number)))
    }
}

/// Adds what is wrong with the checkpoint to `findings`. Says whether it vouches for the log: it is of its end,
/// and every record that counts is whole.
pub(super) fn check(
    survey: &Survey,
    loaded: &Loaded,
    opening: &Opening,
    findings: &mut Findings,
    meter: &mut Meter<'_>,
) -> bool {
    let file = || checkpoint_file(survey);
    let (table, state) = match loaded {
        Loaded::Missing => return false,
        Loaded::Unusable(why) => {
            let meaning = "only the checkpoint, which is made anew: the next start reads the whole log";
            findings.add(Finding::of_file(file(), why.as_str(), meaning, Weight::Mended));
            return false;
        }
        Loaded::Whole(whole) => (&whole.0, &whole.1),
    };
    let (Opening::Ends(segments, end), Ok(Some(meta))) = (opening, &survey.meta) else { return false };
    meter.begin("comparing the checkpoint", table.entries());
    let mut walk = Walk {
        segments,
        state,
        hasher: KeyHasher::new(meta.hash_key),
        wrong: 0,
        first: None,
        removed: removed(survey, state),
        forgotten: 0,
        records: 0,
        live: vec![0; state.segments.len()],
    };
    let shape = table.audit(|index, level, entry| {
        meter.add(1);
        walk.take(index, level, entry);
    });
    meter.finish();
    let meaning = "records may not be found, or old ones be shown; remove this file, then the next start makes \
                   it anew from the log";
    let mut wrong = |offset: u64, what: String| {
        let one = Finding::of_file(file(), what, meaning, Weight::Damage);
        findings.add(Finding { offset, ..one });
    };
    if let Err(why) = shape {
        wrong(HEADER as u64, why.to_owned());
        return false;
    }
    if let Some((offset, what)) = walk.first.take() {
        let all = walk.wrong;
        wrong(offset, format!("{all} entries do not point at a whole record of their key; {what}"));
    }
    // Figures are of the end of the log that the checkpoint knows. Only where it has not gone on since, and
    // nothing was removed, do they say something about the entries.
    let vouches = state.position == *end && walk.forgotten == 0 && walk.wrong == 0;
    if vouches {
        let figures = walk.figures();
        let are_right = figures.is_empty();
        figures.into_iter().for_each(|what| wrong(0, what));
        return are_right;
    }
    let behind = bytes_behind(segments, state.position);
    if behind > 0 {
        let what = format!("{behind} bytes of the log were written after it");
        let meaning = "the database was not closed: the next start reads them";
        findings.add(Finding::of_file(file(), what, meaning, Weight::Mended));
    }
    false
}

/// Segments that the checkpoint lists and that are not there any more, rising.
fn removed(survey: &Survey, state: &State) -> Vec<usize> {
    let is_there = |number| survey.files.binary_search_by_key(&number, |file| file.number).is_ok();
    let listed = state.segments.iter().map(|state| state.number);
    let gone = listed.filter(|&number| !is_there(number));
    let mut bits: Vec<usize> = gone.map(|number| Address::new(number, 0).segments_after(0)).collect();
    bits.sort_unstable();
    bits
}

/// Bytes of records behind a position.
pub(super) fn bytes_behind(segments: &Segments, position: Position) -> u64 {
    let behind = segments.iter().filter(|segment| segment.number() >= position.segment).map(|segment| {
        let from = if segment.number() == position.segment { position.offset } else { 0 };
        segment.written().saturating_sub(from)
    });
    behind.sum()
}

/// A walk over the entries.
struct Walk<'a> {
    segments: &'a Segments,
    state: &'a State,
    hasher: KeyHasher,
    wrong: u64,
    /// The first that is wrong: offset of its bucket in the file, and where it points.
    first: Option<(u64, String)>,
    /// Segments of the list that compaction has removed since, by the bits of their numbers that an address
    /// has: a start forgets their entries.
    removed: Vec<usize>,
    forgotten: u64,
    /// Entries that are no tombstones.
    records: u64,
    /// Entries that point into each segment of the list.
    live: Vec<u64>,
}

impl Walk<'_> {
    fn take(&mut self, index: u64, level: u32, entry: Entry) {
        let address = entry.address();
        let Some(segment) = self.segments.at(address) else {
            match self.removed.binary_search(&address.segments_after(0)) {
                Ok(_) => self.forgotten += 1,
                Err(_) => self.is_wrong(index, "it is in a segment that there is not".to_owned()),
            }
            return;
        };
        self.records += u64::from(!entry.is_tombstone());
        // A record behind the position is as good: the log is read into the table from there on.
        match segment.at(address.offset()) {
            At::Record(record) if self.fits(index, level, entry, &record) => {
                let listed =
                    self.state.segments.binary_search_by_key(&segment.number(), |state| state.number);
                if let Some(live) = listed.ok().and_then(|listed| self.live.get_mut(listed)) {
                    *live += 1;
                }
            }
            at => {
                let what = match at {
                    At::Damage(why) => why,
                    At::End => "nothing was written there",
                    At::Record(_) => "it is a record of another key or kind",
                };
                let (file, offset) = (segment.region().name().to_owned(), address.offset());
                self.is_wrong(index, format!("{what} ({file} at offset {offset})"));
            }
        }
    }

    /// Notes an entry of bucket `index` that points nowhere.
    fn is_wrong(&mut self, index: u64, what: String) {
        self.wrong += 1;
        self.first
            .get_or_insert((HEADER as u64 + index.saturating_mul(BUCKET), format!("the first: {what}")));
    }

    fn fits(&self, index: u64, level: u32, entry: Entry, record: &Record<'_>) -> bool {
        let kind = if entry.is_tombstone() { Kind::Delete } else { Kind::Put };
        let hash = self.hasher.hash(record.key);
        let is_here = hash & ((1 << level) - 1) == index;
        record.kind == kind && is_here && entry.may_be(hash >> level)
    }

    /// Figures of the checkpoint that the entries contradict.
    fn figures(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        if self.state.records != self.records {
            wrong.push(format!("it counts {} records, but has {}", self.state.records, self.records));
        }
        // Their bytes say less: they may be wrong where a damaged record was overwritten.
        let listed =
            self.state.segments.iter().map(|state| (state.number, segment::live_count(state.counts.live)));
        for ((number, counted), &live) in
            listed.zip(&self.live).filter(|((_, counted), live)| counted != *live)
        {
            wrong.push(format!("it counts {counted} live records in segment {number}, but {live} are"));
        }
        wrong
    }
}
