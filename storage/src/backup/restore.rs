//! Restoring: a database out of a backup, rolled forward along the log of the database it was made of.
//!
//! Both are one log, so this is done with files: those before the backup's position come from the backup,
//! those from its segment on from the database, and the last one ends where it is asked to. Every record is
//! read on the way, and its CRC checked. Segments that the database has lost to compaction since the backup
//! are there again, as if compaction had not come to them yet; so what a manifest names is there.

use std::path::{Path, PathBuf};

use crate::backup::roll::{Ending, File, Met, Rolled, is_blank, roll};
use crate::backup::transfer::share;
use crate::backup::{Backup, Unfinished, Way, Ways, write_last, write_new};
use crate::error::{Error, Result};
use crate::lock::{self, DatabaseLock};
use crate::log::address::Position;
use crate::log::segment::{self, HEADER};
use crate::medium::{Directory, Medium};
use crate::meta::{self, DatabaseId, Meta};

/// What to restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// The directory of the backup.
    pub backup: PathBuf,
    /// The directory to make, which must not be there.
    pub target: PathBuf,
    /// The directory of the database that the backup was made of, to go on with its log. Nobody may have it
    /// open.
    pub log: Option<PathBuf>,
    /// Stop before the first change of that log later than this, in microseconds since the Unix epoch.
    pub until: Option<u64>,
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// What the backup was of.
    pub backup: Backup,
    /// The end of the log of the new database.
    pub position: Position,
    /// Time of the last change in it, in microseconds since the Unix epoch; 0 where there was none.
    pub last_change: u64,
    /// How its segments came there.
    pub ways: Ways,
    /// Bytes of its log.
    pub bytes: u64,
    /// File and offset of a torn record in which the other database's log ends, as after a crash. It was
    /// left out.
    pub torn: Option<(String, u64)>,
}

/// What a restore is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Reading the log that is gone on with.
    Log,
    /// Checking segments and putting them in place.
    Segments,
}

/// Tells of a phase, and of bytes done in it of how many about.
pub type Progress<'a> = dyn FnMut(Phase, u64, u64) + 'a;

/// Makes a database out of a backup. It is at `target` in full, or not at all; `progress` is told how far it
/// is. Files that are never written again are linked where the file system allows, the others copied.
///
/// Errors: `target` is there; the backup has been written to, or is damaged; the log belongs to another
/// database, is in use, does not reach back to the backup, or is damaged before its end or `until`; `until`
/// is before the backup; a file cannot be read or written.
pub fn restore(what: &Restore, progress: &mut Progress<'_>) -> Result<Restored> {
    let unfinished = Unfinished::begin(&what.target)?;
    let source = Source::open(&what.backup, false)?;
    let backup = Backup::load(&what.backup)?;
    check_backup(what, &source, &backup)?;
    let log = what.log.as_deref().map(|folder| Source::open(folder, true)).transpose()?;
    let mut met = Met { last_change: backup.last_change, ..Met::default() };
    let plan = match &log {
        None => Plan::of_backup(&source, &backup),
        Some(log) => Plan::along(log, &source, &backup, what.until, &mut met, progress)?,
    };
    let mut target =
        Target { folder: unfinished.path(), id: source.meta.id, ways: Ways::default(), bytes: 0 };
    let total = plan.bytes(&source, log.as_ref())?;
    target.fill(&plan, &source, log.as_ref(), &mut |done| progress(Phase::Segments, done, total))?;
    let path = target.folder.join(meta::NAME);
    let meta = Meta { complete: true, ..source.meta }.of_copy()?;
    let written = write_new(&path, &[&meta.encode()], &mut |_| ());
    written.map_err(Error::io("write", path.display().to_string()))?;
    let (ways, bytes) = (target.ways, target.bytes);
    unfinished.finish()?;
    Ok(Restored { backup, position: plan.end, last_change: met.last_change, ways, bytes, torn: plan.torn })
}

/// A database that is read.
struct Source {
    folder: PathBuf,
    medium: Directory,
    meta: Meta,
    /// Numbers of its segments, rising.
    numbers: Vec<u64>,
    _lock: Option<DatabaseLock>,
}

impl Source {
    /// Locks the database in `folder`. A backup that nobody has ever opened has no lock and needs none.
    fn open(folder: &Path, is_database: bool) -> Result<Self> {
        let lacks = |why: &str| Error::Unusable { path: folder.display().to_string(), why: why.to_owned() };
        if !folder.is_dir() {
            return Err(lacks("there is no such directory"));
        }
        let medium = Directory::for_reading(folder);
        let meta = Meta::load(&medium)?;
        let meta =
            meta.filter(|meta| meta.complete).ok_or_else(|| lacks("it is no whole lcnode database"))?;
        let _lock = match is_database || folder.join(lock::NAME).exists() {
            true => Some(DatabaseLock::take(folder, true)?),
            false => None,
        };
        let listed = medium.list(segment::FOLDER);
        let listed = listed.map_err(Error::io("list", medium.describe(segment::FOLDER)))?;
        let mut numbers: Vec<u64> = listed.iter().filter_map(|(name, _)| segment::number_of(name)).collect();
        numbers.sort_unstable();
        Ok(Self { folder: folder.to_owned(), medium, meta, numbers, _lock })
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(segment::file_name(number))
    }

