//! The background form (`-dmn`).
//!
//! A process with threads cannot be forked safely, and Rust has no safe fork. So the program starts
//! itself again with the same words, and that child detaches itself:
//!
//! ```text
//!   launcher ── starts ──► child: new session, umask 0, directory /, standard input /dev/null
//!      │                     │ opens the database, listens; mistakes go to the launcher's standard error
//!      │ ◄── "ready" ─────── │ over its standard output, a pipe; then both outputs are /dev/null
//!   exits 0                serves
//! ```
//!
//! If the child ends before it says "ready", the launcher exits 1. The child reads the command line in the
//! directory where the launcher was started, and every path of the configuration is absolute from then
//! on; so a relative path means what it means in the foreground.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, parent_id};
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::sys::stat::{Mode, umask};
use nix::unistd::{dup2_stderr, dup2_stdout, setsid};
use thiserror::Error;

use super::activation::{ActivationError, Inherited};
use crate::config::Config;

/// Holds the launcher's process id. A process whose parent that is, is the child to detach; anybody else
/// who inherits the variable is not taken in.
const LAUNCHER: &str = "LCNODE_LAUNCHER";
/// What the child says when it serves.
const READY: &str = "ready\n";

/// Which of the two processes this is.
#[derive(Debug)]
#[must_use]
pub enum Role {
    /// The one that serves, in the foreground or detached.
    Server(Ready),
    /// The one that was typed, after its child has begun to serve. It has nothing left to do: exit 0.
    Launcher,
}

/// The promise to say when the node serves.
#[derive(Debug)]
#[must_use = "the launcher waits for the signal"]
pub struct Ready {
    detached: bool,
}

/// Why there is no node in the background.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The program could not be started again.
    #[error("the background process cannot be started: {0}")]
    Start(#[source] io::Error),
    /// The child ended before it served. It has said why on standard error.
    #[error("the node in the background did not start ({0}); its message is above or in its log")]
    Ended(ExitStatus),
    /// There is a socket for the launcher alone.
    #[error("{0}")]
    Activated(#[from] ActivationError),
    /// The child could not cut its ties to the terminal.
    #[error("the process cannot be detached from the terminal: {0}")]
    Detach(#[source] io::Error),
}

/// Puts the node into the background if `config` asks for it.
///
/// In the foreground returns at once. Else the launcher waits here until its child serves or has ended,
/// and the child comes back with its ties cut and the working directory `/`. Call it before any thread is
/// started and any file is opened; in the child, before anything is printed to standard output.
///
/// Errors: exit with status 1 in either process.
pub fn detach_if_asked(config: &Config) -> Result<Role, DaemonError> {
    if !config.daemon {
        return Ok(Role::Server(Ready { detached: false }));
    }
    if is_child() {
        detach().map_err(DaemonError::Detach)?;
        return Ok(Role::Server(Ready { detached: true }));
    }
    Inherited::refuse_in_background()?;
    let child = launch().map_err(DaemonError::Start)?;
    wait(child)
}

impl Ready {
    /// Tells the launcher, if there is one, that the node serves, and lets go of the terminal.
    ///
    /// Call it when the listening socket is open. Errors: `/dev/null` cannot be opened or put in place;
    /// the node can serve nevertheless.
    pub fn signal(self) -> io::Result<()> {
        if !self.detached {
            return Ok(());
        }
        let mut launcher = io::stdout().lock();
        // A launcher that was killed meanwhile is no reason to stop.
        let _ = launcher.write_all(READY.as_bytes()).and_then(|()| launcher.flush());
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        dup2_stdout(&null)?;
        dup2_stderr(&null)?;
        Ok(())
    }
}

fn is_child() -> bool {
    std::env::var(LAUNCHER).is_ok_and(|launcher| launcher == parent_id().to_string())
}

fn detach() -> io::Result<()> {
    setsid()?;
    umask(Mode::empty());
    std::env::set_current_dir("/")
}

fn launch() -> io::Result<Child> {
    let mut words = std::env::args_os();
    let name = words.next().unwrap_or_else(|| "lcnode".into());
    // Same first word: it may be a link named ttserver, and managers look for the line in the process list.
    Command::new(std::env::current_exe()?)
        .arg0(name)
        .args(words)
        .env(LAUNCHER, std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
}

fn wait(mut child: Child) -> Result<Role, DaemonError> {
    let mut said = String::new();
    if let Some(pipe) = child.stdout.take() {
        // What cannot be read was not "ready"; the exit status then tells the rest.
        let _ = pipe.take(READY.len() as u64).read_to_string(&mut said);
    }
    if said == READY {
        return Ok(Role::Launcher);
    }
    child.wait().map_err(DaemonError::Start).and_then(|status| Err(DaemonError::Ended(status)))
}
