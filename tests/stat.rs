//! stat: its lines in the original's order, and what the counters count.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::support::{Client, HASH, MEMORY, Node, folder, on_both, wire};

const LINES: [&str; 22] = [
    "version",
    "libver",
    "protver",
    "os",
    "time",
    "pid",
    "sid",
    "type",
    "path",
    "rnum",
    "size",
    "bigend",
    "fd",
    "loadavg",
    "memsize",
    "memrss",
    "ru_user",
    "ru_sys",
    "ru_real",
    "cnt_put_miss",
    "cnt_out_miss",
    "cnt_get_miss",
];

#[test]
fn lines_and_their_order() {
    let counters: Vec<String> = wire::COMMANDS.iter().map(|(_, name)| format!("cnt_{name}")).collect();
    let (head, misses) = LINES.split_at(19);
    let wanted: Vec<&str> = head
        .iter()
        .copied()
        .chain(counters.iter().map(String::as_str))
        .chain(misses.iter().copied())
        .collect();
    on_both(&[], |node| {
        let mut client = node.client();
        let names: Vec<String> = client.stat().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, wanted);
        // The master's lines come between.
        assert!(client.succeeds(&wire::setmst(b"master", 1978, 5, 0)));
        let names = client.stat().into_iter().map(|(name, _)| name);
        // What is known of it as a peer comes last.
        let names: Vec<String> = names.filter(|name| !name.starts_with("peer_1_")).collect();
        let at = wanted.iter().position(|name| *name == "bigend").unwrap() + 1;
        assert_eq!(names[at..at + 4], ["mhost", "mport", "rts", "delay"]);
        assert_eq!([&names[..at], &names[at + 4..]].concat(), wanted);
    });
}

#[test]
fn values() {
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    for (database, kind) in [(HASH, "hash"), (MEMORY, "on-memory hash")] {
        let folder = folder();
        let node = Node::start(folder.path(), &["-sid", "65535", &format!("{database}#bnum=5")]);
        let mut client = node.client();
        assert!(client.put("k", "v"));
        let before = seconds();
        let stat = client.stat();
        let of = |name: &str| stat.iter().find(|(line, _)| line == name).unwrap().1.as_str();
        let number = |name: &str| of(name).parse::<f64>().unwrap();
        assert_eq!(
            [of("version"), of("libver"), of("protver"), of("os")],
            ["1.1.41", "324", "0.91", "Linux"]
        );
        assert_eq!(
            [of("sid"), of("type"), of("path"), of("rnum"), of("bigend")],
            ["65535", kind, database, "1", "0"]
        );
        assert_eq!(of("pid"), node.pid().to_string());
        assert!((before - 1.0..seconds() + 1.0).contains(&number("time")));
        assert_eq!(number("size") as u64, client.size());
        for name in ["time", "loadavg", "ru_user", "ru_sys", "ru_real"] {
            assert_eq!(of(name).split_once('.').unwrap().1.len(), 6, "{name}");
        }
        assert!(number("ru_real") > 0.0 && number("ru_user") + number("ru_sys") > 0.0);
        assert!(number("memsize") >= number("memrss") && number("memrss") > 100_000.0);
        let descriptor = std::fs::read_link(format!("/proc/{}/fd/{}", node.pid(), of("fd"))).unwrap();
        assert!(descriptor.to_string_lossy().starts_with("socket:"), "fd is {descriptor:?}");
        let other = node.client().stat_of("fd").unwrap();
        assert_ne!(of("fd"), other, "each connection has its own");
    }
}

fn counts(client: &mut Client) -> Vec<(String, u64)> {
    let stat = client.stat().into_iter().filter(|(name, _)| name.starts_with("cnt_"));
    stat.map(|(name, value)| (name, value.parse().unwrap())).collect()
}

