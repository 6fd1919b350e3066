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
    /// Takes the lock of the database in `root`, or says who has it.
    pub fn take(root: &Path) -> Result<Self> {
        let path = root.join(NAME);
        let shown = path.display().to_string();
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path)
            .map_err(Error::io("open", &shown))?;
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
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(Error::io("write", shown))?;
        Ok(Self { _file: file })
    }
}
