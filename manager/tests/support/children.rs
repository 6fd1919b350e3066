//! Other servers than a cluster's, as child processes that are gone with the test.

use std::fs::File;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::cluster::eventually;

/// A running process. Dropping it kills it.
pub struct Running(pub Child);

impl Running {
    /// Runs `command` with its output in a file of `folder`, and waits until somebody listens at `address`.
    pub fn start(command: &mut Command, folder: &Path, address: SocketAddr) -> Self {
        let log = File::create(folder.join(format!("{}.log", address.port()))).unwrap();
        let command = command.current_dir(folder).stdin(Stdio::null());
        let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().expect("it can be run");
        let mut running = Self(child);
        eventually("a server listens", || {
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
