//! The binary dialect of Tokyo Tyrant: requests that begin with the byte `C8`.
//!
//! A request is `C8`, the command's byte, a header of big-endian numbers whose
//! length the command alone decides, and then the fields whose sizes the header
//! gave. A reply is a code byte, 0 for success and 1 for failure, and what the
//! command has to say. There is no overall length in either.
//!
//! Four bounds go beyond those of the original server:
//!
//! - A bad size inside `mget` or `misc` is a rejection. The original runs the
//!   command with the items before it and takes the rest for new requests.
//! - The parameters of `optimize`, the paths of `copy` and `restore` and the
//!   host of `setmst` are at most [`MAX_TEXT`] bytes, not 256 MiB.
//! - The sizes of keys and values may be bound more tightly by
//!   [`Limits`](crate::Limits).
//! - Any rejection is meant to end the connection. The original goes on with
//!   what it has buffered, wherever that begins.
//!
//! One request more than the original has: `C8 A1`, the hello of an lcnode that
//! wants to follow this one, [`Request::Follow`](crate::Request::Follow).

pub mod client;
pub(crate) mod cursor;
mod decoder;
mod encoder;
mod number;
mod reject;
mod run;
pub(crate) mod sizes;

pub use decoder::{Decoder, Step};
pub use encoder::Encoder;
pub use number::{decode_double, encode_double};
pub use reject::{Field, Reason, Reject};

/// The first byte of every request of this dialect.
pub const MAGIC: u8 = 0xC8;

/// Most keys in one `mget` and most arguments in one `misc`.
pub const MAX_ITEMS: u32 = 1_048_576;

/// Longest name of a function in `ext` and `misc`, in bytes.
pub const MAX_NAME: u32 = 1023;

/// Longest parameters, path or host, in bytes. The original takes 256 MiB for
/// each, of which no path longer than 4095 bytes works on Linux and of a host
/// only 1023 bytes are kept.
pub const MAX_TEXT: u32 = 65_536;
