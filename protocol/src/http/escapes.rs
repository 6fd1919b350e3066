//! Bytes that are written as `%XX`, and spaces that are written as `+`.

use memchr::memchr2;

use crate::Arena;

/// The text with its escapes resolved: itself where it has none, else in the arena. None where a `%` lacks its two
/// hexadecimal digits.
#[inline]
pub(super) fn resolve<'a>(text: &'a [u8], arena: &'a Arena) -> Option<&'a [u8]> {
    match memchr2(b'%', b'+', text) {
        None => Some(text),
        Some(first) => resolve_from(first, text, arena),
    }
}

fn resolve_from<'a>(first: usize, text: &[u8], arena: &'a Arena) -> Option<&'a [u8]> {
    let bytes = arena.alloc_slice_copy(text);
    // What is resolved is never longer, so that it can be written over the text.
    let (mut from, mut to) = (first, first);
    while let Some(&byte) = bytes.get(from) {
        from += 1;
        bytes[to] = match byte {
            b'+' => b' ',
            b'%' => {
                let &[high, low] = bytes.get(from..from + 2)? else { return None };
                from += 2;
                digit(high)? << 4 | digit(low)?
            }
            other => other,
        };
        to += 1;
    }
    Some(&bytes[..to])
}

fn digit(byte: u8) -> Option<u8> {
    // At most 15.
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Whether a byte stands for itself in the answer of a call, as in the original (observed).
pub(super) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!'()*-._~".contains(&byte)
}
