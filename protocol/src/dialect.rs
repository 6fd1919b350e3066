//! The three dialects of clients on one connection: binary, memcached's text, HTTP.
//!
//! Each request says by its first bytes which it is, so that a client may change from one to the other: `C8`
//! is binary, a verb of memcached in lower case is memcached's, and what begins with an upper-case letter is HTTP or
//! nothing (spec of the original's dispatch, observed).

use std::error::Error;
use std::fmt;

use crate::command::Command;
use crate::limits::Limits;
use crate::request::Request;
use crate::{Arena, binary, http, memcached};

/// A dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Dialect {
    /// Requests that begin with the byte `C8`.
    #[default]
    Binary,
    /// memcached's text protocol.
    Memcached,
    /// HTTP/1.1.
    Http,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Binary, Self::Memcached, Self::Http];

    /// Its name in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Memcached => "memcached",
            Self::Http => "http",
        }
    }
}

/// What a decoder made of its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Step<'a> {
    /// The input holds the beginning of a request.
    Incomplete {
        /// Calling again is of no use before the input is at least so many bytes long, counted from the start of the
        /// request. Always more than there are, and never more than the request needs.
        at_least: usize,
        /// To be sent at once, and only now: the `100 Continue` that a client of HTTP waits for. Empty as a rule.
        interim: &'static [u8],
    },
    /// The input begins with a whole request.
    Request {
        /// The request, borrowing from the input or the arena.
        request: Request<'a>,
        /// How its reply is written.
        form: Form,
        /// How many bytes of the input it took.
        used: usize,
    },
    /// The input begins with a request whose answer is known without carrying it out.
    Answer {
        /// What it counts as, in vain; none where nothing is wrong with it.
        counted: Option<(Dialect, Command)>,
        /// The answer, perhaps empty.
        reply: &'static [u8],
        /// How many bytes of the input it took.
        used: usize,
    },
    /// The client says that it is done: the connection is to be closed.
    Quit,
}

/// How the reply of a request is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Form {
    /// By [`binary::Encoder`].
    Binary,
    /// By [`memcached::Encoder`].
    Memcached(memcached::Form),
    /// By [`http::Encoder`].
    Http(http::Form),
}

impl Form {
    /// The dialect.
    #[inline]
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Binary => Dialect::Binary,
            Self::Memcached(_) => Dialect::Memcached,
            Self::Http(_) => Dialect::Http,
        }
    }

    /// The command that a request in this form counts as.
    #[inline]
    #[must_use]
    pub fn command(&self, request: &Request<'_>) -> Command {
        match self {
            Self::Http(form) => form.counted(request.command()),
            _ => request.command(),
        }
    }

    /// Whether a request is counted before it is carried out, and not by that: each key of a get of memcached is one.
    #[inline]
    #[must_use]
    pub fn counts(&self, request: &Request<'_>) -> bool {
        matches!(self, Self::Binary) || !matches!(request, Request::Fetch { .. })
    }

    /// The command that it is counted as before it is carried out, if it is.
    #[inline]
    #[must_use]
    pub fn counted(&self, request: &Request<'_>) -> Option<Command> {
        self.counts(request).then(|| self.command(request))
    }

    /// Whether the connection is to be closed after the reply.
    #[inline]
    #[must_use]
    pub fn closes(&self) -> bool {
        matches!(self, Self::Http(form) if form.closes())
    }
}

/// A request that is refused before it becomes one. The connection is to be closed after the reply, as where the next
/// request begins is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reject {
    /// The command, if it got as far. It is to be counted all the same.
    pub command: Option<Command>,
    /// What is to be answered, empty for nothing.
    pub reply: &'static [u8],
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a request that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is of no dialect: the first byte, which belongs to none or begins a word that no dialect knows.
    NoDialect(u8),
    /// It is a bad one of the binary dialect.
    Binary(binary::Reason),
    /// It is a bad one of memcached's.
    Memcached(memcached::Reason),
    /// It is a bad one of HTTP.
    Http(http::Reason),
}

