//! Servers as child processes that are gone with the test.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The longest that anything on this machine may take.
pub const LIMIT: Duration = Duration::from_secs(60);

/// An address that no other test is given: an own one of the 16 million of this machine, and a port that is free there.
pub fn loopback() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Apart from those that the tests of the node use.
    let own = std::process::id() << 8 | NEXT.fetch_add(1, Ordering::Relaxed) & 0xFF;
    let [_, b, c, d] = own.to_be_bytes();
    let free = TcpListener::bind((Ipv4Addr::new(127, b, c, d.clamp(1, 254)), 0)).unwrap();
    free.local_addr().unwrap()
}

/// Asks again and again until it is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A running process. Dropping it kills it.
pub struct Running(pub Child);

impl Running {
    /// Runs `command` with its output in a file of `folder`, and waits until somebody listens at `address`.
    pub fn start(command: &mut Command, folder: &Path, address: SocketAddr) -> Self {
        let log = File::create(folder.join(format!("{}.log", address.port()))).unwrap();
        let command = command.current_dir(folder).stdin(Stdio::null());
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().expect("it can be run");
        let mut running = Self(child);
        wait_until("a server listens", || {
            assert!(running.0.try_wait().unwrap().is_none(), "it has ended: {folder:?}");
            TcpStream::connect(address).is_ok()
        });
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
