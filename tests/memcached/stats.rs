//! What is counted, and the lines of `stats`.

use super::{ask, line};
use crate::support::{Client, HASH, Node, folder, on_both, wire};

/// The original's, in its order.
const NAMES: [&str; 21] = [
    "pid",
    "uptime",
    "time",
    "version",
    "pointer_size",
    "rusage_user",
    "rusage_system",
    "cmd_set",
    "cmd_set_hits",
    "cmd_set_misses",
    "cmd_delete",
    "cmd_delete_hits",
    "cmd_delete_misses",
    "cmd_get",
    "cmd_get_hits",
    "cmd_get_misses",
    "cmd_flush",
    "curr_items",
    "total_items",
    "bytes",
    "threads",
];

fn stats(client: &mut Client, request: &str) -> Vec<(String, String)> {
    client.send(request.as_bytes());
    let mut stats = Vec::new();
    loop {
        let line = line(client);
        if line == "END" {
            return stats;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let ["STAT", name, value] = words[..] else { panic!("{line}") };
        stats.push((name.to_owned(), value.to_owned()));
    }
}

fn number(stats: &[(String, String)], name: &str) -> u64 {
    stats.iter().find(|(other, _)| other == name).unwrap().1.parse().unwrap()
}

#[test]
fn the_lines() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--thnum", "1", HASH]);
    let client = &mut node.client();
    ask(client, "set a 0 0 1\r\nv\r\nset b 0 0 1\r\nv\r\n", "STORED\r\nSTORED\r\n");
    for request in ["stats\r\n", "stats items\r\n", "stats reset x\r\n"] {
        let stats = stats(client, request);
        assert_eq!(stats.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), NAMES);
        assert_eq!(number(&stats, "pid"), u64::from(node.pid()));
        assert!(number(&stats, "uptime") < 1000 && number(&stats, "time") > 1_600_000_000);
        assert_eq!((number(&stats, "pointer_size"), number(&stats, "threads")), (64, 1));
        assert_eq!((number(&stats, "curr_items"), number(&stats, "total_items")), (2, 2));
        assert_eq!(number(&stats, "bytes"), node.client().size());
        assert_eq!(stats[3].1, "1.1.41");
        for (name, value) in &stats[5..7] {
            assert_eq!(value.split_once('.').unwrap().1.len(), 6, "{name}");
        }
    }
}

/// What each request adds to the counters of calls, and to those of misses.
#[test]
fn each_command_is_counted() {
    on_both(&[], |node| {
        let (client, binary) = (&mut node.client(), &mut node.client());
        let names = [
            "put", "putkeep", "putcat", "get", "out", "addint", "stat", "vanish", "put_miss", "out_miss",
            "get_miss",
        ];
        let counts = |binary: &mut Client| names.map(|name| binary.count_of(&format!("cnt_{name}")));
        let mut before = counts(binary);
        for (request, reply, raised) in [
            ("set k 0 0 1\r\n5\r\n", "STORED\r\n", &["put"][..]),
            ("add k 0 0 1\r\n5\r\n", "NOT_STORED\r\n", &["putkeep", "put_miss"]),
            ("add j 0 0 1\r\n5\r\n", "STORED\r\n", &["putkeep"]),
            ("replace k 0 0 1\r\n5\r\n", "STORED\r\n", &["put"]),
            ("replace no 0 0 1\r\n5\r\n", "NOT_STORED\r\n", &["put", "put_miss"]),
            ("append no 0 0 1\r\n5\r\n", "NOT_STORED\r\n", &["put", "put_miss"]),
            ("prepend k 0 0 1 noreply\r\n5\r\nverbosity 1\r\n", "OK\r\n", &["put"]),
            ("cas k 0 0 1 1\r\n5\r\n", "EXISTS\r\n", &["put", "put_miss"]),
            ("touch k 0\r\n", "TOUCHED\r\n", &["put"]),
            ("touch no 0\r\n", "NOT_FOUND\r\n", &["put", "put_miss"]),
            ("get k\r\n", "VALUE k 0 2\r\n55\r\nEND\r\n", &["get"]),
            ("get no\r\n", "END\r\n", &["get", "get_miss"]),
            (
                "get k no no\r\n",
                "VALUE k 0 2\r\n55\r\nEND\r\n",
                &["get", "get", "get", "get_miss", "get_miss"],
            ),
            ("gat 0 no k\r\n", "VALUE k 0 2\r\n55\r\nEND\r\n", &["get", "get", "get_miss"]),
            ("incr k 1\r\n", "56\r\n", &["addint"]),
            ("decr no 1\r\n", "NOT_FOUND\r\n", &["addint"]),
            ("delete j\r\n", "DELETED\r\n", &["out"]),
            ("delete j\r\n", "NOT_FOUND\r\n", &["out", "out_miss"]),
            ("version\r\n", "VERSION 1.1.41\r\n", &["stat"]),
            ("flush_all\r\n", "OK\r\n", &["vanish"]),
            ("flush_all 1000\r\n", "OK\r\n", &["vanish"]),
            ("verbosity 1\r\n", "OK\r\n", &[]),
        ] {
            ask(client, request, reply);
            let after = counts(binary);
            for (at, name) in names.iter().enumerate() {
                // Each look at a counter is a call of stat.
                let looks = if *name == "stat" { names.len() as u64 } else { 0 };
                let expected = raised.iter().filter(|raised| *raised == name).count() as u64 + looks;
                assert_eq!(after[at] - before[at], expected, "{name} by {request:?}");
            }
            before = after;
        }
        // Before the words are looked at.
        for (request, name) in [("set k\r\n", "put"), ("delete\r\n", "out"), ("incr k\r\n", "addint")] {
            assert_eq!(super::until_closed(node, request.as_bytes()), "CLIENT_ERROR error\r\n");
            let at = names.iter().position(|other| *other == name).unwrap();
            assert_eq!(counts(binary)[at], before[at] + 1, "{name}");
        }
    });
}

#[test]
fn they_are_of_all_dialects() {
    on_both(&[], |node| {
        let client = &mut node.client();
        assert!(client.put("a", "v"));
        client.ask(&wire::putkeep(b"a", b"v"), &[1]);
        client.ask(&wire::putcat(b"a", b"v"), &[0]);
        client.ask(&wire::out(b"none"), &[1]);
        ask(client, "set b 0 0 1\r\nv\r\nget a none\r\n", "STORED\r\nVALUE a 0 2\r\nvv\r\nEND\r\n");
        assert!(client.text("a").is_some());
        let stats = stats(client, "stats\r\n");
        let of =
            |kind: &str| ["", "_hits", "_misses"].map(|part| number(&stats, &format!("cmd_{kind}{part}")));
        assert_eq!((of("set"), of("delete"), of("get")), ([4, 3, 1], [1, 0, 1], [3, 2, 1]));
        assert_eq!(number(&stats, "cmd_flush"), 0);
    });
}