#[test]
fn every_command_is_counted_under_its_name() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-thnum", "2", HASH]);
    let mut client = node.client();
    for (number, (id, _)) in wire::COMMANDS.iter().enumerate() {
        // As many times as its place says, each on a connection of its own: rejected calls count too.
        for _ in 0..number + 1 {
            let mut other = node.client();
            // A length or a number that is never allowed, where the command has one at all.
            other.send(&wire::frame(*id, &[0xFFFF_FFFF; 5], &[]));
            other.shut_down_sending();
            other.rest();
        }
    }
    let counted = counts(&mut client);
    for (number, (id, name)) in wire::COMMANDS.iter().enumerate() {
        let mut wanted = number as u64 + 1;
        // The node was asked for its records until it answered, and this stat counts itself.
        if ["stat", "rnum"].contains(name) {
            wanted += 1;
        }
        assert_eq!(counted[number], (format!("cnt_{name}"), wanted), "{id:#x}");
    }
}

#[test]
fn misses() {
    on_both(&[], |node| {
        let mut client = node.client();
        let mut missed = |request: &[u8], reply: usize| {
            let before = counts(&mut client);
            client.send(request);
            client.take(reply);
            let after = counts(&mut client);
            let grown: Vec<String> = before
                .iter()
                .zip(&after)
                .filter(|(before, after)| before.0.ends_with("_miss") && after.1 == before.1 + 1)
                .map(|(before, _)| before.0.clone())
                .collect();
            grown.join(" ")
        };
        assert_eq!(missed(&wire::put(b"k", b"v"), 1), "");
        assert_eq!(missed(&wire::putkeep(b"k", b"v"), 1), "cnt_put_miss");
        assert_eq!(missed(&wire::out(b"none"), 1), "cnt_out_miss");
        assert_eq!(missed(&wire::out(b"k"), 1), "");
        assert_eq!(missed(&wire::get(b"none"), 1), "cnt_get_miss");
        // None of these is a miss of a get.
        assert_eq!(missed(&wire::mget(&[b"none"]), 5), "");
        assert_eq!(missed(&wire::vsiz(b"none"), 1), "");
        assert_eq!(missed(&wire::iternext(), 1), "");
        assert_eq!(missed(&wire::putshl(b"five", b"12345", 9), 1), "");
        assert_eq!(missed(&wire::addint(b"five", 1), 1), "");
        assert_eq!(missed(&wire::adddouble(b"five", 1, 0), 1), "");
        assert_eq!(missed(&wire::misc(b"get", 0, &[b"none"]), 5), "");
        assert_eq!(missed(&wire::misc(b"out", 0, &[b"none"]), 5), "");
        assert_eq!(missed(&wire::misc(b"putkeep", 0, &[b"five", b"v"]), 5), "");
    });
}

#[test]
fn misc_counts_as_misc() {
    on_both(&[], |node| {
        let mut client = node.client();
        let before = counts(&mut client);
        let functions = [
            "put",
            "putkeep",
            "putcat",
            "putlist",
            "get",
            "getlist",
            "getpart",
            "iterinit",
            "iternext",
            "regex",
            "out",
            "outlist",
            "sync",
            "optimize",
            "error",
            "defrag",
            "cacheclear",
            "vanish",
            "nosuch",
        ];
        for name in functions {
            // Those that want a key find it, the others ignore it.
            client.misc(name, &[b"k", b"v"]);
            // And without arguments most fail.
            client.misc(name, &[]);
        }
        let after = counts(&mut client);
        let grown: Vec<(String, u64)> = before
            .iter()
            .zip(&after)
            .map(|(before, after)| (before.0.clone(), after.1 - before.1))
            .filter(|(_, by)| *by > 0)
            .collect();
        assert_eq!(grown, [("cnt_stat".to_owned(), 1), ("cnt_misc".to_owned(), 2 * functions.len() as u64)]);
    });
}

#[test]
fn counters_of_all_threads_are_added_up_and_end_with_the_process() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-thnum", "2", HASH]);
    for _ in 0..20 {
        let mut client = node.client();
        client.ask(&[wire::get(b"none"), wire::putnr(b"k", b"v")].concat().repeat(10), &[1; 10]);
        client.rnum();
    }
    let mut client = node.client();
    assert_eq!((client.count_of("cnt_get"), client.count_of("cnt_get_miss")), (200, 200));
    assert_eq!((client.count_of("cnt_putnr"), client.count_of("cnt_put")), (200, 0));
    node.stop();
    let node = Node::start(folder.path(), &[HASH]);
    assert_eq!(node.client().count_of("cnt_get"), 0);
}
