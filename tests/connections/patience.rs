//! Clients that are slow: half requests and silence under `-tout`, late readers, those that never read.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{ANSWER, Client, HASH, Node, eventually, folder, on_both, wire};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn half_a_request_and_silence_is_closed_after_tout() {
    on_both(&["-tout", "1"], |node| {
        let whole = wire::put(b"half", b"value");
        let mut halves: Vec<Client> = [1, 2, 5, 9, 12, whole.len() - 1]
            .into_iter()
            .map(|cut| {
                let mut client = node.client();
                client.send(&[&wire::rnum(), &whole[..cut]].concat());
                client
            })
            .collect();
        let mut idle = node.client();
        idle.rnum();
        let mut fresh = node.client();
        let start = Instant::now();
        for half in &mut halves {
            assert_eq!(half.rest(), [0; 9], "the whole request is answered, the half one not");
        }
        let took = start.elapsed();
        assert!(took > SECOND * 7 / 10, "closed after {took:?}");
        assert!(took < 10 * SECOND, "closed after {took:?}");
        sleep(SECOND * 3 / 2);
        assert_eq!((idle.rnum(), fresh.rnum()), (0, 0), "idle connections never expire");
    });
}

#[test]
fn without_tout_a_half_request_may_wait() {
    on_both(&[], |node| {
        let mut client = node.client();
        let whole = wire::put(b"k", b"value");
        client.send(&whole[..7]);
        assert!(client.is_silent(2 * SECOND));
        client.ask(&whole[7..], &[0]);
    });
}

/// The limit is for each wait, not for the whole request.
#[test]
fn a_request_that_trickles_in_is_served() {
    on_both(&["-tout", "2"], |node| {
        let mut client = node.client();
        let whole = wire::put(b"slow", b"v");
        let start = Instant::now();
        for byte in &whole {
            client.send(&[*byte]);
            sleep(Duration::from_millis(250));
        }
        assert_eq!(client.take(1), [0], "after {:?}", start.elapsed());
    });
}

#[test]
fn half_requests_hold_nobody_up() {
    on_both(&["-thnum", "1"], |node| {
        let halves: Vec<Client> = (0..100)
            .map(|_| {
                let mut client = node.client();
                client.send(&wire::put(b"half", &[b'v'; 1000])[..500]);
                client
            })
            .collect();
        let start = Instant::now();
        let mut client = node.client();
        for _ in 0..100 {
            assert!(client.put("k", "v"));
        }
        assert!(start.elapsed() < 5 * SECOND, "{:?}", start.elapsed());
        drop(halves);
    });
}

/// Each of four asks for 200 MiB of replies and takes nothing.
#[test]
fn clients_that_never_read_cost_little() {
    on_both(&["-thnum", "1"], |node| {
        let value = vec![b'v'; 256 << 10];
        let mut client = node.client();
        assert!(client.put("v", &value));
        let before = node.resident();
        let deaf: Vec<Client> = (0..4)
            .map(|_| {
                let mut client = node.client();
                client.send(&wire::get(b"v").repeat(800));
                client
            })
            .collect();
        sleep(SECOND / 2);
        let start = Instant::now();
        for _ in 0..50 {
            assert!(client.put("k", "v"));
        }
        let took = start.elapsed();
        let grown = node.resident().saturating_sub(before) >> 20;
        assert!(took < 5 * SECOND, "others waited {took:?}");
        assert!(grown < 64, "{grown} MiB for four clients");
        drop(deaf);
        assert_eq!(client.rnum(), 2);
    });
}

#[test]
fn under_tout_a_client_that_never_reads_is_closed() {
    on_both(&["-tout", "1"], |node| {
        let value = vec![b'v'; 256 << 10];
        let mut client = node.client();
        assert!(client.put("v", &value));
        let mut deaf = node.client();
        deaf.send(&wire::get(b"v").repeat(400));
        eventually("the log says so", ANSWER, || node.log().contains("a reply was not taken within"));
        assert!(deaf.rest().len() < 400 * (value.len() + 5));
    });
}

/// A reply of 40 MiB that is taken in small sips, longer than `-tout` in all, comes to its end.
#[test]
fn a_slow_reader_gets_all_of_a_reply() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-tout", "2", HASH]);
    let mut client = node.client();
    let value: Vec<u8> = (0..40u32 << 20).map(|at| (at % 251) as u8).collect();
    assert!(client.put("large", &value));
    client.send(&[wire::get(b"large"), wire::rnum()].concat());
    let start = Instant::now();
    let mut got = Vec::new();
    while got.len() < value.len() + 5 {
        got.extend(client.take((8 << 20).min(value.len() + 5 - got.len())));
        sleep(SECOND * 7 / 10);
    }
    assert!(got[5..] == value, "after {:?}", start.elapsed());
    assert_eq!(client.take(9), [0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert!(start.elapsed() > 3 * SECOND);
}

/// While its replies are not taken, a client's requests are not read either: its side fills up.
#[test]
fn a_client_that_only_sends_is_held_back() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    assert!(node.client().put("v", vec![b'v'; 100 << 10]));
    let mut client = node.client();
    let mut send = client.sender();
    let requests = wire::get(b"v").repeat(1000);
    let before = node.resident();
    let sender = std::thread::spawn(move || (0..300).map_while(|_| send(&requests).ok()).count());
    sleep(2 * SECOND);
    let done = node.client().count_of("cnt_get");
    assert!(done < 20_000, "{done} gets were carried out for a client that has read none");
    let grown = node.resident().saturating_sub(before) >> 20;
    assert!(grown < 64, "{grown} MiB");
    // It may still change its mind.
    assert_eq!(client.take(5), [0, 0, 1, 0x90, 0]);
    drop(node);
    sender.join().unwrap();
}
