//! How far work on many records has come: a bar on a terminal, else nothing.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that is gone when it is dropped.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for so many records, where it is known how many there are.
    pub fn new(what: &str, records: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(records, ProgressDrawTarget::stderr());
        let template = match records {
            Some(_) => "{prefix} [{bar:30}] {percent}%, {msg}, {eta} left",
            None => "{prefix} {spinner} {pos}, {msg}",
        };
        let plain = ProgressStyle::default_bar();
        bar.set_style(plain.clone().template(template).unwrap_or(plain).progress_chars("=> "));
        bar.set_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar }
    }

    /// So many more were looked at.
    pub fn add(&self, records: u64, message: &str) {
        self.bar.inc(records);
        self.bar.set_message(message.to_owned());
    }

    /// A line that stays.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| eprintln!("lcmgr: {line}"));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
