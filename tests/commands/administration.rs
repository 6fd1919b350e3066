//! Commands that manage, and those that answer as an original without script, log or master would.

use std::thread::sleep;
use std::time::Duration;

use crate::support::{HASH, Node, SMALL, eventually, folder, on_both, wire};

#[test]
fn sync_and_optimize_keep_the_records() {
    on_both(&[], |node| {
        let mut client = node.client();
        for number in 0..2000 {
            assert!(client.put(format!("k{}", number % 100), format!("{number}")));
        }
        assert!(client.succeeds(&wire::sync()));
        for params in [
            "",
            "bnum=1000",
            "bnum=0#apow=4#fpow=10#opts=ld",
            "rubbish",
            "=",
            "#",
            "bnum=x#bnum=3",
            "opts=",
            "a=b#c",
            "\0",
        ] {
            assert!(client.succeeds(&wire::optimize(params.as_bytes())), "{params:?}");
            assert_eq!(client.rnum(), 100, "{params:?}");
        }
        for number in 1900..2000 {
            assert_eq!(client.text(format!("k{}", number % 100)), Some(format!("{number}")));
        }
    });
}

#[test]
fn optimize_gives_space_back() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    let mut client = node.client();
    let value = vec![b'v'; 100 << 10];
    for _ in 0..200 {
        assert!(client.put("k", &value));
    }
    assert!(client.size() > 15 << 20);
    assert!(client.succeeds(&wire::optimize(b"")));
    // What was linked to readers goes when they have let go of it.
    eventually("the log has the size of one record", Duration::from_secs(20), || client.size() < 1 << 20);
    assert_eq!(client.get("k").as_ref(), Some(&value));
}

#[test]
fn vanish_removes_all_and_goes_on() {
    on_both(&[], |node| {
        let mut client = node.client();
        for round in 0..3 {
            for number in 0..100 {
                assert!(
                    client.succeeds(&wire::putkeep(format!("k{number}").as_bytes(), b"v")),
                    "round {round}"
                );
            }
            assert!(client.succeeds(&wire::vanish()));
            assert_eq!((client.rnum(), client.get("k1"), client.out("k1")), (0, None, false));
            assert!(client.fwmkeys(b"", -1).is_empty() && client.keys().is_empty());
        }
    });
}

#[test]
fn what_vanished_stays_away_after_a_restart() {
    for killed in [false, true] {
        let folder = folder();
        let node = Node::start(folder.path(), &SMALL);
        let mut client = node.client();
        assert!(client.put("before", "v") && client.put("both", "old"));
        assert!(client.succeeds(&wire::vanish()));
        assert!(client.put("after", "v") && client.put("both", "new"));
        if killed {
            node.kill()
        } else {
            node.stop()
        }
        let node = Node::start(folder.path(), &SMALL);
        let mut client = node.client();
        assert_eq!((client.rnum(), client.get("before")), (2, None), "killed: {killed}");
        assert_eq!(client.text("both").as_deref(), Some("new"), "killed: {killed}");
    }
}

#[test]
fn ext_fails_without_a_script() {
    on_both(&[], |node| {
        let mut client = node.client();
        for name in ["put", "get", "incr", "_x", "", "tostring"] {
            for options in [0, 1, 2, 3] {
                client.ask(&wire::ext(name.as_bytes(), options, b"k", b"v"), &[1]);
            }
        }
        assert_eq!(client.rnum(), 0);
    });
}

#[test]
fn repl_tells_the_id_and_goes_on_or_ends_without_a_word() {
    on_both(&["-sid", "258"], |node| {
        let ask = |ts, sid| {
            let mut client = node.client();
            client.send(&wire::repl(ts, sid));
            client.rest()
        };
        for (ts, sid) in [(1, 1), (u64::MAX, u32::MAX)] {
            let mut client = node.client();
            client.send(&wire::repl(ts, sid));
            assert_eq!(client.take(5), [0, 0, 1, 2, 0xCA], "its id, and a sign of life");
        }
        assert_eq!(ask(1, 258), b"", "its own id");
        assert_eq!(ask(0, 1), b"");
        assert_eq!(ask(1, 0), b"");
        assert_eq!(node.client().count_of("cnt_repl"), 5);
    });
}

#[test]
fn setmst_is_kept_for_stat() {
    on_both(&[], |node| {
        let mut client = node.client();
        let lines = |client: &mut crate::support::Client| {
            let stat = client.stat();
            ["mhost", "mport", "rts", "delay"]
                .map(|name| stat.iter().find(|(line, _)| line == name).map(|(_, value)| value.clone()))
        };
        assert_eq!(lines(&mut client), [const { None }; 4]);
        client.ask(&wire::setmst(b"127.9.9.9", 70_000, 1_500_000, 1), &[0]);
        let [host, port, ts, delay] = lines(&mut node.client()).map(Option::unwrap);
        assert_eq!([&*host, &*port, &*ts], ["127.9.9.9", "70000", "1500000"]);
        assert!(delay.parse::<f64>().unwrap() > 1e9, "{delay}");
        assert_eq!(delay.split_once('.').unwrap().1.len(), 6, "{delay}");
        client.ask(&wire::setmst("h".repeat(2000).as_bytes(), 1978, u64::MAX, 0), &[0]);
        let [host, _, _, delay] = lines(&mut client).map(Option::unwrap);
        assert_eq!((host, &*delay), ("h".repeat(1023), "0.000000"), "never negative");
        client.ask(&wire::setmst(b"a\tb\nc", 1978, 0, 0), &[0]);
        assert!(lines(&mut client)[0].is_some(), "a host with a line end does not break the lines");
        for (host, port) in [(&b""[..], 1978), (b"127.9.9.9", 0)] {
            client.ask(&wire::setmst(b"127.9.9.9", 1, 0, 0), &[0]);
            client.ask(&wire::setmst(host, port, 0, 0), &[0]);
            assert_eq!(lines(&mut client), [const { None }; 4], "{host:?} {port}");
        }
        client.send(&wire::setmst(b"h", 1 << 31, 0, 0));
        assert_eq!(client.rest(), b"", "a negative port");
    });
}

/// Slow commands of one connection do not hold up another, also on one thread.
#[test]
fn slow_commands_hold_nobody_up() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-thnum", "1", HASH]);
    let mut client = node.client();
    let puts: Vec<u8> = (0..30_000u32).flat_map(|number| wire::putnr(&number.to_be_bytes(), b"v")).collect();
    client.send(&puts);
    assert_eq!(client.rnum(), 30_000);
    let mut slow = node.client();
    slow.send(&wire::fwmkeys(b"none", -1).repeat(20));
    sleep(Duration::from_millis(20));
    let start = std::time::Instant::now();
    assert!(client.get(7u32.to_be_bytes()).is_some());
    let quick = start.elapsed();
    assert_eq!(slow.take(20 * 5), [0; 100]);
    let all = start.elapsed();
    // Only where the walks took long enough to tell.
    assert!(all < Duration::from_millis(500) || quick < all / 4, "a get took {quick:?}, 20 walks {all:?}");
}
