//! Each system call of a start fails once: the node says why and ends, or serves; then it starts as ever.

use std::fs;
use std::path::Path;

use crate::support::{HASH, Launch, Node};
use crate::system_calls::book::Book;
use crate::system_calls::folder;
use crate::system_calls::strace::{self, Fault};

const OPTIONS: [&str; 6] = ["--sync", "always", "--segment-size", "64k", "-thnum", "1"];
/// Changes that the database has seen before.
const CHANGES: u32 = 220;
/// Calls of one kind that a start may make.
const MOST: u32 = 60;

const FILES: [&str; 12] = [
    "casket.tch",
    "casket.tch/LOCK",
    "casket.tch/meta",
    "casket.tch/meta.tmp",
    "casket.tch/index",
    "casket.tch/index/checkpoint",
    "casket.tch/log",
    "casket.tch/log/0000000001.seg",
    "casket.tch/log/0000000002.seg",
    "casket.tch/log/0000000003.seg",
    "casket.tch/log/0000000004.seg",
    "casket.tch/log/0000000005.seg",
];

fn launch(folder: &Path) -> Launch {
    Launch::new(folder, &[&OPTIONS[..], &[HASH]].concat())
}

/// What a start finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Closed,
    /// As a killed node leaves it, with a torn record at the end.
    Torn,
}

fn prepare(folder: &Path, found: Found) {
    if found == Found::Nothing {
        return;
    }
    let node = launch(folder).start();
    assert!(Book::default().changes(&mut node.client(), CHANGES));
    if found == Found::Closed {
        return node.stop();
    }
    node.kill();
    tear(&folder.join(HASH).join("log"));
}

/// Writes something behind the last record.
fn tear(log: &Path) {
    let mut files: Vec<_> = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    // Spares hold no more than a header.
    let used = |path: &std::path::PathBuf| {
        let bytes = fs::read(path).unwrap();
        let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        (used > 64).then_some((bytes, used))
    };
    let (path, (mut bytes, end)) = files.iter().rev().find_map(|path| Some((path, used(path)?))).unwrap();
    bytes[end + 5..end + 30].fill(0xEE);
    fs::write(path, bytes).unwrap();
}

/// Returns how many calls there were.
fn each_fails(found: Found, call: &'static str, error: &'static str, paths: &'static [&'static str]) -> u32 {
    let origin = folder();
    prepare(origin.path(), found);
    for when in 1..=MOST {
        let folder = folder();
        let mut book = copy(origin.path(), folder.path(), found);
        let fault = Fault { call, error, when, paths };
        let scene = format!("{found:?}, {fault:?}");
        match strace::failing(launch(folder.path()), folder.path(), &fault).try_start() {
            Ok(node) => {
                let refuses = book.check_node(&node, &scene);
                node.signal(nix::sys::signal::Signal::SIGTERM);
                let code = node.wait().code();
                let fits = if refuses { code == Some(1) } else { code == Some(0) || code == Some(1) };
                assert!(fits, "{scene}: exit code {code:?}");
            }
            Err(status) => {
                assert_eq!(status.code(), Some(1), "{scene}");
                let log = fs::read_to_string(folder.path().join("node.log")).unwrap();
                assert!(log.contains("os error") && log.contains("casket.tch"), "{scene}: {log}");
            }
        }
        let node = launch(folder.path()).start();
        book.check(&mut node.client(), &scene);
        assert!(book.changes(&mut node.client(), 30), "{scene}");
        node.stop();
        if strace::injected(folder.path()) == 0 {
            return when - 1;
        }
    }
    panic!("{found:?}: more than {MOST} calls of {call}");
}

/// The same database again without the work, and its book.
fn copy(origin: &Path, target: &Path, found: Found) -> Book {
    let status = std::process::Command::new("cp").arg("-a").arg(origin.join(".")).arg(target).status();
    assert!(status.is_ok_and(|status| status.success()));
    let _ = fs::remove_file(target.join("node.log"));
    Book::after(if found == Found::Nothing { 0 } else { CHANGES })
}

fn all_fail(found: Found, calls: &[(&'static str, &'static str, &'static [&'static str])]) {
    if !strace::is_available() {
        return;
    }
    for &(call, error, paths) in calls {
        let fired = each_fails(found, call, error, paths);
        eprintln!("{found:?}: {fired} starts with a failing {call} ({error})");
        assert!(fired > 0, "{found:?}: {call} is never called");
    }
}

#[test]
fn calls_of_a_first_start_fail() {
    all_fail(
        Found::Nothing,
        &[
            ("openat", "EMFILE", &FILES),
            ("mkdir", "EACCES", &[]),
            ("fsync", "EIO", &[]),
            ("fallocate", "ENOSPC", &[]),
            ("mmap", "ENOMEM", &FILES),
            ("rename", "EIO", &[]),
            ("write", "ENOSPC", &FILES),
            ("unlink", "EIO", &[]),
        ],
    );
}

#[test]
fn calls_of_a_start_after_a_clean_end_fail() {
    all_fail(
        Found::Closed,
        &[
            ("openat", "EIO", &FILES),
            ("getdents64", "EIO", &FILES),
            ("mmap", "ENOMEM", &FILES),
            ("pread64", "EIO", &FILES),
            ("fallocate", "EIO", &[]),
        ],
    );
}

#[test]
fn calls_of_a_recovery_fail() {
    all_fail(
        Found::Torn,
        &[
            ("openat", "EIO", &FILES),
            ("mmap", "ENOMEM", &FILES),
            ("write", "EIO", &FILES),
            ("fsync", "EIO", &[]),
        ],
    );
}

/// A node that was tampered with and one that was not end alike where nothing fails.
#[test]
fn a_start_under_strace_is_a_start() {
    if !strace::is_available() {
        return;
    }
    let folder = folder();
    let fault = Fault { call: "fsync", error: "EIO", when: 60_000, paths: &[] };
    let node: Node = strace::failing(launch(folder.path()), folder.path(), &fault).start();
    assert!(node.client().put("k", "v"));
    node.stop();
    assert_eq!(strace::injected(folder.path()), 0);
}
