//! Record lock and global lock: nothing else changes what a call has locked, from whatever side.

use std::thread::scope;
use std::time::{Duration, Instant};

use crate::replication::mesh::Mesh;
use crate::support::{Client, MEMORY, Node, SMALL, folder, on_both, wire};

const RECORD: u32 = 1;
const GLOBAL: u32 = 2;
/// Calls of each connection.
const CALLS: usize = 10_000;

/// An increment that only a lock makes safe.
const SCRIPT: &str = "@
    function add(key, value) local old = tonumber(_get(key) or '0') _put(key, old + value) return old + value end
    function atomic(key, value) return _atomic(key, add, key, value) end
    function hold(key, value) _put(key, 'held') _sleep(tonumber(value)) _put(key, 'done') return 'done' end
    function swap(key, value) _put(key, 'x') _sleep(0.3) return tostring(_put(value, 'y')) end";

/// Eight connections add to four keys, others change other keys meanwhile.
fn add_up(node: &Node, function: &str, options: u32, calls: usize) {
    scope(|threads| {
        for worker in 0..8 {
            threads.spawn(move || {
                let mut client = node.client();
                for call in 0..calls {
                    let key = format!("sum{}", (worker + call) % 4);
                    assert!(client.ext(function, options, key, "1").is_some());
                }
            });
        }
        for other in 0..2 {
            threads.spawn(move || {
                let mut client = node.client();
                for number in 0..calls {
                    assert!(client.put(format!("other {other} {number}"), "value"));
                }
            });
        }
    });
    let mut client = node.client();
    let sums: usize =
        (0..4).map(|key| client.text(format!("sum{key}")).unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(sums, 8 * calls, "{function}, options {options}");
    assert!(client.succeeds(&wire::vanish()));
}

#[test]
fn locked_increments_add_up() {
    let folder = folder();
    let node = Node::start(folder.path(), &[&["-ext", SCRIPT, "--thnum", "2"], &SMALL[..]].concat());
    add_up(&node, "add", RECORD, CALLS);
    add_up(&node, "add", GLOBAL, CALLS);
    add_up(&node, "atomic", 0, CALLS);
}

/// While a call holds a record its key keeps what the call has stored; others wait, in their order, and readers don't.
#[test]
fn a_held_record_is_changed_by_nobody_else() {
    on_both(&["-ext", SCRIPT], |node| {
        for options in [RECORD, GLOBAL] {
            let begin = Instant::now();
            scope(|threads| {
                threads.spawn(|| assert!(node.client().ext("hold", options, "k", "0.5").is_some()));
                let mut reader = node.client();
                while reader.text("k").as_deref() != Some("held") {
                    assert!(begin.elapsed() < Duration::from_secs(10));
                }
                let changes: [Vec<u8>; 4] = [
                    wire::put(b"k", b"by put"),
                    wire::putcat(b"k", b"+"),
                    wire::out(b"k"),
                    wire::misc(b"putlist", 0, &[b"k", b"by misc"]),
                ];
                for change in changes {
                    let mut client = node.client();
                    threads.spawn(move || {
                        client.send(&change);
                        assert_eq!(client.take(1), [0]);
                    });
                }
                while begin.elapsed() < Duration::from_millis(400) {
                    assert_eq!(reader.text("k").as_deref(), Some("held"));
                }
            });
            assert!(begin.elapsed() >= Duration::from_millis(500));
        }
    });
}

/// What a master sends waits as well.
#[test]
fn a_held_record_is_not_changed_by_replication() {
    let mesh = Mesh::start_all(2, &[&["-ext", SCRIPT], &SMALL[..]].concat());
    let mut client = mesh.client(0);
    scope(|threads| {
        let holder = threads.spawn(|| mesh.client(0).ext("hold", RECORD, "k", "3"));
        while client.text("k").as_deref() != Some("held") {}
        let mut other = mesh.client(1);
        assert!(other.put("k", "from the other"));
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            assert_eq!(client.text("k").as_deref(), Some("held"));
        }
        assert!(holder.join().unwrap().is_some());
    });
    let records = mesh.agree();
    assert_eq!(records[&b"k"[..]], b"done", "it was put last");
}

/// Two calls that want what the other has: one of them gets an error, and both end.
#[test]
fn calls_that_wait_for_each_other_end() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-ext", SCRIPT, "--thnum", "2", MEMORY]);
    // Of 256 pairs one shares a lock: then one call follows the other.
    let met = [("a", "b"), ("c", "d"), ("e", "f")].iter().any(|(one, other)| {
        let begin = Instant::now();
        let answers = scope(|threads| {
            let first = threads.spawn(|| node.client().ext("swap", RECORD, one, other));
            let second = threads.spawn(|| node.client().ext("swap", RECORD, other, one));
            [first.join().unwrap(), second.join().unwrap()]
        });
        assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
        answers.iter().flatten().count() == 1
    });
    assert!(met, "both calls have answered each time");
    assert!(node.log().contains("two calls wait for records that the other has locked"), "{}", node.log());
    let mut client: Client = node.client();
    assert!(client.put("a", "free") && client.put("b", "free"));
}
