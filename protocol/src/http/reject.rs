//! Why a request is refused before it becomes one, and what is answered.

use std::fmt;

use crate::command::Command;
use crate::dialect::{self, Reject};

/// What is wrong with a refused request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The request line has more than three words, a control character, or a version `HTTP/1.` without a number.
    BadLine,
    /// The request line does not end within [`MAX_HEAD`](super::MAX_HEAD) bytes.
    LineTooLong,
    /// Another version than `HTTP/1.`.
    Version,
    /// A method that nobody knows.
    UnknownMethod,
    /// A method that is not served.
    MethodNotAllowed,
    /// A line that is no header.
    BadHeader,
    /// Line and headers do not end within [`MAX_HEAD`](super::MAX_HEAD) bytes, or trailers within as many.
    HeadTooLong,
    /// More than [`MAX_HEADERS`](super::MAX_HEADERS) headers.
    TooManyHeaders,
    /// A `%` without two hexadecimal digits, in a key or in the arguments of a call.
    BadEscape,
    /// A key over the limit.
    KeyTooLong,
    /// `Content-Length` is no number, too large a one, or two.
    BadLength,
    /// The body has two lengths: one of its own and chunks. Or chunks under HTTP/1.0, which has none.
    TwoLengths,
    /// `Transfer-Encoding` is something else than `chunked`.
    TransferEncoding,
    /// A body in chunks that has something else where a chunk is to begin or to end.
    BadChunk,
    /// A body over the limit of a value.
    BodyTooLarge,
    /// `Expect` is something else than `100-continue`.
    Expectation,
    /// A body of kind `multipart/` without its boundaries.
    BadParts,
    /// A call of more than [`MAX_ARGUMENTS`](super::MAX_ARGUMENTS) arguments.
    TooManyArguments,
    /// `POST` without the name of a function.
    NoFunction,
}

/// A reply after which the connection is closed: status and reason, length of the body, other headers.
macro_rules! closing {
    ($status:literal, $reason:literal, $length:literal $(, $header:literal)?) => {
        concat!(
            "HTTP/1.1 ", $status, " ", $reason, "\r\n",
            "Content-Type: text/plain\r\n",
            "Content-Length: ", $length, "\r\n",
            $($header, "\r\n",)?
            "Connection: close\r\n\r\n",
            $reason, "\n"
        )
        .as_bytes()
    };
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::BadLine,
        Self::LineTooLong,
        Self::Version,
        Self::UnknownMethod,
        Self::MethodNotAllowed,
        Self::BadHeader,
        Self::HeadTooLong,
        Self::TooManyHeaders,
        Self::BadEscape,
        Self::KeyTooLong,
        Self::BadLength,
        Self::TwoLengths,
        Self::TransferEncoding,
        Self::BadChunk,
        Self::BodyTooLarge,
        Self::Expectation,
        Self::BadParts,
        Self::TooManyArguments,
        Self::NoFunction,
    ];

    /// What is answered before the connection is closed.
    #[must_use]
    pub fn reply(self) -> &'static [u8] {
        match self {
            Self::BadLine
            | Self::BadHeader
            | Self::BadEscape
            | Self::BadLength
            | Self::TwoLengths
            | Self::BadChunk
            | Self::BadParts
            | Self::NoFunction => closing!("400", "Bad Request", "12"),
            Self::MethodNotAllowed => {
                closing!("405", "Method Not Allowed", "19", "Allow: OPTIONS, GET, HEAD, PUT, POST, DELETE")
            }
            Self::BodyTooLarge | Self::TooManyArguments => closing!("413", "Content Too Large", "18"),
            Self::LineTooLong | Self::KeyTooLong => closing!("414", "URI Too Long", "13"),
            Self::Expectation => closing!("417", "Expectation Failed", "19"),
            Self::HeadTooLong | Self::TooManyHeaders => {
                closing!("431", "Request Header Fields Too Large", "32")
            }
            Self::UnknownMethod | Self::TransferEncoding => closing!("501", "Not Implemented", "16"),
            Self::Version => closing!("505", "HTTP Version Not Supported", "27"),
        }
    }
}

impl From<Reason> for Reject {
    #[cold]
    fn from(reason: Reason) -> Self {
        let command = (reason == Reason::NoFunction).then_some(Command::Ext);
        Self { command, reply: reason.reply(), reason: dialect::Reason::Http(reason) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BadLine => "the request line of HTTP is not METHOD TARGET HTTP/1.N",
            Self::LineTooLong => "the request line of HTTP has no end within 64 KiB",
            Self::Version => "only HTTP/1.0 and HTTP/1.1 are served",
            Self::UnknownMethod => "HTTP has no such method",
            Self::MethodNotAllowed => "this method of HTTP is not served",
            Self::BadHeader => "a line of the head is no header of HTTP",
            Self::HeadTooLong => "the head or the trailers have no end within 64 KiB",
            Self::TooManyHeaders => "there are more than 100 headers",
            Self::BadEscape => "a % lacks its two hexadecimal digits",
            Self::KeyTooLong => "the key is over the limit of keys (--max-key)",
            Self::BadLength => "Content-Length is not one number",
            Self::TwoLengths => "the body has a Content-Length and chunks, or chunks under HTTP/1.0",
            Self::TransferEncoding => "the only Transfer-Encoding that is known is chunked",
            Self::BadChunk => "the body is not in chunks as HTTP has them",
            Self::BodyTooLarge => "the body is over the limit of values (--max-value)",
            Self::Expectation => "Expect says something else than 100-continue",
            Self::BadParts => "the body is not in parts as its Content-Type says",
            Self::TooManyArguments => "a call has more arguments than are taken from a body",
            Self::NoFunction => "POST has neither X-TT-XNAME nor X-TT-MNAME",
        })
    }
}
