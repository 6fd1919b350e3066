//! Commands that only HTTP has.

use std::fmt::Display;

use lcnode_protocol::{Command, Reply};

use super::{Node, Session, stat};
use crate::config::Mask;

/// The methods that a mask can take away, with what takes them away in the original, which looks at the bits of the
/// binary dialect here (observed).
const METHODS: [(&str, Command, Mask); 5] = [
    ("GET", Command::Get, Mask::ALLREAD),
    ("HEAD", Command::Vsiz, Mask::ALLREAD),
    ("PUT", Command::Put, Mask::ALLWRITE),
    ("POST", Command::Ext, Mask::ALLWRITE),
    ("DELETE", Command::Out, Mask::ALLWRITE),
];

/// What `stat` tells, as headers.
pub(super) fn options(node: &Node, session: &Session, reply: &mut impl Reply) {
    reply.begin_list();
    let mut allowed = "OPTIONS".to_owned();
    for (method, command, class) in METHODS {
        if !node.mask.forbids(Mask::of(command).union(class)) {
            allowed.push_str(", ");
            allowed.push_str(method);
        }
    }
    reply.record(b"Allow", allowed.as_bytes());
    let mut cpu = Vec::new();
    let mut header = |name: &str, value: &dyn Display| {
        let name = format!("X-TT-{}", name.to_ascii_uppercase());
        reply.record(name.as_bytes(), value.to_string().as_bytes());
    };
    stat::facts(node, session, |name, value| match name {
        "fatal" | "disk_full" => {}
        // Behind the time that it ran, unlike in the text (observed).
        "ru_user" | "ru_sys" => cpu.push((name.to_owned(), value.to_string())),
        _ => header(name, value),
    });
    for (name, value) in &cpu {
        header(name, value);
    }
    reply.end_list();
}
