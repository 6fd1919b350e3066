//! copy @PROGRAM: only what --allow-command names, on a snapshot, while writers go on.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{ANSWER, HASH, MEMORY, Node, eventually, folder, on_both, wire};

/// A script in a folder, to be run by its absolute path.
fn script(folder: &Path, name: &str, lines: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn copy(path: &Path) -> Vec<u8> {
    wire::copy(format!("@{}", path.display()).as_bytes())
}

/// A node with a database on disk that may run `allowed`.
fn node(folder: &Path, allowed: &Path, more: &[&str]) -> Node {
    fs::create_dir_all(folder.join("backups")).unwrap();
    let options = ["--backup-dir", "backups", "--allow-command", allowed.to_str().unwrap()];
    Node::start(folder, &[&options, more, &[HASH]].concat())
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder.join("backups")).unwrap().next().is_none()
}

#[test]
fn a_program_is_given_a_snapshot_and_its_time() {
    let folder = folder();
    // The node's connections, log and database are not for it.
    let lines =
        "printf '%s\\n' \"$@\" > args; cp -r \"$1\" taken.tch; ls -l /proc/self/fd > fds; echo said >&2";
    let program = script(folder.path(), "back up;true.sh", lines);
    let node = node(folder.path(), &program, &[]);
    let mut client = node.client();
    assert!(client.put("k", "before"));
    let after =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as u64;
    assert!(client.succeeds(&copy(&program)));
    assert!(client.put("k", "after"));

    let args = fs::read_to_string(folder.path().join("args")).unwrap();
    let [path, time] = args.lines().collect::<Vec<_>>()[..] else { panic!("{args:?}") };
    assert_eq!(Path::new(path), folder.path().join("backups/casket.tch.snapshot"));
    let time: u64 = time.parse().unwrap();
    assert!(time <= after && time + 60_000_000 > after, "{time} {after}");
    assert!(is_empty(folder.path()), "the snapshot is gone");
    assert!(node.log().contains("command: said"), "what it prints is in the log");
    let files = fs::read_to_string(folder.path().join("fds")).unwrap();
    assert!(files.contains("pipe:"), "{files}");
    assert!(!files.contains("socket:") && !files.contains("casket.tch"), "{files}");
    let taken = Node::start(folder.path(), &["taken.tch"]);
    assert_eq!(taken.client().text("k").as_deref(), Some("before"));
}

#[test]
fn other_programs_are_refused() {
    let folder = folder();
    let marker = folder.path().join("marker");
    let program = script(folder.path(), "a.sh", &format!("touch {}", marker.display()));
    let other = script(folder.path(), "b.sh", &format!("touch {}", marker.display()));
    let node = node(folder.path(), &program, &[]);
    let mut client = node.client();
    let shown = program.display();
    for name in [
        String::new(),
        other.display().to_string(),
        "a.sh".to_owned(),
        "./a.sh".to_owned(),
        format!("{shown} "),
        format!("{shown} x"),
        format!("{shown}\0"),
        format!(" {shown}"),
        format!("{}/./a.sh", folder.path().display()),
    ] {
        assert!(!client.succeeds(&wire::copy(format!("@{name}").as_bytes())), "{name:?}");
    }
    assert!(!marker.exists() && is_empty(folder.path()));
    assert!(node.log().contains("--allow-command"), "the log says how");
    assert_eq!(client.misc("error", &[]).unwrap()[0], b"9999: miscellaneous error");
    // Nor can a client put anything where the snapshot goes.
    assert!(!client.succeeds(&wire::copy(b"casket.tch.snapshot")));
    assert!(client.succeeds(&copy(&program)) && marker.exists());
    on_both(&[], |node| assert!(!node.client().succeeds(&copy(&other))));
}

#[test]
fn a_program_that_fails_fails_the_copy() {
    let folder = folder();
    for (name, lines, told) in [
        ("exit.sh", "echo no; exit 3", "exit code 3"),
        ("kill.sh", "kill -9 $$", "ended by signal 9"),
        ("interpreter.sh", "", "cannot run"),
    ] {
        let program = script(folder.path(), name, lines);
        if name == "interpreter.sh" {
            fs::write(&program, "#!/no/such/interpreter\n").unwrap();
        }
        let node = node(folder.path(), &program, &[]);
        let mut client = node.client();
        assert!(!client.succeeds(&copy(&program)), "{name}");
        assert!(node.log().contains(told), "{name}: {}", node.log());
        assert!(is_empty(folder.path()) && client.put("k", "v"));
    }
}

