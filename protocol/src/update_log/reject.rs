//! Why something is no update log.

use std::error::Error;
use std::fmt;

use crate::binary;
use crate::command::Command;

/// What is wrong with an entry in a file or with an item of a stream. Nothing behind it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It begins with this byte, which begins nothing.
    Magic(u8),
    /// Its command block is shorter than any can be.
    TooShort {
        /// What it says, in bytes.
        size: usize,
    },
    /// Its command block is longer than [`max_block`](super::max_block).
    TooLong {
        /// What it says, in bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// An entry of a stream comes from a server whose id is none: ids are 1 to 65535.
    ServerId(u32),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Reason::Magic(byte) => write!(f, "an entry begins with {byte:#04x}, not with 0xc9"),
            Reason::TooShort { size } => {
                write!(f, "a command block says that it has {size} bytes, less than 3")
            }
            Reason::TooLong { size, limit } => {
                write!(f, "a command block says that it has {size} bytes, more than {limit}")
            }
            Reason::ServerId(id) => write!(f, "an entry comes from server {id}; ids are 1 to 65535"),
        }
    }
}

impl Error for Reason {}

/// What is wrong with a command block. The entries behind it can be read all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadBlock {
    /// It does not begin with `C8`.
    Magic(u8),
    /// No command has this byte.
    UnknownCommand(u8),
    /// The command is known, but changes nothing: it is in no log.
    NotLogged(Command),
    /// It ends before its fields do.
    Short {
        /// The command, if the block got so far.
        command: Option<Command>,
        /// Bytes that it has.
        size: usize,
        /// Bytes that it would need at least.
        needed: usize,
    },
    /// It goes on behind its result byte.
    Long {
        /// The command.
        command: Command,
        /// Bytes that it has.
        size: usize,
        /// Bytes that its fields have.
        used: usize,
    },
    /// A size is negative or over its limit.
    Size {
        /// The command.
        command: Command,
        /// Which, and why.
        reason: binary::Reason,
    },
}

impl fmt::Display for BadBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            BadBlock::Magic(byte) => write!(f, "the command block begins with {byte:#04x}, not with 0xc8"),
            BadBlock::UnknownCommand(id) => {
                write!(f, "byte 1 of the command block is {id:#04x}, which is no command")
            }
            BadBlock::NotLogged(command) => {
                write!(f, "the command block is a {}, which changes nothing", command.name())
            }
            BadBlock::Short { command, size, needed } => {
                let name = command.map_or("unknown", Command::name);
                write!(f, "the command block ({name}) has {size} bytes and needs {needed}")
            }
            BadBlock::Long { command, size, used } => {
                let name = command.name();
                write!(f, "the command block ({name}) has {size} bytes, its fields only {used}")
            }
            BadBlock::Size { command, reason } => {
                write!(f, "the command block ({}): {reason}", command.name())
            }
        }
    }
}

impl Error for BadBlock {}
