//! Where lines go.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use super::LoggingError;
use crate::config::LogTarget;

/// Where lines go; each write is one whole line.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard output.
    Stdout,
    /// Nowhere.
    Discard,
    /// A file that is appended to. Writers share the lock, because the system keeps appends apart.
    File { path: PathBuf, file: RwLock<File> },
}

impl Sink {
    pub(super) fn open(target: &LogTarget) -> Result<Self, LoggingError> {
        Ok(match target {
            LogTarget::Stdout => Self::Stdout,
            LogTarget::Discard => Self::Discard,
            LogTarget::File(path) => Self::File { path: path.clone(), file: RwLock::new(append(path)?) },
        })
    }

    pub(super) fn reopen(&self) -> Result<(), LoggingError> {
        if let Self::File { path, file } = self {
            let new = append(path)?;
            *file.write().unwrap_or_else(PoisonError::into_inner) = new;
        }
        Ok(())
    }
}

impl Write for &Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Sink::Stdout => io::stdout().lock().write_all(line)?,
            Sink::Discard => {}
            Sink::File { file, .. } => {
                let file = file.read().unwrap_or_else(PoisonError::into_inner);
                (&*file).write_all(line)?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn append(path: &Path) -> Result<File, LoggingError> {
    let opened = OpenOptions::new().append(true).create(true).mode(0o644).open(path);
    opened.map_err(|source| LoggingError::Open { path: path.to_owned(), source })
}
