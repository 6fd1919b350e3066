//! The stream: what a replica of the original asks its master, and what it gets.

use super::{ENTRY, KEEP_ALIVE, Reason, Step, block_size};
use crate::binary::MAGIC;
use crate::command::Command;
use crate::limits::Limits;
use crate::step::Fields;

/// Bytes of an entry in the stream before its command block.
const HEADER: usize = 17;

/// Writes the request of a replica behind what `out` holds: entries from time stamp `ts` on, in
/// microseconds, at least 1; `sid` is the replica's server id, at least 1.
pub fn encode_request(ts: u64, sid: u32, out: &mut Vec<u8>) {
    out.extend_from_slice(&[MAGIC, Command::Repl.id()]);
    out.extend_from_slice(&ts.to_be_bytes());
    out.extend_from_slice(&sid.to_be_bytes());
}

/// What a master says before the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The master's server id; 0 if it has none, and then nothing follows.
    pub sid: u32,
}

impl Answer {
    /// Writes the answer behind what `out` holds.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sid.to_be_bytes());
    }

    /// Decodes the answer that `input` begins with. Any four bytes are one.
    #[must_use]
    pub fn decode(input: &[u8]) -> Step<Self> {
        match Fields(input).u32() {
            Some(sid) => Step::Whole { item: Self { sid }, used: 4 },
            None => Step::Incomplete { at_least: 4 },
        }
    }
}

/// One item of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// Nothing new. At least one a second.
    KeepAlive,
    /// A change.
    Entry {
        /// When the master logged it, in microseconds since the Unix epoch.
        ts: u64,
        /// Server where the change was made. The original sends 32 bits of which only 16 are used.
        sid: u16,
        /// The change: see [`Logged`](super::Logged).
        block: &'a [u8],
    },
}

impl<'a> Item<'a> {
    /// Writes the item behind what `out` holds.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::KeepAlive => out.push(KEEP_ALIVE),
            Self::Entry { ts, sid, block } => {
                out.push(ENTRY);
                out.extend_from_slice(&ts.to_be_bytes());
                out.extend_from_slice(&u32::from(sid).to_be_bytes());
                out.extend_from_slice(&u32::try_from(block.len()).unwrap_or(u32::MAX).to_be_bytes());
                out.extend_from_slice(block);
            }
        }
    }

    /// Decodes the item that `input` begins with.
    ///
    /// # Errors
    ///
    /// A [`Reason`] if the bytes cannot become an item, however many follow.
    pub fn decode(input: &'a [u8], limits: Limits) -> Result<Step<Self>, Reason> {
        let mut fields = Fields(input);
        match fields.u8() {
            None => return Ok(Step::Incomplete { at_least: 1 }),
            Some(KEEP_ALIVE) => return Ok(Step::Whole { item: Self::KeepAlive, used: 1 }),
            Some(ENTRY) => {}
            Some(other) => return Err(Reason::Magic(other)),
        }
        let (Some(ts), Some(sid), Some(size)) = (fields.u64(), fields.u32(), fields.u32()) else {
            return Ok(Step::Incomplete { at_least: HEADER });
        };
        let sid = u16::try_from(sid).map_err(|_| Reason::ServerId(sid))?;
        let used = HEADER + block_size(size, limits)?;
        Ok(match fields.bytes(used - HEADER) {
            Some(block) => Step::Whole { item: Self::Entry { ts, sid, block }, used },
            None => Step::Incomplete { at_least: used },
        })
    }
}
