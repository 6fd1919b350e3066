//! Bad input: the reply or the close that it gets, and nothing carried out of what follows.

use std::time::Duration;

use super::{ask, until_closed};
use crate::support::{MEMORY, Node, folder, on_both};

/// What follows a mistake, and must not be done.
const AFTER: &str = "set after 0 0 1\r\nv\r\nversion\r\n";

#[test]
fn mistakes_close_and_what_follows_is_dropped() {
    on_both(&[], |node| {
        for (request, reply) in [
            ("set k 0 0\r\n", "CLIENT_ERROR error\r\n"),
            ("get\r\n", "CLIENT_ERROR error\r\n"),
            ("gat 0\r\n", "CLIENT_ERROR error\r\n"),
            ("cas k 0 0 1\r\nv\r\n", "CLIENT_ERROR error\r\n"),
            ("delete\r\n", "CLIENT_ERROR error\r\n"),
            ("incr k noreply\r\n", ""),
            ("incr k\r\n", "CLIENT_ERROR error\r\n"),
            ("touch k\r\n", "CLIENT_ERROR error\r\n"),
            ("verbosity\r\n", "CLIENT_ERROR error\r\n"),
            ("\r\n", ""),
            (" \t \r\n", ""),
            ("SET k 0 0 1\r\nv\r\n", ""),
            ("sets k 0 0 1\r\nv\r\n", ""),
            ("mg k v\r\n", ""),
            ("\0version\r\n", ""),
            ("quit\r\n", ""),
            // Shorter and longer than announced.
            ("set k 0 0 3\r\nv\r\n", ""),
            ("set k 0 0 1\r\nvalue\r\n", ""),
            ("set k 0 0 1 noreply\r\nv\n", ""),
            ("set k 0 0 -1\r\nv\r\n", ""),
            // Lengths that lie.
            ("set k 0 0 268435457\r\n", "SERVER_ERROR object too large for cache\r\n"),
            ("set k 0 0 268435457 noreply\r\n", "SERVER_ERROR object too large for cache\r\n"),
            ("set k 0 0 2147483648\r\n", "SERVER_ERROR object too large for cache\r\n"),
            ("set k 0 0 4294967297\r\nv\r\n", "SERVER_ERROR object too large for cache\r\n"),
            ("set k 0 0 99999999999999999999\r\nv\r\n", "SERVER_ERROR object too large for cache\r\n"),
        ] {
            if request == "incr k noreply\r\n" {
                // Three words: the last is a number without digits, and so is 0.
                ask(&mut node.client(), request, "NOT_FOUND\r\n");
                continue;
            }
            let got = until_closed(node, format!("version\r\n{request}{AFTER}").as_bytes());
            assert_eq!(got, format!("VERSION 1.1.41\r\n{reply}"), "{request:?}");
        }
        ask(&mut node.client(), "get k after\r\n", "END\r\n");
        assert_eq!(node.client().rnum(), 0);
    });
}

#[test]
fn keys_are_not_checked_as_memcached_does() {
    on_both(&[], |node| {
        let client = &mut node.client();
        let long = "k".repeat(70_000);
        for key in [&long, "\u{1}\u{7f}", "schlüssel", "get", "noreply", "a\u{8}b"] {
            ask(client, &format!("set {key} 0 0 1\r\nv\r\n"), "STORED\r\n");
            ask(client, &format!("get {key}\r\n"), &format!("VALUE {key} 0 1\r\nv\r\nEND\r\n"));
            assert_eq!(client.text(key).as_deref(), Some("v"));
        }
        // CR is dropped wherever it is, and NUL ends the line's words.
        ask(client, "set a\rb 0 0 1\r\nv\r\nget ab\0 other\r\n", "STORED\r\nVALUE ab 0 1\r\nv\r\nEND\r\n");
        ask(client, "get x\0\r\n", "END\r\n");
    });
}

