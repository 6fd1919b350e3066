//! The pid file: a decimal process id and a line feed, there while the node runs.
//!
//! Starters take turns by a lock on the file, held only while one of them looks at it and writes it. A
//! file whose process has ended is taken over, and so is an empty one, which a power loss leaves behind.
//! A file with anything else in it is left alone: it is somebody's, and the path was a slip.

#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use thiserror::Error;

use super::signals::ProcessId;

/// How long a process may take to end after SIGTERM before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look whether it has ended.
const POLL: Duration = Duration::from_millis(100);
/// The longest content that can be a pid.
const MAX_CONTENT: u64 = 64;

/// The pid file of this process. Dropping it removes the file, if it still names this process.
///
/// Drop it last, after the database is closed and the socket is gone: a successor started with `-kl`
/// waits for exactly this.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

/// Why the pid file cannot be had.
#[derive(Debug, Error)]
pub enum PidFileError {
    /// A process that the file names is running, and replacing it was not asked for.
    #[error(
        "the process {pid} may be already running: {path} names it; \
         stop it, choose another -pid, or start with -kl to end and replace it"
    )]
    AlreadyRunning {
        /// The process.
        pid: u32,
        /// The pid file.
        path: PathBuf,
    },
    /// The file holds something that is no process id.
    #[error("{path} exists and holds no process id; remove it or choose another -pid")]
    NotAPidFile {
        /// The file.
        path: PathBuf,
    },
    /// The process to replace belongs to somebody else.
    #[error("the process {pid} that {path} names cannot be ended ({source}); stop it as its user")]
    NotAllowed {
        /// The process.
        pid: u32,
        /// The pid file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file or its directory cannot be used.
    #[error("the pid file {path} cannot be used: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// What a file at the path says.
enum Holder {
    Nobody,
    Ended(ProcessId),
    Running(ProcessId),
    Unknown,
}

impl PidFile {
    /// Writes the id of this process to the file at `path`, mode 0644 less the umask.
    ///
    /// If the file names a running process: with `replace` it is sent SIGTERM, after 10 seconds SIGKILL,
    /// and this waits until it has ended or the file is gone; without, it is an error. Logs what it took
    /// over, so set logging up before. May sleep for 10 seconds: not for use inside an async runtime.
    ///
    /// Errors: see [`PidFileError`]; the file is then as it was.
    pub fn claim(path: &Path, replace: bool) -> Result<Self, PidFileError> {
        Self::claim_within(path, replace, PATIENCE)
    }

    fn claim_within(path: &Path, replace: bool, patience: Duration) -> Result<Self, PidFileError> {
        let io_error = |source| PidFileError::Io { path: path.to_owned(), source };
        loop {
            let Some(mut file) = lock(path).map_err(io_error)? else { continue };
            match holder(&mut file).map_err(io_error)? {
                Holder::Nobody => {}
                Holder::Ended(pid) => tracing::info!(
                    "the pid file {} is taken over: the process {} that it names has ended",
                    path.display(),
                    pid.get()
                ),
                Holder::Running(pid) if replace => {
                    end(pid, path, patience)?;
                    // The file may be gone or another's now: look again.
                    continue;
                }
                Holder::Running(pid) => {
                    return Err(PidFileError::AlreadyRunning { pid: pid.get(), path: path.to_owned() });
                }
                Holder::Unknown => return Err(PidFileError::NotAPidFile { path: path.to_owned() }),
            }
            write(&mut file).map_err(io_error)?;
            return Ok(Self { path: path.to_owned() });
        }
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        // A successor may have written its own id, and that file is not ours to remove.
        let content = fs::read_to_string(&self.path).unwrap_or_default();
        let holder = ProcessId::parse(content.trim_end());
        if holder.is_none() || holder != ProcessId::own() {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::error!("the pid file {} cannot be removed: {error}", self.path.display());
        }
    }
}

/// Opens or creates the file and locks it; `None` if it was removed or replaced meanwhile.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o644).open(path)?;
    let opened = file.metadata()?;
    if !opened.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    file.lock()?;
    match fs::metadata(path) {
        Ok(named) if (named.dev(), named.ino()) == (opened.dev(), opened.ino()) => Ok(Some(file)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn holder(file: &mut File) -> io::Result<Holder> {
    let mut content = Vec::new();
    Read::by_ref(file).take(MAX_CONTENT).read_to_end(&mut content)?;
    let content = String::from_utf8_lossy(&content);
    let content = content.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\0');
    if content.is_empty() {
        return Ok(Holder::Nobody);
    }
    let Some(pid) = ProcessId::parse(content) else { return Ok(Holder::Unknown) };
    // In a container each start may get the same id: our own is an old one's.
    let ended = !pid.is_alive() || Some(pid) == ProcessId::own();
    Ok(if ended { Holder::Ended(pid) } else { Holder::Running(pid) })
}

fn write(file: &mut File) -> io::Result<()> {
    let content = format!("{}\n", std::process::id());
    file.rewind()?;
    file.write_all(content.as_bytes())?;
    file.set_len(content.len() as u64)
}

/// Ends the process and waits until it has ended or has removed its pid file.
fn end(pid: ProcessId, path: &Path, patience: Duration) -> Result<(), PidFileError> {
    let not_allowed = |source: Errno| PidFileError::NotAllowed {
        pid: pid.get(),
        path: path.to_owned(),
        source: source.into(),
    };
    tracing::info!("ending the process {} that the pid file {} names", pid.get(), path.display());
    pid.send(Signal::SIGTERM).map_err(not_allowed)?;
    let start = Instant::now();
    while pid.is_alive() && path.exists() {
        if start.elapsed() >= patience {
            tracing::info!("the process {} did not end within {patience:?} and is killed", pid.get());
            pid.send(Signal::SIGKILL).map_err(not_allowed)?;
            remove(path)?;
            break;
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), PidFileError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(PidFileError::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
