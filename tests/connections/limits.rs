//! How much one request, and all of them together, may ask of the node's memory.

use std::thread;

use crate::support::{Client, HASH, Launch, MEMORY, Node, eventually, folder, on_both, wire};

const MIB: usize = 1 << 20;

#[test]
fn a_value_of_100_mib() {
    let value: Vec<u8> = (0..100 * MIB).map(|at| ((at * 31) >> 7) as u8).collect();
    for database in [HASH, MEMORY] {
        let folder = folder();
        let node = Node::start(folder.path(), &[database]);
        let mut client = node.client();
        assert!(client.put("large", &value), "{database}");
        assert_eq!(client.vsiz("large"), Some(value.len() as i32));
        assert!(client.get("large").as_ref() == Some(&value), "{database}");
        assert!(client.succeeds(&wire::putcat(b"large", b"more")));
        assert_eq!(client.vsiz("large"), Some(value.len() as i32 + 4));
        assert_eq!(
            client.misc("getpart", &[b"large", b"104857598", b"4"]),
            Some(vec![[&value[100 * MIB - 2..], b"mo"].concat()])
        );
        if database == HASH {
            node.kill();
            let node = Node::start(folder.path(), &[database]);
            let found = node.client().get("large").unwrap();
            assert!(found.strip_suffix(b"more") == Some(&value), "after a kill");
        }
    }
}

fn is_closed_by(node: &Node, request: &[u8]) -> bool {
    let mut client = node.client();
    // The node may close before all is sent.
    let _ = client.try_send(request);
    client.rest().is_empty()
}

#[test]
fn max_value_and_max_key() {
    on_both(&["--max-value", "1000", "--max-key", "10"], |node| {
        let (key, value) = (&[b'k'; 10][..], &[b'v'; 1000][..]);
        let (long, large) = (&[b'k'; 11][..], &[b'v'; 1001][..]);
        let mut client = node.client();
        assert!(client.put(key, value));
        assert_eq!(client.mget(&[key]).len(), 1);
        assert_eq!(client.misc("put", &[key, value]), Some(vec![]));
        assert_eq!(client.get(key).as_deref(), Some(value));
        for request in [
            wire::put(long, b"v"),
            wire::put(key, large),
            wire::putkeep(b"new", large),
            wire::putcat(key, large),
            wire::putshl(key, large, 5),
            wire::putnr(key, large),
            wire::out(long),
            wire::get(long),
            wire::vsiz(long),
            wire::mget(&[key, long]),
            wire::fwmkeys(long, -1),
            wire::addint(long, 1),
            wire::adddouble(long, 1, 0),
            wire::ext(b"f", 0, long, b""),
            wire::ext(b"f", 0, key, large),
            wire::misc(b"put", 0, &[key, large]),
        ] {
            assert!(is_closed_by(node, &request), "{request:02x?}");
        }
        assert_eq!((client.rnum(), client.vsiz(key)), (1, Some(1000)));
        // A value does not grow past what could be read or written at once.
        assert!(!client.succeeds(&wire::putcat(key, b"x")));
        assert_eq!(client.count_of("cnt_put_miss"), 1);
        assert!(!client.succeeds(&wire::putshl(key, b"x", 1001)));
        assert_eq!(client.vsiz(key), Some(1000));
        assert!(client.succeeds(&wire::putshl(key, b"x", 1000)));
        assert!(client.put(key, &value[..999]) && client.succeeds(&wire::putcat(key, b"x")));
        assert_eq!(client.vsiz(key), Some(1000));
    });
}

/// misc takes keys and values alike as arguments, and each has its own limit there too.
#[test]
fn the_limits_hold_for_misc_too() {
    let large = &[b'x'; 11][..];
    for (options, key, value) in [
        (["--max-key", "10", "--max-value", "100"], large, &b"v"[..]),
        (["--max-key", "100", "--max-value", "10"], b"k", large),
    ] {
        on_both(&options, |node| {
            let mut client = node.client();
            for (function, args) in [
                ("put", &[key, value][..]),
                ("putkeep", &[key, value]),
                ("putcat", &[key, value]),
                ("putlist", &[b"fine", b"v", key, value, b"behind", b"v"]),
            ] {
                assert_eq!(client.misc(function, args), None, "{function} under {options:?}");
            }
            assert_eq!(client.keys(), [b"fine"]);
        });
    }
}

