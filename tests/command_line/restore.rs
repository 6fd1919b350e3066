//! `lcnode restore`: from what is typed to the exit code, with nodes before and after it.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{HASH, Node, folder, lcnode, wire};

fn restore(folder: &Path, words: &[&str]) -> Output {
    Command::new(lcnode()).arg("restore").args(words).current_dir(folder).output().unwrap()
}

fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "no progress bar where there is no terminal");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn refused(output: &Output, code: i32, part: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(message.contains(part), "{part:?} is not in {message}");
    assert!(output.stdout.is_empty());
}

/// Microseconds, after everything so far and before everything later.
fn moment() -> u64 {
    std::thread::sleep(Duration::from_millis(5));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as u64;
    std::thread::sleep(Duration::from_millis(5));
    now
}

#[test]
fn a_database_is_restored_to_each_time() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--backup-dir", ".", "--segment-size", "64k", HASH]);
    let mut client = node.client();
    assert!(client.put("k", "0"));
    assert!(client.succeeds(&wire::copy(b"backup.tch")));
    let mut times = vec![moment()];
    for round in 1..4 {
        for number in 0..1000 {
            assert!(client.put(format!("{round}:{number}"), [0; 50]));
        }
        assert!(client.put("k", round.to_string()));
        times.push(moment());
    }
    refused(
        &restore(folder.path(), &["backup.tch", "new.tch", "--log", HASH]),
        1,
        "in use by another process",
    );
    node.stop();

    for (round, time) in times.iter().enumerate() {
        let target = format!("{round}.tch");
        let words = ["backup.tch", &target, "--log", HASH, "--until", &time.to_string()];
        let said = done(&restore(folder.path(), &words));
        assert!(said.contains("backup taken:  20") && said.contains("end of log:    "), "{said}");
        let restored = Node::start(folder.path(), &[&target]);
        let mut client = restored.client();
        assert_eq!(client.text("k"), Some(round.to_string()));
        assert_eq!(client.rnum(), 1 + 1000 * round as u64);
        assert!(client.put("more", "v"));
        restored.stop();
    }
    done(&restore(folder.path(), &["backup.tch", "alone.tch"]));
    done(&restore(
        folder.path(),
        &["backup.tch", "all.tch", "--log", HASH, "--until=2999-01-01T00:00:00+01:00"],
    ));
    for (name, value) in [("alone.tch", "0"), ("all.tch", "3")] {
        let restored = Node::start(folder.path(), &[name]);
        assert_eq!(restored.client().text("k").as_deref(), Some(value));
    }
    // The first node goes on as if nothing had been.
    let node = Node::start(folder.path(), &[HASH]);
    assert_eq!(node.client().rnum(), 3001);
}

#[test]
fn what_cannot_be_done_has_its_exit_code() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--backup-dir", ".", HASH]);
    let mut client = node.client();
    assert!(client.put("k", [7; 500]));
    assert!(client.succeeds(&wire::copy(b"backup.tch")));
    node.stop();
    refused(&restore(folder.path(), &[]), 1, "Usage: lcnode restore");
    refused(&restore(folder.path(), &["backup.tch", "new.tch", "--until", "1"]), 1, "--log");
    let until = ["backup.tch", "new.tch", "--log", HASH, "--until"];
    refused(&restore(folder.path(), &[&until[..], &["noon"]].concat()), 1, "2026-11-22T10:00:00Z");
    refused(
        &restore(folder.path(), &[&until[..], &["1970-01-01T00:00:01Z"]].concat()),
        1,
        "use an older backup",
    );
    refused(&restore(folder.path(), &["none.tch", "new.tch"]), 1, "none.tch");
    refused(&restore(folder.path(), &[HASH, "new.tch"]), 1, "no file `backup`");
    refused(&restore(folder.path(), &["backup.tch", HASH]), 1, HASH);
    let help = restore(folder.path(), &["--help"]);
    assert!(done(&help).contains("--until <TIME>"));

    let segment = folder.path().join("backup.tch/log/0000000001.seg");
    let mut bytes = fs::read(&segment).unwrap();
    bytes[200] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let damaged = restore(folder.path(), &["backup.tch", "new.tch"]);
    refused(&damaged, 2, "backup.tch/log/0000000001.seg is damaged at offset");
    assert!(!folder.path().join("new.tch").exists() && !folder.path().join("new.tch.unfinished").exists());
}
