//! What a follower sends.

use super::frame::{self, Kind};
use super::leader::{checked_flag, checked_range};
use super::{Entries, Epoch, MAX_ENTRIES, Position, Reason, Step};
use crate::limits::Limits;
use crate::step::Fields;

const ACK: u8 = 0x11;
const ASK_DIGEST: u8 = 0x12;
const COMPARE: u8 = 0x13;

/// A frame of the follower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FollowerFrame<'a> {
    /// How far it has come.
    Ack {
        /// Up to here in the leader's log all is applied.
        applied: Position,
        /// The follower's own epoch and where its own log ends.
        own: Epoch,
    },
    /// Asks for [`LeaderFrame::Digest`](super::LeaderFrame::Digest).
    AskDigest {
        /// Number of the question.
        id: u64,
    },
    /// What the follower has in a range; asks for [`LeaderFrame::Compared`](super::LeaderFrame::Compared).
    Compare {
        /// Number of the question.
        id: u64,
        /// The range, below [`RANGES`](super::RANGES).
        range: u16,
        /// Whether this is the last for the range.
        last: bool,
        /// Hash and version of each record; at most [`MAX_ENTRIES`].
        entries: Entries<'a>,
    },
}

impl<'a> FollowerFrame<'a> {
    /// Writes the frame behind what `out` holds.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Ack { applied, own } => {
                let start = frame::begin(out, ACK);
                applied.put(out);
                own.position.put(out);
                out.extend_from_slice(&own.id.to_be_bytes());
                frame::finish(out, start);
            }
            Self::AskDigest { id } => {
                let start = frame::begin(out, ASK_DIGEST);
                out.extend_from_slice(&id.to_be_bytes());
                frame::finish(out, start);
            }
            Self::Compare { id, range, last, entries } => {
                let start = frame::begin(out, COMPARE);
                out.extend_from_slice(&id.to_be_bytes());
                out.extend_from_slice(&range.to_be_bytes());
                out.push(last.into());
                out.extend_from_slice(entries.wire());
                frame::finish(out, start);
            }
        }
    }

    /// Decodes the frame that `input` begins with.
    ///
    /// # Errors
    ///
    /// A [`Reason`] if the bytes cannot become a frame of a follower, however many follow.
    pub fn decode(input: &'a [u8], limits: Limits) -> Result<Step<Self>, Reason> {
        frame::decode(input, limits, kind, body)
    }
}

fn kind(byte: u8) -> Option<Kind> {
    let (name, fixed, open) = match byte {
        ACK => ("ack", 40, false),
        ASK_DIGEST => ("ask digest", 8, false),
        COMPARE => ("compare", 11, true),
        _ => return None,
    };
    Some(Kind { name, fixed, open })
}

fn body<'a>(kind: u8, mut fields: Fields<'a>) -> Result<Option<FollowerFrame<'a>>, Reason> {
    let fields = &mut fields;
    match kind {
        ACK => {
            let Some(applied) = Position::take(fields)? else { return Ok(None) };
            let Some(position) = Position::take(fields)? else { return Ok(None) };
            Ok(fields.u64().map(|id| FollowerFrame::Ack { applied, own: Epoch { id, position } }))
        }
        ASK_DIGEST => Ok(fields.u64().map(|id| FollowerFrame::AskDigest { id })),
        _ => {
            let (Some(id), Some(range), Some(last)) = (fields.u64(), fields.u16(), fields.u8()) else {
                return Ok(None);
            };
            let (range, last) = (checked_range(range)?, checked_flag(last)?);
            let entries = fields.0.len() / 16;
            let entries = Entries::from_wire(fields.0)
                .filter(|entries| entries.len() <= MAX_ENTRIES)
                .ok_or(Reason::List { frame: "compare", entries })?;
            Ok(Some(FollowerFrame::Compare { id, range, last, entries }))
        }
    }
}