impl Reason {
    /// The dialect that the request was begun in, if it was one.
    #[must_use]
    pub fn dialect(&self) -> Option<Dialect> {
        match self {
            Self::NoDialect(_) => None,
            Self::Binary(_) => Some(Dialect::Binary),
            Self::Memcached(_) => Some(Dialect::Memcached),
            Self::Http(_) => Some(Dialect::Http),
        }
    }
}

impl From<binary::Reject> for Reject {
    fn from(reject: binary::Reject) -> Self {
        Self { command: reject.command, reply: b"", reason: Reason::Binary(reject.reason) }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDialect(byte) => {
                write!(f, "a request that begins with {byte:#04x} is neither binary, memcached's nor HTTP")
            }
            Self::Binary(reason) => reason.fmt(f),
            Self::Memcached(reason) => reason.fmt(f),
            Self::Http(reason) => reason.fmt(f),
        }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.command {
            Some(command) => write!(f, "{}: {}", command.name(), self.reason),
            None => self.reason.fmt(f),
        }
    }
}

impl Error for Reject {}

/// What the first bytes say that are not `C8`.
enum Talk {
    Memcached,
    Http,
    /// More bytes are needed.
    Open,
    Nothing,
}

/// Decodes the requests of one connection, in whatever dialect each of them is.
#[derive(Debug, Clone)]
pub struct Decoder {
    /// The one of requests that begin with [`binary::MAGIC`].
    pub binary: binary::Decoder,
    memcached: memcached::Decoder,
    http: http::Decoder,
}

impl Decoder {
    /// A decoder for a new connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            binary: binary::Decoder::new(limits),
            memcached: memcached::Decoder::new(limits),
            http: http::Decoder::new(limits),
        }
    }

    /// Decodes the request that `input` begins with, by the contract of [`binary::Decoder::decode`].
    ///
    /// # Errors
    ///
    /// A [`Reject`] if the bytes cannot become a request, however many follow.
    #[inline]
    pub fn decode<'a>(&mut self, input: &'a [u8], arena: &'a Arena) -> Result<Step<'a>, Reject> {
        match input.first() {
            None => Ok(Step::Incomplete { at_least: 1, interim: b"" }),
            Some(&binary::MAGIC) => match self.binary.decode(input)? {
                binary::Step::Incomplete { at_least } => Ok(Step::Incomplete { at_least, interim: b"" }),
                binary::Step::Request { request, used } => {
                    Ok(Step::Request { request, form: Form::Binary, used })
                }
            },
            Some(_) => self.text(input, arena),
        }
    }

    fn text<'a>(&mut self, input: &'a [u8], arena: &'a Arena) -> Result<Step<'a>, Reject> {
        match talk(input) {
            Talk::Memcached => self.memcached.decode(input, arena),
            Talk::Http => self.http.decode(input, arena),
            Talk::Open => Ok(Step::Incomplete { at_least: input.len() + 1, interim: b"" }),
            Talk::Nothing => {
                let reason = Reason::NoDialect(input.first().copied().unwrap_or_default());
                Err(Reject { command: None, reply: b"", reason })
            }
        }
    }
}

/// Which dialect the first word belongs to. The first letter says which one it can be.
#[inline]
fn talk(input: &[u8]) -> Talk {
    let (begins, dialect) = match input.first() {
        Some(first) if first.is_ascii_uppercase() => (http::begins(input), Talk::Http),
        _ => (memcached::begins(input), Talk::Memcached),
    };
    match begins {
        Some(true) => dialect,
        Some(false) => Talk::Nothing,
        None => Talk::Open,
    }
}

/// Whether half a request, after which the client sends nothing more, is to be ended by a line feed: one that reads
/// only. A change that was cut off might be of another key than was meant.
#[must_use]
pub fn may_end(input: &[u8]) -> bool {
    memcached::may_end(input)
}
