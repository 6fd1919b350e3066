//! How a command fails: with a code and a text, as tcrmgr has them.

use std::io;

use lightcloud::tyrant::{ErrorKind, ServerError};

/// The codes of Tokyo Tyrant's client library.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 1.
    Invalid,
    /// 2.
    NoHost,
    /// 3.
    Refused,
    /// 4.
    Send,
    /// 5.
    Receive,
    /// 6.
    Exists,
    /// 7.
    Missing,
    /// 9999.
    Other,
}

impl Code {
    fn number_and_text(self) -> (u32, &'static str) {
        match self {
            Self::Invalid => (1, "invalid operation"),
            Self::NoHost => (2, "host not found"),
            Self::Refused => (3, "connection refused"),
            Self::Send => (4, "send error"),
            Self::Receive => (5, "recv error"),
            Self::Exists => (6, "existing record"),
            Self::Missing => (7, "no record found"),
            Self::Other => (9999, "miscellaneous error"),
        }
    }
}

/// Why a command failed.
#[derive(Debug)]
pub enum Failed {
    /// With a code, and what the server had to do with it.
    Code(Code, Option<String>),
    /// With a text of its own.
    Text(String),
    /// With a text that tcrmgr gives without its name.
    Bare(String),
    /// What was typed is no command.
    Usage(String),
    /// What it says cannot be written.
    Output(io::Error),
}

impl Failed {
    /// What is said of it on stderr, by a program of this name; nothing where nobody reads the output any more.
    pub fn say(&self, program: &str, in_full: bool) -> Option<String> {
        Some(match self {
            Self::Code(code, detail) => {
                let (number, text) = code.number_and_text();
                match detail.as_ref().filter(|_| in_full) {
                    Some(detail) => format!("{program}: error: {number}: {text}: {detail}"),
                    None => format!("{program}: error: {number}: {text}"),
                }
            }
            Self::Bare(text) if !in_full => text.clone(),
            Self::Text(text) | Self::Bare(text) | Self::Usage(text) => format!("{program}: {text}"),
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return None,
            Self::Output(error) => format!("{program}: cannot write the output: {error}"),
        })
    }
}

impl From<Code> for Failed {
    fn from(code: Code) -> Self {
        Self::Code(code, None)
    }
}

impl From<ServerError> for Failed {
    fn from(error: ServerError) -> Self {
        let code = match &error.kind {
            // Only the look-up of a name fails without a number of the system's.
            ErrorKind::Connect(why) if why.raw_os_error().is_none() => Code::NoHost,
            ErrorKind::Connect(_) | ErrorKind::ConnectTimeout(_) => Code::Refused,
            ErrorKind::Broken(_) if !error.may_be_done => Code::Send,
            ErrorKind::Unsendable(_) => Code::Invalid,
            ErrorKind::Failed(_) => Code::Other,
            _ => Code::Receive,
        };
        Self::Code(code, Some(error.to_string()))
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
