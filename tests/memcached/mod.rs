//! memcached's text protocol, over the socket.

mod bad_input;
mod commands;
mod counting;
mod expiry;
mod flush;
mod locks;
mod masked;
mod mixed;
mod replicas;
mod stats;

use crate::support::{Client, Node};

/// Sends a text; exactly this must come.
fn ask(client: &mut Client, request: &str, reply: &str) {
    client.send(request.as_bytes());
    let got = client.take(reply.len());
    assert_eq!(String::from_utf8_lossy(&got), reply, "{request:?}");
    assert!(!client.has_more(), "{request:?} got more than {reply:?}");
}

/// The next line, without its end.
fn line(client: &mut Client) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        line.extend(client.take(1));
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).unwrap()
}

/// The id that `gets` tells of a key, which must be there.
fn unique(client: &mut Client, key: &str) -> u64 {
    client.send(format!("gets {key}\r\n").as_bytes());
    let head = line(client);
    let words: Vec<&str> = head.split(' ').collect();
    let [_, _, _, len, unique] = words[..] else { panic!("{head}") };
    client.take(len.parse::<usize>().unwrap() + 2);
    assert_eq!(line(client), "END");
    unique.parse().unwrap()
}

/// All that comes until the node closes.
fn until_closed(node: &Node, request: &[u8]) -> String {
    let mut client = node.client();
    client.send(request);
    String::from_utf8(client.rest()).unwrap()
}
