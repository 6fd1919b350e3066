//! Why what a peer sent is refused.

use std::error::Error;
use std::fmt;

/// What is wrong with a hello or a frame. The connection is of no further use then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// What answers is no lcnode: its hello does not begin with `LCNR`.
    NotLcnode,
    /// The peer speaks a version of this wire that is not known here.
    Version(u16),
    /// A hello has flags that its version does not have.
    Flags(u8),
    /// A leader's hello has a mode that does not exist.
    Mode(u8),
    /// The text of a leader's hello is longer than [`MAX_REASON`](super::MAX_REASON) or no UTF-8.
    Text {
        /// Its length in bytes.
        size: usize,
    },
    /// No frame that this side may be sent has the type.
    Type(u8),
    /// A frame's body cannot have this length.
    Length {
        /// The frame's name.
        frame: &'static str,
        /// What was sent, in bytes.
        size: usize,
        /// The least that is possible.
        least: usize,
        /// The most that is accepted.
        most: usize,
    },
    /// A frame's type and body are not what was sent.
    Checksum {
        /// The frame's name.
        frame: &'static str,
        /// The length of its body in bytes.
        size: usize,
    },
    /// A frame's list does not have the length that it says, or has too many entries.
    List {
        /// The frame's name.
        frame: &'static str,
        /// The number of entries, or the bytes where these make no whole number of entries.
        entries: usize,
    },
    /// A range is not below [`RANGES`](super::RANGES).
    Range(u16),
    /// A byte that is yes or no is neither 1 nor 0.
    Flag(u8),
    /// A position is beyond what any log has.
    Position {
        /// The segment's number.
        segment: u64,
        /// The offset.
        offset: u64,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Reason::NotLcnode => write!(
                f,
                "the answer to the hello is not an lcnode's: is this the address of one, and does it know replication?"
            ),
            Reason::Version(version) => {
                write!(
                    f,
                    "the peer speaks version {version} of replication, this node {}: upgrade the older",
                    super::VERSION
                )
            }
            Reason::Flags(flags) => write!(f, "the hello has unknown flags: {flags:#04x}"),
            Reason::Mode(mode) => write!(f, "the leader's hello has the unknown mode {mode}"),
            Reason::Text { size } => write!(f, "the reason of {size} bytes is too long or no UTF-8"),
            Reason::Type(kind) => write!(f, "a frame has the unknown type {kind:#04x}"),
            Reason::Length { frame, size, least, most } => write!(
                f,
                "a frame {frame} of {size} bytes; {least} to {most} are possible (by --max-key and --max-value, \
                 which should be the same on both nodes)"
            ),
            Reason::Checksum { frame, size } => {
                write!(
                    f,
                    "the checksum of a frame {frame} of {size} bytes does not match: damaged on its way"
                )
            }
            Reason::List { frame, entries } => {
                write!(f, "the list of a frame {frame} has a wrong length: {entries}")
            }
            Reason::Range(range) => write!(f, "there is no range {range}, only {}", super::RANGES),
            Reason::Flag(byte) => write!(f, "a byte that is yes or no is {byte:#04x}"),
            Reason::Position { segment, offset } => {
                write!(f, "no log has a position {segment}:{offset}")
            }
        }
    }
}

impl Error for Reason {}
