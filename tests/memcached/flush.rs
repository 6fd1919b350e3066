//! flush_all, at once and later.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{ask, line};
use crate::support::{HASH, Node, eventually, folder, on_both};

const PATIENCE: Duration = Duration::from_secs(30);

fn records(node: &Node) -> u64 {
    node.client().rnum()
}

#[test]
fn at_once() {
    on_both(&[], |node| {
        let client = &mut node.client();
        for request in ["flush_all", "flush_all 0", "flush_all -5", "flush_all x", "flush_all 2592001"] {
            ask(client, &format!("set k 0 0 1\r\nv\r\n{request}\r\nget k\r\n"), "STORED\r\nOK\r\nEND\r\n");
        }
    });
}

#[test]
fn later() {
    on_both(&[], |node| {
        let client = &mut node.client();
        ask(client, "set before 0 0 1\r\nv\r\n", "STORED\r\n");
        let start = Instant::now();
        ask(client, "flush_all 2\r\nset after 0 0 1\r\nv\r\n", "OK\r\nSTORED\r\n");
        assert_eq!(records(node), 2, "answered at once");
        eventually("all are gone", PATIENCE, || records(node) == 0);
        assert!(start.elapsed() >= Duration::from_secs(2));
        // Only once.
        ask(client, "set k 0 0 1\r\nv\r\n", "STORED\r\n");
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(records(node), 1);
        let then = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + 2;
        ask(client, &format!("flush_all {then}\r\n"), "OK\r\n");
        assert_eq!(records(node), 1);
        eventually("all are gone", PATIENCE, || records(node) == 0);
    });
}

#[test]
fn a_newer_one_replaces_the_one_that_waits() {
    on_both(&[], |node| {
        let client = &mut node.client();
        ask(client, "flush_all 1\r\nflush_all 1000\r\nset k 0 0 1\r\nv\r\n", "OK\r\nOK\r\nSTORED\r\n");
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(records(node), 1);
        ask(client, "flush_all 1\r\nflush_all\r\nset k 0 0 1\r\nv\r\n", "OK\r\nOK\r\nSTORED\r\n");
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(records(node), 1, "the one at once replaces it, too");
        ask(client, "flush_all 1000\r\nflush_all 1 noreply\r\nversion\r\n", "OK\r\nVERSION 1.1.41\r\n");
        eventually("all are gone", PATIENCE, || records(node) == 0);
    });
}

#[test]
fn it_holds_up_nothing() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    let client = &mut node.client();
    for delay in ["2592000", "9999999999", "99999999999999999999", "10"] {
        ask(client, &format!("flush_all {delay}\r\n"), "OK\r\n");
    }
    ask(client, "set k 0 0 1\r\nv\r\n", "STORED\r\n");
    let start = Instant::now();
    node.stop();
    assert!(start.elapsed() < Duration::from_secs(5));
    // It ends with the process.
    let node = Node::start(folder.path(), &[HASH]);
    assert_eq!(records(&node), 1);
    let client = &mut node.client();
    client.send(b"get k\r\n");
    assert_eq!(line(client), "VALUE k 0 1");
}
