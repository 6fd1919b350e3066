//! What is answered or refused before anything is done: exit codes and messages, and nothing left behind.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::command_line::assert_refused;
use crate::support::{folder, lcnode};

fn run(program: &Path, folder: &Path, words: &str) -> Output {
    let words = words.split(' ').filter(|word| !word.is_empty());
    Command::new(program).args(words).current_dir(folder).output().unwrap()
}

#[test]
fn help_and_version() {
    let folder = folder();
    let text = |words| {
        let output = run(lcnode(), folder.path(), words);
        assert_eq!((output.status.code(), &*output.stderr), (Some(0), &b""[..]), "{words}");
        String::from_utf8(output.stdout).unwrap()
    };
    let version = text("--version");
    assert!(version.starts_with(concat!("lcnode ", env!("CARGO_PKG_VERSION"), "\n")), "{version}");
    assert!(version.contains("Tokyo Tyrant 1.1.41 (324:0.91)"), "{version}");
    assert_eq!(text("-V"), version);
    assert_eq!(text("-version"), version);
    let help = text("--help");
    for part in
        ["Usage: lcnode [OPTIONS] [DB]", "--port <N>", "--sync", "--backup-dir", "--mask", "[default: 1978]"]
    {
        assert!(help.contains(part), "{part} is not in {help}");
    }
    assert_eq!(text("-help"), help);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_version_that_scripts_look_for() {
    let folder = folder();
    let ttserver = folder.path().join("ttserver");
    std::os::unix::fs::symlink(lcnode(), &ttserver).unwrap();
    let output = run(&ttserver, folder.path(), "--version");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text.starts_with("Tokyo Tyrant version 1.1.41 (324:0.91) for Linux\n"), "{text}");
}

#[test]
fn lines_that_are_not_understood() {
    let folder = folder();
    for (words, part) in [
        ("--prot 5", "unexpected argument '--prot'"),
        ("-prot 5", "'--port'"),
        ("-x", "'-x'"),
        ("-port", "a value is required for '--port"),
        ("-port 12x a.tch", "invalid digit"),
        ("-port 65536 a.tch", "65536"),
        ("-port 0 a.tch", "--port 0: needs --host"),
        ("-port -5 a.tch", "needs --host"),
        ("-thnum 0 a.tch", "0 is not in 1..=4096"),
        ("-tout x a.tch", "write seconds"),
        ("-sid 65536 a.tch", "65536"),
        ("--master db2 a.tch", "write HOST:PORT"),
        ("--master ::1:1978 a.tch", "[fd00::2]:1978"),
        ("-mport 0 a.tch", "0 is not in 1..="),
        ("-ulim lots a.tch", "--ulim lots: not a size"),
        ("-ulim 4g,7 a.tch", "--ulim 4g,7: write days as 7d"),
        ("--max-skew 0 a.tch", "write seconds from 1 to 86400"),
        ("--sync maybe a.tch", "write always, never, or an interval"),
        ("--sync 0 a.tch", "write always, never, or an interval"),
        ("--max-value 12q a.tch", "not a size"),
        ("--max-key 0 a.tch", "between 1"),
        ("--max-value 2g a.tch", "2147483647"),
        ("--max-buffered 1m a.tch", "--max-buffered 1048576 cannot hold"),
        ("--segment-size 1k a.tch", "between 65536"),
        ("--segment-size 1g a.tch", "268435456"),
        ("a.tch b.tch", "unexpected argument 'b.tch'"),
    ] {
        assert_refused(&run(lcnode(), folder.path(), words), &[part], words);
    }
    let long = format!("-port 0 -host /tmp/{} a.tch", "s".repeat(120));
    assert_refused(&run(lcnode(), folder.path(), &long), &["at most 107", "shorter"], "a long socket path");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn databases_that_are_not_built() {
    let folder = folder();
    for (name, kind) in [
        ("+", "in-memory tree"),
        ("+#capnum=5", "in-memory tree"),
        ("a.tcb", "B+ tree"),
        ("a.BDB#lmemb=3", "B+ tree"),
        ("a.tcf", "fixed-length"),
        ("a.fdb", "fixed-length"),
        ("a.tct", "table"),
        ("a.tdb#idx=x", "table"),
        ("a", "suffix"),
        ("a.db", "suffix"),
        ("#bnum=3", "empty"),
    ] {
        for words in [name.to_owned(), format!("-port 1 {name}")] {
            assert_refused(&run(lcnode(), folder.path(), &words), &[kind, ".tch"], &words);
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[test]
fn options_that_mean_nothing_here_and_scripts_that_are_not_there() {
    let folder = folder();
    let ttserver = folder.path().join("ttserver");
    std::os::unix::fs::symlink(lcnode(), &ttserver).unwrap();
    let words = "-ext a.lua a.tch";
    assert_refused(&run(lcnode(), folder.path(), words), &["-ext", "a.lua", "No such file"], words);
    for words in ["-skel lib.so a.tch", "-mul 4 a.tch"] {
        for program in [lcnode(), &ttserver] {
            assert_refused(&run(program, folder.path(), words), &["leave the option out"], words);
        }
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the link is there");
}
