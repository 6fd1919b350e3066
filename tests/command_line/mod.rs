//! The command line, from what is typed to the exit code.

mod background;
mod check_ext;
mod databases;
mod eval;
mod logs;
mod pid_file;
mod refused;
mod restore;
mod sockets;
mod tools;

use std::process::Output;

/// A start that must be refused: exit code 1, and a message on standard error that holds each of `parts`.
pub fn assert_refused(output: &Output, parts: &[&str], what: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{what}: {message}");
    for part in parts {
        assert!(message.contains(part), "{what}: {part:?} is not in: {message}");
    }
}
