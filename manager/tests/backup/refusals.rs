//! What is refused, with what to do, and nothing changed.

use std::fs::{File, create_dir_all, read_to_string, write};

use super::{assert_nothing_left, lcmgr, names, text};
use crate::support::cluster::Cluster;

#[test]
fn a_backup_that_cannot_be_made() {
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 2)]);
    let archive = cluster.folder().join("a.tar.zst");
    let backup = ["backup", "-o", text(&archive)];
    lcmgr(&cluster, &["backup"]).expect(2, &["--output"]);
    lcmgr(&cluster, &["backup", "storage9", "-o", text(&archive)]).expect(1, &["no node or server storage9"]);
    let nowhere = cluster.folder().join("none/a.tar.zst");
    lcmgr(&cluster, &["backup", "-o", text(&nowhere)])
        .expect(1, &["cannot write", "none/a.tar.zst", "No such file"]);
    // What an interrupted backup left goes, what others keep there stays.
    let folder = cluster.server("lookup1_A-1").backup_dir();
    for name in ["lcmgr@lookup1_A-1@20200101T000000Z.tch", "lcmgr@lookup1_A-1@x.tch.unfinished", "mine.tch"] {
        create_dir_all(folder.join(name).join("log")).unwrap();
    }
    lcmgr(&cluster, &backup).expect(0, &["lookup1_A-1", "2 databases"]);
    assert_eq!(names(&folder), ["mine.tch"]);
    std::fs::remove_dir_all(folder.join("mine.tch")).unwrap();
    let made = std::fs::read(&archive).unwrap();
    lcmgr(&cluster, &backup).expect(1, &["a.tar.zst is there"]);
    assert_eq!(std::fs::read(&archive).unwrap(), made);
    std::fs::remove_file(&archive).unwrap();

    // Two at once.
    let lock = File::open(cluster.file()).unwrap();
    lock.lock().unwrap();
    lcmgr(&cluster, &backup).expect(1, &["another backup or restore", "lightcloud.toml"]);
    drop(lock);

    // A server whose copies go elsewhere.
    let config = read_to_string(cluster.file()).unwrap();
    let elsewhere = cluster.folder().join("elsewhere");
    let options = format!("options = [\"--backup-dir\", \"{}\", ", text(&elsewhere));
    write(cluster.file(), config.replace("options = [", &options)).unwrap();
    lcmgr(&cluster, &backup).expect(1, &["did not copy its database", "--backup-dir", text(&elsewhere)]);
    write(cluster.file(), config).unwrap();

    // A node that is down.
    cluster.server("lookup1_A-1").kill();
    lcmgr(&cluster, &backup)
        .expect(1, &["no server of lookup1_A can make a copy", "lookup1_A-1 at ", "nobody listens"]);
    lcmgr(&cluster, &["backup", "storage1_A-2", "-o", text(&archive)])
        .expect(0, &["storage1_A-2", "1 databases"]);
    assert_nothing_left(&cluster);
    assert!(!cluster.folder().join("a.tar.zst.unfinished").exists());
}

#[test]
fn a_restore_that_cannot_be_made() {
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 2)]);
    let archive = cluster.folder().join("a.tar.zst");
    let restore = ["restore", text(&archive), "--force"];
    lcmgr(&cluster, &restore).expect(1, &["cannot read", "a.tar.zst"]);
    lcmgr(&cluster, &["backup", "storage1_A", "-o", text(&archive)]).expect(0, &[]);
    lcmgr(&cluster, &restore).expect(1, &["storage1_A-1 runs at", "stop it first"]);
    cluster.server("storage1_A-1").stop();
    lcmgr(&cluster, &restore).expect(1, &["storage1_A-2 runs at"]);
    cluster.stop();
    // One that is open elsewhere.
    let lock = File::open(cluster.server("storage1_A-2").database().join("LOCK")).unwrap();
    lock.lock().unwrap();
    lcmgr(&cluster, &restore).expect(1, &["storage1_A-2", "is in use"]);
    drop(lock);
    lcmgr(&cluster, &["restore", text(&archive)]).expect(1, &["it has a database", "with --force"]);
    lcmgr(&cluster, &["restore", text(&archive), "lookup1_A"])
        .expect(1, &["the archive has no lookup1_A", "storage1_A"]);
    lcmgr(&cluster, &["restore", text(&archive), "none"]).expect(1, &["no node or server none"]);
    let config = read_to_string(cluster.file()).unwrap();
    write(cluster.file(), config.replace("storage1_A\"", "storage7_A\"")).unwrap();
    lcmgr(&cluster, &restore).expect(1, &["has no node storage1_A", "--to DIR"]);
    write(cluster.file(), format!("program = \"/none/lcnode\"\n{config}")).unwrap();
    lcmgr(&cluster, &restore).expect(1, &["storage1_A-1", "/none/lcnode"]);
    write(cluster.file(), &config).unwrap();
    for server in &cluster.servers {
        assert!(names(&server.data_dir).iter().all(|name| !name.contains(".before-")), "{}", server.name);
    }
    assert_nothing_left(&cluster);

    lcmgr(&cluster, &restore)
        .expect(0, &["lookup1_A is not in the archive and stays as it is", "storage1_A-2 is restored"]);
    let out = cluster.folder().join("out");
    lcmgr(&cluster, &["restore", text(&archive), "--to", text(&out)]).expect(0, &[]);
    lcmgr(&cluster, &["restore", text(&archive), "--to", text(&out)])
        .expect(1, &["is there", "name another directory"]);
}
