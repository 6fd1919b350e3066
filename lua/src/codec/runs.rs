//! `pack`: a byte n from 1 to 127 and a byte that is repeated n times; or a byte from -1 to -128 and as many
//! bytes as they are.

use crate::text::append;

/// The longest run or literal that is written.
const LONGEST: usize = 127;

pub(super) fn encode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = data;
    while let [byte, ..] = rest {
        let run = rest.iter().take(LONGEST).take_while(|other| *other == byte).count();
        // Literal bytes go on up to two equal ones.
        let literal = match run {
            1 => rest.windows(2).take(LONGEST).take_while(|two| two[0] != two[1]).count(),
            _ => 0,
        };
        // The last byte has no successor that would end it.
        let literal = if literal + 1 == rest.len() { (literal + 1).min(LONGEST) } else { literal };
        let taken = if literal > 1 {
            out.push((literal as u8).wrapping_neg());
            out.extend_from_slice(&rest[..literal]);
            literal
        } else {
            out.extend([run as u8, *byte]);
            run
        };
        rest = &rest[taken..];
    }
    out
}

/// None where the result would be longer than `limit`. A run at the end without its byte is one of NULs;
/// literal bytes end with the data.
pub(super) fn decode(data: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = data;
    while let [count, tail @ ..] = rest {
        let count = count.cast_signed();
        let length = usize::from(count.unsigned_abs());
        if count < 0 {
            let (literal, tail) = tail.split_at(length.min(tail.len()));
            append(&mut out, literal, limit)?;
            rest = tail;
        } else {
            let (byte, tail) = tail.split_first().unwrap_or((&0, &[]));
            append(&mut out, &vec![*byte; length], limit)?;
            rest = tail;
        }
    }
    Some(out)
}
