//! Reading every byte of a database and saying what is not as it was written.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Condvar;

use crate::error::{Error, Result};
use crate::examine::checkpoint::{self as examined, Loaded};
use crate::examine::opening::open_log;
use crate::examine::report::{Finding, Findings, Verdict, Weight};
use crate::examine::survey::{Head, LogFile, MAX_FILE, Meter, Progress, Survey};
use crate::examine::walk::{Gap, Piece, walk};
use crate::index::checkpoint;
use crate::log::address::Position;
use crate::log::manifest::Manifest;
use crate::log::reading::used;
use crate::log::record::Kind;
use crate::log::recovery::Known;
use crate::log::segment::{self, HEADER, Segments};
use crate::log::writer::Kit;
use crate::medium::Medium;
use crate::meta::{self, DatabaseId, Meta};
use crate::options::DEFAULT_SEGMENT;

const LOST: &str = "what was here is lost";
const DEAD: &str =
    "no record that counts was here, as the checkpoint tells; but for the log alone it is lost";
const TORN: &str = "the torn end of the log, as a kill or a loss of power leaves it: the next start drops it";

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// Everything that is not as it was written, file by file.
    pub findings: Vec<Finding>,
    /// Segments of the log.
    pub segments: u64,
    /// Whole records in them, dead ones too.
    pub records: u64,
    /// Bytes read.
    pub bytes: u64,
}

impl Report {
    /// What the findings come to.
    pub fn verdict(&self) -> Verdict {
        match self.findings.iter().map(|finding| finding.weight).max() {
            None => Verdict::Sound,
            Some(Weight::Mended) => Verdict::Mended,
            Some(Weight::Damage) => Verdict::Damaged,
        }
    }
}

