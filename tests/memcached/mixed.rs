//! Pipelines of requests of several dialects on one connection, cut at any byte.

use std::time::Duration;

use super::until_closed;
use crate::support::{Client, Node, on_both, rng, wire};

/// Random requests of both dialects on a few keys, and the replies that they must get.
struct Script {
    requests: Vec<u8>,
    replies: Vec<u8>,
}

fn script(rng: &mut fastrand::Rng, len: usize) -> Script {
    let mut values: [Option<(u32, Vec<u8>)>; 4] = Default::default();
    let mut script = Script { requests: Vec::new(), replies: Vec::new() };
    for _ in 0..len {
        let number = rng.usize(..values.len());
        let key = format!("key{number}");
        let value: Vec<u8> = (0..rng.usize(..30)).map(|_| *rng.choice(b"\r\n\0 v\xc8").unwrap()).collect();
        let flags = rng.u32(..3);
        let (size, noreply) = (value.len(), if rng.bool() { " noreply" } else { "" });
        let mut add = |request: &[u8], reply: &[u8]| {
            script.requests.extend_from_slice(request);
            script.replies.extend_from_slice(reply);
        };
        let say = |text: &'static str| if noreply.is_empty() { text.as_bytes() } else { b"" };
        let old = &mut values[number];
        match rng.u8(..8) {
            0 => {
                add(&wire::put(key.as_bytes(), &value), &[0]);
                *old = Some((0, value));
            }
            1 => {
                let found = old.take();
                let reply = if found.is_some() { say("DELETED\r\n") } else { say("NOT_FOUND\r\n") };
                add(format!("delete {key}{noreply}\n").as_bytes(), reply);
            }
            2 => match &old {
                Some((_, value)) => {
                    let size = (value.len() as u32).to_be_bytes();
                    add(&wire::get(key.as_bytes()), &[&[0][..], &size, value].concat());
                }
                None => add(&wire::get(key.as_bytes()), &[1]),
            },
            3 => {
                let line = format!("append {key} 9 0 {size}{noreply}\r\n");
                let reply = if old.is_some() { say("STORED\r\n") } else { say("NOT_STORED\r\n") };
                add(&[line.as_bytes(), &value, b"\r\n"].concat(), reply);
                if let Some((_, old)) = old {
                    old.extend_from_slice(&value);
                }
            }
            4 => {
                let line = format!("set {key} {flags} 0 {size}{noreply}\r\n");
                add(&[line.as_bytes(), &value, b"\r\n"].concat(), say("STORED\r\n"));
                *old = Some((flags, value));
            }
            _ => {
                let mut reply = Vec::new();
                for number in [number, (number + 1) % values.len()] {
                    if let Some((flags, value)) = &values[number] {
                        reply.extend(format!("VALUE key{number} {flags} {}\r\n", value.len()).bytes());
                        reply.extend_from_slice(value);
                        reply.extend_from_slice(b"\r\n");
                    }
                }
                reply.extend_from_slice(b"END\r\n");
                add(format!("get {key} key{}\r\n", (number + 1) % values.len()).as_bytes(), &reply);
            }
        }
    }
    script
}

fn converse(client: &mut Client, script: &Script, mut pieces: impl FnMut(usize) -> usize) {
    let mut rest = &script.requests[..];
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(pieces(rest.len()).clamp(1, rest.len()));
        client.send(piece);
        rest = after;
        if !after.is_empty() {
            // Long enough for the node to see the piece alone, most of the time.
            std::thread::sleep(Duration::from_micros(50));
        }
    }
    let got = client.take(script.replies.len());
    assert!(got == script.replies, "wanted {}, got {}", script.replies.escape_ascii(), got.escape_ascii());
    assert!(!client.has_more());
}

#[test]
fn pipelines_cut_at_any_byte() {
    let mut rng = rng("pipelines_cut_at_any_byte");
    on_both(&[], |node| {
        let client = &mut node.client();
        for round in 0..60 {
            client.ask(&wire::vanish(), &[0]);
            let len = rng.usize(1..200);
            let script = script(&mut rng, len);
            match round % 3 {
                0 => converse(client, &script, |len| len),
                1 => converse(client, &script, |_| rng.usize(1..200)),
                _ if script.requests.len() < 3000 => converse(client, &script, |_| 1),
                _ => converse(client, &script, |_| rng.usize(1..20)),
            }
        }
    });
}

/// Good requests before a bad one are answered, whichever dialect each is of; none after it is carried out.
#[test]
fn good_and_bad_ones_in_one_pipeline() {
    on_both(&[], |node: &Node| {
        for bad in
            [&b"nonsense\r\n"[..], b"set k 0 0 1\r\nvv\r\n", b"\r\n", b"\xc8\xff", b"\x00", b"quit\r\n"]
        {
            let mut input = b"set a 0 0 1\r\nv\r\n".to_vec();
            input.extend(wire::put(b"b", b"w"));
            input.extend(b"get a b\r\n");
            input.extend(bad);
            input.extend(b"set c 0 0 1\r\nv\r\n");
            input.extend(wire::put(b"d", b"w"));
            let got = until_closed(node, &input);
            assert_eq!(
                got,
                "STORED\r\n\0VALUE a 0 1\r\nv\r\nVALUE b 0 1\r\nw\r\nEND\r\n",
                "{}",
                bad.escape_ascii()
            );
            let mut client = node.client();
            assert_eq!((client.text("c"), client.text("d"), client.text("k")), (None, None, None));
        }
    });
}

/// Values that take many reads and writes.
#[test]
fn large_values() {
    on_both(&[], |node| {
        let client = &mut node.client();
        for size in [(64 << 10) - 20, 64 << 10, 1 << 20, 20 << 20] {
            let value: Vec<u8> = (0..size).map(|at: usize| (at % 251) as u8).collect();
            let request = [format!("set big 5 0 {size}\r\n").as_bytes(), &value, b"\r\nget big\r\n"].concat();
            client.send(&request);
            let reply =
                [format!("STORED\r\nVALUE big 5 {size}\r\n").as_bytes(), &value, b"\r\nEND\r\n"].concat();
            assert!(client.take(reply.len()) == reply, "{size}");
        }
    });
}
