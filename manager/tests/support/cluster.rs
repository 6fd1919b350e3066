//! A cluster of real nodes, each server a child process, and the file that describes it.
//!
//! ```no_run
//! let mut cluster = Cluster::start(&[("lookup1_A", 2), ("storage1_A", 2)]);
//! cluster.server("storage1_A-2").kill();
//! let status = cluster.lcmgr(&["status"]).output().unwrap();
//! cluster.server("storage1_A-2").start();
//! ```
//!
//! Servers are laid out as the manager lays them out: `DATA_DIR/NAME.tch`, copies below `DATA_DIR/backup`.

use std::fs::{File, OpenOptions, create_dir_all, write};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant};

use lightcloud::tyrant;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{lcmgr, lcnode};

/// The longest that anything which is waited for may take.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Lines of a log that a failing test prints.
const SHOWN_LINES: usize = 30;

/// Nodes of servers. Dropped, all are killed and all is removed.
pub struct Cluster {
    pub servers: Vec<Server>,
    options: Vec<String>,
    folder: TempDir,
    file: PathBuf,
}

/// One server of a node, running or not.
pub struct Server {
    pub node: String,
    pub name: String,
    pub address: SocketAddr,
    pub data_dir: PathBuf,
    options: Vec<String>,
    process: Option<Child>,
}

impl Cluster {
    /// Nodes with so many servers each, all started, with small segments.
    pub fn start(nodes: &[(&str, usize)]) -> Self {
        Self::start_with(nodes, &["--segment-size", "256k"])
    }

    /// The same with these options of lcnode.
    pub fn start_with(nodes: &[(&str, usize)], options: &[&str]) -> Self {
        let mut cluster = Self::new(nodes, options);
        cluster.servers.iter_mut().for_each(Server::start);
        cluster
    }

    /// The same with nothing started.
    pub fn new(nodes: &[(&str, usize)], options: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("lcmgr-test-").tempdir().unwrap();
        let count = nodes.iter().map(|node| node.1).sum();
        let mut addresses = addresses(count).into_iter();
        let mut servers = Vec::new();
        let mut text = format!("options = {options:?}\ntimeout = 20.0\n");
        for &(node, count) in nodes {
            let own: Vec<SocketAddr> = addresses.by_ref().take(count).collect();
            text += &format!("\n[[node]]\nname = {node:?}\nservers = [\n");
            for (at, &address) in own.iter().enumerate() {
                let name = format!("{node}-{}", at + 1);
                let data_dir = folder.path().join("data").join(&name);
                create_dir_all(data_dir.join("backup")).unwrap();
                text += &format!("  {{ host = \"{}\", port = {} }},\n", address.ip(), address.port());
                let masters = own.iter().filter(|&&other| other != address);
                let mut options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
                options.extend(masters.flat_map(|other| ["--master".to_owned(), other.to_string()]));
                servers.push(Server {
                    node: node.to_owned(),
                    name,
                    address,
                    data_dir,
                    options,
                    process: None,
                });
            }
            text += "]\n";
        }
        let file = folder.path().join("lightcloud.toml");
        write(&file, text).unwrap();
        let options = options.iter().map(|&option| option.to_owned()).collect();
        Self { servers, options, folder, file }
    }

    /// Starts the servers of one more node, which the file does not know.
    pub fn add(&mut self, node: &str, count: usize) {
        let own = addresses(count);
        for (at, &address) in own.iter().enumerate() {
            let name = format!("{node}-{}", at + 1);
            let data_dir = self.folder.path().join("data").join(&name);
            create_dir_all(data_dir.join("backup")).unwrap();
            let masters = own.iter().filter(|&&other| other != address);
            let masters = masters.flat_map(|other| ["--master".to_owned(), other.to_string()]);
            let options = self.options.iter().cloned().chain(masters).collect();
            let node = node.to_owned();
            self.servers.push(Server { node, name, address, data_dir, options, process: None });
        }
        self.start_all();
    }

    /// The file that describes it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A directory of its own, for whatever a test makes.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The manager with the cluster's file and these words.
    pub fn lcmgr(&self, words: &[&str]) -> Command {
        let mut command = Command::new(lcmgr());
        command.arg("--config").arg(&self.file).args(words).stdin(Stdio::null());
        command
    }

    /// The server of this name.
    pub fn server(&mut self, name: &str) -> &mut Server {
        self.servers.iter_mut().find(|server| server.name == name).expect("there is such a server")
    }

