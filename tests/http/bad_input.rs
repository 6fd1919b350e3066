//! What is malformed: its reply, the close, and nothing carried out behind it.

use super::{ask, request};
use crate::support::{MEMORY, Node, folder, on_both, rng, wire};

#[test]
fn each_gets_its_status_and_a_close() {
    on_both(&[], |node| {
        for (bad, status) in [
            ("GET /k HTTP/2.0\r\n", 505),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
            ("PATCH /k HTTP/1.1\r\n\r\n", 405),
            ("TRACE /k HTTP/1.1\r\n\r\n", 405),
            ("CONNECT x:1 HTTP/1.1\r\n\r\n", 405),
            ("BREW /k HTTP/1.1\r\n\r\n", 501),
            ("GET /k HTTP/1.1 x\r\n\r\n", 400),
            ("GET /k HTTP/1.1\r\nno colon\r\n\r\n", 400),
            ("GET /k HTTP/1.1\r\nHost : x\r\n\r\n", 400),
            ("GET /k HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", 400),
            ("GET /%4 HTTP/1.1\r\n\r\n", 400),
            ("DELETE /k% HTTP/1.1\r\n\r\n", 400),
            ("PUT /k HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
            ("PUT /k HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
            ("PUT /k HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
            ("PUT /k HTTP/1.1\r\nContent-Length: 300000000\r\n\r\n", 413),
            ("PUT /k HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
            ("PUT /k HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
            ("PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 400),
            ("PUT /k HTTP/1.1\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n", 417),
            ("POST / HTTP/1.1\r\nX-TT-MNAME: put\r\nContent-Length: 5\r\n\r\na=%zz", 400),
        ] {
            let mut client = node.client();
            assert!(client.put("k", "v"));
            // What is good behind it is not carried out.
            client.send(&[bad.as_bytes(), &request("DELETE", "/k", "", b""), &wire::out(b"k")].concat());
            let reply = String::from_utf8(client.rest()).unwrap();
            assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{bad:?}: {reply}");
            let (head, body) = reply.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{bad:?}: {reply}");
            assert!(head.contains("\r\nConnection: close"), "{bad:?}: {reply}");
            assert_eq!(node.client().text("k").as_deref(), Some("v"), "{bad:?}");
        }
    });
}

/// Who sends all of a body before looking for a reply still gets the one that refuses it.
#[test]
fn a_refusal_is_not_overtaken_by_the_close() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--max-value", "1m", MEMORY]);
    let body = vec![b'x'; 20 << 20];
    let head = format!("PUT /k HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len());
    let line = format!("set k 0 0 {}\r\n", body.len());
    for (start, refusal) in
        [(head, &b"HTTP/1.1 413 "[..]), (line, b"SERVER_ERROR object too large for cache\r\n")]
    {
        let mut client = node.client();
        client.send(start.as_bytes());
        client.send(&body);
        assert!(client.rest().starts_with(refusal), "{start}");
    }
}

#[test]
fn what_is_of_no_dialect_is_closed_in_silence() {
    on_both(&[], |node| {
        for bad in [
            "GET /k\r\n",
            "GET /k http/1.1\r\n",
            "VERSION\r\n",
            "\r\n",
            " GET /k HTTP/1.1\r\n\r\n",
            "Get / HTTP/1.1\r\n",
        ] {
            let mut client = node.client();
            assert!(client.put("k", "v"));
            client.send(&[bad.as_bytes(), &request("DELETE", "/k", "", b"")].concat());
            assert_eq!(client.rest(), b"", "{bad:?}");
            assert_eq!(node.client().text("k").as_deref(), Some("v"), "{bad:?}");
        }
    });
}

/// Lines and heads without an end cost a bounded amount of memory.
#[test]
fn what_never_ends() {
    let folder = folder();
    let node = Node::start(folder.path(), &[MEMORY]);
    for (begin, more, status) in [
        ("GET /", "k", "414"),
        ("GET /k HTTP/1.1\r\n", "A: b\r\n", "431"),
        ("GET /k HTTP/1.1\r\nA: ", "b", "431"),
        ("PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "A: b\r\n", "431"),
        ("PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;", "e", "400"),
    ] {
        let mut client = node.client();
        // It may be closed while this is sent.
        _ = client.try_send(&[begin.as_bytes(), &more.repeat(70_000 / more.len()).into_bytes()].concat());
        let reply = client.rest();
        assert!(reply.starts_with(format!("HTTP/1.1 {status} ").as_bytes()), "{begin}");
    }
    let many = format!("GET /k HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101));
    let mut client = node.client();
    client.send(many.as_bytes());
    assert!(client.rest().starts_with(b"HTTP/1.1 431 "));
}

/// Garbage, and good requests with bytes changed: the node lives, and others are served.
#[test]
fn random_bytes() {
    let mut rng = rng("random_bytes");
    on_both(&[], |node| {
        let good = [
            request("GET", "/k", "Range: bytes=0-1\r\n", b""),
            request("PUT", "/k", "Expect: 100-continue\r\n", b"value"),
            request("POST", "/", "X-TT-MNAME: getlist\r\n", b"a=k&b=l"),
            b"PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".to_vec(),
            wire::get(b"k"),
        ];
        for _ in 0..300 {
            let mut bytes: Vec<u8> =
                (0..rng.usize(1..4)).flat_map(|_| rng.choice(&good).unwrap().clone()).collect();
            for _ in 0..rng.usize(0..4) {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
            let mut client = node.client();
            _ = client.try_send(&bytes);
            client.shut_down_sending();
            client.rest();
        }
        let mut client = node.client();
        assert_eq!(ask(&mut client, "PUT", "/k", "", b"alive").status, 201);
        assert_eq!(client.text("k").as_deref(), Some("alive"));
    });
}
