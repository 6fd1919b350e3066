//! From answers to bytes.

use std::io::Write;

use crate::reply::Reply;

/// What an answer is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    pub(super) kind: Kind,
    /// The client wants none.
    pub(super) noreply: bool,
}

/// Requests whose answers have the same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Set,
    Add,
    /// Also append and prepend.
    Replace,
    Cas,
    Delete,
    Adjust,
    Touch,
    Flush,
    Fetch,
    /// With the unique ids of records.
    FetchWithIds,
    Stats,
    Version,
}

const UNEXPECTED: &[u8] = b"SERVER_ERROR unexpected\r\n";
const NOT_STORED: &[u8] = b"NOT_STORED\r\n";
const NOT_FOUND: &[u8] = b"NOT_FOUND\r\n";

impl Kind {
    pub fn fetch(with_ids: bool) -> Self {
        if with_ids { Self::FetchWithIds } else { Self::Fetch }
    }

    fn success(self) -> &'static [u8] {
        match self {
            Self::Set | Self::Add | Self::Replace | Self::Cas => b"STORED\r\n",
            Self::Delete => b"DELETED\r\n",
            Self::Touch => b"TOUCHED\r\n",
            Self::Fetch | Self::FetchWithIds | Self::Stats => b"END\r\n",
            Self::Adjust | Self::Flush | Self::Version => b"OK\r\n",
        }
    }

    fn failure(self) -> &'static [u8] {
        match self {
            // Whatever the reason (observed).
            Self::Add => NOT_STORED,
            Self::Delete => NOT_FOUND,
            _ => UNEXPECTED,
        }
    }

    fn missing(self) -> &'static [u8] {
        match self {
            Self::Replace => NOT_STORED,
            Self::Cas | Self::Delete | Self::Adjust | Self::Touch => NOT_FOUND,
            other => other.failure(),
        }
    }

    fn exists(self) -> &'static [u8] {
        match self {
            Self::Cas => b"EXISTS\r\n",
            other => other.failure(),
        }
    }

    fn forbidden(self) -> &'static [u8] {
        match self {
            // Observed.
            Self::Stats => b"",
            _ => b"CLIENT_ERROR forbidden\r\n",
        }
    }
}

/// Writes the reply of one request behind what the buffer holds already.
#[derive(Debug)]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    form: Form,
    start: usize,
}

impl<'o> Encoder<'o> {
    /// Begins the reply of a request in this form, behind what `out` holds.
    #[inline]
    #[must_use]
    pub fn new(out: &'o mut Vec<u8>, form: Form) -> Self {
        let start = out.len();
        Self { out, form, start }
    }

    #[inline]
    fn say(&mut self, text: &[u8]) {
        if !self.form.noreply {
            self.out.extend_from_slice(text);
        }
    }

    /// A number in decimal as a line.
    fn number(&mut self, number: impl std::fmt::Display) {
        if !self.form.noreply {
            // Writing to memory cannot fail.
            let _ = write!(self.out, "{number}\r\n");
        }
    }
}

impl Reply for Encoder<'_> {
    #[inline]
    fn success(&mut self) {
        self.say(self.form.kind.success());
    }

    fn failure(&mut self) {
        self.say(self.form.kind.failure());
    }

    fn missing(&mut self) {
        self.say(self.form.kind.missing());
    }

    fn exists(&mut self) {
        self.say(self.form.kind.exists());
    }

    fn forbidden(&mut self) {
        self.say(self.form.kind.forbidden());
    }

    /// A line: the new number of `incr`, or the version.
    fn value(&mut self, value: &[u8]) {
        if self.form.kind == Kind::Version {
            self.say(b"VERSION ");
        }
        self.say(value);
        self.say(b"\r\n");
    }

    fn int(&mut self, number: i32) {
        self.number(number);
    }

    fn double(&mut self, number: f64) {
        self.number(number);
    }

    fn count(&mut self, count: u64) {
        self.number(count);
    }

    #[inline]
    fn begin_list(&mut self) {}

    /// No command of this dialect has a list of anything but records.
    fn item(&mut self, item: &[u8]) {
        self.value(item);
    }

    /// A line of `stats`; else a record that no more is known of.
    #[inline]
    fn record(&mut self, key: &[u8], value: &[u8]) {
        if self.form.kind == Kind::Stats {
            for text in [b"STAT ", key, b" ", value, b"\r\n"] {
                self.say(text);
            }
        } else {
            self.record_with(key, value, 0, 0);
        }
    }

    #[inline]
    fn record_with(&mut self, key: &[u8], value: &[u8], flags: u32, unique: u64) {
        // Three numbers of up to 20 digits, and what is around them.
        self.out.reserve(key.len() + value.len() + 96);
        let mut digits = itoa::Buffer::new();
        self.out.extend_from_slice(b"VALUE ");
        self.out.extend_from_slice(key);
        self.out.push(b' ');
        self.out.extend_from_slice(digits.format(flags).as_bytes());
        self.out.push(b' ');
        self.out.extend_from_slice(digits.format(value.len()).as_bytes());
        if self.form.kind == Kind::FetchWithIds {
            self.out.push(b' ');
            self.out.extend_from_slice(digits.format(unique).as_bytes());
        }
        self.out.extend_from_slice(b"\r\n");
        self.out.extend_from_slice(value);
        self.out.extend_from_slice(b"\r\n");
    }

    #[inline]
    fn end_list(&mut self) {
        self.say(self.form.kind.success());
    }

    fn abandon_list(&mut self) {
        self.out.truncate(self.start);
        self.say(b"SERVER_ERROR out of memory writing get response\r\n");
    }

    #[inline]
    fn len(&self) -> usize {
        self.out.len() - self.start
    }
}
