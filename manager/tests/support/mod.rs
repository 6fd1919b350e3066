//! Clusters on this machine, in directories that are gone afterwards.

pub mod children;
pub mod cluster;

use std::path::PathBuf;

/// The manager.
pub fn lcmgr() -> PathBuf {
    env!("CARGO_BIN_EXE_lcmgr").into()
}

/// A seed: that of the environment where there is one. It is printed, which shows when the test fails.
pub fn seed() -> u64 {
    let given = std::env::var("LCNODE_SEED").ok();
    let seed = given.map_or_else(|| fastrand::u64(..1 << 32), |seed| seed.parse().unwrap());
    eprintln!("LCNODE_SEED={seed}");
    seed
}

/// The node, which is built beside the manager.
pub fn lcnode() -> PathBuf {
    let path = lcmgr().with_file_name("lcnode");
    assert!(path.exists(), "{} is not there: build it with `cargo build`", path.display());
    path
}
