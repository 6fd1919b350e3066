//! Bodies in chunks, clients that wait to be told to go on, limits.

use std::time::Duration;

use super::{answer, ask, request, text};
use crate::support::{MEMORY, Node, folder, on_both};

const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[test]
fn a_large_body_in_chunks() {
    on_both(&[], |node| {
        let value: Vec<u8> = (0..3_000_000u32).map(|at| (at % 253) as u8).collect();
        let mut client = node.client();
        client.send(b"PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        for (number, chunk) in value.chunks(70_001).enumerate() {
            client.send(format!("{:x};n={number}\r\n", chunk.len()).as_bytes());
            client.send(chunk);
            client.send(b"\r\n");
        }
        client.ask(b"0\r\nTrailer: x\r\n\r\n", &text("201 Created"));
        assert!(client.get("k").unwrap() == value);
        assert!(ask(&mut client, "GET", "/k", "", b"").body == value);
        // Of any size, in calls too.
        let call = b"POST / HTTP/1.1\r\nX-TT-MNAME: get\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na=\r\n1\r\nn\r\n0\r\n\r\n";
        client.ask(call, &text("500 Internal Server Error"));
    });
}

#[test]
fn a_client_that_waits_to_go_on() {
    on_both(&[], |node| {
        let mut client = node.client();
        let head = b"PUT /k HTTP/1.1\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n";
        client.ask(head, GO_ON);
        client.send(b"01234");
        assert!(client.is_silent(Duration::from_millis(200)), "it is told once");
        client.ask(b"56789", &text("201 Created"));
        let head = b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n";
        client.ask(head, GO_ON);
        client.send(b"3\r\nabc\r\n");
        assert!(client.is_silent(Duration::from_millis(200)), "it is told once");
        client.ask(b"0\r\n\r\n", &text("201 Created"));
        // Behind replies to what came before; and not where all is there.
        client.send(&[request("GET", "/c", "", b""), head.to_vec()].concat());
        assert_eq!(answer(&mut client, "GET").body, b"abc");
        assert_eq!(client.take(GO_ON.len()), GO_ON);
        client.ask(b"0\r\n\r\n", &text("201 Created"));
        client.ask(&[&head[..], b"0\r\n\r\n"].concat(), &text("201 Created"));
        let old =
            b"PUT /k HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\nConnection: keep-alive\r\n\r\n";
        client.send(old);
        assert!(client.is_silent(Duration::from_millis(200)), "HTTP/1.0 knows no such reply");
        client.ask(b"x", &text("201 Created"));
    });
}

/// Nothing is stored, and nothing answered.
#[test]
fn a_body_that_ends_early() {
    on_both(&[], |node| {
        for part in [
            "PUT /k HTTP/1.1\r\nContent-Length: 10\r\n\r\n012345678",
            "PUT /k HTTP/1.1\r\nContent-Length: 10\r\n\r\n",
            "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
            "DELETE /k HTTP/1.1\r\nHost: x\r\n",
            "DELETE /k HTTP/1.1\r\n",
            "DELETE /k",
            "DELETE",
        ] {
            let mut client = node.client();
            assert!(client.put("k", "kept"));
            client.send(part.as_bytes());
            client.shut_down_sending();
            assert_eq!(client.rest(), b"", "{part}");
            assert_eq!(node.client().text("k").as_deref(), Some("kept"), "{part}");
        }
    });
}

#[test]
fn over_the_limit_it_is_closed_before_the_body() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--max-value", "1000", "--max-key", "10", MEMORY]);
    for head in [
        "PUT /k HTTP/1.1\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n",
        "PUT /k HTTP/1.1\r\nContent-Length: 18446744073709551615\r\n\r\n",
        "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
        "POST /k HTTP/1.1\r\nX-TT-MNAME: put\r\nContent-Length: 1001\r\n\r\n",
        "GET /k HTTP/1.1\r\nContent-Length: 1001\r\n\r\n",
    ] {
        let mut client = node.client();
        client.send(head.as_bytes());
        let reply = String::from_utf8(client.rest()).unwrap();
        assert!(reply.starts_with("HTTP/1.1 413 "), "{head}: {reply}");
        assert!(reply.contains("\r\nConnection: close\r\n"), "{reply}");
    }
    let mut client = node.client();
    client.ask(&request("PUT", "/0123456789", "", &[b'v'; 1000]), &text("201 Created"));
    client.send(&request("GET", "/0123456789a", "", b""));
    assert!(client.rest().starts_with(b"HTTP/1.1 414 "));
    let mut client = node.client();
    client
        .ask(&request("PUT", "/0123456789", "X-TT-PDMODE: 2\r\n", b"v"), &text("500 Internal Server Error"));
}