/// The largest request that the limits allow must go through, with whatever goes around it.
#[test]
fn the_largest_request_fits_into_the_least_budget() {
    let folder = folder();
    let start = |budget: &&str| {
        let options = ["--max-value", "1m", "--max-key", "1m", "--max-buffered", budget, MEMORY];
        Launch::new(folder.path(), &options).try_start().ok().map(|node| (budget.to_string(), node))
    };
    let budgets = ["1m", "2m", "2200k", "2400k", "2600k", "3m", "4m"];
    let (budget, node) = budgets.iter().find_map(start).expect("a budget that is large enough");
    let (key, value) = (vec![b'k'; MIB], vec![b'v'; MIB]);
    let mut client = node.client();
    // In pieces too, since what has come is kept in a buffer that grows.
    assert!(client.put(&key, &value), "whole, under --max-buffered {budget}");
    for piece in [1000, 100_000, 700_001] {
        for part in wire::put(&key, &value).chunks(piece) {
            client.send(part);
        }
        assert_eq!(client.take(1), [0], "in pieces of {piece} under --max-buffered {budget}");
    }
    assert!(client.get(&key) == Some(value));
}

#[test]
fn lengths_that_are_announced_take_no_memory() {
    on_both(&[], |node| {
        let before = node.resident();
        let most = 256 << 20;
        let liars: Vec<Client> = (0..100)
            .map(|number| {
                let mut client = node.client();
                client.send(&match number % 4 {
                    0 => wire::frame(0x10, &[most, most], &[b"the beginning of a key"]),
                    1 => wire::frame(0x31, &[1 << 20, most], &[b"the beginning of a key"]),
                    2 => wire::frame(0x90, &[7, 0, 1 << 20], &[b"getlist", &most.to_be_bytes(), b"k"]),
                    _ => wire::frame(0x68, &[1, 0, most, most], &[b"f"]),
                });
                client
            })
            .collect();
        assert!(node.client().put("k", "v"));
        let grown = node.resident().saturating_sub(before);
        assert!(grown < 64 << 20, "{} MiB for 100 claims", grown >> 20);
        drop(liars);
    });
}

/// What all connections hold together is bounded: who asks for more is closed, and the others are served.
#[test]
fn max_buffered_is_for_all_together() {
    let folder = folder();
    let node = Node::start(
        folder.path(),
        &["--max-buffered", "32m", "--max-value", "8m", "--max-key", "1k", MEMORY],
    );
    let mut bystander = node.client();
    let before = node.resident();
    let value = vec![b'v'; 7 * MIB];
    let mut halves = Vec::new();
    for _ in 0..30 {
        let mut client = node.client();
        let request = wire::put(b"half", &value);
        let sent = client.try_send(&request[..request.len() - 1]).is_ok();
        halves.push((client, sent));
    }
    eventually("the log names the limit", crate::support::ANSWER, || node.log().contains("--max-buffered"));
    let grown = node.resident().saturating_sub(before) >> 20;
    assert!(grown < 100, "{grown} MiB under --max-buffered 32m");
    assert!(bystander.put("k", "v"), "a small request is always served");
    drop(halves);
    // Given back: the same as before works again.
    eventually("a large request is served again", crate::support::ANSWER, || {
        let mut client = node.client();
        client.try_send(&wire::put(b"whole", &value)).is_ok()
            && client.try_take::<1>().is_ok_and(|code| code == [0])
    });
}

#[test]
fn a_list_larger_than_the_budget_fails() {
    let options = ["--max-buffered", "4m", "--max-value", "1m", "--max-key", "1k"];
    on_both(&options, |node| {
        let mut client = node.client();
        let value = vec![b'v'; MIB];
        for number in 0..8 {
            assert!(client.put(format!("k{number}"), &value));
        }
        let keys: Vec<&[u8]> = vec![b"k0"; 3];
        assert_eq!(client.mget(&keys).len(), 3);
        assert_eq!(client.misc("getlist", &[b"k0".as_slice(); 8]), None);
        assert_eq!(client.misc("regex", &[b""]), None);
        assert_eq!(client.misc("regex", &[b"", b"2"]).unwrap().len(), 4);
        // mget has no failure in the original; any answer that is one reply will do.
        let mut other = node.client();
        other.send(&wire::mget(&[b"k0".as_slice(); 8]));
        other.shut_down_sending();
        let reply = other.rest();
        assert!(reply.len() <= 5, "a cut list of {} bytes", reply.len());
        assert_eq!(client.fwmkeys(b"k", -1).len(), 8);
    });
}

/// Ten clients fill the node with large values at once; nothing is mixed up.
#[test]
fn large_values_of_many_clients() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-thnum", "2", HASH]);
    thread::scope(|threads| {
        for number in 0..10u8 {
            let node = &node;
            threads.spawn(move || {
                let mut client = node.client();
                for round in 0..4usize {
                    let value = vec![number ^ round as u8; 500_000 * (round + 1) + usize::from(number)];
                    assert!(client.put([number], &value));
                    assert!(client.get([number]) == Some(value), "client {number}, round {round}");
                }
            });
        }
    });
}
