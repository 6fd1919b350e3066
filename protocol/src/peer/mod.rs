//! The wire between two lcnodes: one follows the other and takes over what changes there.
//!
//! The follower connects to the leader's ordinary port and sends a [`FollowerHello`], which the binary
//! dialect decodes as [`Request::Follow`](crate::Request::Follow). The leader answers with a
//! [`LeaderHello`]. Then both send frames: the leader [`LeaderFrame`]s, the follower [`FollowerFrame`]s.
//! Every byte is described in `REPLICATION.md`, which a test holds against this code.
//!
//! Records are passed as bytes that only the storage engine looks into; they have checksums of their own.

mod follower;
mod frame;
mod hello;
mod leader;
mod lists;
mod reject;

pub use follower::FollowerFrame;
pub use frame::{FRAME_HEADER, max_body};
pub use hello::{Epoch, FollowerHello, LeaderHello, Mode};
pub use leader::{LeaderFrame, RecordsWriter};
pub use lists::{Entries, Hashes};
pub use reject::Reason;

use crate::step::Fields;
pub use crate::step::Step;

/// The version of this wire.
pub const VERSION: u16 = 1;

/// The second byte of a follower's hello; the first is that of the binary dialect.
pub const FOLLOW: u8 = 0xA1;

/// Into how many ranges keys are divided for comparison, by the top 12 bits of their hash.
pub const RANGES: u16 = 4096;

/// Most entries in one [`FollowerFrame::Compare`], and most hashes in one [`LeaderFrame::Compared`].
pub const MAX_ENTRIES: usize = 65_536;

/// Longest reason of a refusal, in bytes.
pub const MAX_REASON: usize = 1024;

/// A point in a log: a segment's number and an offset in bytes. Both are below 2^32 on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Number of the segment, from 1; 0 is before the log.
    pub segment: u64,
    /// Offset within it, in bytes.
    pub offset: u64,
}

impl Position {
    fn put(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.segment.to_be_bytes());
        out.extend_from_slice(&self.offset.to_be_bytes());
    }

    /// `Ok(None)` where too little is left.
    fn take(fields: &mut Fields<'_>) -> Result<Option<Self>, Reason> {
        let (Some(segment), Some(offset)) = (fields.u64(), fields.u64()) else {
            return Ok(None);
        };
        match segment.max(offset) <= u64::from(u32::MAX) {
            true => Ok(Some(Self { segment, offset })),
            false => Err(Reason::Position { segment, offset }),
        }
    }
}
