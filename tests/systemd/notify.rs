//! What a node tells systemd over NOTIFY_SOCKET.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};

use crate::support::{ANSWER, HASH, Launch, MEMORY, Node, SMALL, eventually, folder};

/// The place of systemd.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(folder: &Path) -> Self {
        let path = folder.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(ANSWER)).unwrap();
        Self { socket, path }
    }

    fn launch(&self, folder: &Path, args: &[&str]) -> Launch {
        Launch::new(folder, args).env("NOTIFY_SOCKET", self.path.to_str().unwrap())
    }

    /// The lines of the next message; `None` where none came within the time of the socket.
    fn try_next(&self) -> Option<Vec<String>> {
        let mut bytes = [0; 4096];
        match self.socket.recv(&mut bytes) {
            Ok(len) => Some(String::from_utf8_lossy(&bytes[..len]).lines().map(ToOwned::to_owned).collect()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => None,
            Err(error) => panic!("{error}"),
        }
    }

    fn next(&self) -> Vec<String> {
        self.try_next().expect("a message comes")
    }

    /// All messages up to the first one with this line, that one last.
    fn up_to(&self, line: &str) -> Vec<Vec<String>> {
        let mut all = vec![self.next()];
        while !all.last().unwrap().iter().any(|said| said == line) {
            all.push(self.next());
        }
        all
    }

    /// What is there without waiting.
    fn here(&self) -> Vec<Vec<String>> {
        self.socket.set_nonblocking(true).unwrap();
        let all = std::iter::from_fn(|| self.try_next()).collect();
        self.socket.set_nonblocking(false).unwrap();
        all
    }
}

fn monotonic_micros() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000
}

#[test]
fn a_life_is_told() {
    let folder = folder();
    let manager = Manager::new(folder.path());
    let node = manager.launch(folder.path(), &["-log", "a.log", HASH]).spawn();
    let opening = ["STATUS=opening the database", "EXTEND_TIMEOUT_USEC=30000000"];
    assert_eq!(manager.next(), opening);
    let ready = manager.up_to("READY=1").pop().unwrap();
    assert!(ready.len() == 2 && ready[1].starts_with("STATUS=serving casket.tch on host=127."), "{ready:?}");
    // Who is told that can connect at once.
    assert!(node.client().put("k", "v"));

    fs::rename(folder.path().join("a.log"), folder.path().join("b.log")).unwrap();
    let before = monotonic_micros();
    node.signal(Signal::SIGHUP);
    let reloading = manager.next();
    let since: i64 = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap().parse().unwrap();
    assert!(reloading[0] == "RELOADING=1" && reloading.len() == 2, "{reloading:?}");
    assert!((before..=monotonic_micros()).contains(&since), "{before} {since}");
    assert_eq!(manager.next(), ["READY=1"]);
    // It is done by then.
    assert!(fs::read_to_string(folder.path().join("a.log")).unwrap().contains("log file opened anew"));

    node.stop();
    assert_eq!(manager.next(), ["STOPPING=1"]);
    assert_eq!(manager.next(), ["STATUS=stopping", "EXTEND_TIMEOUT_USEC=30000000"]);
    let rest = manager.here();
    assert!(rest.iter().all(|said| said[0].starts_with("STATUS=stopping, for ")), "{rest:?}");
}

#[test]
fn why_a_start_failed_is_told() {
    let folder = folder();
    let manager = Manager::new(folder.path());
    fs::write(folder.path().join(HASH), "a file").unwrap();
    let output = manager.launch(folder.path(), &[HASH]).output();
    assert_eq!(output.status.code(), Some(1));
    let last = manager.here().pop().unwrap();
    assert!(last.len() == 1 && last[0].starts_with("STATUS=") && last[0].contains(HASH), "{last:?}");
}

/// A node that opens its database for long says so again and again. Signals that rotate the log do not end it meanwhile.
#[test]
fn a_long_recovery_is_told() {
    let folder = folder();
    let node = Node::start(folder.path(), &SMALL);
    let mut client = node.client();
    let value = [b'v'; 1000];
    for n in 0..40_000u32 {
        client.send(&crate::support::wire::putnr(&n.to_be_bytes(), &value));
    }
    assert_eq!(client.rnum(), 40_000);
    node.kill();
    let manager = Manager::new(folder.path());
    // A third of it is how often the node speaks.
    let node = manager.launch(folder.path(), &SMALL).env("WATCHDOG_USEC", "3000").spawn();
    assert_eq!(manager.next()[0], "STATUS=opening the database");
    node.signal(Signal::SIGHUP);
    node.signal(Signal::SIGUSR1);
    let said = manager.up_to("READY=1");
    assert!(said.iter().filter(|said| said[1] == "EXTEND_TIMEOUT_USEC=30000000").count() >= 2, "{said:?}");
    assert_eq!(node.client().rnum(), 40_000);
    assert!(node.log().contains("log file opened anew") && node.log().contains("changed by SIGUSR1"));
}

#[test]
fn signs_of_life() {
    let folder = folder();
    let manager = Manager::new(folder.path());
    // Before the first, as they may wait to be read on a machine that is busy.
    let start = Instant::now();
    let node = manager.launch(folder.path(), &[MEMORY]).env("WATCHDOG_USEC", "300000").spawn();
    manager.up_to("READY=1");
    for _ in 0..6 {
        assert_eq!(manager.next(), ["WATCHDOG=1"]);
    }
    assert!(start.elapsed() >= Duration::from_millis(500), "three times within the limit, not all the time");
    node.signal(Signal::SIGSTOP);
    sleep(Duration::from_millis(100));
    manager.here();
    sleep(Duration::from_millis(500));
    assert_eq!(manager.here(), Vec::<Vec<String>>::new());
    node.signal(Signal::SIGCONT);
    assert_eq!(manager.next(), ["WATCHDOG=1"]);
    node.stop();
    // Also at the end, which may take long.
    let said = manager.up_to("STOPPING=1");
    assert!(said[..said.len() - 1].iter().all(|said| said == &["WATCHDOG=1"]));
    assert_eq!(manager.next(), ["STATUS=stopping", "EXTEND_TIMEOUT_USEC=30000000", "WATCHDOG=1"]);
}

/// A watchdog that is off, or of another process, or of nobody.
#[test]
fn no_sign_of_life_where_none_is_asked_for() {
    for variables in
        [&[("WATCHDOG_USEC", "0")][..], &[("WATCHDOG_USEC", "90000"), ("WATCHDOG_PID", "1")], &[]]
    {
        let folder = folder();
        let manager = Manager::new(folder.path());
        let launch = manager.launch(folder.path(), &[MEMORY]);
        let node = variables.iter().fold(launch, |launch, (name, value)| launch.env(name, *value)).start();
        manager.up_to("READY=1");
        sleep(Duration::from_millis(300));
        assert_eq!(manager.here(), Vec::<Vec<String>>::new(), "{variables:?}");
        node.stop();
    }
}

#[test]
fn a_manager_that_is_gone_is_no_reason_to_stop() {
    let folder = folder();
    let node = Launch::new(folder.path(), &[HASH]).env("NOTIFY_SOCKET", "/nowhere/notify").start();
    assert!(node.client().put("k", "v"));
    eventually("it is said", ANSWER, || {
        node.log().contains("\tWARN\tsystemd cannot be told (NOTIFY_SOCKET)")
    });
    node.stop();
}