#[test]
fn a_program_that_hangs_is_ended_with_all_that_it_started() {
    let folder = folder();
    let program =
        script(folder.path(), "hang.sh", "trap '' TERM; sleep 600 & echo $! > child; wait; sleep 600");
    let node = node(folder.path(), &program, &["--command-timeout", "0.5"]);
    let mut client = node.client();
    let mut other = node.client();
    let begun = Instant::now();
    client.send(&copy(&program));
    // Writers, and other clients, go on; but there is one program at a time.
    eventually("it runs", ANSWER, || {
        fs::read_to_string(folder.path().join("child")).is_ok_and(|id| id.ends_with('\n'))
    });
    assert!(other.put("k", "v"));
    assert!(!other.succeeds(&copy(&program)), "one at a time");
    assert_eq!(client.take(1), [1]);
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert!(node.log().contains("--command-timeout") && is_empty(folder.path()));
    let child = fs::read_to_string(folder.path().join("child")).unwrap();
    let state = || fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    eventually("its child is gone too", ANSWER, || state().is_empty() || state().contains(") Z"));
}

#[test]
fn a_program_ends_with_the_node() {
    let folder = folder();
    let program = script(folder.path(), "long.sh", "echo $$ > child; sleep 600");
    let node = node(folder.path(), &program, &[]);
    let mut client = node.client();
    client.send(&copy(&program));
    let child = folder.path().join("child");
    eventually("it runs", ANSWER, || fs::read_to_string(&child).is_ok_and(|id| id.ends_with('\n')));
    node.stop();
    let child = fs::read_to_string(child).unwrap();
    assert!(!Path::new(&format!("/proc/{}", child.trim())).exists());
    assert!(is_empty(folder.path()), "the snapshot is gone");
}

/// What a killed node leaves is no hindrance.
#[test]
fn the_snapshot_of_a_killed_node_is_replaced() {
    let folder = folder();
    let program =
        script(folder.path(), "once.sh", "test -e went || { touch went; exec sleep 600; }; ls $1/backup");
    let first = node(folder.path(), &program, &[]);
    let mut client = first.client();
    client.send(&copy(&program));
    eventually("it runs", ANSWER, || folder.path().join("went").exists());
    first.kill();
    assert!(!is_empty(folder.path()));
    let second = node(folder.path(), &program, &[]);
    assert!(second.client().succeeds(&copy(&program)), "{}", second.log());
    assert!(is_empty(folder.path()));
}

/// As in the original: no path, and one found in PATH.
#[test]
fn a_database_in_memory_gives_only_its_time() {
    let folder = folder();
    let program = script(folder.path(), "memory.sh", "echo $# \"$@\" > args");
    let options =
        ["--allow-command", program.to_str().unwrap(), "--allow-command", "true", "--allow-command", "false"];
    let node = Node::start(folder.path(), &[&options[..], &[MEMORY]].concat());
    let mut client = node.client();
    assert!(client.put("k", "v"));
    assert!(client.succeeds(&copy(&program)));
    let args = fs::read_to_string(folder.path().join("args")).unwrap();
    let time: u64 = args.strip_prefix("1 ").expect(&args).trim().parse().unwrap();
    assert!(time > 1_700_000_000_000_000, "{time}");
    assert!(client.succeeds(&wire::copy(b"@true")) && !client.succeeds(&wire::copy(b"@false")));
}

/// More than a pipe holds.
#[test]
fn a_program_that_prints_much_does_not_hang() {
    let folder = folder();
    let program =
        script(folder.path(), "loud.sh", "head -c 3000000 /dev/zero | tr '\\0' x; seq 100000; printf end");
    let node = node(folder.path(), &program, &[]);
    assert!(node.client().succeeds(&copy(&program)));
    let log = node.log();
    assert!(log.contains("the rest is not logged") && log.len() < 1 << 20, "{} bytes", log.len());
}
