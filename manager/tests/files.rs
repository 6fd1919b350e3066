//! `lcmgr delete-data`, `purge-logs` and `import-config`: what becomes of files.

use std::io::Write;
use std::process::Stdio;

use crate::support::cluster::eventually;
use crate::support::daemons::{Daemons, said};

const NODES: [(&str, usize); 2] = [("lookup1_A", 1), ("storage1_A", 2)];

/// `delete-data` with an answer.
fn delete(cluster: &Daemons, answer: &str) -> (i32, String) {
    let words = ["delete-data", "storage1_A"];
    let mut command = cluster.lcmgr(&words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
    said(&words, child.wait_with_output().unwrap())
}

#[test]
fn data_is_deleted_of_stopped_servers_after_a_yes() {
    let cluster = Daemons::start(&NODES);
    let databases = [1, 2].map(|at| cluster.servers[at].database());
    // One that runs protects both, also where only its lock tells.
    let (code, text) = delete(&cluster, "yes\n");
    assert!(
        code == 1 && text.contains("nothing was deleted") && text.contains("storage1_A-2: it is running"),
        "{text}"
    );
    cluster.succeed(&["stop", "storage1_A-2"]);
    assert_eq!(delete(&cluster, "yes\n").0, 1);
    std::fs::remove_file(cluster.pid_file("storage1_A-1")).unwrap();
    let port = cluster.servers[1].address.port();
    let other = if port > 30_000 { port - 1 } else { port + 1 };
    cluster.edit(&format!("port = {port}"), &format!("port = {other}"));
    let (code, text) = delete(&cluster, "yes\n");
    assert!(
        code == 1 && text.contains("storage1_A-1: process ") && text.contains(" open: lcmgr stop"),
        "{text}"
    );
    cluster.edit(&format!("port = {other}"), &format!("port = {port}"));
    let pid = std::fs::read_to_string(databases[0].join("LOCK")).unwrap();
    std::fs::write(cluster.pid_file("storage1_A-1"), pid).unwrap();
    cluster.succeed(&["stop"]);

    for answer in ["no\n", "y\n", "YES\n", ""] {
        let (code, text) = delete(&cluster, answer);
        assert!(code == 1 && text.contains("[yes or no] Deletion canceled"), "{text}");
        assert!(databases.iter().all(|database| database.join("meta").exists()));
    }
    let (code, text) = delete(&cluster, "yes\n");
    assert!(code == 0 && text.matches("is deleted").count() == 2, "{text}");
    assert!(databases.iter().all(|database| !database.exists()));
    assert!(cluster.servers[0].database().exists(), "another node's");
    assert!(cluster.servers[1].backup_dir().exists());
    // What is no database is left alone.
    std::fs::create_dir(&databases[0]).unwrap();
    std::fs::write(databases[0].join("thesis.txt"), "three years").unwrap();
    std::os::unix::fs::symlink(cluster.servers[0].database(), &databases[1]).unwrap();
    let text = cluster.fail(&["delete-data", "--yes"]);
    assert_eq!(text.matches("is no database: look what it is").count(), 2, "{text}");
    assert!(databases[0].join("thesis.txt").exists() && cluster.servers[0].database().join("meta").exists());
}

#[test]
fn logs_are_rotated_and_databases_are_not_touched() {
    let cluster = Daemons::start(&NODES);
    let server = &cluster.servers[1];
    let log = server.data_dir.join("storage1_A-1.log");
    let old = |number: u32| server.data_dir.join(format!("storage1_A-1.log.{number}"));
    let length = |path| std::fs::metadata(path).map_or(0, |file| file.len());
    for number in 1..=7 {
        std::fs::write(old(number), vec![b'x'; 1000 + number as usize]).unwrap();
    }
    let before = length(log.clone());
    let text = cluster.succeed(&["purge-logs", "storage1_A-1"]);
    assert!(
        text.contains("rotated, 3.93 KiB removed") && text.contains("the log of changes is the data"),
        "{text}"
    );
    // Four are kept: what was the log, and three of the old ones.
    assert!(length(old(1)) >= before);
    assert_eq!([2, 3, 4, 5].map(|number| length(old(number))), [1001, 1002, 1003, 0]);
    // It was told, and writes into a new one.
    eventually("a new log", || length(log.clone()) > 0);
    cluster.succeed(&["purge-logs", "storage1_A-1", "--keep", "0"]);
    assert!((1..=7).all(|number| !old(number).exists()));
    cluster.succeed(&["stop"]);
    let text = cluster.succeed(&["purge-logs", "storage1_A-1", "--keep", "1"]);
    assert!(text.contains("(no process to tell)"), "{text}");
    assert!(cluster.succeed(&["purge-logs", "storage1_A-1", "--keep", "1"]).contains("has nothing new"));
    assert!(old(1).exists() && server.database().join("meta").exists());
}

#[test]
fn settings_of_lightcloud_are_imported_and_start() {
    let cluster = Daemons::new(&NODES);
    let [lookup, one, two] = [0, 1, 2].map(|at| cluster.servers[at].address);
    let python = cluster.folder().join("config.py");
    let settings = format!(
        "DATA_DIR = '{}'\nNODES = {{\n  'lookup1_A': {{'id': 1, 'host': '{lookup}', 'master': ''}},\n\
         'storage1_B': {{'id': 3, 'host': '{two}', 'master': '{one}'}},\n\
         'storage1_A': {{'id': 2, 'host': '{one}', 'master': '{two}'}},\n}}\n",
        cluster.folder().join("cloud").display()
    );
    std::fs::write(&python, settings).unwrap();
    let target = cluster.folder().join("imported.toml");
    let (python, target) = (python.to_str().unwrap(), target.to_str().unwrap());
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../lua/scripts");
    let text = cluster.succeed(&["import-config", python, "-o", target, "--scripts", scripts]);
    assert!(text.contains("2 nodes, 3 servers"), "{text}");
    assert!(
        cluster
            .fail(&["import-config", python, "-o", target])
            .contains("exists: remove it, or write elsewhere")
    );
    assert!(cluster.succeed(&["import-config", python]).contains("name = \"storage1_B\""));
    std::fs::copy(target, cluster.file()).unwrap();
    let text = cluster.succeed(&["start"]);
    assert_eq!(text.matches("started in").count(), 3, "{text}");
    let text = cluster.succeed(&["status", "storage1_B"]);
    assert!(text.contains("storage1_B") && text.contains("1 server: all well"), "{text}");
    assert_eq!(cluster.succeed(&["stop"]).matches("stopped in").count(), 3);
    std::fs::write(python, "import os\nNODES = {}\n").unwrap();
    assert!(
        cluster
            .fail(&["import-config", python])
            .contains("config.py: line 1: `import os` is not NAME = LITERAL")
    );
}
