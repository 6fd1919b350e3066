//! The conversations of the document, held against a node.

use crate::support::{Client, HASH, MEMORY, Node, folder, source_file, wire};

/// A line of a conversation: what the client sends, what it must get, or that the connection ends.
enum Step {
    Send(Vec<u8>),
    Expect(Vec<u8>),
    Closed,
}

fn step(line: &str) -> Step {
    let (mark, text) = line.split_at(line.len().min(1));
    let text = text.strip_prefix(' ').unwrap_or(text);
    // A line ends in CR LF but where the document ends it by a backslash.
    let text = match text.strip_suffix('\\') {
        Some(text) => text.replace("\\n", "\n"),
        None => format!("{text}\r\n"),
    };
    match mark {
        ">" => Step::Send(text.into_bytes()),
        "<" => Step::Expect(text.into_bytes()),
        _ if line == "closed" => Step::Closed,
        _ => panic!("a conversation has the line {line:?}"),
    }
}

fn conversations() -> Vec<Vec<Step>> {
    let document = std::fs::read_to_string(source_file("protocol/DIALECTS.md")).unwrap();
    let blocks = document.split("```\n").skip(1).step_by(2);
    blocks.map(|block| block.lines().map(step).collect()).collect()
}

#[test]
fn its_conversations_are_had_with_a_node() {
    let conversations = conversations();
    assert!(conversations.len() >= 6, "only {} were found", conversations.len());
    for database in [HASH, MEMORY] {
        let folder = folder();
        let node = Node::start(folder.path(), &[database]);
        for (number, conversation) in conversations.iter().enumerate() {
            let mut client = node.client();
            client.ask(&wire::vanish(), &[0]);
            for step in conversation {
                hold(&mut client, step, number);
            }
            assert!(!client.has_more(), "conversation {number}: more came");
        }
    }
}

fn hold(client: &mut Client, step: &Step, number: usize) {
    match step {
        Step::Send(bytes) => client.send(bytes),
        Step::Expect(bytes) => {
            let got = client.take(bytes.len());
            let (wanted, got) = (bytes.escape_ascii(), got.escape_ascii());
            assert_eq!(got.to_string(), wanted.to_string(), "conversation {number}");
        }
        Step::Closed => assert_eq!(client.rest(), b"", "conversation {number}"),
    }
}