    fn file(&self, number: u64) -> Result<File> {
        File::open(&self.medium, self.meta.id, number)?
            .ok_or_else(|| self.damaged(number, 0, "the segment has no header"))
    }

    fn damaged(&self, number: u64, offset: usize, why: &'static str) -> Error {
        Error::Damaged { path: self.path(number).display().to_string(), offset: offset as u64, why }
    }

    fn unusable(&self, why: impl Into<String>) -> Error {
        Error::Unusable { path: self.folder.display().to_string(), why: why.into() }
    }
}

/// Checks that a backup is as it was made, and that what is asked for can be had from it.
fn check_backup(what: &Restore, source: &Source, backup: &Backup) -> Result<()> {
    if source.meta.id.0 != backup.id {
        let why = "its files `meta` and `backup` are of two databases; use a backup that is whole";
        return Err(source.unusable(why));
    }
    if let Some(until) = what.until.filter(|&until| until < backup.last_change) {
        return Err(source.unusable(format!(
            "its last change, at {} microseconds, is later than the time to restore to, {until}; use an older \
             backup",
            backup.last_change,
        )));
    }
    let written_to = "it has been opened and written to since it was made, so it is a database of its own: \
                      copy its directory while nobody has it open, or use a backup that is as it was made";
    let end = backup.position;
    let last = source.file(end.segment)?;
    let rest = last.bytes().get(end.offset as usize..);
    let rest = rest.ok_or_else(|| {
        source.damaged(end.segment, last.bytes().len(), "the file is shorter than what was written")
    })?;
    if !is_blank(rest) {
        return Err(source.unusable(written_to));
    }
    for &number in source.numbers.iter().filter(|&&number| number > end.segment) {
        // Whoever opens it makes spares, which is no harm.
        let file = File::open(&source.medium, source.meta.id, number)?;
        if file.is_some_and(|file| !is_blank(&file.bytes()[HEADER..])) {
            return Err(source.unusable(written_to));
        }
    }
    Ok(())
}

/// Which segments the new database has.
struct Plan {
    /// From the backup, in full.
    before: Vec<u64>,
    /// From the log, in full, and how many bytes of each.
    after: Vec<(u64, usize)>,
    /// Where it ends.
    end: Position,
    torn: Option<(String, u64)>,
}

impl Plan {
    fn before(source: &Source, backup: &Backup) -> Vec<u64> {
        source.numbers.iter().copied().filter(|&number| number < backup.position.segment).collect()
    }

    /// The backup as it is.
    fn of_backup(source: &Source, backup: &Backup) -> Self {
        Self { before: Self::before(source, backup), after: Vec::new(), end: backup.position, torn: None }
    }

    /// The backup, then the log of its database.
    fn along(
        log: &Source,
        source: &Source,
        backup: &Backup,
        until: Option<u64>,
        met: &mut Met,
        progress: &mut Progress<'_>,
    ) -> Result<Self> {
        if log.meta.id != source.meta.id {
            let what = source.folder.display();
            return Err(log.unusable(format!(
                "it is another database than the one that {what} was made of; name the one with the same id"
            )));
        }
        let total = bytes_of(log, |number| number >= backup.position.segment)?;
        let mut done = 0;
        check_is_continued(log, source, backup.position)?;
        let rolled =
            roll(&log.medium, &log.folder, log.meta.id, backup.position, until, met, &mut |bytes| {
                done += bytes;
                progress(Phase::Log, done, total);
            })?;
        let Rolled { full, end, torn, .. } = rolled;
        Ok(Self { before: Self::before(source, backup), after: full, end, torn })
    }

    /// About how many bytes there are to check.
    fn bytes(&self, source: &Source, log: Option<&Source>) -> Result<u64> {
        let before = bytes_of(source, |number| self.before.contains(&number))?;
        let after = match log {
            Some(log) => bytes_of(log, |number| self.after.iter().any(|full| full.0 == number))?,
            None => 0,
        };
        Ok(before + after + self.end.offset)
    }
}

/// Bytes of the files of some segments.
fn bytes_of(source: &Source, which: impl Fn(u64) -> bool) -> Result<u64> {
    let listed = source.medium.list(segment::FOLDER);
    let listed = listed.map_err(Error::io("list", source.medium.describe(segment::FOLDER)))?;
    let chosen = listed.iter().filter(|(name, _)| segment::number_of(name).is_some_and(&which));
    Ok(chosen.map(|(_, len)| len).sum())
}

