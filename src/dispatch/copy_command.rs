//! `copy @COMMAND`: a program of the operator is given a snapshot of the database.
//!
//! Only programs that the node was started with are run, and without a shell. The original blocks
//! updates while it waits; here the program has a snapshot of its own, and writers go on.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use parking_lot::Mutex;

use super::Node;
use crate::config::AllowedCommand;

/// Between two looks at a running program.
const LOOK: Duration = Duration::from_millis(20);
/// How long a program that is to end may take to, before it is killed.
const GRACE: Duration = Duration::from_secs(1);
/// Bytes of its output that are logged; the rest is read and thrown away.
const MAX_OUTPUT: usize = 64 << 10;

/// The programs that `copy` may run.
#[derive(Debug, Default)]
pub struct Commands {
    /// As the command line names them, and as they are run.
    pub allowed: Vec<AllowedCommand>,
    /// How long one may run; `None` is no limit.
    pub timeout: Option<Duration>,
    /// Held while one runs.
    running: Mutex<()>,
    stopping: AtomicBool,
}

impl Commands {
    /// Those of the command line.
    pub fn new(allowed: Vec<AllowedCommand>, timeout: Option<Duration>) -> Self {
        Self { allowed, timeout, ..Self::default() }
    }

    /// Has a program that runs ended, and no other begun.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether the node stops, so that nothing that takes long should go on.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

/// Runs the program that a client names on a snapshot, or says why not.
pub(super) fn run(node: &Node, name: &[u8]) -> Result<(), String> {
    let commands = &node.commands;
    let shown = String::from_utf8_lossy(name).into_owned();
    let Some(allowed) = commands.allowed.iter().find(|allowed| allowed.name.as_bytes() == name) else {
        return Err(format!("@{shown} refused: start the node with --allow-command {shown:?} to allow it"));
    };
    let Some(_running) = commands.running.try_lock() else {
        return Err(format!("@{shown} refused: a command is running already"));
    };
    let (snapshot, args) = match node.store.is_memory() {
        // As in the original: there is no path, so the time comes first.
        true => (None, vec![node.store.last_change().to_string().into()]),
        false => {
            let path = snapshot_path(node)?;
            let snapshot = node.store.snapshot_at(&path).map_err(|error| format!("@{shown}: {error}"))?;
            let time = snapshot.backup.last_change.to_string();
            (Some(snapshot), vec![path.into_os_string(), time.into()])
        }
    };
    tracing::info!("running {shown:?} with {args:?}");
    let status = wait(commands, &allowed.program, &args).map_err(|error| format!("@{shown}: {error}"))?;
    drop(snapshot);
    match status.success() {
        true => Ok(()),
        false => Err(format!("@{shown} failed: {}", describe(status))),
    }
}

/// Where the snapshot goes.
fn snapshot_path(node: &Node) -> Result<PathBuf, String> {
    let folder = node.backup_dir.as_deref();
    let folder =
        folder.ok_or("refused: start the node with --backup-dir DIR to say where snapshots may go")?;
    let mut name = Path::new(&node.database_name).file_name().unwrap_or(OsStr::new("database")).to_owned();
    name.push(super::copy::SNAPSHOT);
    Ok(folder.join(name))
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("ended by signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// Runs a program to its end, which comes by itself, after the timeout, or when the node stops. What it
/// prints is logged.
fn wait(commands: &Commands, program: &Path, args: &[OsString]) -> Result<ExitStatus, String> {
    let failed = |error: io::Error| format!("cannot run {}: {error}", program.display());
    let (reader, writer) = io::pipe().map_err(failed)?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(|error| failed(error.into()))?;
    let mut command = Command::new(program);
    // A group of its own, so that what it starts itself ends with it.
    command.args(args).process_group(0).stdin(Stdio::null());
    command.stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    let mut child = Group(command.spawn().map_err(failed)?);
    // Its ends of the pipe: else the output would never end.
    drop(command);
    let mut output = Output { reader, line: Vec::new(), logged: 0 };
    let begun = Instant::now();
    loop {
        output.log();
        if let Some(status) = child.0.try_wait().map_err(failed)? {
            output.log();
            output.finish();
            return Ok(status);
        }
        if commands.is_stopping() {
            return Err("the node stops, so it was ended".to_owned());
        }
        if let Some(limit) = commands.timeout.filter(|limit| begun.elapsed() >= *limit) {
            output.finish();
            return Err(format!("ended after {limit:?} (--command-timeout)"));
        }
        std::thread::sleep(LOOK);
    }
}

/// A program with all that it started. Dropped, they are ended.
struct Group(Child);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Ok(id) = i32::try_from(self.0.id()) {
            // They may be gone by now.
            let _ = killpg(Pid::from_raw(id), signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            // It ended by itself. What it left running on purpose goes on.
            return;
        }
        self.signal(Signal::SIGTERM);
        let begun = Instant::now();
        while begun.elapsed() < GRACE && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(LOOK);
        }
        self.signal(Signal::SIGKILL);
        // After a SIGKILL this does not take long, and leaves no zombie.
        let _ = self.0.wait();
    }
}

/// What a program prints, on its way into the log.
struct Output {
    reader: io::PipeReader,
    line: Vec<u8>,
    logged: usize,
}

impl Output {
    /// Logs the lines that are there, without waiting for more.
    fn log(&mut self) {
        let mut buffer = [0; 4096];
        // As much as a program can have printed since the last look; one that prints without end is
        // not followed for ever.
        for _ in 0..256 {
            let read = match self.reader.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => read,
            };
            for &byte in &buffer[..read] {
                match byte {
                    b'\n' => self.finish(),
                    _ if self.line.len() < 4096 => self.line.push(byte),
                    _ => {}
                }
            }
        }
    }

    /// Logs what has no line feed behind it.
    fn finish(&mut self) {
        let line = std::mem::take(&mut self.line);
        let before = self.logged;
        self.logged = self.logged.saturating_add(line.len());
        if line.is_empty() {
            return;
        }
        if self.logged <= MAX_OUTPUT {
            tracing::info!("command: {}", String::from_utf8_lossy(&line));
        } else if before <= MAX_OUTPUT {
            tracing::warn!("command: it prints more than {MAX_OUTPUT} bytes; the rest is not logged");
        }
    }
}
