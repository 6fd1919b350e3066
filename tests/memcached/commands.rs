//! Every command and every reply, on both kinds of database.

use super::{ask, line, unique, until_closed};
use crate::support::{HASH, Node, folder, on_both};

#[test]
fn values_are_stored_under_their_conditions() {
    on_both(&[], |node| {
        let client = &mut node.client();
        ask(client, "get k\r\n", "END\r\n");
        ask(client, "replace k 1 0 1\r\na\r\n", "NOT_STORED\r\n");
        ask(client, "append k 1 0 1\r\na\r\n", "NOT_STORED\r\n");
        ask(client, "prepend k 1 0 1\r\na\r\n", "NOT_STORED\r\n");
        ask(client, "cas k 1 0 1 5\r\na\r\n", "NOT_FOUND\r\n");
        ask(client, "add k 1 0 1\r\na\r\n", "STORED\r\n");
        ask(client, "add k 2 0 1\r\nb\r\n", "NOT_STORED\r\n");
        ask(client, "get k\r\n", "VALUE k 1 1\r\na\r\nEND\r\n");
        ask(client, "replace k 2 0 2\r\nbc\r\n", "STORED\r\n");
        ask(client, "get k\r\n", "VALUE k 2 2\r\nbc\r\nEND\r\n");
        // These keep the flags that are there.
        ask(client, "append k 7 0 2\r\n\r\n\r\n", "STORED\r\n");
        ask(client, "prepend k 7 0 1\r\na\r\n", "STORED\r\n");
        ask(client, "get k\r\n", "VALUE k 2 5\r\nabc\r\n\r\nEND\r\n");
        ask(client, "set k 4294967295 0 0\r\n\r\n", "STORED\r\n");
        ask(client, "get k\r\n", "VALUE k 4294967295 0\r\n\r\nEND\r\n");
        ask(client, "set k 4294967296 0 1\r\nv\r\n", "STORED\r\n");
        ask(client, "get k\r\n", "VALUE k 0 1\r\nv\r\nEND\r\n");
        ask(client, "delete k\r\n", "DELETED\r\n");
        ask(client, "delete k\r\n", "NOT_FOUND\r\n");
        ask(client, "delete k 0\r\n", "NOT_FOUND\r\n");
    });
}

#[test]
fn ids_guard_against_lost_changes() {
    on_both(&[], |node| {
        let (one, two) = (&mut node.client(), &mut node.client());
        ask(one, "set k 3 0 3\r\none\r\n", "STORED\r\n");
        let id = unique(one, "k");
        assert_eq!(unique(two, "k"), id, "it is the record's");
        ask(one, "set other 0 0 1\r\nv\r\n", "STORED\r\n");
        assert_eq!(unique(two, "k"), id);
        ask(two, &format!("cas k 4 0 3 {id}\r\ntwo\r\n"), "STORED\r\n");
        ask(one, &format!("cas k 5 0 5 {id}\r\nthree\r\n"), "EXISTS\r\n");
        ask(one, &format!("cas k 5 0 5 {id} noreply\r\nthree\r\nget k\r\n"), "VALUE k 4 3\r\ntwo\r\nEND\r\n");
        // Any change makes another one, that to the same value too.
        let mut ids = vec![id, unique(one, "k")];
        for change in [
            "set k 4 0 3\r\ntwo\r\n",
            "replace k 4 0 3\r\ntwo\r\n",
            "append k 4 0 0\r\n\r\n",
            "prepend k 4 0 0\r\n\r\n",
        ] {
            ask(one, change, "STORED\r\n");
            ids.push(unique(one, "k"));
        }
        ask(one, "incr k 0\r\n", "0\r\n");
        ids.push(unique(one, "k"));
        assert!(two.put("k", "binary"));
        ids.push(unique(one, "k"));
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
        ask(one, &format!("cas k 0 0 1 {}\r\nv\r\n", unique(two, "k")), "STORED\r\n");
        ask(one, "cas k 0 0 1 0\r\nx\r\n", "EXISTS\r\n");
    });
}

#[test]
fn ids_outlive_the_process() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    let client = &mut node.client();
    ask(client, "set k 0 0 1\r\nv\r\nset n 0 0 1\r\n5\r\nincr n 1\r\n", "STORED\r\nSTORED\r\n6\r\n");
    let ids = [unique(client, "k"), unique(client, "n")];
    node.stop();
    let node = Node::start(folder.path(), &[HASH]);
    let client = &mut node.client();
    assert_eq!([unique(client, "k"), unique(client, "n")], ids);
}

#[test]
fn many_keys_in_one_reply() {
    on_both(&[], |node| {
        let client = &mut node.client();
        let keys: Vec<String> = (0..3000).map(|number| format!("key{number}")).collect();
        let (mut sets, mut stored, mut values) = (String::new(), String::new(), String::new());
        for (number, key) in keys.iter().enumerate().filter(|(number, _)| number % 3 != 0) {
            sets += &format!("set {key} {number} 0 4\r\n{number:04}\r\n");
            stored += "STORED\r\n";
            values += &format!("VALUE {key} {number} 4\r\n{number:04}\r\n");
        }
        ask(client, &sets, &stored);
        // Fewer than are fetched at once, and more than are fetched while others wait.
        ask(client, &format!("get {}\r\n", keys.join(" ")), &format!("{values}END\r\n"));
        ask(
            client,
            "get key1 key0 key2 key1\r\n",
            "VALUE key1 1 4\r\n0001\r\nVALUE key2 2 4\r\n0002\r\nVALUE key1 1 4\r\n0001\r\nEND\r\n",
        );
        ask(client, "gat 0 key1 nokey\r\n", "VALUE key1 1 4\r\n0001\r\nEND\r\n");
    });
}

