//! Where a server runs, and how something is done there: by a shell, on this host or over `ssh`, in the same way.
//!
//! Scripts go to the shell's standard input, so that only their arguments have to be quoted for the shell of a login.

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::config::{Cluster, Server};

/// Seconds that ssh may take for its connection.
const CONNECT: u32 = 10;

/// Where a server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// On this host. Relative paths of options start in the folder of the cluster's file.
    Here(PathBuf),
    /// Where ssh goes. Relative paths start where its shell does.
    Ssh(String),
}

/// What a script left behind.
#[derive(Debug)]
pub struct Done {
    /// None if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// Where a server runs, or why it cannot be got at.
    pub async fn of(cluster: &Cluster, server: &Server) -> Result<Self, String> {
        if let Some(to) = &server.ssh {
            return Ok(Self::Ssh(to.clone()));
        }
        let host = &server.host;
        let found = timeout(cluster.timeout, tokio::net::lookup_host((&host[..], server.port))).await;
        let mut found = match found {
            Err(_) => {
                return Err(format!("no address of host {host} was found within {:?}", cluster.timeout));
            }
            Ok(Err(error)) => return Err(format!("host {host} has no address: {error}")),
            Ok(Ok(found)) => found,
        };
        // Only an address of this host can be bound.
        if found.any(|address| address.ip().is_loopback() || UdpSocket::bind((address.ip(), 0)).is_ok()) {
            return Ok(Self::Here(cluster.folder()));
        }
        let file = cluster.path.display();
        Err(format!(
            "host {host} is not this one: say ssh = \"…\" for the server in {file}, or run lcmgr there"
        ))
    }

    /// Runs a script of the POSIX shell with arguments, and waits for its end, at most for `limit`.
    pub async fn run(&self, script: &str, arguments: &[String], limit: Duration) -> Result<Done, String> {
        let mut command = match self {
            Self::Here(folder) => {
                let mut command = Command::new("sh");
                command.args(["-s", "--"]).args(arguments).current_dir(folder);
                command
            }
            Self::Ssh(to) => {
                let words = ["sh", "-s", "--"].into_iter().chain(arguments.iter().map(|word| &word[..]));
                let line = shlex::try_join(words).map_err(|error| error.to_string())?;
                let mut command = Command::new("ssh");
                command.args(["-o", "BatchMode=yes", "-o", &format!("ConnectTimeout={CONNECT}")]);
                command.args([to, "--", &line]);
                command
            }
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let shell = if let Self::Ssh(to) = self { format!("ssh {to}") } else { "sh".to_owned() };
        let mut child = command.spawn().map_err(|error| format!("{shell} cannot be run: {error}"))?;
        let stdin = child.stdin.take();
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A shell that has ended takes no more; its exit code says why.
                let _ = stdin.write_all(script.as_bytes()).await;
            }
        };
        let both = async { tokio::join!(feed, child.wait_with_output()).1 };
        let output: Output = match timeout(limit, both).await {
            Err(_) => return Err(format!("{shell} was not done within {limit:?}")),
            Ok(output) => output.map_err(|error| format!("{shell} failed: {error}"))?,
        };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        let done =
            Done { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) };
        match self {
            // By its manual the code of a failure of its own.
            Self::Ssh(to) if done.code == Some(255) => Err(format!("ssh {to} failed: {}", done.stderr)),
            _ => Ok(done),
        }
    }
}

/// A path as a word of a script.
pub fn word(path: PathBuf) -> Result<String, String> {
    path.into_os_string()
        .into_string()
        .map_err(|path| format!("the path {path:?} is not UTF-8: choose another"))
}
