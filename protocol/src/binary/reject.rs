//! Why a request is refused before it becomes one.

use std::error::Error;
use std::fmt;

use super::{MAX_ITEMS, MAX_NAME, MAX_TEXT};
use crate::command::Command;
use crate::peer;

/// A request that is refused: nothing of it is to be executed, nothing is to be
/// answered, and the connection is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reject {
    /// The command, if its byte was known. It is to be counted all the same:
    /// the original counts before it checks the parameters.
    pub command: Option<Command>,
    /// What is wrong with the request.
    pub reason: Reason,
}

/// What is wrong with a refused request. All sizes and limits are in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The first byte is this and not `C8`.
    NotBinary(u8),
    /// No command has this byte.
    UnknownCommand(u8),
    /// A size, a count, the width or the port is negative.
    Negative {
        /// Which one.
        field: Field,
        /// What was sent.
        value: i32,
    },
    /// A key, or the prefix of `fwmkeys`, is longer than
    /// [`Limits::max_key`](crate::Limits::max_key).
    KeyTooLong {
        /// What was sent.
        size: u32,
        /// The limit.
        limit: u32,
    },
    /// A value is longer than
    /// [`Limits::max_value`](crate::Limits::max_value).
    ValueTooLong {
        /// What was sent.
        size: u32,
        /// The limit.
        limit: u32,
    },
    /// An argument of `misc` is longer than
    /// [`Limits::max_field`](crate::Limits::max_field).
    ArgumentTooLong {
        /// What was sent.
        size: u32,
        /// The limit.
        limit: u32,
    },
    /// The name of a function is longer than [`MAX_NAME`].
    NameTooLong {
        /// What was sent.
        size: u32,
    },
    /// Parameters, a path or a host is longer than [`MAX_TEXT`].
    TextTooLong {
        /// Which one.
        field: Field,
        /// What was sent.
        size: u32,
    },
    /// `mget` or `misc` announces more than [`MAX_ITEMS`] items.
    TooManyItems {
        /// What was sent.
        count: u32,
    },
    /// `repl` has a time stamp or a server id of zero.
    BadReplication {
        /// The time stamp that was sent.
        ts: u64,
        /// The server id that was sent.
        sid: u32,
    },
    /// The hello of a follower is none.
    BadHello(peer::Reason),
}

/// A number in the header of a request, or the size in front of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The size of a key.
    Key,
    /// The size of a value.
    Value,
    /// The size of the prefix of `fwmkeys`.
    Prefix,
    /// The size of the name of a function, in `ext` and `misc`.
    Name,
    /// The size of an argument of `misc`.
    Argument,
    /// The number of keys of `mget` or of arguments of `misc`.
    Count,
    /// The width of `putshl`.
    Width,
    /// The size of the parameters of `optimize`.
    Params,
    /// The size of the path of `copy` and `restore`.
    Path,
    /// The size of the host of `setmst`.
    Host,
    /// The port of `setmst`.
    Port,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Key => "size of a key",
            Field::Value => "size of a value",
            Field::Prefix => "size of the prefix",
            Field::Name => "size of the name",
            Field::Argument => "size of an argument",
            Field::Count => "number of items",
            Field::Width => "width",
            Field::Params => "size of the parameters",
            Field::Path => "size of the path",
            Field::Host => "size of the host",
            Field::Port => "port",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let too_long = |f: &mut fmt::Formatter<'_>, field: Field, size: u32, limit: u32| {
            write!(f, "the {field} is {size}, more than {limit}")
        };
        match *self {
            Reason::NotBinary(byte) => write!(f, "the first byte is {byte:#04x}, not 0xc8"),
            Reason::UnknownCommand(id) => write!(f, "no command has the byte {id:#04x}"),
            Reason::Negative { field, value } => {
                write!(f, "the {field} is negative: {value}")
            }
            Reason::KeyTooLong { size, limit } => too_long(f, Field::Key, size, limit),
            Reason::ValueTooLong { size, limit } => too_long(f, Field::Value, size, limit),
            Reason::ArgumentTooLong { size, limit } => too_long(f, Field::Argument, size, limit),
            Reason::NameTooLong { size } => too_long(f, Field::Name, size, MAX_NAME),
            Reason::TextTooLong { field, size } => too_long(f, field, size, MAX_TEXT),
            Reason::TooManyItems { count } => too_long(f, Field::Count, count, MAX_ITEMS),
            Reason::BadReplication { ts, sid } => {
                write!(f, "time stamp {ts} and server id {sid} must both be at least 1")
            }
            Reason::BadHello(reason) => reason.fmt(f),
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

impl Error for Reason {}

impl Error for Reject {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The reason is part of this error's own text already.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_what_where_and_the_limit() {
        let text = |command, reason| Reject { command, reason }.to_string();
        assert_eq!(text(None, Reason::NotBinary(0xC9)), "the first byte is 0xc9, not 0xc8");
        assert_eq!(text(None, Reason::UnknownCommand(0x0A)), "no command has the byte 0x0a");
        let size = 20;
        let limit = 10;
        assert_eq!(
            text(Some(Command::MGet), Reason::KeyTooLong { size, limit }),
            "mget: the size of a key is 20, more than 10"
        );
        let field = Field::Host;
        let size = 70_000;
        assert_eq!(
            text(Some(Command::SetMst), Reason::TextTooLong { field, size }),
            "setmst: the size of the host is 70000, more than 65536"
        );
        let field = Field::Width;
        let value = -1;
        assert_eq!(
            text(Some(Command::PutShl), Reason::Negative { field, value }),
            "putshl: the width is negative: -1"
        );
        let reason = Reason::BadReplication { ts: 0, sid: 3 };
        assert_eq!(
            text(Some(Command::Repl), reason),
            "repl: time stamp 0 and server id 3 must both be at least 1"
        );
    }
}