#[test]
fn values_hold_any_bytes() {
    on_both(&[], |node| {
        let client = &mut node.client();
        let value: Vec<u8> = (0..=255).chain(*b"\r\nEND\r\nset k 0 0 1\r\n").collect();
        let len = value.len();
        client.send(&[format!("set k 0 0 {len}\r\n").as_bytes(), &value, b"\r\n"].concat());
        assert_eq!(client.take(8), b"STORED\r\n");
        client.send(b"get k\r\n");
        let expected = [format!("VALUE k 0 {len}\r\n").as_bytes(), &value, b"\r\nEND\r\n"].concat();
        assert_eq!(client.take(expected.len()), expected);
    });
}

#[test]
fn the_nodes_limits() {
    on_both(&["--max-key", "10", "--max-value", "100"], |node| {
        let client = &mut node.client();
        let (key, value) = ("k".repeat(10), "v".repeat(100));
        ask(client, &format!("set {key} 0 0 100\r\n{value}\r\n"), "STORED\r\n");
        ask(client, &format!("append {key} 0 0 1\r\nx\r\n"), "SERVER_ERROR unexpected\r\n");
        ask(client, &format!("prepend {key} 0 0 1\r\nx\r\n"), "SERVER_ERROR unexpected\r\n");
        ask(client, &format!("append {key} 0 0 0\r\n\r\n"), "STORED\r\n");
        ask(client, &format!("get {key}\r\n"), &format!("VALUE {key} 0 100\r\n{value}\r\nEND\r\n"));
        for (request, reply) in [
            (format!("set {key}k 0 0 1\r\nv\r\n"), "CLIENT_ERROR error\r\n"),
            (format!("get a b {key}k\r\n"), "CLIENT_ERROR error\r\n"),
            ("set k 0 0 101 noreply\r\n".to_owned(), "SERVER_ERROR object too large for cache\r\n"),
        ] {
            assert_eq!(until_closed(node, format!("{request}{AFTER}").as_bytes()), reply);
        }
        assert_eq!(node.client().rnum(), 1);
    });
}

/// A reply to many keys that would be larger than all that may be kept waiting is taken back; the connection stays.
#[test]
fn replies_are_bounded() {
    let folder = folder();
    let options = ["--max-key", "10", "--max-value", "100k", "--max-buffered", "1m", MEMORY];
    let node = Node::start(folder.path(), &options);
    let client = &mut node.client();
    let value = "v".repeat(100 << 10);
    ask(client, &format!("set k 0 0 {}\r\n{value}\r\n", value.len()), "STORED\r\n");
    let gets = "get".to_owned() + &" k".repeat(11) + "\r\n";
    ask(client, &gets, "SERVER_ERROR out of memory writing get response\r\n");
    ask(client, "version\r\n", "VERSION 1.1.41\r\n");
}

/// A line that does not end does not cost more than it has bytes, and ends at 16 MiB.
#[test]
fn lines_without_an_end() {
    let folder = folder();
    let node = Node::start(folder.path(), &[MEMORY]);
    for (beginning, reply) in [("get ", "CLIENT_ERROR line too long\r\n"), (" ", "")] {
        let mut client = node.client();
        let mut sender = client.sender();
        let sending = std::thread::spawn(move || {
            let piece = beginning.repeat((64 << 10) / beginning.len());
            // It is closed on the way.
            (0..17 * 16).try_for_each(|_| sender(piece.as_bytes()))
        });
        assert_eq!(String::from_utf8(client.rest()).unwrap(), reply);
        _ = sending.join().unwrap();
    }
    assert!(node.resident() < 200 << 20, "{}", node.resident());
}

/// Half a request waits, and the rest of it is taken as that.
#[test]
fn half_requests_wait() {
    on_both(&[], |node| {
        let mut client = node.client();
        for piece in ["se", "t k 0 ", "0 5\r", "\nhel", "lo", "\r"] {
            client.send(piece.as_bytes());
            assert!(client.is_silent(Duration::from_millis(20)), "after {piece:?}");
        }
        ask(&mut client, "\n", "STORED\r\n");
    });
}
