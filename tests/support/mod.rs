//! What the tests stand on: a node as a child process, a client, requests as bytes, seeds.

mod client;
mod node;
mod seed;
pub mod wire;

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use client::{ANSWER, Client};
pub use node::{Address, Launch, Node, lcnode, loopback};
pub use seed::{number_from_env, rng};

/// The two kinds of database, by the names that stand for them.
pub const HASH: &str = "casket.tch";
pub const MEMORY: &str = "*";
/// A database with small segments, which is quick to open again where the program is not optimised.
pub const SMALL: [&str; 3] = ["--segment-size", "1m", HASH];

/// A new empty folder, removed when dropped. Declare it before the nodes that work in it.
pub fn folder() -> TempDir {
    tempfile::Builder::new().prefix("lcnode-test-").tempdir().expect("a temporary folder")
}

/// Runs a test on an empty database of either kind, each in a folder of its own.
pub fn on_both(options: &[&str], mut test: impl FnMut(&Node)) {
    for database in [HASH, MEMORY] {
        let folder = folder();
        let node = Node::start(folder.path(), &[options, &[database]].concat());
        eprintln!("on {database}");
        test(&node);
    }
}

/// Waits until something holds, looking often; fails after `patience`.
pub fn eventually(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < patience, "after {patience:?} still not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A file of this source tree.
pub fn source_file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
