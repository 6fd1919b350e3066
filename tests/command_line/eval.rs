//! `lcnode eval`: what it prints, what it changes, where it ends.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{HASH, Node, SMALL, folder, lcnode};

fn eval(folder: &Path, words: &[&str]) -> Output {
    Command::new(lcnode()).arg("eval").args(words).current_dir(folder).output().unwrap()
}

/// What it prints; it must work, and log nothing.
fn done(folder: &Path, words: &[&str]) -> String {
    let output = eval(folder, words);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &message[..]), (Some(0), ""), "{words:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fails(folder: &Path, words: &[&str], part: &str) {
    let output = eval(folder, words);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {message}");
    assert!(message.contains(part), "{words:?}: {part:?} is not in {message}");
    assert!(output.stdout.is_empty(), "{words:?}: an error is not a result");
}

#[test]
fn values_are_printed_a_line_each() {
    let folder = folder();
    for (code, printed) in [
        ("_rnum()", "0\n"),
        ("return _put('k', 'v'), _get('k'), _get('none')", "true\nv\nnil\n"),
        ("1e15, 1/3, 'a b', ''", "1e+15\n0.33333333333333\na b\n\n"),
        ("{1, 'x', {a = true, ['b c'] = 2}}", "{1, \"x\", {a = true, [\"b c\"] = 2}}\n"),
        ("local sum = 0 for i = 1, 10 do sum = sum + i end return sum", "55\n"),
        ("_put('k', 'v')", "true\n"),
        ("x = 5", ""),
        ("-1", "-1\n"),
        ("_begun, _version", "nil\n1.1.41\n"),
        ("_eval('y = 3') return y", "3\n"),
        ("_foreach(function() end)", "true\n"),
    ] {
        assert_eq!(done(folder.path(), &[code]), printed, "{code}");
    }
    // Bytes are bytes.
    assert_eq!(eval(folder.path(), &["'\\0\\255'"]).stdout, b"\0\xff\n");
    let mut child = Command::new(lcnode());
    let mut child = child.args(["eval", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"local n = 6\nreturn n * 7\n").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"42\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_database_is_read_and_changed() {
    let folder = folder();
    let node = Node::start(folder.path(), &SMALL);
    assert!(node.client().put("one", "1"));
    fails(folder.path(), &["_rnum()", HASH], "is in use by another process");
    node.stop();
    assert_eq!(done(folder.path(), &["_get('one')", HASH]), "1\n");
    let many = "for i = 1, 5000 do _put('k' .. i, i) end return _incr('one', 41)";
    assert_eq!(done(folder.path(), &[many, HASH]), "42\n");
    // What came before an error stays, as in a node.
    fails(folder.path(), &["_put('two', 2) error('after')", HASH], "eval:1: after");
    let refused = eval(folder.path(), &["_put('no', 1), _rnum()", "casket.tch#mode=r"]);
    assert_eq!(refused.stdout, b"false\n5002\n");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ERROR"), "{refused:?}");
    let node = Node::start(folder.path(), &SMALL);
    let mut client = node.client();
    assert_eq!((client.rnum(), client.text("one").as_deref()), (5002, Some("42")));
    assert_eq!(client.text("two").as_deref(), Some("2"));
}

#[test]
fn scripts_are_loaded_first() {
    let folder = folder();
    let script =
        "_log('begun is next')\nfunction _begin() begun = true end\nfunction twice(x)\n  return x + x\nend";
    fs::write(folder.path().join("twice.lua"), script).unwrap();
    let words = ["twice(4), begun, more", "--ext", "twice.lua", "--ext", "@more = 3"];
    let output = eval(folder.path(), &words);
    assert_eq!(output.stdout, b"8\ntrue\n3\n");
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(log.contains("INFO begun is next") && log.lines().count() == 1, "{log}");
    fails(folder.path(), &["twice('x')", "--ext", "twice.lua"], "twice.lua:4: attempt to perform arithmetic");
    fails(folder.path(), &["1", "--ext", "none.lua"], "none.lua: No such file");
    fails(folder.path(), &["1", "--ext", "@function f("], "near '<eof>'");
}

#[test]
fn what_fails_says_why() {
    let folder = folder();
    for (words, part) in [
        (&["local x\n\nx.y = 1"][..], "eval:3: attempt to index local 'x'"),
        (&["x ="], "eval:1: unexpected symbol near '<eof>'"),
        (&["_put('k')"], "_put: invalid arguments"),
        (&["1", "none.tch"], "none.tch does not exist"),
        (&["1", "casket.db"], "casket.db: the suffix"),
        (&["1", "--ext-machines", "3"], "--ext-machines"),
        (&[], "<CODE>"),
        (&["\u{1b}Lua"], "binary chunk"),
        (&["io.open('x')"], "--ext-allow files"),
        (&["os.execute('true')"], "--ext-allow processes"),
    ] {
        fails(folder.path(), words, part);
    }
    assert_eq!(done(folder.path(), &["os.execute('true')", "--ext-allow", "processes"]), "0\n");
    let help = done(folder.path(), &["--help"]);
    assert!(help.contains("Usage: lcnode eval") && help.contains("Exit codes: 0"), "{help}");
}

#[test]
fn limits_hold() {
    let folder = folder();
    for (code, option, limit, part) in [
        ("while true do end", "--ext-max-time", "0.2", "more than 200ms (--ext-max-time)"),
        ("_sleep(100)", "--ext-max-time", "0.2", "--ext-max-time"),
        ("while true do end", "--ext-max-instructions", "1000000", "--ext-max-instructions"),
        ("string.rep('x', 1e8)", "--ext-max-memory", "4m", "not enough memory"),
        ("_stashput('k', ('x'):rep(9000))", "--ext-max-stash", "8k", "--ext-max-stash"),
    ] {
        let begin = Instant::now();
        fails(folder.path(), &[code, option, limit], part);
        assert!(begin.elapsed() < Duration::from_secs(8), "{code}: {:?}", begin.elapsed());
    }
}
