//! Databases that cannot be served are refused with a reason, and databases that were ended well open quickly.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use crate::command_line::assert_refused;
use crate::support::{HASH, Launch, Node, SMALL, folder, is_root, lcnode, wire};

#[test]
fn a_database_held_by_another_process_is_named() {
    let folder = folder();
    let node = Node::start(folder.path(), &SMALL);
    assert!(node.client().put("k", "v"));
    for name in ["casket.tch", "casket.tch#mode=r", "casket.tch#mode=wct", "./casket.tch/"] {
        let output = Launch::new(folder.path(), &[name]).output();
        assert_refused(
            &output,
            &["casket.tch", "is in use by another process", &format!("(pid {})", node.pid())],
            name,
        );
    }
    assert_eq!(node.client().text("k").as_deref(), Some("v"));
    node.stop();
    let node = Node::start(folder.path(), &SMALL);
    assert_eq!(node.client().text("k").as_deref(), Some("v"));
    node.kill();
    let node = Node::start(folder.path(), &SMALL);
    assert_eq!(node.client().text("k").as_deref(), Some("v"), "a killed node holds nothing");
}

#[test]
fn what_is_no_database_is_refused_and_left() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let refused = |name: &str, parts: &[&str]| {
        let output = Launch::new(folder.path(), &[name]).output();
        assert_refused(&output, parts, name);
    };
    refused("none/casket.tch", &["none/casket.tch", "No such file"]);
    refused("none.tch#mode=w", &["does not exist", "mode"]);
    refused("none.tch#mode=r", &["does not exist", "mode"]);
    fs::write(path("file.tch"), "ToKyO CaBiNeT and what follows").unwrap();
    refused("file.tch", &["is not an lcnode database", "it is a file", "Tokyo Cabinet"]);
    assert_eq!(fs::read(path("file.tch")).unwrap(), b"ToKyO CaBiNeT and what follows");
    refused("file.tch/below.tch", &["below.tch", "Not a directory"]);
    fs::create_dir(path("photos.tch")).unwrap();
    fs::write(path("photos.tch/holiday.jpg"), "precious").unwrap();
    for name in ["photos.tch", "photos.tch#mode=wct"] {
        refused(name, &["is not an lcnode database", "holiday.jpg"]);
    }
    assert_eq!(fs::read(path("photos.tch/holiday.jpg")).unwrap(), b"precious");
    assert_eq!(fs::read_dir(path("photos.tch")).unwrap().count(), 1);
    fs::create_dir(path("empty.tch")).unwrap();
    refused("empty.tch#mode=r", &["does not exist"]);
    let node = Node::start(folder.path(), &["empty.tch"]);
    assert!(node.client().put("k", "v"), "an empty directory may become one");
}

#[test]
fn a_damaged_database_is_refused_by_name() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--segment-size", "64k", HASH]);
    let mut client = node.client();
    for number in 0..3000 {
        assert!(client.put(format!("k{number}"), [b'v'; 100]));
    }
    node.stop();
    let database = folder.path().join(HASH);
    let meta = fs::read(database.join("meta")).unwrap();
    let refused = |parts: &[&str], what: &str| {
        let output = Launch::new(folder.path(), &["--segment-size", "64k", HASH]).output();
        assert_refused(&output, parts, what);
    };
    let with_byte = |at: usize| {
        let mut damaged = meta.clone();
        damaged[at] ^= 0xFF;
        damaged
    };
    for (content, parts, what) in [
        (with_byte(0), &["meta", "is not an lcnode database"][..], "another beginning"),
        (with_byte(20), &["meta is damaged at offset 0", "CRC", "restore it"], "another identity"),
        (with_byte(63), &["meta is damaged", "CRC"], "another CRC"),
        (with_byte(8), &["meta has format", "newer lcnode"], "a newer format"),
        (meta[..40].to_vec(), &["meta"], "cut short"),
        (vec![], &["meta"], "empty"),
    ] {
        fs::write(database.join("meta"), content).unwrap();
        refused(parts, what);
    }
    fs::remove_file(database.join("meta")).unwrap();
    refused(&["meta", "missing", "backup"], "no meta");
    fs::write(database.join("meta"), &meta).unwrap();
    // Segments: one of another database, and one with a byte changed where the table is made anew from it.
    let mut logs: Vec<_> =
        fs::read_dir(database.join("log")).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.sort();
    let first = &logs[0];
    let whole = fs::read(first).unwrap();
    let mut damaged = whole.clone();
    damaged[5000] ^= 1;
    fs::remove_dir_all(database.join("index")).unwrap();
    fs::write(first, damaged).unwrap();
    let name = first.file_name().unwrap().to_str().unwrap();
    refused(&[name, "is damaged at offset", "restore it"], "a record with another byte");
    fs::write(first, &whole).unwrap();
    let node = Node::start(folder.path(), &["--segment-size", "64k", HASH]);
    assert_eq!(node.client().rnum(), 3000, "nothing was changed by the starts that were refused");
}

