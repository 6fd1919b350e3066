//! Where a request begins and ends: pipelines, half requests, half closes, and what is no request.

use std::thread;
use std::time::Duration;

use lcnode_protocol::peer::FOLLOW;

use crate::support::{HASH, Node, folder, on_both, rng, wire};

#[test]
fn a_pipeline_of_100_000_is_answered_in_order() {
    on_both(&[], |node| {
        let mut client = node.client();
        let count = 50_000u32;
        let value = |number: u32| format!("value {number}");
        let requests: Vec<u8> = (0..count)
            .flat_map(|number| {
                let key = number.to_be_bytes();
                [wire::put(&key, value(number).as_bytes()), wire::get(&key)].concat()
            })
            .collect();
        let mut send = client.sender();
        let sender = thread::spawn(move || send(&requests).unwrap());
        for number in 0..count {
            let value = value(number);
            let reply = client.take(1 + 5 + value.len());
            assert_eq!(reply[6..], *value.as_bytes(), "reply {number}");
        }
        sender.join().unwrap();
        assert_eq!(client.rnum(), u64::from(count));
    });
}

/// All kinds of commands at once, and the slow ones among them, which are worked elsewhere.
#[test]
fn replies_keep_the_order_of_requests() {
    let mut rng = rng("replies_keep_the_order_of_requests");
    let keys: Vec<String> = (0..1200).map(|number| format!("p{number}")).collect();
    let many: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
    let kinds: [(Vec<u8>, Vec<u8>); 12] = [
        (wire::put(b"k", b"v"), vec![0]),
        (wire::get(b"k"), vec![0, 0, 0, 0, 1, b'v']),
        (wire::get(b"none"), vec![1]),
        (wire::putnr(b"k", b"v"), vec![]),
        (wire::fwmkeys(b"k", -1), vec![0, 0, 0, 0, 1, 0, 0, 0, 1, b'k']),
        (wire::sync(), vec![0]),
        (wire::mget(&many), vec![0; 5]),
        (
            wire::misc(b"regex", 0, &[b"^k$", b"1"]),
            [&[0, 0, 0, 0, 2][..], &[0, 0, 0, 1, b'k', 0, 0, 0, 1, b'v']].concat(),
        ),
        (wire::misc(b"nosuch", 0, &[]), vec![1, 0, 0, 0, 0]),
        (wire::optimize(b""), vec![0]),
        (wire::rnum(), vec![0, 0, 0, 0, 0, 0, 0, 0, 1]),
        (wire::restore(b"", 0, 0), vec![1]),
    ];
    let chosen: Vec<usize> = (0..200).map(|_| rng.usize(..kinds.len())).collect();
    on_both(&["-thnum", "2", "--segment-size", "1m"], |node| {
        let mut client = node.client();
        assert!(client.put("k", "v"));
        let requests: Vec<u8> = chosen.iter().flat_map(|&kind| kinds[kind].0.clone()).collect();
        let replies: Vec<u8> = chosen.iter().flat_map(|&kind| kinds[kind].1.clone()).collect();
        let mut send = client.sender();
        let sender = thread::spawn(move || send(&requests).unwrap());
        let got = client.take(replies.len());
        sender.join().unwrap();
        assert!(got == replies, "{chosen:?}");
    });
}

#[test]
fn requests_larger_than_a_read() {
    let mut rng = rng("requests_larger_than_a_read");
    on_both(&[], |node| {
        let mut client = node.client();
        for len in [65_523, 65_524, 65_525, 65_536, 131_072, 200_001, 3 << 20] {
            let value: Vec<u8> = (0..len).map(|_| rng.u8(..)).collect();
            // With small requests around it.
            let requests =
                [wire::put(b"a", b"1"), wire::put(b"k", &value), wire::get(b"a"), wire::vsiz(b"k")];
            let size = (len as u32).to_be_bytes();
            client.ask(&requests.concat(), &[&[0, 0, 0, 0, 0, 0, 1, b'1', 0][..], &size].concat());
            assert!(client.get("k") == Some(value), "{len} bytes");
        }
        let key = vec![b'k'; 1 << 20];
        assert!(client.put(&key, "v"));
        assert_eq!(client.text(&key).as_deref(), Some("v"));
        assert_eq!(client.fwmkeys(&key, -1).len(), 1);
    });
}

