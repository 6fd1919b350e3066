//! The servers of the demo: processes of its own, none of which outlives it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use lightcloud::tyrant::{self, ServerOptions};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use thiserror::Error;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use crate::config::{Cluster, Server};
use crate::context::Failure;

/// The longest that a server may take to answer after its start.
const START: Duration = Duration::from_secs(30);
/// The longest that servers may take to end by themselves.
const END: Duration = Duration::from_secs(10);
/// How often it is looked.
const POLL: Duration = Duration::from_millis(10);

/// Why a server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// Somebody else took its port.
    #[error("the port of {0} was taken meanwhile")]
    Taken(String),
    /// Anything else.
    #[error("{0} did not start: {1}")]
    Failed(String, String),
}

/// The running servers, by name.
pub struct Processes {
    program: PathBuf,
    folder: PathBuf,
    children: BTreeMap<String, Child>,
}

impl Processes {
    /// None yet. All that they do is in `folder`.
    pub fn new(program: &Path, folder: &Path) -> Self {
        Self { program: program.to_owned(), folder: folder.to_owned(), children: BTreeMap::new() }
    }

    /// Starts a process. It is not waited for.
    pub fn spawn(&mut self, cluster: &Cluster, server: &Server) -> Result<(), StartError> {
        let failed = |error: std::io::Error| StartError::Failed(server.name.clone(), error.to_string());
        std::fs::create_dir_all(server.data_dir.join("backup")).map_err(failed)?;
        let log = OpenOptions::new().append(true).create(true).open(log_of(server)).map_err(failed)?;
        let mut command = Command::new(&self.program);
        command.args(words(cluster, server)).current_dir(&self.folder);
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(failed)?).stderr(log);
        // Ctrl-C is for the demo alone, which then ends its servers in order.
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(failed)?;
        self.children.insert(server.name.clone(), child);
        Ok(())
    }

    /// Waits until a server that was started answers.
    pub async fn wait(&mut self, server: &Server) -> Result<(), StartError> {
        let failed = |why: String| StartError::Failed(server.name.clone(), why);
        let child = self.children.get_mut(&server.name);
        let child = child.ok_or_else(|| failed("it was not started".to_owned()))?;
        let pid = child.id().map(|pid| pid.to_string());
        let options = ServerOptions { timeout: START, ..Default::default() };
        let client = tyrant::Server::new(server.address(), options);
        let start = Instant::now();
        loop {
            if let Some(status) = child.try_wait().map_err(|error| failed(error.to_string()))? {
                let log = std::fs::read_to_string(log_of(server)).unwrap_or_default();
                if log.contains("cannot listen") {
                    return Err(StartError::Taken(server.name.clone()));
                }
                let lines: Vec<_> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(5)..].join("\n  ");
                return Err(failed(format!("it ended with {status}; its log ends with\n  {last}")));
            }
            // On its port there might be somebody else.
            if let Ok(stat) = client.stat().await
                && stat.into_iter().find(|(name, _)| name == "pid").map(|(_, value)| value) == pid
            {
                return Ok(());
            }
            if start.elapsed() > START {
                let log = log_of(server);
                return Err(failed(format!("no answer within {START:?}; see {}", log.display())));
            }
            sleep(POLL).await;
        }
    }

    /// Ends a server at once, as a crash does.
    pub async fn kill(&mut self, server: &Server) -> Result<(), Failure> {
        match self.children.remove(&server.name) {
            Some(mut child) => Ok(child.kill().await?),
            None => Err(format!("{} does not run", server.name).into()),
        }
    }

    /// Ends all servers, also those that other commands started in the folder meanwhile: kindly, then for good.
    pub async fn end(&mut self) {
        let mut is_first = true;
        let start = Instant::now();
        loop {
            // What has ended is taken note of.
            self.children.retain(|_, child| matches!(child.try_wait(), Ok(None)));
            let running = self.running();
            if running.is_empty() {
                return;
            }
            let is_late = start.elapsed() > END;
            if is_first || is_late {
                let signal = if is_late { Signal::SIGKILL } else { Signal::SIGTERM };
                for pid in &running {
                    // It may have ended just now.
                    let _ = kill(*pid, signal);
                }
            }
            if start.elapsed() > 2 * END {
                eprintln!("lcmgr: cannot end the processes {running:?}");
                return;
            }
            is_first = false;
            sleep(POLL).await;
        }
    }

    /// All processes of the program with a database in the folder.
    fn running(&self) -> Vec<Pid> {
        let own = self.children.values().filter_map(|child| child.id()?.try_into().ok());
        let mut running: Vec<_> = own.map(Pid::from_raw).collect();
        let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes {
            let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            let pid = Pid::from_raw(pid);
            if !running.contains(&pid) && self.is_ours(&process.path()) {
                running.push(pid);
            }
        }
        running
    }

    fn is_ours(&self, process: &Path) -> bool {
        // One that has ended, and was not taken note of by its parent, has no command line.
        let Ok(line) = std::fs::read(process.join("cmdline")) else { return false };
        let program = std::fs::read_link(process.join("exe"));
        let folder = [self.folder.as_os_str().as_bytes(), b"/"].concat();
        program.is_ok_and(|program| self.program.canonicalize().is_ok_and(|own| own == program))
            && line.split(|byte| *byte == 0).any(|word| word.starts_with(&folder))
    }
}

/// The command line of a server.
fn words(cluster: &Cluster, server: &Server) -> Vec<OsString> {
    let mut words: Vec<OsString> =
        vec!["--host".into(), (&server.host).into(), "--port".into(), server.port.to_string().into()];
    if let Some(id) = server.id {
        words.extend(["--sid".into(), id.to_string().into()]);
    }
    for master in &server.masters {
        words.extend(["--master".into(), master.to_string().into()]);
    }
    words.extend(cluster.options.iter().chain(&server.options).map(Into::into));
    words.extend(["--backup-dir".into(), server.data_dir.join("backup").into()]);
    words.push(server.data_dir.join(format!("{}.tch", server.name)).into());
    words
}

/// Where a server writes what it has to say.
fn log_of(server: &Server) -> PathBuf {
    server.data_dir.join("node.log")
}

/// The program of a node: as named, or beside this one, or found by `PATH`.
pub fn find_program(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let named = named.map(Path::to_owned);
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name("lcnode"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = match named {
        Some(named) => vec![named],
        None => {
            beside.into_iter().chain(std::env::split_paths(&path).map(|dir| dir.join("lcnode"))).collect()
        }
    };
    candidates.retain(|path| path.is_file());
    let found = candidates
        .first()
        .ok_or("the program lcnode is not beside lcmgr, nor found by PATH: name it with --program")?;
    Ok(std::path::absolute(found)?)
}
