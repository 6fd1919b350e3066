//! A directory that is there in full or not at all: it is made under another name.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::index::checkpoint;
use crate::log::segment;

/// What a directory that is not finished has behind its name.
const ENDING: &str = ".unfinished";

/// A database directory that is being made. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
    target: PathBuf,
    /// Held as long as it is being made, so that what a killed process left can be told from it. None
    /// once it has its name.
    lock: Option<File>,
}

impl Unfinished {
    /// Begins `target`, which must not be there, with its folders. What an interrupted try left is
    /// removed.
    pub(crate) fn begin(target: &Path) -> Result<Self> {
        // Without a slash at its end.
        let target: PathBuf = target.components().collect();
        let shown = target.display().to_string();
        let failed = |kind| Err(Error::io("make", &shown)(io::Error::from(kind)));
        let Some(name) = target.file_name() else { return failed(io::ErrorKind::InvalidInput) };
        if name.as_encoded_bytes().ends_with(ENDING.as_bytes()) {
            return Err(Error::Unusable {
                path: shown,
                why: format!("names that end in {ENDING} are for what is not finished; choose another"),
            });
        }
        if target.symlink_metadata().is_ok() {
            return failed(io::ErrorKind::AlreadyExists);
        }
        let mut unfinished = name.to_owned();
        unfinished.push(ENDING);
        let path = target.with_file_name(unfinished);
        remove_left_over(&path)?;
        let make = |path: &Path| DirBuilder::new().mode(0o755).create(path);
        let failed = || Error::io("make", path.display().to_string());
        make(&path).map_err(failed())?;
        let Some(lock) = lock(&path)? else { return Err(busy(&path)) };
        let made = Self { path: path.clone(), target, lock: Some(lock) };
        for folder in [segment::FOLDER, checkpoint::FOLDER] {
            make(&path.join(folder)).map_err(failed())?;
        }
        Ok(made)
    }

    /// Where its files go meanwhile.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its name, durably. All files in it are durable already. Returns its lock, still held.
    pub(crate) fn finish(mut self) -> Result<File> {
        let sync = |path: &Path| {
            let synced = File::open(path).and_then(|folder| folder.sync_all());
            synced.map_err(Error::io("sync", path.display().to_string()))
        };
        for path in [self.path.join(segment::FOLDER), self.path.clone()] {
            sync(&path)?;
        }
        let renamed = match renameat_with(CWD, &self.path, CWD, &self.target, RenameFlags::NOREPLACE) {
            // Not every file system can: then what came since the beginning is not noticed.
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(&self.path, &self.target),
            renamed => renamed.map_err(io::Error::from),
        };
        renamed.map_err(Error::io("name", self.target.display().to_string()))?;
        let lock = self.lock.take().ok_or_else(|| busy(&self.path))?;
        let parent = self.target.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync(parent.unwrap_or(Path::new(".")))?;
        Ok(lock)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.lock.is_some() {
            // What cannot be removed keeps its telling name, and goes with the next try.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn busy(path: &Path) -> Error {
    Error::Unusable {
        path: path.display().to_string(),
        why: "it is being made by somebody else; wait until that is done".to_owned(),
    }
}

/// Takes the lock of a directory; none where somebody else has it, or where it was removed meanwhile.
fn lock(path: &Path) -> Result<Option<File>> {
    let failed = || Error::io("lock", path.display().to_string());
    let folder = File::open(path).map_err(failed())?;
    match folder.try_lock() {
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(error)) => return Err(failed()(error)),
        Ok(()) => {}
    }
    let is_same = |now: fs::Metadata| folder.metadata().is_ok_and(|locked| locked.ino() == now.ino());
    Ok(path.symlink_metadata().is_ok_and(is_same).then_some(folder))
}

/// Removes a directory that an interrupted process left, if it is there. Whoever makes or uses such a
/// directory holds an exclusive `flock` on it.
///
/// Errors: it is in use, is no directory, or cannot be removed.
pub fn remove_left_over(path: &Path) -> Result<()> {
    let shown = path.display().to_string();
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => {}
        Ok(_) => {
            let why = "it is in the way, but no directory; move it away".to_owned();
            return Err(Error::Unusable { path: shown, why });
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(Error::Io { what: "look at", path: shown, source }),
    }
    let Some(_lock) = lock(path)? else { return Err(busy(path)) };
    fs::remove_dir_all(path).map_err(Error::io("remove", shown))
}