/// A record that is damaged while the node runs, or since: it is never served, and named in the log.
#[test]
fn a_damaged_record_is_not_served() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--segment-size", "64k", HASH]);
    let mut client = node.client();
    for number in 0..3000 {
        assert!(client.put(format!("k{number:04}"), format!("value of {number:04}")));
    }
    node.stop();
    let mut logs: Vec<_> = fs::read_dir(folder.path().join("casket.tch/log"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    logs.sort();
    let mut bytes = fs::read(&logs[0]).unwrap();
    let at = bytes.windows(13).position(|window| window == b"value of 0100").unwrap();
    bytes[at + 12] = b'7';
    fs::write(&logs[0], bytes).unwrap();
    let node = Node::start(folder.path(), &["--segment-size", "64k", HASH]);
    let mut client = node.client();
    assert_eq!(client.get("k0100"), None);
    assert_eq!(client.misc("error", &[]).unwrap()[0], b"6: invalid record header");
    assert!(node.log().contains("is damaged at offset"), "the log names it");
    assert_eq!(client.text("k0101").as_deref(), Some("value of 0101"), "others are");
    assert!(client.put("k0100", "new"), "and it can be written again");
    assert_eq!(client.text("k0100").as_deref(), Some("new"));
}

#[test]
fn a_clean_end_needs_no_replay() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = folder();
        let node = Node::start(folder.path(), &SMALL);
        let mut client = node.client();
        for number in 0..1000 {
            assert!(client.put(format!("k{number}"), "v"));
        }
        assert!(client.succeeds(&wire::out(b"k7")));
        node.stop_by(signal);
        let node = Node::start(folder.path(), &SMALL);
        assert_eq!(node.client().rnum(), 999);
        let log = node.log();
        let (before, after) = log.rsplit_once("logging started").unwrap();
        assert!(before.contains("database closed") && before.contains("logging finished"), "{signal}");
        assert!(!after.contains("replayed") && !after.contains("no checkpoint"), "after {signal}: {after}");
        node.kill();
        let node = Node::start(folder.path(), &SMALL);
        assert_eq!(node.client().rnum(), 999);
    }
}

#[test]
fn tuning_that_means_nothing_is_named_once() {
    let folder = folder();
    let name = "casket.tch#bnum=1000000#apow=4#fpow=13#opts=ld#rcnum=5#xmsiz=1g#colour=red#capnum=3#rubbish";
    let node = Node::start(folder.path(), &[name]);
    let log = node.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("tuning without a meaning")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for part in ["apow=4", "fpow=13", "opts=ld", "rcnum=5", "xmsiz=1g", "colour=red", "capnum=3", "rubbish"] {
        assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
    }
    assert!(!lines[0].contains("bnum"));
    assert_eq!(node.client().stat_of("path").as_deref(), Some("casket.tch"));
}

#[test]
fn the_default_database_is_in_the_working_directory() {
    let folder = folder();
    let node = Node::start(folder.path(), &[]);
    assert_eq!(node.client().stat_of("path").as_deref(), Some("lcnode.tch"));
    assert!(node.log().contains(&format!("opening the database: {}/lcnode.tch", folder.path().display())));
    assert!(folder.path().join("lcnode.tch/meta").is_file());
    let ttserver = folder.path().join("ttserver");
    std::os::unix::fs::symlink(lcnode(), &ttserver).unwrap();
    let original = Launch::new(folder.path(), &[]).program(ttserver).start();
    assert_eq!(original.client().stat_of("path").as_deref(), Some("*"), "called as ttserver it is in memory");
}

/// Root may read anything, so this shows something only for others.
#[test]
fn an_unreadable_database_is_refused() {
    if is_root() {
        eprintln!("nothing to show: root may read every file");
        return;
    }
    let folder = folder();
    Node::start(folder.path(), &[HASH]).stop();
    let database = folder.path().join(HASH);
    fs::set_permissions(&database, fs::Permissions::from_mode(0o000)).unwrap();
    let output = Launch::new(folder.path(), &[HASH]).output();
    fs::set_permissions(&database, fs::Permissions::from_mode(0o755)).unwrap();
    assert_refused(&output, &["casket.tch", "ermission denied"], "mode 0");
}
