//! Conversations recorded with the original server, replayed: the same bytes come back, on either kind
//! of database, over TCP and over a Unix-domain socket, and however the requests are cut into pieces.
//!
//! The kinds of steps are explained in `conformance/replay.py`, which does the same from outside.

use fastrand::Rng;
use serde_json::Value;

use crate::support::{Client, HASH, MEMORY, Node, folder, rng, source_file, wire};

const RECORDINGS: [&str; 4] = [
    "tests/conformance/shown-binary.jsonl",
    "tests/conformance/shown-binary-random.jsonl",
    "tests/conformance/shown-memcached.jsonl",
    "tests/conformance/shown-http.jsonl",
];
/// Requests up to this size are sent a byte at a time by some of the replays that cut.
const SMALL: usize = 100;
/// Pieces that a larger request is cut into at most.
const PIECES: usize = 50;

/// How requests are sent.
enum Sending<'a> {
    /// As recorded.
    Recorded,
    /// In pieces of random sizes.
    Cut(&'a mut Rng),
}

#[test]
fn on_a_hash_database() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    replay(&node, &mut Sending::Recorded);
}

#[test]
fn in_memory() {
    let folder = folder();
    let node = Node::start(folder.path(), &[MEMORY]);
    replay(&node, &mut Sending::Recorded);
}

#[test]
fn over_a_socket() {
    let folder = folder();
    let node = Node::start_on_socket(folder.path(), &[HASH]);
    replay(&node, &mut Sending::Recorded);
}

#[test]
fn cut_at_any_byte() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    replay(&node, &mut Sending::Cut(&mut rng("cut_at_any_byte")));
}

#[test]
fn cut_at_any_byte_in_memory_over_a_socket() {
    let folder = folder();
    let node = Node::start_on_socket(folder.path(), &[MEMORY]);
    replay(&node, &mut Sending::Cut(&mut rng("cut_at_any_byte_in_memory_over_a_socket")));
}

/// With the least table and the smallest segments: where the records are must not matter.
#[test]
fn with_other_tuning() {
    let folder = folder();
    let options = ["-thnum", "2", "--sync", "never", "--segment-size", "64k", "casket.tch#bnum=1"];
    let node = Node::start(folder.path(), &options);
    replay(&node, &mut Sending::Recorded);
}

fn replay(node: &Node, sending: &mut Sending) {
    let mut failures = Vec::new();
    let mut cases = 0;
    for file in RECORDINGS {
        for line in std::fs::read_to_string(source_file(file)).unwrap().lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            cases += 1;
            if let Err(why) = replay_case(node, &case, sending) {
                failures.push(format!("{}: {why}", case["name"]));
            }
        }
    }
    assert!(cases >= 40, "only {cases} cases were found");
    assert!(failures.is_empty(), "{} of {cases} failed:\n{}", failures.len(), failures.join("\n"));
}

fn replay_case(node: &Node, case: &Value, sending: &mut Sending) -> Result<(), String> {
    node.client().ask(&wire::vanish(), &[0]);
    let mut client = node.client();
    for (number, step) in case["steps"].as_array().unwrap().iter().enumerate() {
        replay_step(&mut client, step, sending)
            .map_err(|why| format!("step {number} {}: {why}", step["note"]))?;
        if step["closed"] == true {
            client = node.client();
        }
    }
    Ok(())
}

fn replay_step(client: &mut Client, step: &Value, sending: &mut Sending) -> Result<(), String> {
    if let Some(keys) = step.get("iterate") {
        return same(&mut client.keys(), keys);
    }
    let request = bytes(&step["send"]);
    if let Some(keys) = step.get("keys").or(step.get("list")) {
        return match client.list_of(&request) {
            Some(mut elements) => same(&mut elements, keys),
            None => Err("failed".to_owned()),
        };
    }
    if let Some(names) = step.get("statnames") {
        let lines = client.stat();
        let lacks = |name: &&Value| !lines.iter().any(|(line, _)| Some(line.as_str()) == name.as_str());
        return match names.as_array().unwrap().iter().find(lacks) {
            Some(name) => Err(format!("stat lacks {name}")),
            None => Ok(()),
        };
    }
    send(client, &request, step["chunk"].as_u64(), sending);
    if let Some(prefix) = step["prefix"].as_str() {
        let line = line(client)?;
        return if line.starts_with(prefix) {
            Ok(())
        } else {
            Err(format!("wanted {prefix:?}, got {line:?}"))
        };
    }
    if let Some(expected) = step.get("http") {
        return replay_http(client, expected, step["head"].as_u64());
    }
    let expected = match step["text"].as_str() {
        // A character is a byte.
        Some(text) => text.chars().map(|byte| u8::try_from(byte).unwrap()).collect(),
        None => bytes(&step["expect"]),
    };
    let got = if step["closed"] == true { client.rest() } else { client.take(expected.len()) };
    if got != expected {
        return Err(format!("wanted {}, got {}", expected.escape_ascii(), got.escape_ascii()));
    }
    if client.has_more() { Err("more came than was recorded".to_owned()) } else { Ok(()) }
}

/// A reply with this status and body; of a HEAD, with this length and no body.
fn replay_http(client: &mut Client, expected: &Value, head: Option<u64>) -> Result<(), String> {
    let first = line(client)?;
    let status = first.split(' ').nth(1).and_then(|status| status.parse::<u64>().ok());
    let mut length = None;
    loop {
        let line = line(client)?.to_ascii_lowercase();
        if line == "\r\n" {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse::<u64>().ok();
        }
    }
    if status != expected[0].as_u64() {
        return Err(format!("wanted status {}, got {first:?}", expected[0]));
    }
    if head.is_some() {
        return if length == head { Ok(()) } else { Err(format!("content-length {length:?}")) };
    }
    let body = client.take(length.unwrap_or(0) as usize);
    match expected[1].is_null() || bytes(&expected[1]) == body {
        true => Ok(()),
        false => Err(format!("body {}", body.escape_ascii())),
    }
}

/// A line with its end.
fn line(client: &mut Client) -> Result<String, String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let byte = client.try_take::<1>();
        line.extend(byte.map_err(|error| format!("after {}: {error}", line.escape_ascii()))?);
    }
    String::from_utf8(line).map_err(|error| error.to_string())
}

fn send(client: &mut Client, request: &[u8], chunk: Option<u64>, sending: &mut Sending) {
    let mut rest = request;
    while !rest.is_empty() {
        let len = match sending {
            Sending::Recorded => chunk.map_or(rest.len(), |chunk| chunk as usize),
            Sending::Cut(_) if request.len() <= SMALL && request.len().is_multiple_of(2) => 1,
            Sending::Cut(rng) => rng.usize(1..=(2 * request.len() / PIECES).max(8)),
        };
        let (piece, after) = rest.split_at(len.min(rest.len()));
        client.send(piece);
        rest = after;
        if !rest.is_empty() {
            // Long enough for the node to see the piece alone, most of the time.
            std::thread::sleep(std::time::Duration::from_micros(if chunk.is_some() { 1000 } else { 50 }));
        }
    }
}

/// The elements are these, in whatever order.
fn same(elements: &mut [Vec<u8>], recorded: &Value) -> Result<(), String> {
    let mut wanted: Vec<Vec<u8>> = recorded.as_array().unwrap().iter().map(bytes).collect();
    wanted.sort();
    elements.sort();
    if elements == wanted { Ok(()) } else { Err(format!("wanted {wanted:02x?}, got {elements:02x?}")) }
}

fn bytes(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
