//! Where a server runs: on this host, or on one that is reached by `ssh`. What is done there is done by a shell.

use std::io::Read;
use std::net::{ToSocketAddrs, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use crate::config::{Cluster, Server};
use crate::context::Failure;

/// Bytes of what a command says on standard error that are kept.
const KEPT: usize = 4096;

/// The program of a node.
const PROGRAM: &str = "lcnode";

/// A function of the shell that removes directories. It tries for a while: whoever was at work in one when the manager
/// was killed may put a last file into it.
pub const REMOVE: &str = "remove() { n=0; until rm -rf -- \"$@\" 2>/dev/null; do n=$((n+1)); \
                          if [ $n -ge 10 ]; then rm -rf -- \"$@\"; return; fi; sleep 1; done; };";

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// This one.
    Here,
    /// Reached by `ssh` under this name.
    Ssh(String),
}

/// A command that runs on a host, with what it says on standard error.
pub struct Running {
    /// The process here.
    pub child: Child,
    what: String,
    said: Option<JoinHandle<Vec<u8>>>,
    is_ended: bool,
}

impl Host {
    /// The host of a server.
    pub fn of(server: &Server) -> Result<Self, Failure> {
        if let Some(destination) = &server.ssh {
            return Ok(Self::Ssh(destination.clone()));
        }
        let addresses = (&server.host[..], 0).to_socket_addrs();
        let addresses = addresses.map_err(|error| format!("{}: {}: {error}", server.name, server.host))?;
        // Only addresses of this host can be bound.
        if addresses.into_iter().any(|address| UdpSocket::bind(address).is_ok()) {
            return Ok(Self::Here);
        }
        Err(format!(
            "{} runs on {}, which is another host: say with ssh = \"DESTINATION\" how it is reached",
            server.name, server.host
        )
        .into())
    }

    /// Starts a shell with a script.
    pub fn start(&self, script: &str, stdin: Stdio, stdout: Stdio) -> Result<Running, Failure> {
        let mut command = match self {
            Self::Here => Command::new("sh"),
            Self::Ssh(destination) => {
                let mut ssh = Command::new("ssh");
                ssh.args(["-o", "BatchMode=yes", "--", destination]);
                ssh
            }
        };
        match self {
            Self::Here => command.args(["-c", script]),
            // The shell there may be another than that of POSIX.
            Self::Ssh(_) => command.arg(format!("sh -c {}", quoted(Path::new(script))?)),
        };
        let what = match self {
            Self::Here => "on this host".to_owned(),
            Self::Ssh(destination) => format!("on {destination}, by ssh"),
        };
        let child = command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).spawn();
        let mut child =
            child.map_err(|error| format!("{what}: cannot run {:?}: {error}", command.get_program()))?;
        let stderr = child.stderr.take();
        let said = std::thread::spawn(move || {
            let mut said = Vec::new();
            let mut piece = [0; KEPT];
            let Some(mut stderr) = stderr else { return said };
            while let Ok(len) = stderr.read(&mut piece)
                && len > 0
            {
                said.extend_from_slice(piece.get(..len).unwrap_or_default());
                said.drain(..said.len().saturating_sub(KEPT));
            }
            said
        });
        Ok(Running { child, what, said: Some(said), is_ended: false })
    }

    /// Runs a script to its end and returns what it printed. Its failure is one here, with what it said.
    pub fn run(&self, script: &str) -> Result<String, Failure> {
        let mut running = self.start(script, Stdio::null(), Stdio::piped())?;
        let mut printed = String::new();
        if let Some(mut stdout) = running.child.stdout.take() {
            stdout.read_to_string(&mut printed)?;
        }
        running.end()?;
        Ok(printed)
    }
}

