//! One process a database: an exclusive lock on the file `LOCK`, let go by the system however the
//! process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};

/// The file's name.
pub const NAME: &str = "LOCK";

/// The held lock.
#[derive(Debug)]
pub struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// Takes the lock of the database in `root`, or says who has it. With `read_only` a database that
    /// this process may not write is locked too.
    pub fn take(root: &Path, read_only: bool) -> Result<Self> {
        let path = root.join(NAME);
        let shown = path.display().to_string();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644);
        let (mut file, writable) = match options.open(&path) {
            Ok(file) => (file, true),
            Err(_) if read_only => (File::open(&path).map_err(Error::io("open", &shown))?, false),
            Err(source) => return Err(Error::Io { what: "open", path: shown, source }),
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Only for the message.
                let _ = file.read_to_string(&mut pid);
                let holder =
                    if pid.trim().is_empty() { String::new() } else { format!(" (pid {})", pid.trim()) };
                return Err(Error::Locked { path: root.display().to_string(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(Error::Io { what: "lock", path: shown, source }),
        }
        if !writable {
            return Ok(Self { _file: file });
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(Error::io("write", shown))?;
        Ok(Self { _file: file })
    }
}
