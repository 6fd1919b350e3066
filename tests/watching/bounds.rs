//! What strangers can do to the admin server: little.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{Admin, Answer};
use crate::support::{MEMORY, eventually, folder};

#[test]
fn pages_and_methods() {
    let folder = folder();
    let (_node, admin) = Admin::start(folder.path(), &[MEMORY]);
    for (method, path, status) in [
        ("GET", "/health", 200),
        ("GET", "/ready", 200),
        ("GET", "/metrics", 200),
        ("GET", "/metrics?name[]=x", 200),
        ("HEAD", "/metrics", 200),
        ("POST", "/metrics", 405),
        ("DELETE", "/health", 405),
        ("PUT", "/ready", 405),
        ("GET", "/nothing", 404),
        ("POST", "/nothing", 404),
        ("GET", "/health/", 404),
        ("GET", "/../health", 404),
    ] {
        let answer = admin.ask(method, path);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        assert_eq!(answer.body.is_empty(), method == "HEAD", "{method} {path}");
        assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
        assert_eq!(answer.head.contains("allow: get, head"), status == 405, "{}", answer.head);
    }
}

#[test]
fn bodies_that_are_too_large_or_do_not_come() {
    let folder = folder();
    let (_node, admin) = Admin::start(folder.path(), &[MEMORY]);
    let head = "POST /health HTTP/1.1\r\nHost: localhost\r\n";
    let ask = |request: &[u8]| Answer::read(&admin.try_send(request).unwrap()).unwrap();
    let large = [format!("{head}Content-Length: 4097\r\n\r\n").as_bytes(), &[b'x'; 4097]].concat();
    assert_eq!(ask(&large).status, 413);
    // It is not read to its end, however long it says it is.
    let endless = format!("{head}Content-Length: 1000000000000\r\n\r\n");
    assert_eq!(ask(endless.as_bytes()).status, 413);
    let chunks =
        format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", "400\r\n".to_owned() + &"x".repeat(1024))
            + &("\r\n400\r\n".to_owned() + &"x".repeat(1024)).repeat(4);
    assert_eq!(ask(chunks.as_bytes()).status, 413);
    let begin = Instant::now();
    assert_eq!(ask(format!("{head}Content-Length: 10\r\n\r\nhalf").as_bytes()).status, 408);
    assert!(begin.elapsed() < Duration::from_secs(30));
    // As much as may be is read, so that the connection can go on.
    let whole = format!("{head}Content-Length: 4096\r\nConnection: close\r\n\r\n{}", "x".repeat(4096));
    assert_eq!(ask(whole.as_bytes()).status, 405);
}

#[test]
fn heads_that_do_not_come_and_heads_without_an_end() {
    let folder = folder();
    let (_node, admin) = Admin::start(folder.path(), &[MEMORY]);
    let begin = Instant::now();
    let closed = |bytes: &[u8]| admin.try_send(bytes).unwrap_or_default();
    std::thread::scope(|threads| {
        for half in [&b""[..], b"GET", b"GET /health HTTP/1.1\r\nHost: x\r\n"] {
            threads.spawn(move || assert!(!closed(half).contains("200 OK")));
        }
    });
    assert!(begin.elapsed() > Duration::from_secs(5) && begin.elapsed() < Duration::from_secs(40));
    let mut endless = admin.connect().unwrap();
    endless.write_all(b"GET /health HTTP/1.1\r\nX: ").unwrap();
    let refused = (0..1000).any(|_| endless.write_all(&[b'x'; 4096]).is_err());
    let mut answer = Vec::new();
    let _ = endless.read_to_end(&mut answer);
    assert!(refused || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert!(closed(b"\xC8\x10\0\0\0\0\n\n").starts_with("HTTP/1.1 400"));
    assert_eq!(admin.ask("GET", "/health").status, 200);
}

/// More connections than are served at once wait; they take none of the node's descriptors, and those who ask
/// are answered once the idle ones have gone.
#[test]
fn a_crowd_of_idle_connections() {
    let folder = folder();
    let (node, admin) = Admin::start(folder.path(), &[MEMORY]);
    let open = || std::fs::read_dir(format!("/proc/{}/fd", node.pid())).unwrap().count();
    let before = open();
    let crowd: Vec<TcpStream> = (0..150).map(|_| admin.connect().unwrap()).collect();
    // 64 of them, while the connection that waited for the node's start, counted before, may have gone.
    eventually("64 are served", Duration::from_secs(30), || open() >= before + 63);
    std::thread::sleep(Duration::from_millis(200));
    assert!(open() <= before + 65, "{} descriptors more", open() - before);
    // The node itself notices nothing.
    assert_eq!(node.client().rnum(), 0);
    let begin = Instant::now();
    assert_eq!(admin.ask("GET", "/health").status, 200);
    assert!(begin.elapsed() < Duration::from_secs(55), "{:?}", begin.elapsed());
    drop(crowd);
    eventually("they are gone", Duration::from_secs(30), || open() <= before + 1);
}
