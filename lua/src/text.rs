//! `_split`, `_strstr`, `_ucs`, `_dist`: functions over strings, most of which take them as C does, up to
//! the first NUL.

use memchr::memmem;

use crate::meter::{LimitReached, Meter};
use crate::number::to_i64;

/// A text up to its first NUL, as C sees it.
#[must_use]
pub fn c_string(text: &[u8]) -> &[u8] {
    match memchr::memchr(0, text) {
        Some(end) => &text[..end],
        None => text,
    }
}

/// The fields of a text, empty ones too: at any of the bytes of `delimiters` and up to the first NUL; or,
/// without delimiters, at NULs.
pub fn split<'a>(text: &'a [u8], delimiters: Option<&[u8]>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let mut ends = [false; 256];
    let text = match delimiters {
        Some(delimiters) => {
            c_string(delimiters).iter().for_each(|byte| ends[usize::from(*byte)] = true);
            c_string(text)
        }
        None => {
            ends[0] = true;
            text
        }
    };
    text.split(move |byte| ends[usize::from(*byte)])
}

/// Where `pattern` is in `text`, from 1; 0 if it is not there.
#[must_use]
pub fn find(text: &[u8], pattern: &[u8]) -> usize {
    memmem::find(c_string(text), c_string(pattern)).map_or(0, |at| at + 1)
}

/// The text with each occurrence of `pattern` replaced; unchanged if that is empty. None where the result
/// would be longer than `limit` bytes.
#[must_use]
pub fn replace(text: &[u8], pattern: &[u8], with: &[u8], limit: usize) -> Option<Vec<u8>> {
    let (text, pattern, with) = (c_string(text), c_string(pattern), c_string(with));
    let mut out = Vec::new();
    let mut rest = text;
    let finder = memmem::Finder::new(pattern);
    while let Some(at) = finder.find(rest).filter(|_| !pattern.is_empty()) {
        append(&mut out, &rest[..at], limit)?;
        append(&mut out, with, limit)?;
        rest = &rest[at + pattern.len()..];
    }
    append(&mut out, rest, limit)?;
    Some(out)
}

/// Appends, unless `out` would be longer than `limit`.
pub(crate) fn append(out: &mut Vec<u8>, bytes: &[u8], limit: usize) -> Option<()> {
    (bytes.len() <= limit.saturating_sub(out.len())).then(|| out.extend_from_slice(bytes))
}

/// The characters of a UTF-8 text as codes of 16 bits. What is no UTF-8, or has a code beyond 16 bits, is
/// read as the original reads it: a byte from 0x80 on takes the one or two that follow, if those are from
/// 0x80 on too, and is left out otherwise; so is one from 0xf0 on.
pub fn codes(text: &[u8]) -> impl Iterator<Item = u16> + '_ {
    let mut rest = c_string(text);
    let low = |byte: u8| u16::from(byte & 0x3f);
    std::iter::from_fn(move || {
        loop {
            let [first, tail @ ..] = rest else { return None };
            rest = tail;
            match (*first, tail) {
                (0..0x80, _) => return Some(u16::from(*first)),
                (0x80..0xe0, [second @ 0x80..=0xff, tail @ ..]) => {
                    rest = tail;
                    return Some(u16::from(first & 0x1f) << 6 | low(*second));
                }
                (0xe0..0xf0, [second @ 0x80..=0xff, third @ 0x80..=0xff, tail @ ..]) => {
                    rest = tail;
                    return Some(u16::from(first & 0x0f) << 12 | low(*second) << 6 | low(*third));
                }
                _ => {}
            }
        }
    })
}

/// The lower 16 bits of a number: a code for [`from_codes`].
#[must_use]
pub fn code(number: f64) -> u16 {
    (to_i64(number) & 0xffff) as u16
}

/// The UTF-8 text of codes, up to the first 0. Surrogates become three bytes each.
pub fn from_codes(codes: impl IntoIterator<Item = u16>) -> Vec<u8> {
    let mut out = Vec::new();
    let low = |code: u16| (code & 0x3f) as u8 | 0x80;
    for code in codes {
        match code {
            0 => break,
            1..0x80 => out.push(code as u8),
            0x80..0x800 => out.extend([(code >> 6) as u8 | 0xc0, low(code)]),
            _ => out.extend([(code >> 12) as u8 | 0xe0, low(code >> 6), low(code)]),
        }
    }
    out
}

/// The Levenshtein distance of two texts up to their first NUL, in characters (as [`codes`] reads them) or
/// in bytes.
///
/// # Errors
/// [`LimitReached`] as the meter says: it takes as many steps as both lengths multiplied.
pub fn distance(
    first: &[u8],
    second: &[u8],
    characters: bool,
    meter: &dyn Meter,
) -> Result<usize, LimitReached> {
    let (first, second) = (c_string(first), c_string(second));
    if characters {
        let second: Vec<u16> = codes(second).collect();
        levenshtein(&codes(first).collect::<Vec<_>>(), &second, meter)
    } else {
        levenshtein(first, second, meter)
    }
}

fn levenshtein<T: PartialEq>(first: &[T], second: &[T], meter: &dyn Meter) -> Result<usize, LimitReached> {
    // A row of the table at a time: the distances of what was read of `first` to each start of `second`.
    let mut row: Vec<usize> = (0..=second.len()).collect();
    meter.work(u64::try_from(row.len()).unwrap_or(u64::MAX))?;
    for (read, element) in first.iter().enumerate() {
        let mut diagonal = read;
        let mut left = read + 1;
        // Cells in pieces, so that a long row asks the meter too.
        for (cells, others) in row[1..].chunks_mut(1 << 16).zip(second.chunks(1 << 16)) {
            meter.work(u64::try_from(cells.len()).unwrap_or(u64::MAX))?;
            for (cell, other) in cells.iter_mut().zip(others) {
                let substituted = diagonal + usize::from(element != other);
                diagonal = *cell;
                left = substituted.min(diagonal + 1).min(left + 1);
                *cell = left;
            }
        }
        row[0] = read + 1;
    }
    Ok(row.last().copied().unwrap_or(0))
}

#[cfg(test)]
mod tests;
