//! The node as a child process: started, watched, ended.

use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{panicking, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::client::{ANSWER, Client};
use super::wire;

/// Lines of the log that a failing test prints.
const SHOWN_LINES: usize = 60;

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// How a node is started: what is typed, and where.
#[derive(Debug, Clone)]
pub struct Launch {
    program: PathBuf,
    folder: PathBuf,
    address: Address,
    args: Vec<String>,
    env: Vec<(String, String)>,
    inherited: Option<Inherited>,
}

/// A descriptor that the node gets as its third, as from systemd.
#[derive(Debug, Clone)]
struct Inherited {
    descriptor: Arc<OwnedFd>,
    /// What the shell does before it becomes the node.
    before: String,
}

/// A running node. Dropping it kills it; if the test is failing its log is printed first.
pub struct Node {
    process: Child,
    launch: Launch,
    ended: Option<ExitStatus>,
}

/// The program under test.
pub fn lcnode() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_lcnode"))
}

/// An address that no other node of this or another test run is given, so that tests may run side by
/// side: an own one of the 16 million of this machine, and a port that is free there.
pub fn loopback() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let [_, b, c, d] = (std::process::id() << 8 | NEXT.fetch_add(1, Ordering::Relaxed) & 0xFF).to_be_bytes();
    // The last part must not be that of a network or of a broadcast.
    let free = TcpListener::bind((Ipv4Addr::new(127, b, c, d.clamp(1, 254)), 0)).unwrap();
    free.local_addr().unwrap()
}

impl Launch {
    /// The options and the database `args`, run in `folder`, on an address of its own.
    pub fn new(folder: &Path, args: &[&str]) -> Self {
        Self {
            program: lcnode().to_owned(),
            folder: folder.to_owned(),
            address: Address::Tcp(loopback()),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: Vec::new(),
            inherited: None,
        }
    }

    /// With a variable in its environment.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    /// With a descriptor as its third; the shell runs `before` first, whose process the node then is.
    pub fn inherit(mut self, descriptor: impl Into<OwnedFd>, before: &str) -> Self {
        self.inherited =
            Some(Inherited { descriptor: Arc::new(descriptor.into()), before: before.to_owned() });
        self
    }

    /// Called by another name or path.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = program.into();
        self
    }

    /// Listening there.
    pub fn address(mut self, address: Address) -> Self {
        self.address = address;
        self
    }

    /// The words after the program's name.
    pub fn words(&self) -> Vec<String> {
        let (host, port) = match &self.address {
            Address::Tcp(address) => (address.ip().to_string(), address.port()),
            Address::Unix(path) => (path.display().to_string(), 0),
        };
        let mut words = vec!["-host".to_owned(), host, "-port".to_owned(), port.to_string()];
        words.extend(self.args.iter().cloned());
        words
    }

    fn command(&self) -> Command {
        let mut command = match &self.inherited {
            None => {
                let mut command = Command::new(&self.program);
                command.stdin(Stdio::null());
                command
            }
            Some(Inherited { descriptor, before }) => {
                let mut command = Command::new("sh");
                let script = format!(r#"exec 3<&0 </dev/null; {before}; exec "$0" "$@""#);
                command.args(["-c", &script]).arg(&self.program);
                command.stdin(descriptor.try_clone().unwrap());
                command
            }
        };
        command.args(self.words()).current_dir(&self.folder);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it to its end, which must come soon: for starts that are refused, and for the background.
    pub fn output(&self) -> Output {
        // The node in the background may keep what it inherits, so pipes would not end with the launcher.
        let [out, err] = ["out", "err"].map(|name| self.folder.join(format!("node.std{name}")));
        let mut command = self.command();
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let mut process = command.spawn().expect("the node can be run");
        let status = wait(&mut process, ANSWER).unwrap_or_else(|| {
            process.kill().unwrap();
            panic!("still running: {self:?}")
        });
        Output { status, stdout: std::fs::read(out).unwrap(), stderr: std::fs::read(err).unwrap() }
    }

    /// Starts it without waiting for anything.
    pub fn spawn(self) -> Node {
        let log = OpenOptions::new().append(true).create(true).open(log_path(&self.folder)).unwrap();
        let mut command = self.command();
        let process =
            command.stdout(log.try_clone().unwrap()).stderr(log).spawn().expect("the node can be run");
        Node { process, launch: self, ended: None }
    }

    /// Starts it and waits until it answers.
    pub fn start(self) -> Node {
        let log = log_path(&self.folder);
        self.try_start()
            .unwrap_or_else(|status| panic!("the node did not start: {status}\n{}", last_lines(&log)))
    }

    /// Starts it and waits until it answers, or has ended, which is the error.
    pub fn try_start(self) -> Result<Node, ExitStatus> {
        let mut node = self.spawn();
        let start = Instant::now();
        loop {
            if node.answers() {
                return Ok(node);
            }
            if let Some(status) = node.process.try_wait().unwrap() {
                node.ended = Some(status);
                return Err(status);
            }
            assert!(start.elapsed() < ANSWER, "the node does not answer");
            sleep(Duration::from_millis(5));
        }
    }
}

impl Node {
    /// Starts a node and waits until it answers. `args` are options and the database.
    pub fn start(folder: &Path, args: &[&str]) -> Self {
        Launch::new(folder, args).start()
    }

    /// The same on a Unix-domain socket in the folder.
    pub fn start_on_socket(folder: &Path, args: &[&str]) -> Self {
        Launch::new(folder, args).address(Address::Unix(folder.join("socket"))).start()
    }

    fn answers(&self) -> bool {
        let Ok(mut client) = Client::open(&self.launch.address) else { return false };
        client.try_send(&wire::rnum()).and_then(|()| client.try_take::<9>()).is_ok()
    }

    pub fn address(&self) -> &Address {
        &self.launch.address
    }

    pub fn client(&self) -> Client {
        Client::open(&self.launch.address).expect("the node takes connections")
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it has printed, and what those before it in the folder have.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(log_path(&self.launch.folder)).unwrap_or_default())
            .into_owned()
    }

    /// Bytes of memory that it has in RAM and that are not pages of its files.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
        line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap() << 10
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().cast_signed()), signal).expect("the node can be sent signals");
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.ended = Some(self.process.wait().unwrap());
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        let status = wait(&mut self.process, ANSWER).expect("the node ends");
        self.ended = Some(status);
        status
    }

    /// SIGTERM; it must end soon, and with exit code 0.
    pub fn stop(self) {
        self.stop_by(Signal::SIGTERM);
    }

    pub fn stop_by(mut self, signal: Signal) {
        self.signal(signal);
        let status = wait(&mut self.process, ANSWER);
        self.ended = status;
        assert_eq!(status.and_then(|status| status.code()), Some(0), "the end after {signal}: {status:?}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if self.ended.is_none() {
            // It may have ended by itself meanwhile.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
        if panicking() {
            let log = last_lines(&log_path(&self.launch.folder));
            eprintln!("log of the node {:?}:\n{log}", self.launch.words());
        }
    }
}

fn last_lines(log: &Path) -> String {
    let log = String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(SHOWN_LINES)..].iter().map(|line| format!("  {line}\n")).collect()
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("node.log")
}

fn wait(process: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let start = Instant::now();
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return Some(status);
        }
        if start.elapsed() >= patience {
            return None;
        }
        sleep(Duration::from_millis(5));
    }
}
