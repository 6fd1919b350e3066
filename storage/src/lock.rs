//! One process a database: an exclusive lock on the file `LOCK`, let go by the system however the
//! process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// The file's name.
pub const NAME: &str = "LOCK";

/// How long to wait for the lock of a process that is gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// The held lock.
#[derive(Debug)]
pub struct DatabaseLock {
    file: File,
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
        let since = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(Error::Io { what: "lock", path: shown, source });
                }
            }
            let mut holder = String::new();
            // Only a hint: it may not have been written yet.
            let _ = file.rewind().and_then(|()| file.read_to_string(&mut holder));
            let holder = holder.trim();
            if !is_gone(holder) || since.elapsed() > PATIENCE {
                let holder = if holder.is_empty() { String::new() } else { format!(" (pid {holder})") };
                return Err(Error::Locked { path: root.display().to_string(), holder });
            }
            // Killed a moment ago: the system has not let go of all its files yet.
            std::thread::sleep(Duration::from_millis(5));
        }
        if !writable {
            return Ok(Self { file });
        }
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        written.map_err(Error::io("write", shown))?;
        Ok(Self { file })
    }
}

impl Drop for DatabaseLock {
    fn drop(&mut self) {
        // Closing the file is not enough where a child that is just being started has a copy of it.
        let _ = self.file.unlock();
    }
}

/// Whether there is no such process any more, as far as can be seen.
fn is_gone(pid: &str) -> bool {
    pid.parse::<u32>()
        .is_ok_and(|pid| Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists())
}
