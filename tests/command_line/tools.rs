//! `lcnode check`, `inspect` and `repair`: what they print, and how they end.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::{HASH, Node, SMALL, folder, lcnode};

fn run(folder: &Path, words: &[&str]) -> Output {
    Command::new(lcnode()).args(words).current_dir(folder).output().unwrap()
}

/// Runs a tool that must end with `code`; returns what it printed, where people look.
fn ends(folder: &Path, words: &[&str], code: i32) -> String {
    let output = run(folder, words);
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert_eq!(output.status.code(), Some(code), "{words:?}: {out}{err}");
    match code {
        1 => assert!(out.is_empty(), "{words:?}: an error is not a result: {out}"),
        _ => assert!(!out.is_empty() || !err.is_empty(), "{words:?} says nothing"),
    }
    out + &err
}

fn filled(folder: &Path) -> Node {
    let node = Node::start(folder, &SMALL);
    let mut client = node.client();
    for number in 0..1_000 {
        assert!(client.put(format!("k{number:04}"), format!("the value of {number:04}")));
    }
    node
}

/// Flips a bit behind the first place where `text` is in segment 1.
fn damage(folder: &Path, text: &str) {
    let path = folder.join(HASH).join("log/0000000001.seg");
    let bytes = fs::read(&path).unwrap();
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
}

#[test]
fn a_database_is_looked_at() {
    let folder = folder();
    let node = filled(folder.path());
    for words in [&["check", HASH][..], &["inspect", HASH], &["repair", HASH, "new.tch"]] {
        let text = ends(folder.path(), words, 1);
        assert!(
            text.contains("is in use by another process") && text.contains(&node.pid().to_string()),
            "{text}"
        );
    }
    node.stop();
    let text = ends(folder.path(), &["check", HASH], 0);
    assert!(text.starts_with("casket.tch is sound: ") && text.lines().count() == 1, "{text}");
    let text = ends(folder.path(), &["inspect", HASH], 0);
    for part in ["records     1000", "uses the checkpoint as it is", "segment  state", "active", "spare"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let view: Value = serde_json::from_str(&ends(folder.path(), &["inspect", "--json", HASH], 0)).unwrap();
    assert_eq!((&view["records"], &view["table"]["entries"]), (&Value::from(1000), &Value::from(1000)));
    assert_eq!(view["checkpoint"]["bytes_behind"], 0);
    assert_eq!(view["segments"][0]["state"], "active");
    let size = fs::metadata(folder.path().join(HASH).join("log/0000000001.seg")).unwrap().len();
    assert_eq!(view["segments"][0]["file_bytes"], size);
    let live = view["totals"]["live"].as_u64().unwrap();
    assert_eq!(live, 1000 * (20 + 5 + "the value of 0000".len() as u64));
    let node = Node::start(folder.path(), &SMALL);
    assert_eq!(node.client().rnum(), 1000, "a node opens it as before");
}

#[test]
fn what_a_killed_node_leaves_is_told_from_damage() {
    let folder = folder();
    filled(folder.path()).kill();
    let text = ends(folder.path(), &["check", HASH], 0);
    assert!(text.contains("is sound"), "a log without a checkpoint is whole: {text}");
    Node::start(folder.path(), &SMALL).stop();
    let node = Node::start(folder.path(), &SMALL);
    assert!(node.client().put("more", "value"));
    node.kill();
    let text = ends(folder.path(), &["check", HASH], 3);
    assert!(text.contains("index/checkpoint") && text.contains("nothing is to be done"), "{text}");
    let view: Value = serde_json::from_str(&ends(folder.path(), &["inspect", "--json", HASH], 0)).unwrap();
    // The record, and a memo of three starts: header, flags, key, and an id and a position for each.
    let behind = 20 + 4 + 5 + 20 + 1 + 3 + 6 + 8 + 3 * 24;
    assert_eq!((&view["records"], &view["checkpoint"]["bytes_behind"]), (&1001.into(), &behind.into()));
    assert_eq!(view["recovery"][0], format!("uses the checkpoint and reads {behind} bytes of log behind it"));
}

#[test]
fn a_damaged_database_is_repaired() {
    let folder = folder();
    filled(folder.path()).stop();
    damage(folder.path(), "the value of 0100");
    let text = ends(folder.path(), &["check", HASH], 2);
    for part in [
        "log/0000000001.seg at offset ",
        "the CRC does not match",
        "\"k0100\"",
        "lcnode repair casket.tch NEW",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let text = ends(folder.path(), &["repair", HASH, "new.tch"], 2);
    for part in ["\"k0100\"", "new.tch is made: 999 records", "1 part was lost"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    ends(folder.path(), &["check", "new.tch"], 0);
    let text = ends(folder.path(), &["repair", HASH, "new.tch"], 1);
    assert!(text.contains("new.tch") && text.contains("exists"), "{text}");
    let node = Node::start(folder.path(), &["new.tch"]);
    let mut client = node.client();
    assert_eq!((client.rnum(), client.get("k0100")), (999, None));
    assert_eq!(client.text("k0101").as_deref(), Some("the value of 0101"));
    drop(client);
    node.stop();
    ends(folder.path(), &["check", "new.tch"], 0);
    // Without its meta it neither opens nor can be shown, but nothing of it is lost.
    fs::write(folder.path().join("new.tch/meta"), "").unwrap();
    ends(folder.path(), &["check", "new.tch"], 2);
    let text = ends(folder.path(), &["inspect", "new.tch"], 2);
    assert!(text.contains("meta") && text.contains("lcnode check new.tch"), "{text}");
    let text = ends(folder.path(), &["repair", "new.tch", "newer.tch"], 0);
    assert!(text.contains("999 records") && text.contains("nothing was lost"), "{text}");
}

#[test]
fn lines_that_select_no_tool() {
    let folder = folder();
    for (words, part) in [
        (&["check"][..], "<DB>"),
        (&["check", "none.tch"], "cannot open none.tch"),
        (&["check", "--fix", "none.tch"], "--fix"),
        (&["repair", "none.tch"], "<NEW>"),
        (&["check", "."], "is not an lcnode database"),
    ] {
        let text = ends(folder.path(), words, 1);
        assert!(text.contains(part), "{words:?}: {text}");
    }
    for name in ["check", "inspect", "repair", "check-ext", "eval"] {
        let help = ends(folder.path(), &[name, "--help"], 0);
        assert!(help.contains(&format!("Usage: lcnode {name}")) && help.contains("Exit codes: 0"), "{help}");
        assert!(ends(folder.path(), &["--help"], 0).contains(&format!("lcnode {name} ")));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    // The original's programs knew no such words.
    let ttserver = folder.path().join("ttserver");
    std::os::unix::fs::symlink(lcnode(), &ttserver).unwrap();
    let output = Command::new(ttserver).args(["check", "a.tch"]).current_dir(folder.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && text.contains("unexpected argument 'a.tch'"), "{text}");
}