impl Running {
    /// Waits for the end, which must be a good one.
    pub fn end(mut self) -> Result<(), Failure> {
        self.is_ended = true;
        let status = self.child.wait()?;
        let said = self.said.take().and_then(|said| said.join().ok()).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said);
        let said = if said.trim().is_empty() { "it said nothing about why" } else { said.trim() };
        Err(format!("{}: {status}: {said}", self.what).into())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_ended {
            // It may have ended by itself meanwhile.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A path as a word of a shell.
pub fn quoted(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().ok_or_else(|| format!("{} is no text", path.display()))?;
    let word = shlex::try_quote(text).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(word.into_owned())
}

/// The directory below which a server may make copies: that of its option `--backup-dir`, else `backup` beside its
/// database.
pub fn backup_dir(cluster: &Cluster, server: &Server) -> PathBuf {
    let mut found = None;
    let mut words = cluster.options.iter().chain(&server.options);
    while let Some(word) = words.next() {
        let word = word.trim_start_matches('-');
        if word == "backup-dir" {
            found = words.next().map(String::as_str);
        } else if let Some(path) = word.strip_prefix("backup-dir=") {
            found = Some(path);
        }
    }
    found.map_or_else(|| server.backup_dir(), |path| cluster.folder().join(path))
}

/// The program of a node on a host: that of the cluster's file, else what is [`found`].
pub fn program(cluster: &Cluster, host: &Host) -> PathBuf {
    cluster.program.clone().unwrap_or_else(|| found(host))
}

/// Here the program of a node beside this one, if it is there; else the one that `PATH` leads to.
pub fn found(host: &Host) -> PathBuf {
    let beside = std::env::current_exe().ok().map(|program| program.with_file_name(PROGRAM));
    beside.filter(|beside| *host == Host::Here && beside.exists()).unwrap_or_else(|| PROGRAM.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(options: &str) -> Cluster {
        let text = format!(
            "options = [{options}]\ndata-dir = \"/d\"\n\
             [[node]]\nname = \"lookup1_A\"\nservers = [{{ host = \"127.0.0.1\", port = 1 }}]\n\
             [[node]]\nname = \"storage1_A\"\nservers = [{{ host = \"192.0.2.1\", port = 1 }}]\n"
        );
        Cluster::parse(Path::new("/c/cluster.toml"), &text).unwrap()
    }

    #[test]
    fn places() {
        for (options, folder) in [
            ("", "/d/lookup1_A-1/backup"),
            ("\"--backup-dir\", \"/b\"", "/b"),
            ("\"--backup-dir\", \"b\"", "/c/b"),
            ("\"--backup-dir=/b\", \"-backup-dir\", \"/c\"", "/c"),
        ] {
            let cluster = cluster(options);
            let server = &cluster.nodes[0].servers[0];
            assert_eq!(backup_dir(&cluster, server), Path::new(folder));
        }
    }

    #[test]
    fn hosts() {
        let cluster = cluster("");
        let [here, there] = [0, 1].map(|at| &cluster.nodes[at].servers[0]);
        assert_eq!(Host::of(here).unwrap(), Host::Here);
        assert!(Host::of(there).unwrap_err().to_string().contains("ssh = "));
        let there = Server { ssh: Some("db1".into()), ..there.clone() };
        assert_eq!(Host::of(&there).unwrap(), Host::Ssh("db1".into()));
    }

    #[test]
    fn a_failing_script_is_an_error_with_what_it_said() {
        assert_eq!(Host::Here.run("echo done").unwrap(), "done\n");
        let error = Host::Here.run("echo why >&2; exit 3").unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("why"), "{error}");
        // More than a pipe holds.
        let error = Host::Here.run("yes | head -c 1000000 >&2; echo end >&2; exit 1").unwrap_err();
        assert!(error.to_string().ends_with("end"));
        let odd = Path::new("it's a \"path\" $HOME");
        let word = quoted(odd).unwrap();
        assert_eq!(Host::Here.run(&format!("printf %s {word}")).unwrap(), odd.to_str().unwrap());
    }
}
