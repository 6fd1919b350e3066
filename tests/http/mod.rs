//! HTTP over the node's socket.

mod bad_input;
mod bodies;
mod commands;
mod functions;
mod masks;
mod options;
mod ranges;
mod streams;

use crate::support::Client;

/// A reply of HTTP.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    /// In their order.
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        str::from_utf8(&self.body).unwrap()
    }
}

/// A request with the length of its body.
fn request(method: &str, target: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = match (method, body.len()) {
        ("GET" | "HEAD" | "DELETE" | "OPTIONS", 0) => String::new(),
        (_, length) => format!("Content-Length: {length}\r\n"),
    };
    let head = format!("{method} {target} HTTP/1.1\r\nHost: x\r\n{headers}{length}\r\n");
    [head.as_bytes(), body].concat()
}

/// The next reply, whose body has the length that it says.
fn answer(client: &mut Client, method: &str) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(client.take(1));
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().lines();
    let status = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
    let headers: Vec<(String, String)> =
        lines.map(|line| line.split_once(": ").unwrap()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
    let mut answer = Answer { status, headers, body: Vec::new() };
    if method != "HEAD" {
        let length = answer.header("Content-Length").expect("a body has a length").parse().unwrap();
        answer.body = client.take(length);
    }
    answer
}

/// Sends a request and takes its reply, behind which nothing may come.
fn ask(client: &mut Client, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
    client.send(&request(method, target, headers, body));
    let answer = answer(client, method);
    assert!(!client.has_more(), "{method} {target} got more than {answer:?}");
    answer
}

/// The same where status and body are all that matters.
fn status(client: &mut Client, method: &str, target: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let answer = ask(client, method, target, headers, body);
    (answer.status, answer.body)
}

/// A reply with a line of text, to the letter.
fn text(status: &str) -> Vec<u8> {
    let reason = &status[4..];
    let length = reason.len() + 1;
    format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{reason}\n")
        .into()
}
