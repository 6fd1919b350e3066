//! Redis servers, and nodes beside them, each on an address of its own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lightcloud::{Address, Config, Kind, LightCloud, NodeConfig, Role};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support;

/// The longest that a server may take until it answers.
const START: Duration = Duration::from_secs(30);
const PORT: u16 = 6379;
/// Options of the servers of a cluster, of which the rest goes on where one fails.
pub const CLUSTER: [&str; 6] =
    ["--cluster-enabled", "yes", "--cluster-require-full-coverage", "no", "--cluster-node-timeout", "1000"];

/// Whether there are Redis servers on this machine. Where the tests must be complete it is an error that there are none.
pub fn are_there() -> bool {
    let found = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(
        found || std::env::var("CI").as_deref() != Ok("true"),
        "redis-server is not there: install redis-server"
    );
    if !found {
        eprintln!(
            "SKIPPED, nothing was tested: redis-server is not there. Install the package redis-server."
        );
    }
    found
}

/// A directory and addresses that nobody else uses.
pub struct Place {
    dir: TempDir,
    network: String,
    hosts: u8,
}

/// A process, killed in the end.
pub struct Server {
    process: Child,
    pub host: String,
}

impl Place {
    pub fn new() -> Self {
        let network = format!("127.{}.{}", fastrand::u8(1..=250), fastrand::u8(..));
        Self { dir: tempfile::tempdir().unwrap(), network, hosts: 0 }
    }

    fn host(&mut self) -> String {
        self.hosts += 1;
        format!("{}.{}", self.network, self.hosts)
    }

    /// An empty Redis server.
    pub fn redis(&mut self, options: &[&str]) -> Server {
        let host = self.host();
        self.redis_at(host, options)
    }

    /// A Redis server with the data of the one before it on this host.
    pub fn redis_at(&self, host: String, options: &[&str]) -> Server {
        let dir = self.dir.path().join(&host);
        std::fs::create_dir_all(&dir).unwrap();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let process = Command::new("redis-server")
            // Loopback addresses other than 127.0.0.1 count as foreign where replicas connect.
            .args(["--protected-mode", "no", "--repl-diskless-sync-delay", "0"])
            .args([
                "--bind",
                &host,
                "--bind-source-addr",
                &host,
                "--port",
                &PORT.to_string(),
                "--save",
                "",
                "--appendonly",
                "yes",
            ])
            .args(options)
            .current_dir(&dir)
            .stdout(log)
            .spawn()
            .unwrap();
        let mut server = Server { process, host };
        server.wait_for("PONG", |server| ask(&server.host, b"PING\r\n"));
        server
    }

    /// An empty node with the bundled scripts.
    pub fn lcnode(&mut self) -> Server {
        let host = self.host();
        let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../lua/scripts");
        let process = Command::new(support::lcnode())
            .args(["-host", &host, "-port", &PORT.to_string()])
            .args(["--ext", &format!("{scripts}/incr.lua"), "--ext", &format!("{scripts}/list.lua")])
            .arg(self.dir.path().join(format!("{host}.tch")))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Server { process, host };
        server.wait_for("answers", |server| {
            TcpStream::connect((&server.host[..], PORT)).ok().map(|_| "answers".to_owned())
        });
        server
    }

    /// A Redis Cluster of three masters.
    pub fn cluster(&mut self) -> Vec<Server> {
        let servers: Vec<_> = (0..3).map(|_| self.redis(&CLUSTER)).collect();
        let addresses = servers.iter().map(|server| format!("{}:{PORT}", server.host));
        let made = Command::new("timeout")
            .args(["60", "redis-cli", "--cluster", "create"])
            .args(addresses)
            .arg("--cluster-yes")
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
        for server in &servers {
            until(START, || server.cli(&["cluster", "info"]).contains("cluster_state:ok"));
        }
        servers
    }
}

/// Asks in the plain form of the protocol; the first line of the reply.
fn ask(host: &str, request: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect((host, PORT)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    stream.write_all(request).ok()?;
    let mut reply = [0; 512];
    let len = stream.read(&mut reply).ok()?;
    Some(String::from_utf8_lossy(&reply[..len]).lines().next()?.to_owned())
}

/// Waits until something holds.
pub fn until(limit: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "not so within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Server {
    fn wait_for(&mut self, what: &str, ask: impl Fn(&Self) -> Option<String>) {
        until(START, || {
            assert!(self.process.try_wait().unwrap().is_none(), "the server on {} has ended", self.host);
            ask(self).is_some_and(|reply| reply.contains(what))
        });
    }

    pub fn address(&self) -> Address {
        Address::tcp(self.host.clone(), PORT)
    }

    /// What `redis-cli` says to a command.
    pub fn cli(&self, args: &[&str]) -> String {
        let said = Command::new("redis-cli").args(["-h", &self.host]).args(args).output().unwrap();
        String::from_utf8_lossy(&said.stdout).trim().to_owned()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.process.id() as i32), signal).unwrap();
    }

    /// Kills it and says where it was.
    pub fn kill(mut self) -> String {
        self.end();
        std::mem::take(&mut self.host)
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The configuration of a cluster of one lookup node and one storage node.
pub fn config(kind: Kind, lookup: &[&Server], storage: &[&Server]) -> Config {
    let node = |name, role, servers: &[&Server]| NodeConfig {
        kind,
        ..NodeConfig::new(name, role, servers.iter().map(|server| server.address()))
    };
    let nodes = vec![node("lookup1_A", Role::Lookup, lookup), node("storage1_A", Role::Storage, storage)];
    Config { nodes, ..Config::default() }
}

/// A client of such a cluster.
pub fn client(kind: Kind, lookup: &[&Server], storage: &[&Server]) -> LightCloud {
    LightCloud::new(config(kind, lookup, storage)).unwrap()
}
