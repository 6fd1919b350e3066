//! A database opened with `mode=r`: nothing changes it, everything else works.

use std::fs;
use std::path::Path;

use crate::support::{HASH, Node, folder, wire};

fn files(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else if !path.ends_with("LOCK") {
            files.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn writes_fail_and_reads_work() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    let mut client = node.client();
    assert!(client.put("k", "v") && client.put("n", [1, 0, 0, 0]));
    node.stop();
    let database = folder.path().join(HASH);
    let before = files(&database);

    let backups = folder.path().to_str().unwrap();
    let node = Node::start(folder.path(), &["--backup-dir", backups, "casket.tch#mode=r"]);
    let mut client = node.client();
    for request in [
        wire::put(b"k", b"w"),
        wire::putkeep(b"new", b"w"),
        wire::putcat(b"k", b"w"),
        wire::putshl(b"k", b"w", 1),
        wire::out(b"k"),
        wire::addint(b"n", 1),
        wire::adddouble(b"new", 1, 0),
        wire::sync(),
        wire::optimize(b""),
        wire::vanish(),
    ] {
        client.ask(&request, &[1]);
    }
    for (function, args) in [
        ("put", &[&b"k"[..], b"w"][..]),
        ("putkeep", &[b"new", b"w"]),
        ("putcat", &[b"k", b"w"]),
        ("out", &[b"k"]),
        ("putlist", &[b"k", b"w"]),
        ("outlist", &[b"k"]),
        ("sync", &[]),
        ("optimize", &[]),
        ("vanish", &[]),
    ] {
        assert_eq!(client.misc(function, args), None, "{function}");
    }
    client.send(&wire::putnr(b"k", b"w"));
    assert_eq!(client.text("k").as_deref(), Some("v"));
    assert_eq!(client.vsiz("n"), Some(4));
    assert_eq!(client.mget(&[b"k"]).len(), 1);
    assert_eq!(client.rnum(), 2);
    assert_eq!(client.keys().len(), 2);
    assert_eq!(client.fwmkeys(b"", -1).len(), 2);
    assert_eq!(client.misc("get", &[b"k"]), Some(vec![b"v".to_vec()]));
    assert_eq!(client.count_of("cnt_put_miss"), 5);
    assert_eq!(client.count_of("cnt_out_miss"), 1);
    assert!(client.succeeds(&wire::copy(b"of-read-only.tch")), "copy works");
    node.stop();
    assert!(files(&database) == before, "a byte of the database has changed");

    let copied = Node::start(folder.path(), &["of-read-only.tch"]);
    assert_eq!(copied.client().text("k").as_deref(), Some("v"));
}

#[test]
fn modes_create_and_truncate() {
    let folder = folder();
    let node = Node::start(folder.path(), &["casket.tch#mode=wc"]);
    assert!(node.client().put("k", "v"));
    node.stop();
    let node = Node::start(folder.path(), &["casket.tch#mode=w"]);
    assert_eq!(node.client().text("k").as_deref(), Some("v"));
    node.stop();
    let node = Node::start(folder.path(), &["casket.tch#MODE=WCT"]);
    assert_eq!(node.client().rnum(), 0);
    assert!(node.client().put("new", "v"));
    node.stop();
    let node = Node::start(folder.path(), &["casket.tch#mode=r"]);
    assert_eq!(node.client().keys(), [b"new"]);
}

/// Reading alone must not need a clean end: the log of a killed node is read, and left as it is.
#[test]
fn the_database_of_a_killed_node_is_read() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    assert!(node.client().put("k", "v"));
    node.kill();
    let node = Node::start(folder.path(), &["casket.tch#mode=r"]);
    assert_eq!(node.client().text("k").as_deref(), Some("v"));
    node.stop();
    let node = Node::start(folder.path(), &[HASH]);
    assert_eq!(node.client().text("k").as_deref(), Some("v"));
}
