//! What all who look at a database begin with: its lock, `meta` and the files of its log, taken as they are.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::lock::{self, DatabaseLock};
use crate::log::record::SEAL;
use crate::log::segment::{self, HEADER, Header};
use crate::log::writer::{MAX_RECORD, MAX_SEGMENT};
use crate::medium::{Directory, Medium, Region};
use crate::meta::{self, DatabaseId, Meta};

/// The largest file that a segment can be, in bytes.
pub const MAX_FILE: u64 = MAX_RECORD + MAX_SEGMENT as u64 + (HEADER + SEAL) as u64;

/// Bytes between two reports of progress.
const STEP: u64 = 1 << 20;

/// How far the work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// What is done: "reading the log".
    pub doing: &'static str,
    /// Bytes, or entries of a table, that have been looked at.
    pub done: u64,
    /// How many there are.
    pub total: u64,
}

/// Tells somebody how far the work has come, now and then.
pub struct Meter<'a> {
    now: Progress,
    told: u64,
    tell: &'a mut dyn FnMut(Progress),
}

impl<'a> Meter<'a> {
    pub fn new(tell: &'a mut dyn FnMut(Progress)) -> Self {
        Self { now: Progress::default(), told: 0, tell }
    }

    /// Goes on to something else.
    pub fn begin(&mut self, doing: &'static str, total: u64) {
        (self.now, self.told) = (Progress { doing, done: 0, total }, 0);
        (self.tell)(self.now);
    }

    /// All that is left has been done, or will not be.
    pub fn finish(&mut self) {
        if self.now.done < self.now.total {
            self.add(self.now.total);
        }
    }

    pub fn add(&mut self, done: u64) {
        self.now.done = self.now.done.saturating_add(done).min(self.now.total);
        if self.now.done - self.told >= STEP || self.now.done == self.now.total {
            self.told = self.now.done;
            (self.tell)(self.now);
        }
    }
}

/// What the beginning of a segment's file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// It belongs here.
    Ours,
    /// Zeros: allocated, never used.
    Blank,
    /// It cannot be read.
    Damaged(&'static str),
    /// It is whole, but another segment's of this database.
    Misplaced(u64),
    /// It is whole, but another database's.
    Foreign,
    /// Written by a newer program.
    Newer(u32),
}

/// A file of the log.
#[derive(Debug)]
pub struct LogFile {
    /// The number in its name.
    pub number: u64,
    /// Its name below the database directory.
    pub name: String,
    /// Its bytes.
    pub len: u64,
    /// What its header says.
    pub head: Head,
    /// Its mapping; none where it is empty.
    pub region: Option<Arc<Region>>,
}

impl LogFile {
    /// What is in it, as far as a segment can go.
    pub fn bytes(&self) -> &[u8] {
        let bytes = self.region.as_ref().map_or(&[][..], |region| region.bytes());
        &bytes[..bytes.len().min(MAX_FILE as usize)]
    }
}

/// A database directory that is looked at.
#[derive(Debug)]
pub struct Survey {
    /// Its files.
    pub medium: Arc<Directory>,
    /// What `meta` says; none where there is none, or why it cannot be read.
    pub meta: std::result::Result<Option<Meta>, String>,
    /// The id in `meta`, else the one that most segments have.
    pub id: Option<DatabaseId>,
    /// The files of the log, in the order of the numbers in their names.
    pub files: Vec<LogFile>,
    /// Let go last.
    _lock: Option<DatabaseLock>,
}

impl Survey {
    /// Locks the database in `path` and opens its files for reading.
    ///
    /// Errors: it is in use, is no database, or cannot be read for a reason that is not in its bytes.
    pub fn of(path: &Path) -> Result<Self> {
        looks_like_a_database(path)?;
        let lock = lock(path)?;
        let medium = Arc::new(Directory::for_reading(path));
        let meta = match Meta::load(&*medium) {
            Ok(meta) => Ok(meta),
            Err(error @ (Error::Damaged { .. } | Error::Foreign { .. })) => Err(error.to_string()),
            Err(error) => return Err(error),
        };
        let mut files = list(&*medium)?;
        let id = meta.as_ref().ok().and_then(|meta| meta.map(|meta| meta.id)).or_else(|| most_common(&files));
        for file in &mut files {
            file.head = head(file.bytes(), id, file.number);
        }
        Ok(Self { medium, meta, id, files, _lock: lock })
    }

    /// How a file is named in messages.
    pub fn shown(&self, name: &str) -> String {
        self.medium.describe(name)
    }
}

/// Refuses what is no database at all, so that no `LOCK` is left in somebody's folder.
fn looks_like_a_database(path: &Path) -> Result<()> {
    let shown = path.display().to_string();
    let found = fs::metadata(path).map_err(Error::io("open", &shown))?;
    let why = if !found.is_dir() {
        "it is a file, but a database of ours is a directory"
    } else if !path.join(meta::NAME).is_file() && !path.join(segment::FOLDER).is_dir() {
        "it has neither a file `meta` nor a folder `log`"
    } else {
        return Ok(());
    };
    Err(Error::Foreign { path: shown, why: why.to_owned() })
}

/// Takes the lock as a node does that only reads. Where there is no `LOCK`, and none can be made, no node has
/// ever had the database open there: a copy on a read-only medium.
fn lock(path: &Path) -> Result<Option<DatabaseLock>> {
    match DatabaseLock::take(path, true) {
        Err(Error::Io { what: "open", .. }) if !path.join(lock::NAME).exists() => Ok(None),
        taken => taken.map(Some),
    }
}

fn list(medium: &dyn Medium) -> Result<Vec<LogFile>> {
    let listed = match medium.list(segment::FOLDER) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(Error::io("list", medium.describe(segment::FOLDER)))?,
    };
    let mut files = Vec::new();
    for (name, len) in listed {
        let Some(number) = segment::number_of(&name) else { continue };
        let name = segment::file_name(number);
        let region = match len {
            0 => None,
            _ => Some(Arc::new(medium.open(&name).map_err(Error::io("open", medium.describe(&name)))?)),
        };
        files.push(LogFile { number, name, len, head: Head::Blank, region });
    }
    files.sort_by_key(|file| file.number);
    Ok(files)
}

fn most_common(files: &[LogFile]) -> Option<DatabaseId> {
    let mut counts: BTreeMap<[u8; 16], usize> = BTreeMap::new();
    for (id, _) in files.iter().filter_map(|file| segment::claim(file.bytes())) {
        *counts.entry(id.0).or_default() += 1;
    }
    counts.into_iter().max_by_key(|&(_, count)| count).map(|(id, _)| DatabaseId(id))
}

fn head(bytes: &[u8], id: Option<DatabaseId>, number: u64) -> Head {
    match (segment::claim(bytes), id) {
        (Some((found, _)), Some(id)) if found != id => return Head::Foreign,
        (Some((_, found)), _) if found != number => return Head::Misplaced(found),
        _ => {}
    }
    // Without an id there is no whole header either, so whose it should be makes no difference.
    match segment::check_header(bytes, id.unwrap_or(DatabaseId([0; 16])), number) {
        Header::Ours(_) => Head::Ours,
        Header::Blank => Head::Blank,
        Header::Newer(format) => Head::Newer(format),
        Header::Bad(why) => Head::Damaged(why),
    }
}
