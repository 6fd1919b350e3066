//! The pid file: written, removed, taken over, respected, and the replacement of a running node by `-kl`.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use crate::command_line::assert_refused;
use crate::support::{ANSWER, Client, HASH, Launch, MEMORY, Node, eventually, folder};

#[test]
fn it_is_there_while_the_node_runs() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = folder();
        let path = folder.path().join("a.pid");
        let node = Node::start(folder.path(), &["-pid", "a.pid", HASH]);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", node.pid()));
        node.stop_by(signal);
        assert!(!path.exists(), "{signal}");
    }
}

#[test]
fn a_second_start_is_refused_and_the_first_not_touched() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-pid", "a.pid", HASH]);
    let output = Launch::new(folder.path(), &["-pid", "a.pid", "two.tch"]).output();
    let pid = node.pid();
    assert_refused(&output, &[&format!("the process {pid} may be already running"), "-kl"], "a second start");
    assert!(!folder.path().join("two.tch").exists());
    assert_eq!(fs::read_to_string(folder.path().join("a.pid")).unwrap(), format!("{pid}\n"));
    assert!(node.client().put("k", "v"));
}

#[test]
fn a_stale_one_is_taken_over() {
    let folder = folder();
    let path = folder.path().join("a.pid");
    let node = Node::start(folder.path(), &["-pid", "a.pid", "--segment-size", "1m", HASH]);
    assert!(node.client().put("k", "v"));
    node.kill();
    assert!(path.exists(), "a killed node cannot remove it");
    let node = Node::start(folder.path(), &["-pid", "a.pid", "--segment-size", "1m", HASH]);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", node.pid()));
    assert_eq!(node.client().text("k").as_deref(), Some("v"));
    node.stop();
    for content in ["", "\n", "999999999\n"] {
        fs::write(&path, content).unwrap();
        let node = Node::start(folder.path(), &["-pid", "a.pid", MEMORY]);
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", node.pid()), "over {content:?}");
        node.stop();
    }
}

#[test]
fn a_file_that_is_something_else_is_left() {
    let folder = folder();
    let path = folder.path().join("notes.txt");
    for content in ["remember the milk\n", "-1\n", "12 monkeys\n"] {
        fs::write(&path, content).unwrap();
        for options in [&["-pid", "notes.txt", HASH][..], &["-kl", "-pid", "notes.txt", HASH]] {
            let output = Launch::new(folder.path(), options).output();
            assert_refused(&output, &["notes.txt exists and holds no process id"], content);
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }
    let output = Launch::new(folder.path(), &["-pid", "none/a.pid", HASH]).output();
    assert_refused(&output, &["pid file", "none/a.pid"], "no such folder");
    let output = Launch::new(folder.path(), &["-pid", ".", HASH]).output();
    assert_refused(&output, &["pid file"], "a folder");
    assert!(!folder.path().join(HASH).exists());
}

/// The same command line with `-kl` again and again: the port, the pid file and the data change hands.
#[test]
fn kl_replaces_the_running_node() {
    let folder = folder();
    let launch = Launch::new(folder.path(), &["-kl", "-pid", "a.pid", "--segment-size", "1m", HASH]);
    let mut running: Option<Node> = None;
    for round in 0..4u8 {
        let node = launch.clone().spawn();
        let own = format!("{}\n", node.pid());
        let holder = || fs::read_to_string(folder.path().join("a.pid")).unwrap_or_default();
        eventually("the pid file names the new node", ANSWER, || holder() == own);
        if let Some(replaced) = running.replace(node) {
            assert_eq!(replaced.wait().code(), Some(0), "the one before ends in order");
        }
        // The port is nobody's for a moment.
        let address = running.as_ref().unwrap().address();
        eventually("the port answers", ANSWER, || Client::open(address).is_ok());
        let mut client = running.as_ref().unwrap().client();
        assert_eq!(client.rnum(), u64::from(round), "the data is there");
        assert!(client.put([round], "v"));
    }
}

#[test]
fn kl_without_a_running_node_just_starts() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-kl", "-pid", "a.pid", MEMORY]);
    node.kill();
    let node = Node::start(folder.path(), &["-kl", "-pid", "a.pid", MEMORY]);
    node.stop();
    let node = Node::start(folder.path(), &["-kl", MEMORY]);
    assert!(node.log().contains("-kl has no effect without -pid"));
}

/// SIGTERM to the process that the file names, whatever it is: so the original does it too.
#[test]
fn kl_ends_the_process_that_the_file_names() {
    let folder = folder();
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    fs::write(folder.path().join("a.pid"), format!("{}\n", other.id())).unwrap();
    let output = Launch::new(folder.path(), &["-pid", "a.pid", HASH]).output();
    assert_refused(&output, &["may be already running"], "without -kl");
    assert!(other.try_wait().unwrap().is_none());
    let node = Node::start(folder.path(), &["-kl", "-pid", "a.pid", HASH]);
    assert!(other.wait().unwrap().code().is_none(), "ended by a signal");
    assert_eq!(fs::read_to_string(folder.path().join("a.pid")).unwrap(), format!("{}\n", node.pid()));
}
