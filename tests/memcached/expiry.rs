//! Expiry, with and without the option, and what `touch` and `gat` make of it.

use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{ask, unique};
use crate::support::{HASH, Node, eventually, folder, on_both};

const PATIENCE: Duration = Duration::from_secs(30);

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn is_there(node: &Node, key: &str) -> bool {
    let client = &mut node.client();
    client.send(format!("get {key}\r\n").as_bytes());
    super::line(client) != "END"
}

#[test]
fn it_is_ignored_by_default() {
    on_both(&[], |node| {
        let client = &mut node.client();
        for exptime in ["-1", "1", "2592001", "x"] {
            ask(client, &format!("set k 0 {exptime} 1\r\nv\r\n"), "STORED\r\n");
            ask(client, "get k\r\n", "VALUE k 0 1\r\nv\r\nEND\r\n");
        }
        let id = unique(client, "k");
        ask(client, "touch k -1\r\ngat -1 k none\r\n", "TOUCHED\r\nVALUE k 0 1\r\nv\r\nEND\r\n");
        ask(client, "touch none 0\r\n", "NOT_FOUND\r\n");
        ask(client, "set k1 0 1 1\r\nv\r\n", "STORED\r\n");
        assert_eq!(unique(client, "k"), id, "nothing was changed");
        sleep(Duration::from_millis(1200));
        assert!(is_there(node, "k") && is_there(node, "k1"));
    });
}

#[test]
fn it_is_honoured_on_request() {
    on_both(&["--honour-exptime"], |node| {
        let client = &mut node.client();
        let past = unix_time() - 1;
        let future = unix_time() + 1000;
        for (exptime, stays) in [
            ("-1".to_owned(), false),
            ("0".to_owned(), true),
            ("x".to_owned(), true),
            ("1000".to_owned(), true),
            ("2592000".to_owned(), true),
            // Seconds since 1970: a month later.
            ("2592001".to_owned(), false),
            (past.to_string(), false),
            (future.to_string(), true),
            ("99999999999999999999".to_owned(), true),
        ] {
            for verb in ["set", "add"] {
                ask(client, "delete k noreply\r\nset k 0 -1 1\r\nx\r\n", "STORED\r\n");
                ask(client, &format!("{verb} k 0 {exptime} 1\r\nv\r\n"), "STORED\r\n");
                assert_eq!(is_there(node, "k"), stays, "{verb} with {exptime}");
            }
        }
        // What has ended is not there for any command.
        ask(client, "set k 0 0 1\r\nv\r\nset k 0 -1 1\r\nv\r\n", "STORED\r\nSTORED\r\n");
        for request in ["replace k 0 0 1\r\nv\r\n", "append k 0 0 1\r\nv\r\n", "prepend k 0 0 1\r\nv\r\n"] {
            ask(client, request, "NOT_STORED\r\n");
        }
        ask(client, "incr k 1\r\ntouch k 0\r\ndelete k\r\n", "NOT_FOUND\r\nNOT_FOUND\r\nNOT_FOUND\r\n");
        ask(client, "gat 0 k\r\ncas k 0 0 1 5\r\nv\r\n", "END\r\nNOT_FOUND\r\n");
        assert_eq!(client.text("k"), None);
    });
}

#[test]
fn records_end_in_time() {
    on_both(&["--honour-exptime"], |node| {
        let client = &mut node.client();
        ask(client, "set soon 5 2 1\r\n1\r\nset late 0 1000 1\r\nv\r\n", "STORED\r\nSTORED\r\n");
        ask(client, &format!("set at 0 {} 1\r\nv\r\n", unix_time() + 2), "STORED\r\n");
        // Changes of the value keep the end.
        ask(client, "incr soon 1\r\nappend soon 0 0 1\r\n5\r\n", "2\r\nSTORED\r\n");
        ask(client, "get soon\r\n", "VALUE soon 5 2\r\n25\r\nEND\r\n");
        // Storing a value gives it an end of its own.
        ask(client, "set again 0 1 1\r\nv\r\nreplace again 0 0 1\r\nw\r\n", "STORED\r\nSTORED\r\n");
        eventually("both are gone", PATIENCE, || !is_there(node, "soon") && !is_there(node, "at"));
        ask(client, "get late again\r\n", "VALUE late 0 1\r\nv\r\nVALUE again 0 1\r\nw\r\nEND\r\n");
    });
}

#[test]
fn touched_records_get_another_end() {
    on_both(&["--honour-exptime"], |node| {
        let client = &mut node.client();
        ask(client, "set short 0 0 1\r\nv\r\nset shorter 0 0 1\r\nv\r\n", "STORED\r\nSTORED\r\n");
        // In one piece, as a second may be over before another comes.
        ask(
            client,
            "set k 9 1 1\r\nv\r\nset g 8 1 2\r\n10\r\nincr g 1\r\ntouch k 1000\r\ngat 1000 g none\r\n",
            "STORED\r\nSTORED\r\n11\r\nTOUCHED\r\nVALUE g 8 2\r\n11\r\nEND\r\n",
        );
        ask(client, "touch short 1\r\ngat 1 shorter\r\n", "TOUCHED\r\nVALUE shorter 0 1\r\nv\r\nEND\r\n");
        eventually("those are gone", PATIENCE, || !is_there(node, "short") && !is_there(node, "shorter"));
        ask(client, "get k g\r\n", "VALUE k 9 1\r\nv\r\nVALUE g 8 2\r\n11\r\nEND\r\n");
        ask(client, "incr g 1\r\n", "12\r\n");
        // At once: it is seen once more by gat.
        ask(client, "gat -1 k\r\nget k\r\n", "VALUE k 9 1\r\nv\r\nEND\r\nEND\r\n");
        ask(client, "touch g -1\r\ntouch g 0\r\nget g\r\n", "TOUCHED\r\nNOT_FOUND\r\nEND\r\n");
        // The id that gats tells is the one that cas wants.
        ask(client, "set k 1 0 1\r\nv\r\n", "STORED\r\n");
        client.send(b"gats 100 k\r\n");
        let head = super::line(client);
        client.take(8);
        let id = head.rsplit(' ').next().unwrap();
        ask(client, &format!("cas k 1 0 1 {id}\r\nw\r\n"), "STORED\r\n");
    });
}

#[test]
fn ends_outlive_the_process() {
    let folder = folder();
    let args = ["--honour-exptime", HASH];
    let node = Node::start(folder.path(), &args);
    ask(&mut node.client(), "set soon 3 2 1\r\nv\r\nset late 3 1000 1\r\nv\r\n", "STORED\r\nSTORED\r\n");
    node.stop();
    let node = Node::start(folder.path(), &args);
    eventually("it is gone", PATIENCE, || !is_there(&node, "soon"));
    ask(&mut node.client(), "get late\r\n", "VALUE late 3 1\r\nv\r\nEND\r\n");
}
