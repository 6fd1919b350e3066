//! Many requests on a connection: pipelines, cuts, other dialects in between, closes, slow clients.

use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::{answer, ask, request, text};
use crate::support::{HASH, Node, folder, on_both, rng, wire};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_pipeline_is_answered_in_order() {
    on_both(&[], |node| {
        let mut client = node.client();
        let count = 10_000;
        let requests: Vec<u8> = (0..count)
            .flat_map(|number| {
                let target = format!("/{number}");
                let value = format!("value {number}");
                [request("PUT", &target, "", value.as_bytes()), request("GET", &target, "", b"")].concat()
            })
            .collect();
        let mut send = client.sender();
        let sender = thread::spawn(move || send(&requests).unwrap());
        for number in 0..count {
            assert_eq!(answer(&mut client, "PUT").status, 201);
            assert_eq!(answer(&mut client, "GET").text(), format!("value {number}"));
        }
        sender.join().unwrap();
        assert_eq!(client.rnum(), count);
    });
}

/// Requests of HTTP and binary ones with their replies, slow ones among them.
fn mixed() -> (Vec<u8>, Vec<u8>) {
    let form = "HTTP/1.1 200 OK\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ";
    let data = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ";
    let steps: [(Vec<u8>, Vec<u8>); 9] = [
        (request("PUT", "/k", "", b"C8\xC8"), text("201 Created")),
        (wire::get(b"k"), b"\0\0\0\0\x03C8\xC8".to_vec()),
        // A body where none belongs.
        (
            request("GET", "/k", "", b"GET /x HTTP/1.1\r\n\r\n"),
            [format!("{data}3\r\n\r\nC8").as_bytes(), b"\xC8"].concat(),
        ),
        (wire::put(b"b", b"GET / HTTP/1.1"), vec![0]),
        (request("HEAD", "/b", "", b""), format!("{data}14\r\n\r\n").into()),
        (
            request("POST", "/", "X-TT-MNAME: regex\r\n", b"a=b"),
            format!("{form}34\r\n\r\nres1=b&res2=GET%20%2F%20HTTP%2F1.1").into(),
        ),
        (wire::sync(), vec![0]),
        (
            b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n1\r\ny\r\n0\r\n\r\n".to_vec(),
            text("201 Created"),
        ),
        (wire::get(b"c"), b"\0\0\0\0\x02xy".to_vec()),
    ];
    let sent = steps.iter().flat_map(|(sent, _)| sent.clone()).collect();
    (sent, steps.iter().flat_map(|(_, got)| got.clone()).collect())
}

#[test]
fn other_dialects_in_between() {
    let mut rng = rng("other_dialects_in_between");
    let (sent, replies) = mixed();
    on_both(&[], |node| {
        node.client().ask(
            &[&sent[..], &wire::rnum()].concat(),
            &[&replies[..], &[0, 0, 0, 0, 0, 0, 0, 0, 3]].concat(),
        );
        let mut client = node.client();
        for round in 0..20 {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                let (piece, after) =
                    rest.split_at(if round == 0 { 1 } else { rng.usize(1..=rest.len().min(60)) });
                client.send(piece);
                rest = after;
                sleep(Duration::from_micros(100));
            }
            assert_eq!(client.take(replies.len()), replies, "round {round}");
        }
    });
}

#[test]
fn after_a_close_nothing_is_carried_out() {
    on_both(&[], |node| {
        for head in
            ["HTTP/1.0\r\n", "HTTP/1.1\r\nConnection: close\r\n", "HTTP/1.1\r\nConnection: TE, close\r\n"]
        {
            let mut client = node.client();
            assert!(client.put("k", "v"));
            let get = format!("GET /none {head}\r\n");
            client.send(&[get.as_bytes(), &request("DELETE", "/k", "", b""), &wire::out(b"k")].concat());
            assert_eq!(client.rest(), text("404 Not Found"), "{head}");
            assert_eq!(node.client().text("k").as_deref(), Some("v"), "{head}");
        }
        let mut client = node.client();
        client.ask(b"GET /none HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &text("404 Not Found"));
        assert_eq!(client.rnum(), 1, "kept");
    });
}

#[test]
fn over_a_socket() {
    let folder = folder();
    let node = Node::start_on_socket(folder.path(), &[HASH]);
    let mut client = node.client();
    assert_eq!(ask(&mut client, "PUT", "/k", "", b"v").status, 201);
    assert_eq!(ask(&mut client, "GET", "/k", "", b"").body, b"v");
}

/// The limit is for each wait, not for the whole request.
#[test]
fn slow_clients_under_tout() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-tout", "2", HASH]);
    let mut halves: Vec<_> = ["GET /k HTTP/1.1\r\nHost:", "PUT /k HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf"]
        .into_iter()
        .map(|half| {
            let mut client = node.client();
            client.send(half.as_bytes());
            client
        })
        .collect();
    let mut writer = node.client();
    let start = Instant::now();
    for byte in request("PUT", "/slow", "", b"v").chunks(10) {
        writer.send(byte);
        sleep(SECOND / 2);
    }
    assert_eq!(answer(&mut writer, "PUT").status, 201, "after {:?}", start.elapsed());
    for half in &mut halves {
        assert_eq!(half.rest(), b"", "closed in silence");
    }
    assert_eq!(writer.rnum(), 1);
}

/// A reply of 20 MiB that is taken in small sips, longer than `-tout` in all, comes to its end.
#[test]
fn a_slow_reader() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-tout", "1", HASH]);
    let mut client = node.client();
    let value: Vec<u8> = (0..20u32 << 20).map(|at| (at % 251) as u8).collect();
    assert!(client.put("large", &value));
    client.send(&[request("GET", "/large", "Connection: close\r\n", b""), wire::rnum()].concat());
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 20971520\r\n\r\n";
    assert_eq!(client.take(head.len()), head.as_bytes());
    let mut got = Vec::new();
    while got.len() < value.len() {
        got.extend(client.take((4 << 20).min(value.len() - got.len())));
        sleep(SECOND / 2);
    }
    assert!(got == value);
    assert_eq!(client.rest(), b"", "closed, and nothing behind it carried out");
}
