//! What a leader sends.

use super::frame::{self, Kind};
use super::{Hashes, MAX_ENTRIES, Position, RANGES, Reason, Step};
use crate::limits::Limits;
use crate::step::Fields;

const RECORDS: u8 = 0x01;
const BEAT: u8 = 0x02;
const DIGEST: u8 = 0x03;
const COMPARED: u8 = 0x04;

/// Bytes of a frame of records before the records.
const RECORDS_FIXED: usize = 32;

/// A frame of the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaderFrame<'a> {
    /// Records of its log, in their order.
    Records {
        /// Where its log goes on behind them, and behind others that were left out.
        next: Position,
        /// Microseconds: the leader's last change as of that position.
        ts: u64,
        /// How many records of its log it has passed since the handshake, with those left out.
        passed: u64,
        /// Whole records, one behind the other. May be empty, where all were left out.
        records: &'a [u8],
    },
    /// How things are, at least once a second.
    Beat {
        /// Where its log ends.
        end: Position,
        /// Its time in microseconds since the Unix epoch.
        clock: u64,
        /// Microseconds: its last change.
        ts: u64,
        /// Records appended to its log since it started.
        appended: u64,
        /// How many of these it has passed for this follower, the latter's own included. `appended - passed` is how many
        /// records the follower is behind; both are made to agree on that, so `passed` alone says nothing.
        passed: u64,
    },
    /// The answer to [`FollowerFrame::AskDigest`](super::FollowerFrame::AskDigest).
    Digest {
        /// The question's number.
        id: u64,
        /// Microseconds: deletions up to this time may have been forgotten by the leader; 0 for none.
        collected: u64,
        /// Where its log ended when the digest was complete.
        end: Position,
        /// One digest a range, [`RANGES`] of them.
        ranges: Hashes<'a>,
    },
    /// The answer to [`FollowerFrame::Compare`](super::FollowerFrame::Compare); one or more.
    Compared {
        /// The question's number.
        id: u64,
        /// The range.
        range: u16,
        /// Whether this is the last for the range.
        last: bool,
        /// Hashes that the follower sent and of whose keys the leader knows nothing, not even a deletion; at
        /// most [`MAX_ENTRIES`].
        unknown: Hashes<'a>,
        /// Whole records of the range that the follower has not or has otherwise.
        records: &'a [u8],
    },
}

impl<'a> LeaderFrame<'a> {
    /// Writes the frame behind what `out` holds.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Records { next, ts, passed, records } => {
                let mut writer = RecordsWriter::new(out);
                writer.push(records);
                writer.finish(next, ts, passed);
            }
            Self::Beat { end, clock, ts, appended, passed } => {
                let start = frame::begin(out, BEAT);
                end.put(out);
                for number in [clock, ts, appended, passed] {
                    out.extend_from_slice(&number.to_be_bytes());
                }
                frame::finish(out, start);
            }
            Self::Digest { id, collected, end, ranges } => {
                let start = frame::begin(out, DIGEST);
                out.extend_from_slice(&id.to_be_bytes());
                out.extend_from_slice(&collected.to_be_bytes());
                end.put(out);
                out.extend_from_slice(ranges.wire());
                frame::finish(out, start);
            }
            Self::Compared { id, range, last, unknown, records } => {
                let start = frame::begin(out, COMPARED);
                out.extend_from_slice(&id.to_be_bytes());
                out.extend_from_slice(&range.to_be_bytes());
                out.push(last.into());
                let count = u32::try_from(unknown.len()).unwrap_or(u32::MAX);
                out.extend_from_slice(&count.to_be_bytes());
                out.extend_from_slice(unknown.wire());
                out.extend_from_slice(records);
                frame::finish(out, start);
            }
        }
    }

    /// Decodes the frame that `input` begins with.
    ///
    /// # Errors
    ///
    /// A [`Reason`] if the bytes cannot become a frame of a leader, however many follow.
    pub fn decode(input: &'a [u8], limits: Limits) -> Result<Step<Self>, Reason> {
        frame::decode(input, limits, kind, body)
    }
}