/// Reads every byte of the database in `path`, which no node may have open, and goes on after a damage.
/// `progress` is told how far it has come, every mebibyte.
///
/// Errors: the database is in use, `path` is none, it is of a newer format, or a file cannot be read.
pub fn check(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Report> {
    let survey = Survey::of(path)?;
    let mut meter = Meter::new(progress);
    let mut findings = Findings::default();
    let mut report = Report { segments: survey.files.len() as u64, ..Report::default() };
    report.bytes = survey.files.iter().map(|file| file.len.min(MAX_FILE)).sum();
    if is_begun_anew(&survey, &mut findings) {
        report.findings = findings.finish();
        return Ok(report);
    }
    let loaded = survey.id.map(|id| examined::load(&*survey.medium, id)).unwrap_or_default();
    let opening = Opening::of(&survey, &loaded, &mut meter)?;
    meter.begin("reading the log", report.bytes);
    let mut manifest = loaded.manifest();
    let last = survey.files.iter().rev().find(|file| !is_spare(file)).map_or(0, |file| file.number);
    for file in &survey.files {
        let one = FileCheck {
            survey: &survey,
            opening: &opening,
            file,
            is_last: file.number >= last,
            findings: &mut findings,
            manifest: &mut manifest,
            records: 0,
            behind: 0,
            first_behind: 0,
            sealed: None,
            gap: None,
        };
        report.records += one.run(&mut meter);
    }
    check_numbers(&survey, &opening, &manifest.1, &mut findings);
    let is_vouched_for = examined::check(&survey, &loaded, &opening, &mut findings, &mut meter);
    report.findings = findings.finish();
    if is_vouched_for {
        let lost = report.findings.iter_mut().filter(|one| one.meaning == LOST);
        lost.for_each(|one| DEAD.clone_into(&mut one.meaning));
    }
    if let Opening::Refused { file, offset, why } = opening
        && !report.findings.iter().any(|one| one.file == file && one.weight == Weight::Damage)
    {
        let one = Finding::of_file(file, why, "the database does not open", Weight::Damage);
        report.findings.push(Finding { offset, ..one });
    }
    Ok(report)
}

/// Looks at `meta`; says whether the next start begins with an empty database anyway.
fn is_begun_anew(survey: &Survey, findings: &mut Findings) -> bool {
    let file = survey.shown(meta::NAME);
    let (what, weight) = match &survey.meta {
        Ok(Some(Meta { complete: true, .. })) => return false,
        Ok(Some(_)) => {
            let what = "the database was being made or emptied";
            let meaning = "the next start begins with an empty one, as was asked for";
            findings.add(Finding::of_file(file, what, meaning, Weight::Mended));
            return true;
        }
        Ok(None) => ("it is missing".to_owned(), Weight::Damage),
        Err(why) => (why.clone(), Weight::Damage),
    };
    let meaning = "the database does not open; its records are in the log all the same";
    findings.add(Finding::of_file(file, what, meaning, weight));
    false
}

/// What a start would come to.
pub(super) enum Opening {
    /// The log is in order up to its end.
    Ends(Segments, Position),
    /// It would be refused.
    Refused {
        /// The file that the refusal names.
        file: String,
        offset: u64,
        why: String,
    },
}

impl Opening {
    fn of(survey: &Survey, loaded: &Loaded, meter: &mut Meter<'_>) -> Result<Self> {
        let refused =
            |file: String, offset, why: &str| Ok(Self::Refused { file, offset, why: why.to_owned() });
        let (Ok(Some(_)), Some(id)) = (&survey.meta, survey.id) else {
            return refused(survey.shown(meta::NAME), 0, "it cannot be read");
        };
        if let Some(file) = survey.files.iter().find(|file| file.len > MAX_FILE) {
            return refused(survey.shown(&file.name), MAX_FILE, "it is larger than any segment can be");
        }
        if survey.files.is_empty() {
            return refused(survey.shown(segment::FOLDER), 0, "there are no segments");
        }
        let known = Known { read_only: true, ..loaded.known() };
        let behind = survey.files.iter().filter(|file| file.number >= known.position.segment);
        meter.begin("reading the log as a start does", behind.map(|file| file.len).sum());
        let kit = kit(Arc::clone(&survey.medium) as _, id);
        let opened = open_log(&kit, &known, None, meter);
        meter.finish();
        match opened {
            Ok(opened) => {
                let end = opened.segments.iter().next_back().map(|last| last.end()).unwrap_or_default();
                Ok(Self::Ends(opened.segments, end))
            }
            Err(Error::Damaged { path, offset, why }) => refused(path, offset, why),
            Err(Error::Newer { path, found, .. }) => {
                refused(path, 0, &format!("it has format {found}, of a newer lcnode"))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a place in the log is behind its end, as far as that is known.
    fn is_behind(&self, place: Position) -> bool {
        matches!(self, Self::Ends(_, end) if place >= *end)
    }
}

/// What opening a log for reading takes.
pub(super) fn kit(medium: Arc<dyn Medium>, id: DatabaseId) -> Kit {
    Kit {
        medium,
        id,
        segment_size: DEFAULT_SEGMENT,
        origin: 0,
        next_number: AtomicU64::new(1),
        provided: Condvar::new(),
    }
}

/// The walk through one file.
struct FileCheck<'a> {
    survey: &'a Survey,
    opening: &'a Opening,
    file: &'a LogFile,
    /// Whether only spares follow.
    is_last: bool,
    findings: &'a mut Findings,
    /// The last manifest so far, and where it stands.
    manifest: &'a mut (Position, Manifest),
    records: u64,
    /// Records behind the end of the log.
    behind: u64,
    /// Where the first of those begins.
    first_behind: usize,
    /// Where the seal ends.
    sealed: Option<usize>,
    /// The last gap, while it is not known what follows it.
    gap: Option<Gap>,
}

impl FileCheck<'_> {
    /// Reads the file; returns how many whole records are in it.
    fn run(mut self, meter: &mut Meter<'_>) -> u64 {
        let file = self.file;
        if let Some((what, weight)) = check_head(file) {
            let meaning = match weight {
                Weight::Mended => {
                    "left by an allocation that was interrupted; the next start uses or removes it"
                }
                Weight::Damage => "the database does not open",
            };
            self.findings.add(Finding::of_file(self.shown(), what, meaning, weight));
        }
        if matches!(file.head, Head::Foreign | Head::Newer(_)) {
            meter.add(file.len);
            return 0;
        }
        let mut done = HEADER.min(file.bytes().len());
        meter.add(done as u64);
        let walked: std::result::Result<(), Infallible> = walk(file.bytes(), HEADER, |piece| {
            let end = self.take(piece);
            meter.add((end - done) as u64);
            done = end;
            Ok(())
        });
        let Ok(()) = walked;
        meter.add(file.len.min(MAX_FILE) - done as u64);
        self.judge_gap(true);
        if self.behind > 0 {
            let what = format!("{} whole records behind the torn end of the log", self.behind);
            let meaning =
                "they were never reported durable: the next start drops them, `lcnode repair` saves them";
            let one = Finding::of_file(self.shown(), what, meaning, Weight::Mended);
            self.findings.add(Finding { offset: self.first_behind as u64, ..one });
        }
        self.records
    }

    fn shown(&self) -> String {
        self.survey.shown(&self.file.name)
    }

    /// Takes a piece in; returns where it ends.
    fn take(&mut self, piece: Piece<'_>) -> usize {
        let (offset, record) = match piece {
            Piece::Gap(gap) => {
                let end = gap.offset + gap.len;
                self.gap = Some(gap);
                return end;
            }
            Piece::Record(offset, record) => (offset, record),
        };
        self.judge_gap(false);
        let place = Position { segment: self.file.number, offset: offset as u64 };
        self.records += 1;
        if self.opening.is_behind(place) && self.sealed.is_none() {
            self.first_behind = if self.behind == 0 { offset } else { self.first_behind };
            self.behind += 1;
        } else if record.kind == Kind::Manifest
            && place >= self.manifest.0
            && let Some(list) = Manifest::decode(record.value)
        {
            *self.manifest = (place, list);
        } else if record.kind == Kind::Seal && self.sealed.is_none() {
            self.sealed = Some(offset + record.len);
        }
        offset + record.len
    }

    /// Says what the last gap means. `is_end` where no whole record follows it.
    fn judge_gap(&mut self, is_end: bool) {
        let Some(gap) = self.gap.take() else { return };
        let is_tail = match self.opening {
            Opening::Ends(..) => {
                let place = Position { segment: self.file.number, offset: gap.offset as u64 };
                self.opening.is_behind(place)
            }
            Opening::Refused { .. } => self.is_last && is_end && self.sealed.is_none(),
        };
        let is_past_seal = self.sealed.is_some_and(|sealed| gap.offset >= sealed);
        let (meaning, weight) = match (is_past_seal, is_tail) {
            (true, _) => ("it is behind the seal, where nothing counts: it is cut off", Weight::Mended),
            (_, true) => (TORN, Weight::Mended),
            _ => (LOST, Weight::Damage),
        };
        self.findings.add(Finding::of_gap(self.shown(), gap, meaning, weight));
    }
}

fn is_spare(file: &LogFile) -> bool {
    used(file.bytes().get(HEADER..).unwrap_or_default()) == 0
}

fn check_head(file: &LogFile) -> Option<(String, Weight)> {
    Some(match file.head {
        Head::Ours => return None,
        Head::Blank => ("it has no header".to_owned(), Weight::Mended),
        Head::Damaged(why) => (why.to_owned(), Weight::Damage),
        Head::Misplaced(number) => (format!("it is segment {number} under another name"), Weight::Damage),
        Head::Foreign => ("it belongs to another database".to_owned(), Weight::Damage),
        Head::Newer(format) => (format!("it has format {format}, of a newer lcnode"), Weight::Damage),
    })
}

/// Segments that the last manifest names, or that come after it, and that are not there.
fn check_numbers(survey: &Survey, opening: &Opening, manifest: &Manifest, findings: &mut Findings) {
    let present: Vec<u64> = survey.files.iter().map(|file| file.number).collect();
    // Behind the end of the log a gap means nothing.
    let end = match opening {
        Opening::Ends(_, end) => end.segment,
        Opening::Refused { .. } => present.last().copied().unwrap_or_default(),
    };
    for (first, last) in manifest.all_missing(&present, end) {
        let what = match last - first {
            0 => "this segment of the log is missing".to_owned(),
            more => format!("this segment of the log and the {more} after it are missing"),
        };
        let file = survey.shown(&segment::file_name(first));
        findings.add(Finding::of_file(file, what, LOST, Weight::Damage));
    }
}

/// The checkpoint's file, as messages name it.
pub(super) fn checkpoint_file(survey: &Survey) -> String {
    survey.shown(checkpoint::NAME)
}
