//! Reading a run of length-prefixed items piece by piece.

use super::cursor::{Cursor, Stop};
use super::reject::Reason;
use crate::items::Items;

/// How far the run of the request at hand was read in earlier calls.
///
/// A client may send a run of a million items a few bytes at a time. Starting
/// over on every piece would cost work that grows with the square of its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Progress {
    /// Bytes of the run that hold whole items.
    bytes: usize,
    /// How many items those are.
    items: u32,
}

impl Progress {
    /// Reads on to the end of a run of `count` items, each size of which must
    /// pass `check`. The cursor is at the start of the run, and is moved past
    /// it. What was read is remembered only if the input ends before the run does.
    pub(super) fn read<'a>(
        &mut self,
        cursor: &mut Cursor<'a>,
        count: u32,
        check: impl Fn(u32) -> Result<usize, Reason>,
    ) -> Result<Items<'a>, Stop> {
        let run = cursor.rest();
        let start = cursor.used();
        let mut at = *self;
        // Less input than last time, or another count, is a caller that broke
        // the contract of the decoder. Start over rather than go astray.
        if at.bytes > run.len() || at.items > count {
            at = Progress::default();
        }
        let mut rest = run.get(at.bytes..).unwrap_or_default();
        let outcome = loop {
            if at.items == count {
                break Ok(());
            }
            let Some((size, body)) = rest.split_first_chunk::<4>() else {
                break Err(Stop::Short(start + at.bytes + 4));
            };
            let size = match check(u32::from_be_bytes(*size)) {
                Ok(size) => size,
                Err(reason) => break Err(Stop::Bad(reason)),
            };
            let Some(after) = body.get(size..) else {
                // Where the size of the next item, if there is one, can be read.
                let next = if at.items + 1 < count { 4 } else { 0 };
                break Err(Stop::Short(start + at.bytes + 4 + size + next));
            };
            at.bytes += 4 + size;
            at.items += 1;
            rest = after;
        };
        *self = if let Err(Stop::Short(_)) = outcome { at } else { Progress::default() };
        outcome?;
        let wire = run.get(..at.bytes).unwrap_or_default();
        cursor.skip(at.bytes);
        Ok(Items::checked(wire, count))
    }
}
