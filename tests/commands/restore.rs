//! `restore`: update logs of an original server, and where they may lie.

use std::fs;

use crate::support::{HASH, Node, folder, wire};

/// An entry of an update log: what was sent, and how it ended.
fn entry(ts: u64, request: &[u8], result: u8) -> Vec<u8> {
    let size = (request.len() as u32 + 1).to_be_bytes();
    [&[0xC9][..], &ts.to_be_bytes(), &[0, 7, 0, 0], &size, request, &[result]].concat()
}

#[test]
fn logs_of_an_original_are_replayed_from_where_they_may_lie() {
    let folder = folder();
    let [logs, backups, other] = ["logs", "backups", "other"].map(|name| folder.path().join(name));
    for path in [&logs.join("empty"), &backups.join("old"), &other] {
        fs::create_dir_all(path).unwrap();
    }
    let first = [
        entry(1000, &wire::put(b"a", b"1"), 0),
        entry(2000, &wire::putcat(b"a", b"2"), 0),
        entry(3000, &wire::out(b"none"), 0),
    ];
    let second = [entry(4000, &wire::put(b"b", b"3"), 0)].concat();
    for path in [&logs, &backups.join("old"), &other] {
        fs::write(path.join("00000001.ulog"), first.concat()).unwrap();
        fs::write(path.join("00000002.ulog"), &second).unwrap();
    }
    let [logs, backups, other] = [logs, backups, other].map(|path| path.to_str().unwrap().to_owned());
    let node = Node::start(folder.path(), &["-ulog", &logs, "--backup-dir", &backups, HASH]);
    let mut client = node.client();
    let mut restored = |path: &str, ts, options| {
        assert!(client.succeeds(&wire::vanish()));
        let worked = client.succeeds(&wire::restore(path.as_bytes(), ts, options));
        (worked, client.text("a"), client.text("b"))
    };
    let text = |text: &str| Some(text.to_owned());
    for path in [&*logs, ".", "old", &format!("{backups}/old")] {
        assert_eq!(restored(path, 0, 0), (true, text("12"), text("3")), "{path}");
    }
    assert_eq!(restored(&logs, 2000, 0), (true, text("2"), text("3")));
    assert_eq!(restored(&logs, 5000, 0), (true, None, None));
    assert_eq!(restored("empty", 0, 0), (true, None, None));
    // The out had another outcome.
    assert_eq!(restored(&logs, 0, 1), (false, text("12"), None));
    for path in ["", "none", &other, "../other", &format!("{logs}/../other"), "/"] {
        assert_eq!(restored(path, 0, 0), (false, None, None), "{path}");
    }
    // What is damaged in the middle is not called success.
    let mut damaged = first.concat();
    damaged[first[0].len()] = 0;
    fs::write(format!("{logs}/00000001.ulog"), &damaged).unwrap();
    assert_eq!(restored(&logs, 0, 0), (false, text("1"), None));
    assert!(node.log().contains("00000001.ulog is damaged at byte 30: "), "{}", node.log());
    assert!(node.log().contains("neither inside -ulog nor inside --backup-dir"), "{}", node.log());
}

#[test]
fn without_a_directory_for_them_no_logs_are_read() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    let mut client = node.client();
    client.ask(&wire::restore(folder.path().to_str().unwrap().as_bytes(), 0, 0), &[1]);
    assert!(node.log().contains("start the node with -ulog DIR"), "{}", node.log());
    // One that is not there is as good as none.
    let folder = self::folder();
    let node = Node::start(folder.path(), &["-ulog", "logs", HASH]);
    node.client().ask(&wire::restore(b".", 0, 0), &[1]);
    assert!(node.log().contains("no such directory"), "{}", node.log());
}
