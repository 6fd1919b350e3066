//! A cluster whose servers the manager starts, in the background.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::process::Output;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cluster::{Cluster, Server};

/// Nothing of it is started by itself. Dropped, what was is killed.
pub struct Daemons {
    cluster: Cluster,
}

impl Daemons {
    /// Nodes with so many servers each, with a short timeout.
    pub fn new(nodes: &[(&str, usize)]) -> Self {
        let daemons = Self { cluster: Cluster::new(nodes, &["--segment-size", "256k", "--thnum", "1"]) };
        daemons.edit("timeout = 20.0", "timeout = 2.0");
        daemons
    }

    /// All started.
    pub fn start(nodes: &[(&str, usize)]) -> Self {
        let daemons = Self::new(nodes);
        daemons.succeed(&["start"]);
        daemons
    }

    /// Replaces a text of the cluster's file, which must be there.
    pub fn edit(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.file()).unwrap();
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        std::fs::write(self.file(), text.replacen(from, to, 1)).unwrap();
    }

    /// Runs the manager; what it printed, and its exit code.
    pub fn run(&self, words: &[&str]) -> (i32, String) {
        said(words, self.lcmgr(words).output().unwrap())
    }

    /// Runs it, which must end with 0.
    pub fn succeed(&self, words: &[&str]) -> String {
        let (code, text) = self.run(words);
        assert_eq!(code, 0, "{words:?}:\n{text}");
        text
    }

    /// Runs it, which must end with 1.
    pub fn fail(&self, words: &[&str]) -> String {
        let (code, text) = self.run(words);
        assert_eq!(code, 1, "{words:?}:\n{text}");
        text
    }

    /// Where the id of a server's process is.
    pub fn pid_file(&self, name: &str) -> PathBuf {
        pid_file(self.servers.iter().find(|server| server.name == name).unwrap())
    }

    /// The process of a server.
    pub fn pid(&self, name: &str) -> Pid {
        let text = std::fs::read_to_string(self.pid_file(name)).unwrap();
        Pid::from_raw(text.trim().parse().unwrap())
    }

    /// Sends its process a signal.
    pub fn signal(&self, name: &str, signal: Signal) {
        kill(self.pid(name), signal).unwrap();
    }
}

/// All that a command printed, and its exit code.
pub fn said(words: &[&str], output: Output) -> (i32, String) {
    let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    eprintln!("$ lcmgr {}\n{text}", words.join(" "));
    (output.status.code().expect("it ends by itself"), text)
}

fn pid_file(server: &Server) -> PathBuf {
    server.data_dir.join(format!("{}.pid", server.name))
}

impl Deref for Daemons {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl DerefMut for Daemons {
    fn deref_mut(&mut self) -> &mut Cluster {
        &mut self.cluster
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for server in &self.cluster.servers {
            let path = pid_file(server);
            let Ok(pid) = std::fs::read_to_string(&path).unwrap_or_default().trim().parse() else { continue };
            // A test may have written the id of something else.
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&command).contains(path.to_str().unwrap()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}
