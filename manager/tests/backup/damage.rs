//! Archives that were cut short or altered: each is named, and nothing is changed.

use std::path::Path;

use super::{digest, files, fill, lcmgr, number_from_env, rng, text};
use crate::support::cluster::Cluster;

/// Damages an archive at random and has it verified and restored.
fn damage(test: &str, change: impl Fn(&mut Vec<u8>, &mut fastrand::Rng) -> String) {
    let mut rng = rng(test);
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 1)]);
    fill(&cluster.server("storage1_A-1").client(), &mut rng, 300, 2000);
    fill(&cluster.server("lookup1_A-1").client(), &mut rng, 1000, 10);
    let sound = cluster.folder().join("sound.tar.zst");
    lcmgr(&cluster, &["backup", "-o", text(&sound)]).expect(0, &[]);
    cluster.stop();
    let bytes = std::fs::read(&sound).unwrap();
    let before: Vec<_> = cluster.servers.iter().map(|server| files(&server.data_dir)).collect();
    let damaged = cluster.folder().join("damaged.tar.zst");
    let out = cluster.folder().join("out");
    for _ in 0..number_from_env("LCNODE_ROUNDS").unwrap_or(12) {
        let mut bytes = bytes.clone();
        let how = change(&mut bytes, &mut rng);
        std::fs::write(&damaged, bytes).unwrap();
        let name = text(&damaged);
        let verified = lcmgr(&cluster, &["verify", name]);
        eprintln!("{how}: {}", verified.text);
        verified.expect(2, &["damaged", name]);
        lcmgr(&cluster, &["restore", name, "--force"]).expect(2, &["damaged"]);
        lcmgr(&cluster, &["restore", name, "--to", text(&out)]).expect(2, &["damaged"]);
        assert_eq!(super::names(&out), [""; 0], "{how}");
        for (server, before) in cluster.servers.iter().zip(&before) {
            assert!(files(&server.data_dir) == *before, "{how}: the data of {} has changed", server.name);
        }
    }
    // The sound one can be restored still.
    lcmgr(&cluster, &["restore", text(&sound), "--force"]).expect(0, &[]);
    cluster.start_all();
    assert_eq!(super::records(cluster.server("storage1_A-1")), 300);
    assert_eq!(digest(cluster.server("lookup1_A-1")).len(), 16);
}

#[test]
fn an_archive_that_was_cut_short() {
    damage("cut short", |bytes, rng| {
        let len = rng.usize(4..bytes.len());
        bytes.truncate(len);
        format!("cut to {len}")
    });
}

#[test]
fn an_archive_with_one_flipped_bit() {
    damage("one flipped bit", |bytes, rng| {
        // Half of them in the small parts at the end: manifest and trailer.
        let end = bytes.len().saturating_sub(1200);
        let at = if rng.bool() { rng.usize(..bytes.len()) } else { rng.usize(end..bytes.len()) };
        let bit = rng.u8(..8);
        bytes[at] ^= 1 << bit;
        format!("bit {bit} of byte {at} of {}", bytes.len())
    });
}

/// Its message says where it breaks off.
#[test]
fn a_cut_archive_says_in_which_file() {
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 1)]);
    fill(&cluster.server("storage1_A-1").client(), &mut rng("cut"), 1000, 2000);
    let archive = cluster.folder().join("a.tar.zst");
    lcmgr(&cluster, &["backup", "-o", text(&archive)]).expect(0, &[]);
    let bytes = std::fs::read(&archive).unwrap();
    std::fs::write(&archive, &bytes[..bytes.len() - bytes.len() / 10]).unwrap();
    let says = ["cut short", "it breaks off within \"storage1_A-1.tch/log/0000000", ".seg\", after "];
    lcmgr(&cluster, &["verify", text(&archive)]).expect(2, &says);
    std::fs::write(&archive, &bytes[..3]).unwrap();
    lcmgr(&cluster, &["verify", text(&archive)]).expect(1, &["no archive that `lcmgr backup` made"]);
    std::fs::write(&archive, b"").unwrap();
    lcmgr(&cluster, &["restore", text(&archive)]).expect(1, &["no archive that `lcmgr backup` made"]);
    lcmgr(&cluster, &["verify", text(Path::new("/"))]).expect(1, &["no file"]);
    lcmgr(&cluster, &["verify", "./none.tar.zst"]).expect(1, &["cannot read ./none.tar.zst"]);
    lcmgr(&cluster, &["verify", "none"]).expect(1, &["no node or server none"]);
}