    /// The servers of a node.
    pub fn node<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Server> {
        self.servers.iter().filter(move |server| server.node == name)
    }

    /// Ends all by SIGTERM.
    pub fn stop(&mut self) {
        for server in &mut self.servers {
            server.stop();
        }
    }

    /// Starts those that do not run.
    pub fn start_all(&mut self) {
        let down = self.servers.iter_mut().filter(|server| server.process.is_none());
        down.for_each(Server::start);
    }
}

impl Server {
    /// Starts it and waits until it answers.
    pub fn start(&mut self) {
        assert!(self.process.is_none(), "{} runs", self.name);
        let log = OpenOptions::new().append(true).create(true).open(self.log()).unwrap();
        let mut command = Command::new(lcnode());
        command.args(["--host", &self.address.ip().to_string()]);
        command.args(["--port", &self.address.port().to_string(), "--thnum", "1"]);
        command.arg("--backup-dir").arg(self.backup_dir()).args(&self.options).arg(self.database());
        command.current_dir(&self.data_dir).stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut process = command.spawn().expect("the node can be run");
        let since = Instant::now();
        while !self.answers() {
            if let Some(end) = process.try_wait().unwrap() {
                panic!("{} did not start: {end}\n{}", self.name, self.last_lines());
            }
            assert!(since.elapsed() < PATIENCE, "{} does not answer\n{}", self.name, self.last_lines());
            sleep(Duration::from_millis(10));
        }
        self.process = Some(process);
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// SIGTERM, which must end it soon with exit code 0.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        kill(pid(&process), Signal::SIGTERM).unwrap();
        let end = wait(&mut process).expect("the node ends");
        assert!(end.success(), "the end of {}: {end}\n{}", self.name, self.last_lines());
    }

    /// Sends it a signal: SIGSTOP, SIGCONT, …
    pub fn signal(&self, signal: Signal) {
        kill(pid(self.process.as_ref().expect("it runs")), signal).unwrap();
    }

    /// A client of it.
    pub fn client(&self) -> tyrant::Server {
        let options = tyrant::ServerOptions { timeout: PATIENCE, ..Default::default() };
        tyrant::Server::new(self.address.to_string().parse().unwrap(), options)
    }

    /// The directory of its database.
    pub fn database(&self) -> PathBuf {
        self.data_dir.join(format!("{}.tch", self.name))
    }

    /// The directory below which it makes copies.
    pub fn backup_dir(&self) -> PathBuf {
        self.data_dir.join("backup")
    }

    /// What it prints.
    pub fn log(&self) -> PathBuf {
        self.data_dir.join("node.log")
    }

    fn answers(&self) -> bool {
        let rnum = || -> std::io::Result<()> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.write_all(&[0xC8, 0x80])?;
            stream.read_exact(&mut [0; 9])
        };
        rnum().is_ok()
    }

    fn last_lines(&self) -> String {
        let mut text = Vec::new();
        let _ = File::open(self.log()).and_then(|mut file| file.read_to_end(&mut text));
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself meanwhile.
            let _ = process.kill();
            let _ = process.wait();
        }
        if panicking() {
            eprintln!("log of {} at {}:\n{}", self.name, self.address, self.last_lines());
        }
    }
}

/// Waits until something comes about, for [`PATIENCE`] at most.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "it does not come about: {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Waits for the end of a process, for [`PATIENCE`] at most; none where it does not come.
pub fn wait(process: &mut Child) -> Option<ExitStatus> {
    let since = Instant::now();
    while since.elapsed() < PATIENCE {
        if let Some(end) = process.try_wait().unwrap() {
            return Some(end);
        }
        sleep(Duration::from_millis(5));
    }
    None
}

/// Free ports on an address of this machine that no other test has.
pub fn addresses(count: usize) -> Vec<SocketAddr> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [_, b, c, d] = (std::process::id() << 8 | NEXT.fetch_add(1, Ordering::Relaxed) & 0xFF).to_be_bytes();
    // The last part must not be that of a network or of a broadcast.
    let host = Ipv4Addr::new(127, b, c, d.clamp(1, 254));
    let free: Vec<_> = (0..count).map(|_| TcpListener::bind((host, 0)).unwrap()).collect();
    free.iter().map(|listener| listener.local_addr().unwrap()).collect()
}

fn pid(process: &Child) -> Pid {
    Pid::from_raw(process.id().cast_signed())
}
