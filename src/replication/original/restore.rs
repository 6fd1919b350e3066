//! The update logs of an original server, replayed from their files.
//!
//! Where to begin is decided as the original does it. What it passes over in silence is logged, and damage in
//! the middle is a failure, where the original stops with success.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lcnode_protocol::Limits;
use lcnode_protocol::update_log::{ENTRY_HEADER, Entry, Logged, Step, file_name, file_number};
use lcnode_storage::{Author, Store};
use thiserror::Error;

use super::apply;

/// How far time stamps may be out of order, in microseconds: so much before the asked time a file must begin
/// for the ones before it not to matter.
const SLACK: u64 = 30_000_000;
/// Bytes read at once.
const CHUNK: u64 = 1 << 20;
/// Between two lines about how far it is.
const TELL: Duration = Duration::from_secs(5);

/// What to replay.
#[derive(Debug, Clone)]
pub struct Replay {
    /// The directory with the files.
    pub folder: PathBuf,
    /// Entries with an earlier time stamp are passed over, in microseconds; 0 takes all.
    pub ts: u64,
    /// Whether an entry with another outcome here ends it all.
    pub check: bool,
    /// The largest keys and values that are taken.
    pub limits: Limits,
}

/// What was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Replayed {
    /// Files read.
    pub files: u32,
    /// Entries applied.
    pub entries: u64,
    /// Entries passed over for their time stamp.
    pub earlier: u64,
    /// Entries with another outcome here.
    pub differences: u64,
    /// Bytes left out at the ends of files, where an entry was cut short.
    pub left_out: u64,
}

/// Why not everything was replayed. What came before is applied.
#[derive(Debug, Error)]
pub enum RestoreError {
    /// A directory or file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file is damaged.
    #[error("{} is damaged at byte {offset}: {why}; what is before that is applied", path.display())]
    Damaged {
        /// Which.
        path: PathBuf,
        /// Where its bad entry begins.
        offset: u64,
        /// What is wrong there.
        why: String,
    },
    /// An entry had another outcome here, and that was to be checked.
    #[error("{} at byte {offset}: the {command} of {ts} had another outcome there, as -rcc asks to tell", path.display())]
    Differs {
        /// Which file.
        path: PathBuf,
        /// Where its entry begins.
        offset: u64,
        /// The command's name.
        command: &'static str,
        /// Its time stamp.
        ts: u64,
    },
    /// The store refused an entry.
    #[error("{} at byte {offset}: {source}", path.display())]
    Store {
        /// Which file.
        path: PathBuf,
        /// Where its entry begins.
        offset: u64,
        /// The store's reason.
        source: lcnode_storage::Error,
    },
    /// It was to stop.
    #[error("stopped at {} byte {offset}; go on with time stamp {ts}", path.display())]
    Stopped {
        /// Which file.
        path: PathBuf,
        /// Where its next entry begins.
        offset: u64,
        /// Time stamp of the last entry.
        ts: u64,
    },
}

/// Replays update logs into `store`, until `stop` says so.
///
/// An entry that is cut short at the end of the last file is what a crash leaves: left out, and logged.
pub fn restore(store: &Store, replay: &Replay, stop: impl Fn() -> bool) -> Result<Replayed, RestoreError> {
    let numbers = choose(&replay.folder, replay.ts)?;
    let mut work = Work { store, replay, done: Replayed::default(), last_ts: 0, told: Instant::now() };
    for (at, &number) in numbers.iter().enumerate() {
        let path = replay.folder.join(file_name(number));
        work.file(&path, at + 1 == numbers.len(), &stop)?;
        work.done.files += 1;
    }
    Ok(work.done)
}

/// The numbers of the files to read, in order: from the newest down to the one in which time `ts` is, or to
/// one whose predecessor is not there.
fn choose(folder: &Path, ts: u64) -> Result<Vec<u32>, RestoreError> {
    let read_error = |source| RestoreError::Read { path: folder.to_owned(), source };
    let mut numbers = Vec::new();
    for file in fs::read_dir(folder).map_err(read_error)? {
        let file = file.map_err(read_error)?;
        let name = file.file_name();
        match name.to_str().and_then(file_number) {
            Some(number) if file.path().is_file() => numbers.push(number),
            _ if name.as_encoded_bytes().ends_with(b".ulog") => {
                tracing::warn!(
                    "do_restore: {} is passed over: not the name of an update log",
                    file.path().display()
                );
            }
            _ => {}
        }
    }
    numbers.sort_unstable();
    let mut first = numbers.len();
    while let Some(number) = first.checked_sub(1).map(|before| numbers[before]) {
        if numbers.get(first).is_some_and(|after| number + 1 != *after) {
            break;
        }
        first -= 1;
        let begins = first_ts(&folder.join(file_name(number)))?;
        if begins.is_some_and(|begins| begins <= ts.saturating_sub(SLACK)) {
            return Ok(numbers.split_off(first));
        }
    }
    if let Some(&number) = numbers.get(first).filter(|number| **number > 1) {
        tracing::warn!(
            "do_restore: {} is not there; what was logged before {} is passed over",
            folder.join(file_name(number - 1)).display(),
            file_name(number)
        );
    }
    Ok(numbers.split_off(first))
}

