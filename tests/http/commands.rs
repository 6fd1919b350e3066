//! Every method and its outcomes, to the letter; and what is counted.

use super::{ask, request, status, text};
use crate::support::{HASH, Node, folder, on_both};

fn data(value: &[u8]) -> Vec<u8> {
    let length = value.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), value].concat()
}

#[test]
fn put_get_head_delete() {
    on_both(&[], |node| {
        let mut client = node.client();
        for value in [&b"value"[..], b"", b"\0\r\n\r\n\xff", &[b'v'; 100_000]] {
            client.ask(&request("GET", "/k", "", b""), &text("404 Not Found"));
            client.ask(&request("HEAD", "/k", "", b""), b"HTTP/1.1 404 Not Found\r\n\r\n");
            client.ask(&request("PUT", "/k", "", b"before"), &text("201 Created"));
            client.ask(&request("PUT", "/k", "", value), &text("201 Created"));
            client.ask(&request("GET", "/k", "", b""), &data(value));
            let head = data(value);
            client.ask(&request("HEAD", "/k", "", b""), &head[..head.len() - value.len()]);
            assert_eq!(client.get("k").as_deref(), Some(value));
            client.ask(&request("DELETE", "/k", "", b""), &text("200 OK"));
            client.ask(&request("DELETE", "/k", "", b""), &text("404 Not Found"));
        }
    });
}

#[test]
fn modes_of_put() {
    on_both(&[], |node| {
        let mut client = node.client();
        let keep = "X-TT-PDMODE: 1\r\n";
        client.ask(&request("PUT", "/k", keep, b"one"), &text("201 Created"));
        client.ask(&request("PUT", "/k", keep, b"two"), &text("409 Conflict"));
        client.ask(&request("PUT", "/k", "X-TT-PDMODE: 2\r\n", b"+two"), &text("201 Created"));
        client.ask(&request("PUT", "/new", "X-TT-PDMODE: 2\r\n", b"three"), &text("201 Created"));
        client.ask(&request("PUT", "/k3", "X-TT-PDMODE: 3\r\n", b"four"), &text("201 Created"));
        for (key, value) in [("k", "one+two"), ("new", "three"), ("k3", "four")] {
            assert_eq!(client.text(key).as_deref(), Some(value));
        }
    });
}

#[test]
fn keys_are_bytes() {
    on_both(&[], |node| {
        let mut client = node.client();
        for (target, key) in [
            ("/", &b""[..]),
            ("/a%20b+c", b"a b c"),
            ("//a?b#c", b"/a?b#c"),
            ("/%00%FF", b"\0\xff"),
            ("http://x:1978/a/b", b"a/b"),
            ("/caf\u{e9}", "caf\u{e9}".as_bytes()),
        ] {
            assert_eq!(status(&mut client, "PUT", target, "", target.as_bytes()).0, 201);
            assert_eq!(client.get(key).as_deref(), Some(target.as_bytes()), "{target}");
            assert_eq!(ask(&mut client, "GET", target, "", b"").body, target.as_bytes());
        }
    });
}

#[test]
fn what_is_counted() {
    on_both(&[], |node| {
        let mut client = node.client();
        for (method, target, headers, body) in [
            ("PUT", "/k", "", "v"),
            ("PUT", "/k", "X-TT-PDMODE: 1\r\n", "v"),
            ("PUT", "/k", "X-TT-PDMODE: 2\r\n", "v"),
            ("GET", "/k", "", ""),
            ("GET", "/none", "", ""),
            ("HEAD", "/k", "", ""),
            ("HEAD", "/none", "", ""),
            ("POST", "/", "", "neither"),
            ("POST", "/", "X-TT-XNAME: none\r\n", ""),
            ("POST", "/", "X-TT-MNAME: get\r\n", "a=none"),
            ("POST", "/", "X-TT-MNAME: none\r\n", ""),
            ("DELETE", "/k", "", ""),
            ("DELETE", "/k", "", ""),
            ("OPTIONS", "/", "", ""),
        ] {
            ask(&mut client, method, target, headers, body.as_bytes());
        }
        let lines = client.stat();
        for (name, count) in [
            ("put", 3),
            ("putkeep", 0),
            ("putcat", 0),
            ("put_miss", 1),
            ("get", 2),
            ("get_miss", 1),
            ("vsiz", 2),
            ("ext", 4),
            ("misc", 0),
            ("out", 2),
            ("out_miss", 1),
            // This one, and that of OPTIONS.
            ("stat", 2),
        ] {
            let line = (format!("cnt_{name}"), count.to_string());
            assert!(lines.contains(&line), "{line:?} in {lines:?}");
        }
    });
}

#[test]
fn a_database_that_cannot_be_written() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    assert!(node.client().put("k", "v"));
    node.stop();
    let node = Node::start(folder.path(), &["casket.tch#mode=r"]);
    let mut client = node.client();
    client.ask(&request("PUT", "/k", "", b"w"), &text("500 Internal Server Error"));
    client.ask(&request("PUT", "/k", "X-TT-PDMODE: 2\r\n", b"w"), &text("500 Internal Server Error"));
    client.ask(&request("PUT", "/n", "X-TT-PDMODE: 1\r\n", b"w"), &text("409 Conflict"));
    client.ask(&request("DELETE", "/k", "", b""), &text("404 Not Found"));
    client.ask(&request("GET", "/k", "", b""), &data(b"v"));
}

/// Acknowledged is durable, whatever the dialect: the reply waits for the sync.
#[test]
fn under_sync_always() {
    let folder = folder();
    let node = Node::start(folder.path(), &["--sync", "always", HASH]);
    let mut client = node.client();
    for number in 0..20 {
        assert_eq!(status(&mut client, "PUT", &format!("/{number}"), "", b"v").0, 201);
    }
    assert_eq!(status(&mut client, "DELETE", "/0", "", b"").0, 200);
    node.kill();
    let node = Node::start(folder.path(), &["--sync", "always", HASH]);
    assert_eq!(node.client().rnum(), 19);
}
