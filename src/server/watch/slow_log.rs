//! A line in the log for each request that took long (`--slow-log`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lcnode_protocol::{Command, Dialect, Request};
use parking_lot::Mutex;

/// Bytes of a key, or of a function's name, that a line shows.
const SHOWN: usize = 64;
/// Lines a second.
const LINES: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);

/// Which requests are slow, and what was said of them.
#[derive(Debug)]
pub(super) struct SlowLog {
    /// Nanoseconds.
    threshold: u64,
    /// All of them, those left out included.
    count: AtomicU64,
    rate: Mutex<Rate>,
}

/// What a line tells of a request.
#[derive(Debug)]
pub(super) struct Entry {
    /// When it was decoded, in ticks of the clock.
    pub(super) started: u64,
    command: Command,
    dialect: Dialect,
    /// Of `ext` and `misc`.
    function: Option<String>,
    key: Option<String>,
    /// Bytes of it.
    value: usize,
    pub(super) reply: usize,
    pub(super) waited_for: Option<&'static str>,
}

/// Bounds the lines of a second.
#[derive(Debug)]
struct Rate {
    began: Option<Instant>,
    lines: u32,
    left_out: u64,
}

impl Rate {
    /// Whether another line may be written, and how many were left out before it.
    fn allows(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.duration_since(began) >= SECOND) {
            (self.began, self.lines) = (Some(now), 0);
        }
        if self.lines >= LINES {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl SlowLog {
    pub(super) fn new(threshold: Duration) -> Self {
        Self {
            threshold: u64::try_from(threshold.as_nanos()).unwrap_or(u64::MAX),
            count: AtomicU64::new(0),
            rate: Mutex::new(Rate { began: None, lines: 0, left_out: 0 }),
        }
    }

    #[inline]
    pub(super) fn is_slow(&self, nanoseconds: u64) -> bool {
        nanoseconds >= self.threshold
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Says that a request took so many nanoseconds; only counts it where too much has been said in this second.
    #[cold]
    pub(super) fn log(&self, entry: &Entry, nanoseconds: u64, peer: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let Some(left_out) = self.rate.lock().allows(Instant::now()) else { return };
        if left_out > 0 {
            tracing::warn!(count = left_out, "slow requests were left out of the log");
        }
        tracing::warn!(
            milliseconds = (nanoseconds / 1000) as f64 / 1000.0,
            dialect = entry.dialect.name(),
            command = entry.command.name(),
            function = entry.function.as_deref(),
            key = entry.key.as_deref(),
            value_bytes = entry.value,
            reply_bytes = entry.reply,
            peer,
            waited_for = entry.waited_for,
            "slow request"
        );
    }
}

impl Entry {
    /// Of a request that was decoded at `started`.
    pub(super) fn of(request: &Request<'_>, dialect: Dialect, started: u64) -> Self {
        let (function, value) = match *request {
            Request::Put { value, .. }
            | Request::PutKeep { value, .. }
            | Request::PutCat { value, .. }
            | Request::PutShl { value, .. }
            | Request::PutNr { value, .. }
            | Request::Store { value, .. } => (None, value.len()),
            Request::Ext { name, value, .. } => (Some(name), value.len()),
            Request::Misc { name, args, .. } => (Some(name), args.iter().skip(1).map(<[u8]>::len).sum()),
            _ => (None, 0),
        };
        let key = match *request {
            Request::Misc { args, .. } => args.iter().next(),
            Request::MGet { keys } => keys.iter().next(),
            Request::Fetch { keys, .. } => keys.iter().next(),
            Request::FwmKeys { prefix, .. } => Some(prefix),
            _ => request.key(),
        };
        Self {
            started,
            command: request.command(),
            dialect,
            function: function.map(shown),
            key: key.map(shown),
            value,
            reply: 0,
            waited_for: None,
        }
    }
}

/// Bytes as text: escaped, and cut where they are many.
fn shown(bytes: &[u8]) -> String {
    match bytes.get(..SHOWN) {
        Some(start) if bytes.len() > SHOWN => format!("{}...", start.escape_ascii()),
        _ => bytes.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_escaped_and_cut() {
        assert_eq!(shown(b"a key"), "a key");
        assert_eq!(shown(b"\0\n\xff\""), "\\x00\\n\\xff\\\"");
        assert_eq!(shown(&[b'a'; 64]), "a".repeat(64));
        assert_eq!(shown(&[b'a'; 65]), format!("{}...", "a".repeat(64)));
    }

    #[test]
    fn a_second_has_a_hundred_lines() {
        let mut rate = Rate { began: None, lines: 0, left_out: 0 };
        let start = Instant::now();
        for _ in 0..LINES {
            assert_eq!(rate.allows(start), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(rate.allows(start + SECOND / 2), None);
        }
        assert_eq!(rate.allows(start + SECOND), Some(7));
        assert_eq!(rate.allows(start + SECOND), Some(0));
    }

    #[test]
    fn what_is_slow() {
        let half = SlowLog::new(Duration::from_micros(500));
        assert!(!half.is_slow(499_999) && half.is_slow(500_000));
        assert!(SlowLog::new(Duration::ZERO).is_slow(0));
    }
}
