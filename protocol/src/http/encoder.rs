//! From answers to bytes: the original's, to the letter.

use super::escapes;
use super::range::{Part, Range};
use crate::command::Command;
use crate::reply::Reply;

/// What was asked for, as far as the answer's form depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`, whose answers have no body.
    Head,
    /// `PUT` that stores or appends.
    Put,
    /// `PUT` of a record that is not there.
    PutKeep,
    /// `POST` to a function of the script.
    Ext,
    /// `POST` to a function of the database.
    Misc,
    /// `DELETE`.
    Delete,
    /// `OPTIONS`.
    Options,
}

/// What an answer is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form {
    /// What was asked for.
    pub method: Method,
    /// Whether the connection is to be closed after the reply.
    pub close: bool,
    /// The part of the value that is asked for.
    pub range: Option<Range>,
}

impl Form {
    /// The command that a request is counted as: the original knows one for each method (observed).
    #[inline]
    #[must_use]
    pub fn counted(&self, command: Command) -> Command {
        match self.method {
            Method::Put | Method::PutKeep => Command::Put,
            Method::Misc => Command::Ext,
            _ => command,
        }
    }

    /// Whether the connection is to be closed after the reply.
    #[inline]
    #[must_use]
    pub fn closes(&self) -> bool {
        self.close
    }
}

/// A reply with a line of text: status and reason, which is the text, and its length with the line feed.
macro_rules! text {
    ($status:literal, $reason:literal, $length:literal) => {
        concat!(
            "HTTP/1.1 ",
            $status,
            " ",
            $reason,
            "\r\nContent-Type: text/plain\r\nContent-Length: ",
            $length,
            "\r\n\r\n",
            $reason,
            "\n"
        )
        .as_bytes()
    };
}

const OK: &[u8] = text!("200", "OK", "3");
const CREATED: &[u8] = text!("201", "Created", "8");
const FORBIDDEN: &[u8] = text!("403", "Forbidden", "10");
const NOT_FOUND: &[u8] = text!("404", "Not Found", "10");
const CONFLICT: &[u8] = text!("409", "Conflict", "9");
const FAILED: &[u8] = text!("500", "Internal Server Error", "22");

const HEAD_FORBIDDEN: &[u8] = b"HTTP/1.1 403 Forbidden\r\n\r\n";
const HEAD_NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\n\r\n";
const HEAD_FAILED: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\n\r\n";

const DATA: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ";
const PARTIAL: &[u8] =
    b"HTTP/1.1 206 Partial Content\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ";
const NOTHING: &[u8] =
    b"HTTP/1.1 416 Range Not Satisfiable\r\nContent-Type: text/plain\r\nContent-Length: 22\r\nContent-Range: bytes */";
const NOTHING_TEXT: &[u8] = b"\r\n\r\nRange Not Satisfiable\n";
const LENGTH: &[u8] = b"\r\nContent-Length: ";
const PAIRS: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ";
const HEADERS: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n";
const END: &[u8] = b"\r\n\r\n";

/// Bytes of a number at most.
const NUMBER: usize = 20;
/// What is kept free for the head of a list, whose length is known when it ends.
const PAIRS_HEAD: usize = PAIRS.len() + NUMBER + END.len();

/// Writes the reply of one request behind what the buffer holds already.
#[derive(Debug)]
pub struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    form: Form,
    start: usize,
    /// Elements of the list so far.
    items: u64,
}

impl<'o> Encoder<'o> {
    /// Begins the reply of a request in this form, behind what `out` holds.
    #[inline]
    #[must_use]
    pub fn new(out: &'o mut Vec<u8>, form: Form) -> Self {
        let start = out.len();
        Self { out, form, start, items: 0 }
    }

