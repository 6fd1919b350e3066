//! Disks without space, on file systems of their own in memory, which only root can mount. Where that is not possible
//! these tests show nothing and say so; with `CI=true` root must be able to.

use std::fs::{read_to_string, write};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{assert_nothing_left, fill, lcmgr, names, rng, text};
use crate::support::cluster::Cluster;

/// A small file system. Dropping it unmounts it.
struct Disk {
    folder: TempDir,
}

impl Disk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "lcmgr-test"]).arg(folder.path());
        let why = match mount.output() {
            Ok(output) if output.status.success() => return Some(Self { folder }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let must = nix::unistd::geteuid().is_root() && std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!must, "no file system for the test of a full disk: {why}");
        eprintln!("SKIPPED: no file system for the test of a full disk: {why}");
        None
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg("-l").arg(self.folder.path()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.folder.path().display());
        }
    }
}

#[test]
fn what_does_not_fit_leaves_nothing_and_says_so() {
    let Some(disk) = Disk::mount("3m") else { return };
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 2)]);
    fill(&cluster.server("storage1_A-1").client(), &mut rng("full disk"), 2000, 4000);
    let full = disk.path().join("a.tar.zst");
    lcmgr(&cluster, &["backup", "-o", text(&full)])
        .expect(1, &["No space left on device", text(&full), "-o"]);
    assert_eq!(names(disk.path()), [""; 0]);
    assert_nothing_left(&cluster);
    let archive = cluster.folder().join("a.tar.zst");
    lcmgr(&cluster, &["backup", "-o", text(&archive)]).expect(0, &[]);

    let out = disk.path().join("out");
    lcmgr(&cluster, &["restore", text(&archive), "--to", text(&out)])
        .expect(1, &["No space left on device", "out"]);
    assert_eq!(names(&out), [""; 0]);
    lcmgr(&cluster, &["verify", text(&archive), "--deep", "--temp", text(disk.path())])
        .expect(1, &["No space left on device"]);
    assert_eq!(names(disk.path()), ["out"]);
    std::fs::remove_dir(&out).unwrap();

    // Servers whose data is to be there.
    cluster.stop();
    let config = read_to_string(cluster.file()).unwrap();
    write(cluster.file(), format!("data-dir = {:?}\n{config}", disk.path())).unwrap();
    lcmgr(&cluster, &["restore", text(&archive)]).expect(1, &["storage1_A-", "No space left on device"]);
    for server in names(disk.path()) {
        assert_eq!(names(&disk.path().join(server)), [""; 0]);
    }
}
