//! A node of its own for a test, and commands that are run on it.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use tempfile::TempDir;

use crate::support;
use crate::support::children::Running;
use crate::support::cluster::{addresses, eventually};

/// A server, with its database in a directory of its own.
pub struct Node {
    pub dir: TempDir,
    /// `HOST:PORT`.
    pub address: String,
    process: Running,
    command: Command,
}

impl Node {
    /// An lcnode with these options.
    pub fn start(options: &[&str]) -> Self {
        Self::with("casket.tch", options)
    }

    /// An lcnode with a script, a place for backups and these options.
    pub fn with(database: &str, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("functions.lua");
        let text =
            "function echo(key, value) return key .. ':' .. value end\nfunction nothing() return nil end\n";
        std::fs::write(&script, text).unwrap();
        let backups = dir.path().join("backups");
        std::fs::create_dir(&backups).unwrap();
        let (host, port) = free();
        let mut command = Command::new(support::lcnode());
        command.args(["--host", &host, "--port", &port.to_string(), "--ext"]).arg(&script);
        command.arg("--backup-dir").arg(&backups).args(options).arg(database);
        Self::run(command, dir, host, port)
    }

    /// A server of the original, which is at this path.
    pub fn original(program: &Path, options: &[&str], has_log: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (host, port) = free();
        let mut command = Command::new(program);
        command.args(["-host", &host, "-port", &port.to_string(), "-ext", "functions.lua"]).args(options);
        let text =
            "function echo(key, value) return key .. ':' .. value end\nfunction nothing() return nil end\n";
        std::fs::write(dir.path().join("functions.lua"), text).unwrap();
        if has_log {
            std::fs::create_dir(dir.path().join("ulog")).unwrap();
            command.args(["-ulog", "ulog", "-sid", "77"]);
        }
        command.arg("casket.tch");
        Self::run(command, dir, host, port)
    }

    fn run(mut command: Command, dir: TempDir, host: String, port: u16) -> Self {
        command.current_dir(dir.path()).stdin(Stdio::null());
        command.stdout(std::fs::File::create(dir.path().join("log")).unwrap());
        let process = Running(command.stderr(Stdio::null()).spawn().unwrap());
        let address = format!("{host}:{port}");
        let node = Self { dir, address, process, command };
        node.listening()
    }

    fn listening(mut self) -> Self {
        let node = &mut self;
        eventually("the server listens", || {
            let ended = node.process.0.try_wait().unwrap();
            let log = || std::fs::read_to_string(node.dir.path().join("log")).unwrap();
            assert!(ended.is_none(), "the server ended: {}", log());
            TcpStream::connect(&node.address).is_ok()
        });
        self
    }

    /// Kills the server and starts it again.
    pub fn restart(mut self) -> Self {
        self.process = Running(Command::new("true").spawn().unwrap());
        self.process = Running(self.command.spawn().unwrap());
        self.listening()
    }

    pub fn server(&self) -> lightcloud::tyrant::Server {
        lightcloud::tyrant::Server::new(self.address.parse().unwrap(), Default::default())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// A host and a port that no other test is given.
pub fn free() -> (String, u16) {
    let address = addresses(1)[0];
    (address.ip().to_string(), address.port())
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: Vec<u8>,
    pub err: String,
}

impl Said {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

/// lcmgr, perhaps by another name.
pub struct Program {
    path: PathBuf,
    _dir: Option<TempDir>,
}

impl Program {
    pub fn lcmgr() -> Self {
        Self { path: support::lcmgr(), _dir: None }
    }

    /// A link named tcrmgr.
    pub fn tcrmgr() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tcrmgr");
        symlink(support::lcmgr(), &path).unwrap();
        Self { path, _dir: Some(dir) }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.env_remove("LCMGR_CONFIG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Said {
        self.run_with(args, b"")
    }

    /// Runs it with this on its standard input.
    pub fn run_with<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>, input: &[u8]) -> Said {
        let mut command = self.command();
        let child = command.args(args).stdin(Stdio::piped()).spawn().unwrap();
        finish(child, input.to_vec())
    }
}

/// Waits for a command, whose pipes are open.
pub fn finish(child: Child, input: Vec<u8>) -> Said {
    let mut running = Running(child);
    let child = &mut running.0;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that wants no input does not read it.
        thread::spawn(move || stdin.write_all(&input));
    }
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes)
    });
    let err = thread::spawn(move || {
        let mut bytes = Vec::new();
        stderr.read_to_end(&mut bytes).map(|_| bytes)
    });
    let mut status = None;
    eventually("the command ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    let code = status.unwrap().code().unwrap_or(-1);
    let err = String::from_utf8(err.join().unwrap().unwrap()).unwrap();
    Said { code, out: out.join().unwrap().unwrap(), err }
}

/// A server that says this to everybody, whatever is asked, and closes the connection; `HOST:PORT`.
pub fn parrot(says: &'static [u8]) -> String {
    let (host, port) = free();
    let listener = TcpListener::bind((&host[..], port)).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut asked = [0; 4096];
            let _ = stream.read(&mut asked);
            let _ = stream.write_all(says);
        }
    });
    format!("{host}:{port}")
}

/// Where the tests find a server of the original.
pub fn original_path() -> PathBuf {
    std::env::var_os("LCNODE_ORIGINAL").expect("LCNODE_ORIGINAL has to name a ttserver").into()
}