fn kind(byte: u8) -> Option<Kind> {
    let (name, fixed, open) = match byte {
        RECORDS => ("records", RECORDS_FIXED, true),
        BEAT => ("beat", 48, false),
        DIGEST => ("digest", 32 + 8 * usize::from(RANGES), false),
        COMPARED => ("compared", 15, true),
        _ => return None,
    };
    Some(Kind { name, fixed, open })
}

fn body<'a>(kind: u8, mut fields: Fields<'a>) -> Result<Option<LeaderFrame<'a>>, Reason> {
    let fields = &mut fields;
    match kind {
        RECORDS => {
            let Some(next) = Position::take(fields)? else { return Ok(None) };
            let (Some(ts), Some(passed)) = (fields.u64(), fields.u64()) else { return Ok(None) };
            Ok(Some(LeaderFrame::Records { next, ts, passed, records: fields.0 }))
        }
        BEAT => {
            let Some(end) = Position::take(fields)? else { return Ok(None) };
            let (Some(clock), Some(ts), Some(appended), Some(passed)) =
                (fields.u64(), fields.u64(), fields.u64(), fields.u64())
            else {
                return Ok(None);
            };
            Ok(Some(LeaderFrame::Beat { end, clock, ts, appended, passed }))
        }
        DIGEST => {
            let (Some(id), Some(collected)) = (fields.u64(), fields.u64()) else { return Ok(None) };
            let Some(end) = Position::take(fields)? else { return Ok(None) };
            let ranges = Hashes::from_wire(fields.0);
            Ok(ranges.map(|ranges| LeaderFrame::Digest { id, collected, end, ranges }))
        }
        _ => {
            let (Some(id), Some(range), Some(last), Some(count)) =
                (fields.u64(), fields.u16(), fields.u8(), fields.u32())
            else {
                return Ok(None);
            };
            let (range, last) = (checked_range(range)?, checked_flag(last)?);
            let entries = count as usize;
            let list = Reason::List { frame: "compared", entries };
            let wire = if entries > MAX_ENTRIES { None } else { fields.bytes(8 * entries) };
            let unknown = wire.and_then(Hashes::from_wire).ok_or(list)?;
            Ok(Some(LeaderFrame::Compared { id, range, last, unknown, records: fields.0 }))
        }
    }
}

pub(super) fn checked_range(range: u16) -> Result<u16, Reason> {
    if range < RANGES { Ok(range) } else { Err(Reason::Range(range)) }
}

pub(super) fn checked_flag(byte: u8) -> Result<bool, Reason> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(Reason::Flag(other)),
    }
}

/// Writes a frame of records piece by piece: where the log goes on is known only behind the last one.
#[derive(Debug)]
pub struct RecordsWriter<'o> {
    out: &'o mut Vec<u8>,
    start: usize,
}

impl<'o> RecordsWriter<'o> {
    /// Begins the frame behind what `out` holds.
    #[must_use]
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        let start = frame::begin(out, RECORDS);
        out.extend_from_slice(&[0; RECORDS_FIXED]);
        Self { out, start }
    }

    /// Adds whole records.
    #[inline]
    pub fn push(&mut self, records: &[u8]) {
        self.out.extend_from_slice(records);
    }

    /// Bytes of the records so far.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len() - self.start - super::FRAME_HEADER - RECORDS_FIXED
    }

    /// Whether no record was added.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the frame. The arguments are the fields of [`LeaderFrame::Records`].
    pub fn finish(self, next: Position, ts: u64, passed: u64) {
        let at = self.start + super::FRAME_HEADER;
        let numbers = [next.segment, next.offset, ts, passed];
        for (field, number) in self.out[at..at + RECORDS_FIXED].chunks_exact_mut(8).zip(numbers) {
            field.copy_from_slice(&number.to_be_bytes());
        }
        frame::finish(self.out, self.start);
    }

    /// Takes the frame back.
    pub fn abandon(self) {
        self.out.truncate(self.start);
    }
}