#[test]
fn whole_requests_before_a_half_close_are_answered() {
    on_both(&[], |node| {
        let mut client = node.client();
        client.send(&[wire::put(b"k", b"v"), wire::sync(), wire::get(b"k"), wire::rnum()].concat());
        client.shut_down_sending();
        assert_eq!(client.rest(), [0, 0, 0, 0, 0, 0, 1, b'v', 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        // Also where there is more to answer than the connection takes at once.
        let value = vec![b'x'; 1 << 20];
        let mut client = node.client();
        assert!(client.put("large", &value));
        client.send(&wire::get(b"large").repeat(20));
        client.shut_down_sending();
        assert_eq!(client.rest().len(), 20 * (5 + value.len()));
    });
}

#[test]
fn a_half_request_at_the_end_has_no_effect() {
    on_both(&[], |node| {
        let whole =
            [wire::put(b"half", b"value"), wire::misc(b"putlist", 0, &[b"half", b"value", b"a", b"b"])];
        for request in &whole {
            for cut in 0..request.len() {
                let mut client = node.client();
                client.send(&[&wire::rnum(), &request[..cut]].concat());
                client.shut_down_sending();
                assert_eq!(client.rest(), [0; 9], "cut at {cut}");
            }
        }
        assert_eq!(node.client().rnum(), 0);
    });
}

#[test]
fn what_is_no_request_is_closed_without_a_byte() {
    const MOST: u32 = 256 << 20;
    const LEAST: u32 = 1 << 31;
    // What an lcnode that follows says begins with a byte that the original does not know.
    let known = |id: &u8| *id == FOLLOW || wire::COMMANDS.iter().any(|(known, _)| known == id);
    let unknown = (0..=255).filter(|id| !known(id));
    let mut refused: Vec<Vec<u8>> = unknown.map(|id| vec![wire::MAGIC, id]).collect();
    refused.extend([&b"\xc9\x10"[..], b"\0", b"\xff\xfe", b"\xc7", b"\n"].map(<[u8]>::to_vec));
    for (id, words) in [
        (0x10, &[LEAST, 1][..]),
        (0x10, &[1, u32::MAX]),
        (0x10, &[MOST + 1, 0]),
        (0x10, &[0, MOST + 1]),
        (0x11, &[u32::MAX, 1]),
        (0x12, &[1, LEAST]),
        (0x13, &[1, 1, LEAST]),
        (0x13, &[1, u32::MAX, 1]),
        (0x18, &[1, MOST + 1]),
        (0x20, &[u32::MAX]),
        (0x30, &[MOST + 1]),
        (0x30, &[LEAST]),
        (0x31, &[LEAST]),
        (0x31, &[2, 0, LEAST]),
        (0x31, &[2, 0, MOST + 1]),
        (0x38, &[u32::MAX]),
        (0x58, &[u32::MAX, 1]),
        (0x60, &[u32::MAX, 1]),
        (0x61, &[MOST + 1, 0, 0, 0, 0]),
        (0x68, &[1024, 0, 1, 1]),
        (0x68, &[1, 0, u32::MAX, 1]),
        (0x68, &[1, 0, 1, u32::MAX]),
        (0x71, &[u32::MAX]),
        (0x73, &[LEAST]),
        (0x74, &[u32::MAX, 0, 0, 0]),
        (0x78, &[u32::MAX, 1, 0, 0, 0]),
        (0x90, &[u32::MAX, 0, 0]),
        (0x90, &[1024, 0, 0]),
        (0x90, &[0, 0, LEAST]),
        (0x90, &[0, 0, 2, 0, LEAST]),
        (0x90, &[0, 0, 2, 0, MOST + 1]),
        (0xA0, &[0, 0, 1]),
        (0xA0, &[0, 1, 0]),
        // The sixth word begins with flags that there are not.
        (FOLLOW, &[1 << 16 | 7, 0, 0, 0, 0, 0xff << 24, 0, 0, 0, 0, 0, 0]),
    ] {
        refused.push(wire::frame(id, words, &[]));
    }
    on_both(&[], |node| {
        for request in &refused {
            // What follows is not done, and what came before is.
            let mut client = node.client();
            client.send(&[&wire::put(b"before", b"v"), &**request, &wire::put(b"behind", b"v")].concat());
            assert_eq!(client.rest(), [0], "{request:02x?}");
        }
        let mut client = node.client();
        assert_eq!((client.get("behind"), client.rnum()), (None, 1));
    });
}

/// The end that the node sees must not depend on the sender being polite.
#[test]
fn clients_that_vanish_leave_nothing_open() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    let open = || std::fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap().count();
    let before = open();
    for number in 0..200 {
        let mut client = node.client();
        match number % 4 {
            0 => {}
            1 => client.send(&wire::put(b"half", b"value")[..7]),
            // Closed with replies unread: a reset.
            2 => client.send(&wire::stat()),
            _ => client.send(&wire::get(&vec![b'k'; 200_000])[..150_000]),
        }
    }
    crate::support::eventually("all are closed", crate::support::ANSWER, || open() <= before + 1);
}

/// Replies that a connection did not take any more are not what the next one gets.
#[test]
fn a_connection_that_breaks_off_leaves_nothing_to_others() {
    let folder = folder();
    // All on one thread, whose buffers they share.
    let node = Node::start(folder.path(), &["-thnum", "1", HASH]);
    let mut client = node.client();
    assert!(client.put("large", vec![b'x'; 10_000]) && client.put("small", "yes"));
    let requests = wire::get(b"large").repeat(400);
    let mut rng = rng("a_connection_that_breaks_off_leaves_nothing_to_others");
    for round in 0..200 {
        let mut other = node.client();
        other.send(&requests);
        // What is unread when it is closed makes the system reset it.
        thread::sleep(Duration::from_micros(rng.u64(..3_000)));
        drop(other);
        assert_eq!(client.text("small").as_deref(), Some("yes"), "round {round}");
    }
}
