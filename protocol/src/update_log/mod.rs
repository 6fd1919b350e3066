//! The update log of the original server: how it lies in files, and the stream that its replicas read.
//!
//! Both hold the same [`Change`]s with a time stamp and server ids around them: [`Entry`] in a file,
//! [`Item`] in the stream.

mod change;
mod entry;
mod reject;
mod stream;

pub use change::{Change, Logged};
pub use entry::{ENTRY_HEADER, Entry, file_name, file_number};
pub use reject::{BadBlock, Reason};
pub use stream::{Answer, Item, encode_request};

pub use crate::step::Step;

use crate::limits::Limits;

/// What an entry begins with, in files and in the stream.
pub const ENTRY: u8 = 0xC9;
/// What keeps a stream alive.
pub const KEEP_ALIVE: u8 = 0xCA;

/// Shortest command block: magic, command, result.
const MIN_BLOCK: usize = 3;

/// The largest command block that is read, in bytes: the larger of 64 MiB and the largest put, and 64 KiB
/// for sizes and names. `misc` with many arguments may be larger than any put.
#[must_use]
pub fn max_block(limits: Limits) -> usize {
    (limits.max_key as usize + limits.max_value as usize).max(64 << 20) + (1 << 16)
}

/// The size of a command block, if it can be one.
fn block_size(size: u32, limits: Limits) -> Result<usize, Reason> {
    let (size, limit) = (size as usize, max_block(limits));
    match size {
        ..MIN_BLOCK => Err(Reason::TooShort { size }),
        size if size > limit => Err(Reason::TooLong { size, limit }),
        size => Ok(size),
    }
}