/// Checks that the log holds, before the backup's position, what the backup does: databases that were
/// restored from older backups have the same id, but have gone another way.
fn check_is_continued(log: &Source, source: &Source, position: Position) -> Result<()> {
    let mut compared = vec![(position.segment, Some(position.offset as usize))];
    let previous = position.segment - 1;
    if position.offset as usize == HEADER
        && log.numbers.contains(&previous)
        && source.numbers.contains(&previous)
    {
        // There is nothing to compare in the last one.
        compared.push((previous, None));
    }
    for (number, end) in compared {
        if !log.numbers.contains(&number) {
            // Whoever reads on says so.
            continue;
        }
        let theirs = File::open(&log.medium, log.meta.id, number)?;
        let ours = source.file(number)?;
        let end = end.unwrap_or(ours.bytes().len());
        let is_same = match (
            theirs.as_ref().and_then(|file| file.bytes().get(HEADER..end)),
            ours.bytes().get(HEADER..end),
        ) {
            (Some(theirs), Some(ours)) => theirs == ours,
            _ => false,
        };
        if end > HEADER && !is_same {
            return Err(log.unusable(format!(
                "its log is not the one that {} was made of: segment {number} has other records before the \
                 backup's end. It was restored and has gone another way since, or is damaged; use a backup of \
                 this database, or restore this one alone, without the log",
                source.folder.display()
            )));
        }
    }
    Ok(())
}

/// The database that is being made.
struct Target<'a> {
    folder: &'a Path,
    id: DatabaseId,
    ways: Ways,
    /// Bytes of the log so far.
    bytes: u64,
}

impl Target<'_> {
    fn fill(
        &mut self,
        plan: &Plan,
        source: &Source,
        log: Option<&Source>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut met = Met::default();
        for &number in &plan.before {
            let file = source.file(number)?;
            let end = match file.read(HEADER..usize::MAX, None, &mut met) {
                Ending::Sealed(end) => end,
                Ending::Open(at) | Ending::Later(at) => {
                    return Err(source.damaged(number, at, "the segment ends without its seal"));
                }
                Ending::Torn(at, why) => return Err(source.damaged(number, at, why)),
            };
            self.add(source, &file, end, progress)?;
        }
        let owner = log.unwrap_or(source);
        for &(number, end) in &plan.after {
            let file = owner.file(number)?;
            // Read again for its manifests, in their order.
            file.read(HEADER..usize::MAX, None, &mut met);
            self.add(owner, &file, end, progress)?;
        }
        self.add_last(owner, plan.end, &mut met, progress)?;
        let present = plan.before.iter().copied().chain(plan.after.iter().map(|full| full.0));
        let present = present.chain([plan.end.segment]);
        match met.manifest.missing(present, plan.end.segment) {
            Some(number) => Err(source.damaged(number, 0, "this segment of the log is missing")),
            None => Ok(()),
        }
    }

    /// A full segment of `end` bytes.
    fn add(&mut self, from: &Source, file: &File, end: usize, progress: &mut dyn FnMut(u64)) -> Result<()> {
        let number = file.segment.number();
        let target = self.folder.join(segment::file_name(number));
        let before = self.bytes;
        self.bytes += end as u64;
        if let Some(way) = share(&from.path(number), &target, file.capacity, end as u64) {
            self.ways.count(way, 0);
            progress(self.bytes);
            return Ok(());
        }
        let bytes = file.bytes().get(..end).unwrap_or_default();
        let mut done = before;
        let copied = write_new(&target, &[bytes], &mut |piece| {
            done += piece;
            progress(done);
        });
        copied.map_err(Error::io("write", target.display().to_string()))?;
        self.ways.count(Way::Copied, end as u64);
        Ok(())
    }

    /// The last segment, a file of its own that ends at `end`.
    fn add_last(
        &mut self,
        from: &Source,
        end: Position,
        met: &mut Met,
        progress: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let target = self.folder.join(segment::file_name(end.segment));
        let file = File::open(&from.medium, from.meta.id, end.segment)?;
        let bytes = file.as_ref().map_or(&[][..], |file| file.bytes());
        let bytes = bytes.get(..end.offset as usize).unwrap_or_default();
        if let Some(file) = &file {
            match file.read(HEADER..end.offset as usize, None, met) {
                Ending::Open(at) if at == end.offset as usize => {}
                Ending::Torn(at, why) => return Err(from.damaged(end.segment, at, why)),
                Ending::Open(at) | Ending::Sealed(at) | Ending::Later(at) => {
                    let why = "its records end elsewhere than the backup says";
                    return Err(from.damaged(end.segment, at, why));
                }
            }
        }
        let written = write_last(&target, self.id, end.segment, bytes, end.offset, &mut |_| ());
        written.map_err(Error::io("write", target.display().to_string()))?;
        self.ways.count(Way::Copied, end.offset);
        self.bytes += end.offset;
        progress(self.bytes);
        Ok(())
    }
}
