//! What is logged of commands that the engine refused: a full disk refuses thousands a second, and a log that
//! says so each time fills what is left of it.

use std::time::{Duration, Instant};

use lcnode_protocol::Command;
use lcnode_storage::Error;
use parking_lot::Mutex;

/// Lines of the same text come this far apart.
const APART: Duration = Duration::from_secs(1);

/// The last line, and how often it was left out since.
static LAST: Mutex<Last> = Mutex::new(Last { text: String::new(), at: None, left_out: 0 });

struct Last {
    text: String,
    at: Option<Instant>,
    left_out: u64,
}

impl Last {
    /// The line for a text, unless the same was said a moment ago.
    fn line(&mut self, text: String, now: Instant) -> Option<String> {
        let is_recent = self.at.is_some_and(|at| now.duration_since(at) < APART);
        if is_recent && text == self.text {
            self.left_out += 1;
            return None;
        }
        let line = match (self.left_out, text == self.text) {
            (0, _) => text.clone(),
            (count, true) => format!("{text} ({count} times more since the last such line)"),
            (count, false) => format!("{text} (the line before came {count} times more)"),
        };
        *self = Self { text, at: Some(now), left_out: 0 };
        Some(line)
    }
}

/// Logs that a command failed, and why; the same only once a second.
pub(super) fn log(command: Command, error: &Error) {
    let text = format!("do_{}: operation failed: {error}", command.name());
    let line = LAST.lock().line(text, Instant::now());
    if let Some(line) = line {
        tracing::error!("{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_a_second() {
        let mut last = Last { text: String::new(), at: None, left_out: 0 };
        let start = Instant::now();
        let mut line =
            |text: &str, after: u64| last.line(text.to_owned(), start + Duration::from_millis(after));
        assert_eq!(line("full", 0).as_deref(), Some("full"));
        assert_eq!(line("full", 1), None);
        assert_eq!(line("full", 999), None);
        assert_eq!(line("full", 1000).as_deref(), Some("full (2 times more since the last such line)"));
        assert_eq!(line("full", 1001), None);
        assert_eq!(line("other", 1002).as_deref(), Some("other (the line before came 1 times more)"));
        assert_eq!(line("full", 1003).as_deref(), Some("full"));
    }
}
