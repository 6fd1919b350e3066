//! Why a request is refused before it becomes one.

use std::fmt;

/// What is wrong with a refused request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A line is longer than [`MAX_LINE`](super::MAX_LINE) bytes.
    LineTooLong,
    /// A line has too few words for its verb.
    TooFewWords,
    /// A key is longer than [`Limits::max_key`](crate::Limits::max_key).
    KeyTooLong {
        /// Its bytes.
        size: usize,
        /// The most that are allowed.
        limit: u32,
    },
    /// A value is announced that is longer than [`Limits::max_value`](crate::Limits::max_value).
    ValueTooLong {
        /// The announced bytes.
        size: i64,
        /// The most that are allowed.
        limit: u32,
    },
    /// A value is not followed by CR and LF: it has another length than was announced.
    NoEndOfValue,
}

impl Reason {
    /// What the client is told.
    pub(super) fn reply(self) -> &'static [u8] {
        match self {
            Self::LineTooLong => b"CLIENT_ERROR line too long\r\n",
            Self::TooFewWords | Self::KeyTooLong { .. } => b"CLIENT_ERROR error\r\n",
            Self::ValueTooLong { .. } => b"SERVER_ERROR object too large for cache\r\n",
            Self::NoEndOfValue => b"",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong => write!(f, "the line is longer than {} bytes", super::MAX_LINE),
            Self::TooFewWords => f.write_str("the line has too few words"),
            Self::KeyTooLong { size, limit } => {
                write!(f, "the key has {size} bytes, at most {limit} are allowed")
            }
            Self::ValueTooLong { size, limit } => {
                write!(f, "the value has {size} bytes, at most {limit} are allowed")
            }
            Self::NoEndOfValue => f.write_str("the value is not followed by CR and LF: is its length right?"),
        }
    }
}
