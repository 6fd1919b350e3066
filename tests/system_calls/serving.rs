//! System calls of a node that serves fail: reads go on; after a failed sync writes are refused for good, after
//! a failed allocation only until there is space again.

use nix::sys::signal::Signal;

use crate::support::{HASH, Node, wire};
use crate::system_calls::book::Book;
use crate::system_calls::folder;
use crate::system_calls::strace::{self, Fault};

/// What a failing call comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Writes are refused until a restart.
    Refused,
    /// Some writes are refused for a while, or none.
    GoesOn,
    /// One or the other: threads that do different things make the call.
    Either,
}
use Outcome::{Either, GoesOn, Refused};

const LOG: [&str; 8] = [
    "casket.tch/log",
    "casket.tch/log/0000000001.seg",
    "casket.tch/log/0000000002.seg",
    "casket.tch/log/0000000003.seg",
    "casket.tch/log/0000000004.seg",
    "casket.tch/log/0000000005.seg",
    "casket.tch/log/0000000006.seg",
    "casket.tch/log/0000000007.seg",
];

fn fails(
    call: &'static str,
    error: &'static str,
    when: u32,
    paths: &'static [&'static str],
    wanted: Outcome,
) {
    let folder = folder();
    let options = ["--sync", "always", "--segment-size", "64k", "-thnum", "1", HASH];
    let node = Node::start(folder.path(), &options);
    let mut client = node.client();
    let mut book = Book::default();
    assert!(book.changes(&mut client, 30));
    let fault = Fault { call, error, when, paths };
    let scene = format!("{fault:?}");
    let tracer = strace::attach(&node, folder.path(), &fault);
    // Enough for some segments, of which some die, and are removed.
    for round in 0..5 {
        if !book.changes(&mut client, 60) || round >= 2 && !client.succeeds(&wire::optimize(b"")) {
            break;
        }
    }
    let fired = strace::injected(folder.path());
    let refuses = book.check_node(&node, &scene);
    drop(tracer);
    assert!(fired > 0, "{scene}: nothing failed");
    assert!(wanted == Either || refuses == (wanted == Refused), "{scene}: writes refused: {refuses}");
    assert!(refuses || !node.log().contains("until a restart"), "{scene}: {}", node.log());
    node.signal(Signal::SIGTERM);
    let code = node.wait().code();
    assert_eq!(code, Some(i32::from(refuses)), "{scene}: the exit code");
    let node = Node::start(folder.path(), &options);
    book.check(&mut node.client(), &scene);
    assert!(book.changes(&mut node.client(), 100), "{scene}: changes after a restart");
    assert_eq!(node.client().stat_of("fatal"), None, "{scene}");
    node.stop();
}

/// A call, its error, which of them fails, the files that it concerns, and what comes of it.
type Case<'a> = (&'static str, &'static str, &'a [u32], &'static [&'static str], Outcome);

fn all_fail(cases: &[Case<'_>]) {
    if !strace::is_available() {
        return;
    }
    for &(call, error, whens, paths, wanted) in cases {
        for &when in whens {
            fails(call, error, when, paths, wanted);
        }
    }
}

#[test]
fn syncs_fail() {
    all_fail(&[
        ("msync", "EIO", &[1, 2, 7, 40], &[], Refused),
        ("ftruncate", "EIO", &[1, 2], &[], Refused),
        ("fsync", "EIO", &[1, 2, 3, 4], &[], Either),
    ]);
}

#[test]
fn allocations_fail() {
    all_fail(&[
        ("fallocate", "ENOSPC", &[1, 2, 3], &[], GoesOn),
        ("fallocate", "EIO", &[1, 2], &[], GoesOn),
        ("mmap", "ENOMEM", &[1, 2], &LOG, GoesOn),
    ]);
}

#[test]
fn files_cannot_be_opened_or_removed() {
    all_fail(&[("openat", "EMFILE", &[1, 2, 3, 4], &LOG, Either), ("unlink", "EIO", &[1, 2], &[], GoesOn)]);
}

/// The table grows no more: it becomes slower, or writes are refused; the process lives.
#[test]
fn memory_for_the_table_runs_out() {
    if !strace::is_available() {
        return;
    }
    let folder = folder();
    let options = ["--sync", "never", "--segment-size", "16m", "-thnum", "1", "casket.tch#bnum=1"];
    let node = Node::start(folder.path(), &options);
    let key = |number: u32| number.to_be_bytes();
    let mut client = node.client();
    assert!((0..1000).all(|number| client.put(key(number), "value")));
    let fault = Fault { call: "mmap", error: "ENOMEM", when: 1, paths: &[] };
    let tracer = strace::attach_for_good(&node, folder.path(), &fault);
    let stored = (1000..30_000).find(|&number| !client.put(key(number), "value")).unwrap_or(30_000);
    assert!(strace::injected(folder.path()) > 0, "the table has not grown");
    let fatal = client.stat_of("fatal");
    assert_eq!(fatal.is_some(), stored < 30_000, "{stored} puts, then {fatal:?}");
    assert!(fatal.is_none_or(|why| why.contains("no memory for the table")));
    assert!((0..stored).all(|number| client.get(key(number)).is_some()));
    drop(tracer);
    node.kill();
    let node = Node::start(folder.path(), &options);
    let mut client = node.client();
    assert!((0..stored).all(|number| client.get(key(number)).is_some()));
    assert!((0..30_000).all(|number| client.put(key(number), "again")));
}
