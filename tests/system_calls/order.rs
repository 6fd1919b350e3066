//! The order in which a node asks the system for things, without which no promise of durability holds.

use std::fs;
use std::path::Path;

use crate::support::{HASH, Launch, wire};
use crate::system_calls::book::Book;
use crate::system_calls::folder;
use crate::system_calls::strace;

/// The system calls of one thread, in their order.
type Thread = Vec<String>;

/// The successful calls of each thread.
fn threads(folder: &Path) -> Vec<Thread> {
    let is_trace = |name: &str| name.starts_with("calls.");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files
        .filter(|file| is_trace(&file.file_name().to_string_lossy()))
        .map(|file| fs::read_to_string(file.path()).unwrap())
        .map(|text| text.lines().filter(|line| !line.contains("= -1 ")).map(str::to_owned).collect())
        .collect()
}

fn is_call(line: &str, call: &str, what: &str) -> bool {
    line.strip_prefix(call).is_some_and(|rest| rest.starts_with('(')) && line.contains(what)
}

fn last_before(thread: &[String], end: usize, call: &str, what: &str) -> Option<usize> {
    thread[..end].iter().rposition(|line| is_call(line, call, what))
}

fn first_after(thread: &[String], start: usize, call: &str, what: &str) -> Option<usize> {
    thread[start + 1..].iter().position(|line| is_call(line, call, what)).map(|at| start + 1 + at)
}

#[test]
fn nothing_is_promised_before_it_is_durable() {
    if !strace::is_available() {
        return;
    }
    let folder = folder();
    let calls = folder.path().join("calls").display().to_string();
    let traced = ["-ff", "-y", "-o", &calls, "-e", "trace=write,msync,fsync,rename,unlink,ftruncate,sendto"];
    let options = ["--sync", "never", "--segment-size", "64k", "-thnum", "1", HASH];
    let launch = Launch::new(folder.path(), &options);
    let node = strace::traced(launch, folder.path(), &traced.map(str::to_owned)).start();
    let (mut client, mut book) = (node.client(), Book::default());
    for _ in 0..4 {
        assert!(book.changes(&mut client, 100));
        assert!(client.succeeds(&wire::optimize(b"")));
    }
    // Something for the last sync.
    assert!(book.changes(&mut client, 10));
    drop(client);
    node.stop();
    let threads = threads(folder.path());
    let (mut renamed, mut removed, mut cut) = (0, 0, 0);
    for thread in &threads {
        for (at, line) in thread.iter().enumerate() {
            if is_call(line, "rename", ".tmp") {
                renamed += 1;
                check_rename(thread, at);
            }
            if is_call(line, "unlink", ".seg\"") {
                removed += 1;
                check_removal(thread, at);
            }
            if is_call(line, "ftruncate", ".seg>") {
                cut += 1;
                check_cut(thread, at);
            }
        }
    }
    eprintln!("{renamed} files renamed, {removed} segments removed, {cut} cut, in {} threads", threads.len());
    assert!(renamed >= 3 && removed >= 3 && cut >= 3, "too little happened: {renamed}, {removed}, {cut}");
}

/// A file gets its name only when all that was written into it is durable, and then the name is made so.
fn check_rename(thread: &[String], at: usize) {
    let line = &thread[at];
    let unfinished = line.split('"').nth(1).unwrap();
    let open_file = format!("<{unfinished}>");
    let written =
        last_before(thread, at, "write", &open_file).unwrap_or_else(|| panic!("{line}: nothing in it"));
    let synced = last_before(thread, at, "fsync", &open_file);
    assert!(synced > Some(written), "{line}: not synced before");
    let folder = format!("<{}>", Path::new(unfinished).parent().unwrap().display());
    assert!(first_after(thread, at, "fsync", &folder).is_some(), "{line}: its folder is not synced after it");
}

/// That a segment is gone is made durable before anything else is done.
fn check_removal(thread: &[String], at: usize) {
    let line = &thread[at];
    let path = line.split('"').nth(1).unwrap();
    let folder = format!("<{}>", Path::new(path).parent().unwrap().display());
    assert_eq!(first_after(thread, at, "fsync", &folder), Some(at + 1), "{line}: its folder is not synced");
}

/// A segment is cut only when it is durable; then its length is made so.
fn check_cut(thread: &[String], at: usize) {
    let line = &thread[at];
    let file = &line[line.find('<').unwrap()..=line.find('>').unwrap()];
    assert!(at > 0 && is_call(&thread[at - 1], "msync", ""), "{line}: not synced before");
    assert_eq!(first_after(thread, at, "fsync", file), Some(at + 1), "{line}: its length is not synced");
}
