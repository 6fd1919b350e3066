//! Records that a script holds: memcached's commands wait for them as all others do.

use std::thread::scope;
use std::time::{Duration, Instant};

use super::ask;
use crate::support::{MEMORY, Node, folder, on_both};

const SCRIPT: &str = "@
    function hold(key, value) _put(key, '5') _sleep(tonumber(value)) _put(key, '7') return 'done' end";
const RECORD: u32 = 1;
const GLOBAL: u32 = 2;

/// While the record is held; each must see what the call has stored last.
#[test]
fn changes_wait_for_their_record() {
    on_both(&["--honour-exptime", "-ext", SCRIPT], |node| {
        for (options, request, reply) in [
            (RECORD, "set k 0 0 1\r\n1\r\nget k\r\n", "STORED\r\nVALUE k 0 1\r\n1\r\nEND\r\n"),
            (RECORD, "append k 0 0 1\r\n1\r\nget k\r\n", "STORED\r\nVALUE k 0 2\r\n71\r\nEND\r\n"),
            (GLOBAL, "prepend k 0 0 1\r\n1\r\nget k\r\n", "STORED\r\nVALUE k 0 2\r\n17\r\nEND\r\n"),
            (RECORD, "incr k 10\r\nget k\r\n", "17\r\nVALUE k 0 2\r\n17\r\nEND\r\n"),
            (RECORD, "incr k 10 noreply\r\nget k\r\n", "VALUE k 0 2\r\n17\r\nEND\r\n"),
            (RECORD, "touch k 1000\r\nget k\r\n", "TOUCHED\r\nVALUE k 0 1\r\n7\r\nEND\r\n"),
            (RECORD, "gat 1000 other k\r\n", "VALUE k 0 1\r\n7\r\nEND\r\n"),
            (RECORD, "delete k\r\nget k\r\n", "DELETED\r\nEND\r\n"),
            (RECORD, "flush_all\r\nget k\r\n", "OK\r\nEND\r\n"),
        ] {
            let begin = Instant::now();
            scope(|threads| {
                threads.spawn(|| assert!(node.client().ext("hold", options, "k", "0.2").is_some()));
                let mut reader = node.client();
                while reader.text("k").as_deref() != Some("5") {
                    assert!(begin.elapsed() < Duration::from_secs(10));
                }
                // Pipelined behind others that need not wait.
                ask(
                    &mut node.client(),
                    &format!("version\r\n{request}"),
                    &format!("VERSION 1.1.41\r\n{reply}"),
                );
            });
            assert!(node.client().out("k") || request.starts_with("delete") || request.starts_with("flush"));
        }
    });
}

/// A `gat` that ends records shows each of them, also where it had to wait for one behind others.
#[test]
fn what_ends_is_shown_once() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--honour-exptime", "-ext", SCRIPT, MEMORY]);
    let begin = Instant::now();
    assert!(node.client().put("first", "1"));
    scope(|threads| {
        threads.spawn(|| assert!(node.client().ext("hold", RECORD, "k", "0.3").is_some()));
        let mut reader = node.client();
        while reader.vsiz("k").is_none() {
            assert!(begin.elapsed() < Duration::from_secs(10));
        }
        let both = "VALUE first 0 1\r\n1\r\nVALUE k 0 1\r\n7\r\nEND\r\n";
        ask(&mut reader, "gat -1 first k\r\nget first k\r\n", &format!("{both}END\r\n"));
        assert!(reader.put("first", "2"), "nothing is held any more");
    });
    assert_eq!(node.client().count_of("cnt_get_miss"), 2);
}

/// It is counted once, however often it was carried out.
#[test]
fn waiting_is_counted_once() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--honour-exptime", "-ext", SCRIPT, MEMORY]);
    let begin = Instant::now();
    scope(|threads| {
        threads.spawn(|| assert!(node.client().ext("hold", RECORD, "k", "0.3").is_some()));
        let mut reader = node.client();
        while reader.vsiz("k").is_none() {
            assert!(begin.elapsed() < Duration::from_secs(10));
        }
        ask(
            &mut reader,
            "gat 1000 none k\r\nappend k 0 0 1\r\n1\r\n",
            "VALUE k 0 1\r\n7\r\nEND\r\nSTORED\r\n",
        );
    });
    let client = &mut node.client();
    assert_eq!([client.count_of("cnt_get"), client.count_of("cnt_get_miss")], [2, 1]);
    assert_eq!([client.count_of("cnt_put"), client.count_of("cnt_put_miss")], [1, 0]);
}

/// A delayed flush waits for what is held, and the node ends all the same.
#[test]
fn a_delayed_flush_waits_too() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-ext", SCRIPT, MEMORY]);
    scope(|threads| {
        let holding = threads.spawn(|| node.client().ext("hold", GLOBAL, "k", "2.5"));
        let mut client = node.client();
        ask(&mut client, "flush_all 1\r\n", "OK\r\n");
        assert!(holding.join().unwrap().is_some());
        crate::support::eventually("all are gone", Duration::from_secs(10), || client.rnum() == 0);
    });
    node.stop();
}
