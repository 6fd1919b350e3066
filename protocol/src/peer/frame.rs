//! What all frames have in common: type, length, checksum, body.

use super::{Reason, Step};
use crate::limits::Limits;
use crate::step::Fields;

/// Bytes of a frame before its body.
pub const FRAME_HEADER: usize = 9;

/// Where the length is.
const LENGTH: usize = 1;
/// Where the checksum is.
const CHECKSUM: usize = 5;

/// A frame's body is at most so large, in bytes: the larger of 1 MiB and the largest record, and 64 KiB.
#[must_use]
pub fn max_body(limits: Limits) -> usize {
    // Beside key and value a record has up to 64 bytes.
    let record = limits.max_key as usize + limits.max_value as usize + 64;
    record.max(1 << 20) + (1 << 16)
}

/// Name and sizes of a type of frame.
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Bytes of the fields that every such frame has.
    pub(super) fixed: usize,
    /// Whether more may follow.
    pub(super) open: bool,
}

/// Begins a frame behind what `out` holds and says where.
pub(super) fn begin(out: &mut Vec<u8>, kind: u8) -> usize {
    let start = out.len();
    out.push(kind);
    out.extend_from_slice(&[0; FRAME_HEADER - 1]);
    start
}

/// Fills in the length and the checksum of the frame that begins at `start` and ends with `out`.
///
/// A body too long for the length field cannot be: it is far beyond what memory holds for one frame, and
/// the receiver would refuse the largest length.
pub(super) fn finish(out: &mut [u8], start: usize) {
    let Some(frame) = out.get_mut(start..) else { return };
    let Some((header, body)) = frame.split_first_chunk_mut::<FRAME_HEADER>() else { return };
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let sum = checksum(header[0], body);
    header[LENGTH..CHECKSUM].copy_from_slice(&length.to_be_bytes());
    header[CHECKSUM..].copy_from_slice(&sum.to_be_bytes());
}

fn checksum(kind: u8, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(body);
    hasher.finalize()
}

/// The body of the frame that `input` begins with. Types that `kind_of` does not know are refused, and
/// lengths that their type cannot have, as soon as they are read.
pub(super) fn decode<'a, T>(
    input: &'a [u8],
    limits: Limits,
    kind_of: impl Fn(u8) -> Option<Kind>,
    body_of: impl FnOnce(u8, Fields<'a>) -> Result<Option<T>, Reason>,
) -> Result<Step<T>, Reason> {
    let mut fields = Fields(input);
    let Some(kind) = fields.u8() else { return Ok(Step::Incomplete { at_least: 1 }) };
    let Kind { name: frame, fixed, open } = kind_of(kind).ok_or(Reason::Type(kind))?;
    let (Some(size), Some(sum)) = (fields.u32(), fields.u32()) else {
        return Ok(Step::Incomplete { at_least: FRAME_HEADER });
    };
    let size = size as usize;
    let most = if open { max_body(limits) } else { fixed };
    if size < fixed || size > most {
        return Err(Reason::Length { frame, size, least: fixed, most });
    }
    let Some(body) = fields.bytes(size) else {
        return Ok(Step::Incomplete { at_least: FRAME_HEADER + size });
    };
    if checksum(kind, body) != sum {
        return Err(Reason::Checksum { frame, size });
    }
    let too_short = Reason::Length { frame, size, least: fixed, most };
    let item = body_of(kind, Fields(body))?.ok_or(too_short)?;
    Ok(Step::Whole { item, used: FRAME_HEADER + size })
}
