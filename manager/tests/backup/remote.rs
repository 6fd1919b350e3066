//! Servers on other hosts: all goes through `ssh`, which is a program here that runs the command on this host.

use std::fs::{create_dir_all, read_to_string, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::{Run, digest, fill, names, rng, run, text};
use crate::support::cluster::Cluster;
use crate::support::lcnode;

/// Notes whom it is to reach, and runs the command.
const SSH: &str =
    "#!/bin/sh\nfor command; do :; done\necho \"$@\" >> \"$SSH_LOG\"\nexec sh -c \"$command\"\n";

#[test]
fn backup_and_restore_by_ssh() {
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 2)]);
    let config = read_to_string(cluster.file()).unwrap();
    let config = config.replace("port = ", "ssh = \"db.example\", port = ");
    write(cluster.file(), format!("program = {:?}\n{config}", lcnode())).unwrap();
    let bin = cluster.folder().join("bin");
    create_dir_all(&bin).unwrap();
    write(bin.join("ssh"), SSH).unwrap();
    set_permissions(bin.join("ssh"), PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", text(&bin), std::env::var("PATH").unwrap());
    let log = cluster.folder().join("ssh.log");
    let lcmgr = |cluster: &Cluster, words: &[&str]| -> Run {
        let mut command: Command = cluster.lcmgr(words);
        run(command.env("PATH", &path).env("SSH_LOG", &log))
    };

    fill(&cluster.server("storage1_A-1").client(), &mut rng("ssh"), 500, 3000);
    let archive = cluster.folder().join("a.tar.zst");
    lcmgr(&cluster, &["backup", "-o", text(&archive)]).expect(0, &["2 databases"]);
    let right = digest(cluster.server("storage1_A-1"));
    assert!(
        read_to_string(&log).unwrap().contains("-o BatchMode=yes -- db.example sh -c 'exec tar"),
        "by ssh"
    );
    lcmgr(&cluster, &["verify", text(&archive), "--deep"]).expect(0, &[]);
    fill(&cluster.server("storage1_A-1").client(), &mut rng("ssh"), 700, 100);
    cluster.stop();
    lcmgr(&cluster, &["restore", text(&archive)]).expect(1, &["it has a database"]);
    std::fs::remove_dir_all(cluster.server("storage1_A-2").data_dir.clone()).unwrap();
    let lock = std::fs::File::open(cluster.server("storage1_A-1").database().join("LOCK")).unwrap();
    lock.lock().unwrap();
    lcmgr(&cluster, &["restore", text(&archive), "--force"]).expect(1, &["storage1_A-1", "is in use"]);
    drop(lock);
    lcmgr(&cluster, &["restore", text(&archive), "--force"]).expect(0, &["storage1_A-2 is restored"]);
    let aside = |server: &str| {
        names(&cluster.folder().join("data").join(server)).join(" ").matches(".before-").count()
    };
    assert_eq!((aside("storage1_A-1"), aside("storage1_A-2")), (1, 0));
    create_dir_all(cluster.server("storage1_A-2").backup_dir()).unwrap();
    super::assert_nothing_left(&cluster);
    cluster.start_all();
    for name in ["storage1_A-1", "storage1_A-2"] {
        assert_eq!(digest(cluster.server(name)), right, "{name}");
    }

    // One that cannot be reached.
    write(bin.join("ssh"), "#!/bin/sh\necho 'no route to host' >&2\nexit 255\n").unwrap();
    let archive = cluster.folder().join("b.tar.zst");
    lcmgr(&cluster, &["backup", "-o", text(&archive)])
        .expect(1, &["on db.example, by ssh", "no route to host"]);
    assert!(!archive.exists());
}