/// Each line of requests, the same with `noreply`, and what a look shows afterwards.
#[test]
fn noreply_of_everything() {
    on_both(&[], |node| {
        let client = &mut node.client();
        let version = "version\r\n";
        for request in [
            "set k 1 0 2 noreply\r\n10\r\n",
            "add k 1 0 2 noreply\r\n11\r\n",
            "replace k 1 0 2 noreply\r\n12\r\n",
            "append k 1 0 1 noreply\r\n3\r\n",
            "prepend k 1 0 1 noreply\r\n4\r\n",
            "cas k 1 0 1 5 noreply\r\n3\r\n",
            "incr k 1 noreply\r\n",
            "decr k 3 noreply\r\n",
            "touch k 0 noreply\r\n",
            "verbosity 2 noreply\r\n",
            "replace none 0 0 1 noreply\r\n3\r\n",
            "cas none 0 0 1 1 noreply\r\n3\r\n",
            "incr none 1 noreply\r\n",
            "touch none 1 noreply\r\n",
            "delete none noreply\r\n",
            "delete none 0 noreply\r\n",
        ] {
            ask(client, &format!("{request}{version}"), "VERSION 1.1.41\r\n");
        }
        ask(client, "get k\r\n", "VALUE k 1 4\r\n4121\r\nEND\r\n");
        ask(client, "delete k noreply\r\nget k\r\n", "END\r\n");
        ask(client, "set k 1 0 1\r\nv\r\nflush_all noreply\r\nget k\r\n", "STORED\r\nEND\r\n");
        ask(client, "set k 1 0 1\r\nv\r\nflush_all 0 noreply\r\nget k\r\n", "STORED\r\nEND\r\n");
        // Elsewhere it is a word like any other.
        ask(
            client,
            "set noreply 1 0 1\r\nv\r\nget noreply\r\n",
            "STORED\r\nVALUE noreply 1 1\r\nv\r\nEND\r\n",
        );
    });
}

#[test]
fn the_rest() {
    on_both(&[], |node| {
        let client = &mut node.client();
        ask(client, "version\r\n", "VERSION 1.1.41\r\n");
        ask(client, "version of what\r\n", "VERSION 1.1.41\r\n");
        ask(client, "verbosity 1\r\n", "OK\r\n");
        ask(
            client,
            "set k 0 0 1\r\nv\r\ntouch k 10\r\ntouch none 10\r\n",
            "STORED\r\nTOUCHED\r\nNOT_FOUND\r\n",
        );
        ask(client, "flush_all\r\nget k\r\n", "OK\r\nEND\r\n");
        assert_eq!(until_closed(node, b"version\r\nquit\r\nversion\r\n"), "VERSION 1.1.41\r\n");
        assert_eq!(until_closed(node, b"quit\n"), "");
    });
}

/// What the client sends last may lack its end, if it changes nothing.
#[test]
fn the_end_of_input_ends_a_line_that_reads() {
    on_both(&[], |node| {
        ask(&mut node.client(), "set k 0 0 1\r\nv\r\n", "STORED\r\n");
        for (request, reply) in [
            ("version", "VERSION 1.1.41\r\n"),
            ("get k", "VALUE k 0 1\r\nv\r\nEND\r\n"),
            ("get k\r", "VALUE k 0 1\r\nv\r\nEND\r\n"),
            ("get k\r\nget j", "VALUE k 0 1\r\nv\r\nEND\r\nEND\r\n"),
            ("delete k", ""),
            ("flush_all", ""),
            ("set k 0 0 1\r\nx", ""),
            ("set k 0 0 1\r\nx\r", ""),
            ("quit", ""),
            ("vers", ""),
        ] {
            let mut client = node.client();
            client.send(request.as_bytes());
            client.shut_down_sending();
            assert_eq!(String::from_utf8(client.rest()).unwrap(), reply, "{request:?}");
        }
        ask(&mut node.client(), "get k\r\n", "VALUE k 0 1\r\nv\r\nEND\r\n");
        let mut client = node.client();
        client.send(b"stats");
        client.shut_down_sending();
        assert!(line(&mut client).starts_with("STAT pid "));
    });
}

#[test]
fn under_sync_always() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--sync", "always", HASH]);
    let client = &mut node.client();
    ask(client, "set k 0 0 1\r\n1\r\nincr k 1\r\nappend k 0 0 1\r\n0\r\n", "STORED\r\n2\r\nSTORED\r\n");
    ask(
        client,
        "set quiet 0 0 1 noreply\r\nv\r\nget k quiet\r\n",
        "VALUE k 0 2\r\n20\r\nVALUE quiet 0 1\r\nv\r\nEND\r\n",
    );
    node.kill();
    let node = Node::start(folder.path(), &[HASH]);
    ask(&mut node.client(), "get k quiet\r\n", "VALUE k 0 2\r\n20\r\nVALUE quiet 0 1\r\nv\r\nEND\r\n");
}
