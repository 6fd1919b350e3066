//! What those who look on see, on stderr.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines where there is no terminal.
const LINES: Duration = Duration::from_secs(10);

/// A bar on a terminal, else a line now and then.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    last: Option<Instant>,
}

impl Progress {
    /// For the copy of so many records.
    pub fn of_copy(records: u64) -> Self {
        let style = "copying {wide_bar} {human_pos}/{human_len} records, {per_sec}, {eta} left";
        Self::new(ProgressBar::new(records), style)
    }

    /// For following.
    pub fn of_following() -> Self {
        Self::new(ProgressBar::new_spinner(), "{spinner} {msg}")
    }

    fn new(bar: ProgressBar, style: &str) -> Self {
        let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
        Self { bar: bar.with_style(style), is_terminal: io::stderr().is_terminal(), last: None }
    }

    /// So many records were copied, of about so many.
    pub fn copied(&mut self, records: u64, of: u64) {
        self.bar.set_length(of.max(records));
        self.bar.set_position(records);
        self.line(|| format!("copied {records} of {of} records"));
    }

    /// What is to be known of following.
    pub fn following(&mut self, text: impl Fn() -> String) {
        self.bar.set_message(text());
        self.bar.tick();
        self.line(text);
    }

    /// A line that stays.
    pub fn say(&self, text: &str) {
        self.bar.suspend(|| say(text));
    }

    fn line(&mut self, text: impl Fn() -> String) {
        if !self.is_terminal && self.last.is_none_or(|last| last.elapsed() >= LINES) {
            say(&text());
            self.last = Some(Instant::now());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A line on stderr. Where nobody reads it there is nobody to tell.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
