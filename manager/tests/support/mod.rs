//! Clusters on this machine, in directories that are gone afterwards.

pub mod children;
pub mod cluster;

use std::path::PathBuf;

/// The manager.
pub fn lcmgr() -> PathBuf {
    env!("CARGO_BIN_EXE_lcmgr").into()
}

/// The node, which is built beside the manager.
pub fn lcnode() -> PathBuf {
    let path = lcmgr().with_file_name("lcnode");
    assert!(path.exists(), "{} is not there: build it with `cargo build`", path.display());
    path
}
