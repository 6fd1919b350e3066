//! The slow log: which requests it has, and what it says of them.

use std::time::Duration;

use super::Admin;
use crate::support::{ANSWER, MEMORY, Node, SMALL, eventually, folder, wire};

/// What is quick must be so on a machine that is busy.
const SLOW: &str = "700";
const SCRIPT: &str = "@
    function hold(key, value) _put(key, 'held') _sleep(tonumber(value)) return 'done' end
    function nap(key, value) _sleep(tonumber(value)) return 'awake' end
    function quick(key, value) return value end";

/// The lines of a node's slow log.
fn lines(node: &Node) -> Vec<String> {
    let log = node.log();
    let lines: Vec<String> =
        log.lines().filter(|line| line.contains("slow request ")).map(str::to_owned).collect();
    for line in &lines {
        assert!(line.contains("\tWARN\t"), "{line}");
    }
    lines
}

/// The number behind a name in a line.
fn number(line: &str, name: &str) -> f64 {
    let value = line.split(' ').find_map(|word| word.strip_prefix(&format!("{name}=")));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {line}"))
}

#[test]
fn only_what_is_slow_and_why_it_was() {
    let folder = folder();
    let args = ["--slow-log", SLOW, "--ext", SCRIPT, "--thnum", "2", MEMORY];
    let (node, admin) = Admin::start(folder.path(), &args);
    let mut client = node.client();
    assert!(client.put("k", "v") && client.ext("quick", 0, "k", "v").is_some());
    assert_eq!(lines(&node), [""; 0]);
    assert!(client.ext("nap", 0, "a key", "0.8").is_some());
    let slow = lines(&node);
    assert_eq!(slow.len(), 1, "{slow:?}");
    for part in
        ["dialect=binary", "command=ext", "function=nap", "key=\"a key\"", "value_bytes=3", "peer=127."]
    {
        assert!(slow[0].contains(part), "{part}: {}", slow[0]);
    }
    assert_eq!(number(&slow[0], "reply_bytes"), 10.0);
    assert!((800.0..30_000.0).contains(&number(&slow[0], "milliseconds")), "{}", slow[0]);
    // A put that waits for the lock of a call.
    std::thread::scope(|threads| {
        threads.spawn(|| assert!(node.client().ext("hold", 1, "held", "1.5").is_some()));
        eventually("it is held", ANSWER, || client.get("held").is_some());
        assert!(node.client().put("held", "value"));
    });
    let slow = lines(&node);
    let put: Vec<&String> = slow.iter().filter(|line| line.contains("command=put")).collect();
    assert!(
        put.len() == 1 && put[0].contains("key=held") && put[0].contains("waited_for=\"a lock\""),
        "{slow:?}"
    );
    assert_eq!(slow.len(), 3);
    assert_eq!(admin.scrape().value("lcnode_slow_requests_total"), 3.0);
}

#[test]
fn all_machines_busy() {
    let folder = folder();
    let args = ["--slow-log", SLOW, "--ext", SCRIPT, "--ext-machines", "1", MEMORY];
    let node = Node::start(folder.path(), &args);
    std::thread::scope(|threads| {
        threads.spawn(|| assert!(node.client().ext("hold", 0, "first", "1.5").is_some()));
        let mut client = node.client();
        eventually("the machine is busy", ANSWER, || client.get("first").is_some());
        assert!(node.client().ext("quick", 0, "second", "v").is_some());
    });
    let slow = lines(&node);
    let second = slow.iter().find(|line| line.contains("key=second"));
    assert!(second.is_some_and(|line| line.contains("waited_for=\"a virtual machine\"")), "{slow:?}");
}

#[test]
fn nothing_is_too_fast_for_0() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--slow-log", "0", MEMORY]);
    let mut client = node.client();
    assert!(client.put(b"\0\n\xFF \"", "0123456789"));
    assert!(client.get([b'k'; 100]).is_none());
    assert!(client.misc("put", &[b"key", b"value"]).is_some());
    assert!(client.misc("digest", &[]).is_some());
    client.fwmkeys(b"pre", 10);
    let slow = lines(&node);
    let has = |parts: &[&str]| {
        let count = slow.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count();
        assert_eq!(count, 1, "{parts:?}: {slow:#?}");
    };
    has(&["command=put ", "\\x00", "\\n", "\\xff", "value_bytes=10", "reply_bytes=1 "]);
    has(&["command=get ", &format!("key={}... ", "k".repeat(64)), "value_bytes=0", "reply_bytes=1 "]);
    has(&["command=misc ", "function=put ", "key=key ", "value_bytes=5 "]);
    has(&["command=misc ", "function=digest ", "waited_for=\"a thread of its own\""]);
    has(&["command=fwmkeys ", "key=pre "]);
}

#[test]
fn the_disk() {
    let folder = folder();
    let args = [&["--slow-log", "0", "--sync", "always"], &SMALL[..]].concat();
    let node = Node::start(folder.path(), &args);
    let mut client = node.client();
    for number in 0..20_u8 {
        assert!(client.put([b'k', b'a' + number], "value"));
    }
    let many = (0..20_u8).flat_map(|number| wire::put(&[b'p', b'a' + number], b"value"));
    client.send(&many.collect::<Vec<u8>>());
    client.take(20);
    let slow = lines(&node);
    for number in 0..20_u8 {
        for first in ['k', 'p'] {
            let key = format!("key={first}{} ", char::from(b'a' + number));
            assert_eq!(slow.iter().filter(|line| line.contains(&key)).count(), 1, "{key}: {slow:#?}");
        }
    }
    let by_disk = slow.iter().filter(|line| line.contains("waited_for=\"the disk\"")).count();
    assert!(by_disk >= 10, "{slow:#?}");
}

/// A log that fills a disk is worse than one that leaves something out, and says how much.
#[test]
fn a_flood_is_bounded() {
    let folder = folder();
    let (node, admin) = Admin::start(folder.path(), &["--slow-log", "0", MEMORY]);
    let mut client = node.client();
    let many = (0..2000_u32).flat_map(|number| wire::put(&number.to_be_bytes(), b"v"));
    client.send(&many.collect::<Vec<u8>>());
    client.take(2000);
    std::thread::sleep(Duration::from_millis(1100));
    assert!(client.put("after", "v"));
    let (slow, log) = (lines(&node), node.log());
    let counted = admin.scrape().value("lcnode_slow_requests_total");
    assert!(counted >= 2001.0 && slow.len() < 1500, "{} of {counted}", slow.len());
    let left_out = log.lines().filter(|line| line.contains("slow requests were left out of the log"));
    let left_out: f64 = left_out.map(|line| number(line, "count")).sum();
    assert_eq!(left_out + slow.len() as f64, counted);
}

#[test]
fn off_unless_asked_for() {
    let folder = folder();
    let (node, admin) = Admin::start(folder.path(), &["--ext", SCRIPT, MEMORY]);
    assert!(node.client().ext("nap", 0, "k", "0.3").is_some());
    assert_eq!(lines(&node), [""; 0]);
    assert_eq!(admin.scrape().value("lcnode_slow_requests_total"), 0.0);
}