/// The time stamp of the first entry; none where there is none.
fn first_ts(path: &Path) -> Result<Option<u64>, RestoreError> {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(ENTRY_HEADER as u64).read_to_end(&mut head));
    read.map_err(|source| RestoreError::Read { path: path.to_owned(), source })?;
    let ts = head.get(1..).and_then(|rest| rest.first_chunk());
    Ok(ts.map(|ts| u64::from_be_bytes(*ts)))
}

/// A replay that is under way.
struct Work<'a> {
    store: &'a Store,
    replay: &'a Replay,
    done: Replayed,
    last_ts: u64,
    told: Instant,
}

impl Work<'_> {
    /// Replays one file.
    fn file(&mut self, path: &Path, is_last: bool, stop: &impl Fn() -> bool) -> Result<(), RestoreError> {
        let read_error = |source| RestoreError::Read { path: path.to_owned(), source };
        let mut file = File::open(path).map_err(read_error)?;
        let mut buffer = Vec::new();
        let mut offset = 0;
        loop {
            let mut used = 0;
            loop {
                let step = Entry::decode(&buffer[used..], self.replay.limits);
                let step = step.map_err(|reason| damaged(path, offset, &reason))?;
                let Step::Whole { item, used: length } = step else { break };
                self.entry(path, offset, &item)?;
                used += length;
                offset += length as u64;
                if self.told.elapsed() >= TELL {
                    self.told = Instant::now();
                    tracing::info!(
                        "do_restore: {} at byte {offset}: {} entries",
                        path.display(),
                        self.done.entries
                    );
                }
            }
            if stop() {
                return Err(RestoreError::Stopped { path: path.to_owned(), offset, ts: self.last_ts });
            }
            buffer.drain(..used);
            if file.by_ref().take(CHUNK).read_to_end(&mut buffer).map_err(read_error)? == 0 {
                return self.end(path, offset, buffer.len(), is_last);
            }
        }
    }

    /// The end of a file, where `left` bytes are no whole entry.
    fn end(&mut self, path: &Path, offset: u64, left: usize, is_last: bool) -> Result<(), RestoreError> {
        if left == 0 {
            return Ok(());
        }
        // The original goes on too behind such a piece, with the next file.
        if !is_last && left >= ENTRY_HEADER {
            return Err(damaged(path, offset, &"the file ends within an entry, and is not the last one"));
        }
        self.done.left_out += left as u64;
        tracing::warn!(
            "do_restore: {} ends within an entry: {left} bytes from byte {offset} on are left out",
            path.display()
        );
        Ok(())
    }

    fn entry(&mut self, path: &Path, offset: u64, entry: &Entry<'_>) -> Result<(), RestoreError> {
        if entry.ts < self.replay.ts {
            self.done.earlier += 1;
            return Ok(());
        }
        let limits = self.replay.limits;
        let logged = Logged::decode(entry.block, limits).map_err(|error| damaged(path, offset, &error))?;
        let own = self.store.origin();
        let origin = if entry.sid == 0 { own } else { entry.sid };
        // A change made here was received from nobody.
        let is_direct = entry.mid == origin || entry.mid == own || origin == own;
        let author = Author { origin, via: if is_direct { 0 } else { entry.mid }, memo: None };
        let outcome = apply::apply(self.store, author, &logged.change, limits)
            .map_err(|source| RestoreError::Store { path: path.to_owned(), offset, source })?;
        self.done.entries += 1;
        self.last_ts = entry.ts;
        if outcome.differs_from(&logged) {
            self.done.differences += 1;
            if self.replay.check {
                let command = logged.change.command().name();
                return Err(RestoreError::Differs { path: path.to_owned(), offset, command, ts: entry.ts });
            }
        }
        Ok(())
    }
}

fn damaged(path: &Path, offset: u64, why: &dyn std::fmt::Display) -> RestoreError {
    RestoreError::Damaged { path: path.to_owned(), offset, why: why.to_string() }
}
