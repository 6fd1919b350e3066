//! The databases of an archive, unpacked into a directory.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use indicatif::ProgressBar;

use super::archive::Sink;
use super::manifest::{self, Copy, Manifest};
use super::work::Interrupt;
use crate::context::Failure;

/// What a database that is not whole has behind its name.
const ENDING: &str = ".unfinished";

/// Databases that are being unpacked. Those that did not get their names are removed when it is dropped.
pub struct Folder<'f> {
    folder: PathBuf,
    /// The names of the databases.
    names: Vec<String>,
    file: Option<(PathBuf, File)>,
    bar: &'f ProgressBar,
    interrupt: &'f Interrupt,
}

impl<'f> Folder<'f> {
    /// Begins, in a directory that is made if it is not there. What an interrupted try left is removed.
    ///
    /// Errors: a database of this name is there.
    pub fn new(
        folder: &Path,
        manifest: &Manifest,
        bar: &'f ProgressBar,
        interrupt: &'f Interrupt,
    ) -> Result<Self, Failure> {
        let names: Vec<String> = manifest.copies.iter().map(Copy::folder).collect();
        let made = fs::create_dir_all(folder);
        made.map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let begun = Self { folder: folder.to_owned(), names, file: None, bar, interrupt };
        for name in &begun.names {
            let path = begun.folder.join(name);
            if path.symlink_metadata().is_ok() {
                return Err(
                    format!("{} is there: move it away, or name another directory", path.display()).into()
                );
            }
            remove(&begun.unfinished(name))?;
        }
        Ok(begun)
    }

    /// Where a database is until it is whole.
    pub fn unfinished(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{ENDING}"))
    }

    /// Makes all durable, and gives all their names.
    pub fn finish(mut self) -> Result<(), Failure> {
        for name in std::mem::take(&mut self.names) {
            let (from, to) = (self.unfinished(&name), self.folder.join(&name));
            let renamed = fs::rename(&from, &to);
            renamed
                .map_err(|error| format!("cannot rename {} to {}: {error}", from.display(), to.display()))?;
        }
        let synced = File::open(&self.folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| format!("cannot sync {}: {error}", self.folder.display()).into())
    }

    /// The file that was written last is whole.
    fn close(&mut self) -> Result<(), Failure> {
        let Some((path, file)) = self.file.take() else { return Ok(()) };
        file.sync_all().map_err(|error| format!("cannot write {}: {error}", path.display()).into())
    }
}

/// Removes a directory, if it is there.
pub fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {error}", path.display()).into())
        }
        _ => Ok(()),
    }
}

impl Sink for Folder<'_> {
    fn begin(&mut self, copy: &Copy) -> Result<(), Failure> {
        self.bar.set_message(copy.server.clone());
        Ok(())
    }

    fn file(&mut self, copy: &Copy, file: &manifest::File) -> Result<(), Failure> {
        self.close()?;
        let path = self.unfinished(&copy.folder()).join(&file.path);
        let folder = path.parent().unwrap_or(&self.folder);
        let made = fs::create_dir_all(folder).and_then(|()| File::create(&path));
        let made = made.map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        self.file = Some((path, made));
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.interrupt.check()?;
        self.bar.inc(bytes.len() as u64);
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let written = file.write_all(bytes);
        written.map_err(|error| {
            format!("cannot write {}: {error}; free some space there", path.display()).into()
        })
    }

    fn end(&mut self, _: &Copy, _: bool) -> Result<(), Failure> {
        self.close()
    }
}

impl Drop for Folder<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            // What cannot be removed keeps its telling name, and goes with the next try.
            let _ = fs::remove_dir_all(self.unfinished(name));
        }
    }
}