    #[inline]
    fn number(&mut self, number: usize) {
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// One of two replies: the second where answers have no body.
    fn either(&mut self, text: &[u8], bodiless: &[u8]) {
        self.out.extend_from_slice(if self.form.method == Method::Head { bodiless } else { text });
    }

    /// All of a value.
    #[inline]
    fn whole(&mut self, value: &[u8]) {
        self.out.reserve(DATA.len() + NUMBER + END.len() + value.len());
        self.out.extend_from_slice(DATA);
        self.number(value.len());
        self.out.extend_from_slice(END);
        self.out.extend_from_slice(value);
    }

    /// The part of a value that was asked for.
    #[cold]
    fn part(&mut self, value: &[u8], range: Range) {
        let (first, end) = match range.part(value.len()) {
            Part::Whole => return self.whole(value),
            Part::Of(first, end) => (first, end),
            Part::Nothing => {
                self.out.extend_from_slice(NOTHING);
                self.number(value.len());
                return self.out.extend_from_slice(NOTHING_TEXT);
            }
        };
        let part = value.get(first..end).unwrap_or_default();
        self.out.reserve(PARTIAL.len() + 4 * NUMBER + LENGTH.len() + END.len() + part.len());
        self.out.extend_from_slice(PARTIAL);
        self.number(first);
        self.out.push(b'-');
        self.number(end - 1);
        self.out.push(b'/');
        self.number(value.len());
        self.out.extend_from_slice(LENGTH);
        self.number(part.len());
        self.out.extend_from_slice(END);
        self.out.extend_from_slice(part);
    }

    /// A piece of the head of `OPTIONS`, on its line whatever it holds.
    fn header(&mut self, text: &[u8]) {
        self.out.extend(text.iter().map(|&byte| if byte.is_ascii_control() { b' ' } else { byte }));
    }
}

impl Reply for Encoder<'_> {
    fn success(&mut self) {
        match self.form.method {
            Method::Put | Method::PutKeep => self.out.extend_from_slice(CREATED),
            Method::Misc | Method::Options => {
                self.begin_list();
                self.end_list();
            }
            _ => self.out.extend_from_slice(OK),
        }
    }

    /// What the original answers to any failure of the method.
    fn failure(&mut self) {
        match self.form.method {
            Method::PutKeep => self.out.extend_from_slice(CONFLICT),
            Method::Delete => self.out.extend_from_slice(NOT_FOUND),
            _ => self.either(FAILED, HEAD_FAILED),
        }
    }

    fn missing(&mut self) {
        match self.form.method {
            Method::Get | Method::Head => self.either(NOT_FOUND, HEAD_NOT_FOUND),
            _ => self.failure(),
        }
    }

    fn forbidden(&mut self) {
        self.either(FORBIDDEN, HEAD_FORBIDDEN);
    }

    #[inline]
    fn value(&mut self, value: &[u8]) {
        match (self.form.method, self.form.range) {
            (Method::Misc, _) => {
                self.begin_list();
                self.item(value);
                self.end_list();
            }
            (_, None) => self.whole(value),
            (_, Some(range)) => self.part(value, range),
        }
    }

    /// The size of a value for `HEAD`, else the number as text.
    fn int(&mut self, number: i32) {
        if self.form.method == Method::Head {
            self.out.extend_from_slice(DATA);
            self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
            self.out.extend_from_slice(END);
        } else {
            self.value(itoa::Buffer::new().format(number).as_bytes());
        }
    }

    fn double(&mut self, number: f64) {
        self.value(number.to_string().as_bytes());
    }

    fn count(&mut self, count: u64) {
        self.value(itoa::Buffer::new().format(count).as_bytes());
    }

    /// What was said before is taken back.
    fn begin_list(&mut self) {
        self.out.truncate(self.start);
        self.items = 0;
        match self.form.method {
            Method::Options => self.out.extend_from_slice(HEADERS),
            _ => self.out.resize(self.start + PAIRS_HEAD, 0),
        }
    }

    /// An element of the answer of `misc`.
    fn item(&mut self, item: &[u8]) {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        if self.items > 0 {
            self.out.push(b'&');
        }
        self.items += 1;
        self.out.extend_from_slice(b"res");
        self.out.extend_from_slice(itoa::Buffer::new().format(self.items).as_bytes());
        self.out.push(b'=');
        self.out.reserve(item.len());
        for &byte in item {
            if escapes::is_plain(byte) {
                self.out.push(byte);
            } else {
                let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
                self.out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
            }
        }
    }

    /// A header of `OPTIONS`; else two elements.
    fn record(&mut self, key: &[u8], value: &[u8]) {
        if self.form.method == Method::Options {
            self.header(key);
            self.out.extend_from_slice(b": ");
            self.header(value);
            self.out.extend_from_slice(b"\r\n");
        } else {
            self.item(key);
            self.item(value);
        }
    }

    fn end_list(&mut self) {
        if self.form.method == Method::Options {
            return self.out.extend_from_slice(b"\r\n");
        }
        let body = self.start + PAIRS_HEAD;
        let length = self.out.len().saturating_sub(body);
        let mut number = itoa::Buffer::new();
        let head = [PAIRS, number.format(length).as_bytes(), END].concat();
        // No longer than what was kept free, whose rest is closed up.
        self.out.splice(self.start..body, head);
    }

    fn abandon_list(&mut self) {
        self.out.truncate(self.start);
        self.failure();
    }

    #[inline]
    fn len(&self) -> usize {
        self.out.len() - self.start
    }
}
