//! System calls of a clean end fail: the exit code says so, and nothing is missing at the next start. Only that
//! there is no space for a checkpoint is none of a failure: the log has everything.

use nix::sys::signal::Signal;

use crate::support::{HASH, Node};
use crate::system_calls::book::Book;
use crate::system_calls::folder;
use crate::system_calls::strace::{self, Fault};

const UNFINISHED: [&str; 1] = ["casket.tch/index/checkpoint.tmp"];

fn fails(call: &'static str, error: &'static str, when: u32, paths: &'static [&'static str], again: bool) {
    let folder = folder();
    let options = ["--sync", "never", "--segment-size", "1m", "-thnum", "1", HASH];
    let mut book = Book::default();
    if again {
        // There is an older checkpoint then.
        let node = Node::start(folder.path(), &options);
        assert!(book.changes(&mut node.client(), 50));
        node.stop();
    }
    let node = Node::start(folder.path(), &options);
    assert!(book.changes(&mut node.client(), 50));
    let fault = Fault { call, error, when, paths };
    let scene = format!("{fault:?}, an older checkpoint: {again}");
    let tracer = strace::attach(&node, folder.path(), &fault);
    node.signal(Signal::SIGTERM);
    let log = folder.path().join("node.log");
    let no_space = error == "ENOSPC";
    assert_eq!(node.wait().code(), Some(i32::from(!no_space)), "{scene}: the exit code");
    drop(tracer);
    assert_eq!(strace::injected(folder.path()), 1, "{scene}");
    let log = std::fs::read_to_string(log).unwrap();
    let log = log.rsplit("logging started").next().unwrap();
    match no_space {
        true => assert!(log.contains("no space for a checkpoint"), "{scene}: {log}"),
        false => {
            assert!(log.contains("os error") && !log.contains("service finished"), "{scene}: {log}");
        }
    }
    let node = Node::start(folder.path(), &options);
    book.check(&mut node.client(), &scene);
    assert!(book.changes(&mut node.client(), 50), "{scene}: changes after a restart");
    node.stop();
}

#[test]
fn calls_of_an_end_fail() {
    if !strace::is_available() {
        return;
    }
    for again in [false, true] {
        for when in [1, 2] {
            fails("fsync", "EIO", when, &[], again);
        }
        fails("msync", "EIO", 1, &[], again);
        fails("rename", "EIO", 1, &[], again);
        fails("unlink", "EACCES", 1, &UNFINISHED, again);
        fails("openat", "EMFILE", 1, &UNFINISHED, again);
        for when in [1, 3] {
            fails("write", "ENOSPC", when, &UNFINISHED, again);
        }
    }
}
