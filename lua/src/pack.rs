//! `_pack` and `_unpack`: numbers in binary forms.
//!
//! A format is a row of letters, each followed by a count in digits, by `*` (as many as there are) or by
//! nothing (one). It ends at a NUL.

use crate::number::{to_i32, to_u32, to_u64};

/// The numbers in the forms that `format` says; ends when they run out. At most 9 bytes a number.
///
/// A letter that is no form takes numbers and gives nothing. Numbers beyond a form's range lose their
/// upper bits; where 8 and 16 bits are to be made of a number outside of 32 bits, and 64 bits of one
/// outside of 64, the result is what x86-64 makes of it.
#[must_use]
pub fn pack(format: &[u8], numbers: &[f64]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut numbers = numbers.iter();
    for (form, count) in forms(format) {
        if numbers.len() == 0 {
            break;
        }
        for number in numbers.by_ref().take(count) {
            append(form, *number, &mut out);
        }
    }
    out
}

fn append(form: u8, number: f64, out: &mut Vec<u8>) {
    match form {
        b'c' | b'C' => out.extend_from_slice(&to_i32(number).to_ne_bytes()[LOW_1]),
        b's' | b'S' => out.extend_from_slice(&to_i32(number).to_ne_bytes()[LOW_2]),
        b'i' | b'I' => out.extend_from_slice(&to_u32(number).to_ne_bytes()),
        b'l' | b'L' => out.extend_from_slice(&to_u64(number).to_ne_bytes()),
        b'f' | b'F' => out.extend_from_slice(&(number as f32).to_ne_bytes()),
        b'd' | b'D' => out.extend_from_slice(&number.to_ne_bytes()),
        b'n' => out.extend_from_slice(&to_i32(number).to_be_bytes()[2..]),
        b'N' => out.extend_from_slice(&to_u32(number).to_be_bytes()),
        b'M' => out.extend_from_slice(&to_u64(number).to_be_bytes()),
        b'w' | b'W' => append_ber(to_u64(number), out),
        _ => {}
    }
}

/// Where the lowest byte and the lowest two of an integer stand in host order.
const LOW_1: std::ops::Range<usize> = if cfg!(target_endian = "little") { 0..1 } else { 3..4 };
const LOW_2: std::ops::Range<usize> = if cfg!(target_endian = "little") { 0..2 } else { 2..4 };

/// Groups of 7 bits, the highest first, each but the last with its top bit set. There are 9 at most, whose
/// first holds the highest bit of the number alone: of a number from 2^56 on, bits 56 to 62 are lost, in
/// the original as here (a record written by one is compared with a record written by the other).
fn append_ber(number: u64, out: &mut Vec<u8>) {
    let groups = (64 - number.leading_zeros()).div_ceil(7).clamp(1, 9);
    for group in (0..groups).rev() {
        let bits = if group == 8 { number >> 63 } else { number >> (7 * group) & 0x7f };
        let more = if group > 0 { 0x80 } else { 0 };
        out.push((bits & 0x7f) as u8 | more);
    }
}

/// The numbers that `bytes` holds in the forms that `format` says. Ends with the bytes; an incomplete one
/// at their end is left out. A letter that is no form takes nothing.
pub fn unpack<'a>(format: &'a [u8], bytes: &'a [u8]) -> impl Iterator<Item = f64> + 'a {
    let mut forms = forms(format);
    let mut current = (0, 0);
    let mut rest = bytes;
    std::iter::from_fn(move || {
        loop {
            if rest.is_empty() {
                return None;
            }
            if current.1 == 0 {
                current = forms.next()?;
            }
            let (form, count) = current;
            if count == 0 || !is_form(form) {
                current.1 = 0;
                continue;
            }
            current.1 -= 1;
            return take(form, &mut rest);
        }
    })
}

fn is_form(letter: u8) -> bool {
    b"cCsSiIlLfFdDnNMwW".contains(&letter)
}

fn take(form: u8, rest: &mut &[u8]) -> Option<f64> {
    Some(match form {
        b'c' => f64::from(i8::from_ne_bytes(chunk(rest)?)),
        b'C' => f64::from(u8::from_ne_bytes(chunk(rest)?)),
        b's' => f64::from(i16::from_ne_bytes(chunk(rest)?)),
        b'S' => f64::from(u16::from_ne_bytes(chunk(rest)?)),
        b'i' => f64::from(i32::from_ne_bytes(chunk(rest)?)),
        b'I' => f64::from(u32::from_ne_bytes(chunk(rest)?)),
        b'l' => i64::from_ne_bytes(chunk(rest)?) as f64,
        b'L' => u64::from_ne_bytes(chunk(rest)?) as f64,
        b'f' | b'F' => f64::from(f32::from_ne_bytes(chunk(rest)?)),
        b'd' | b'D' => f64::from_ne_bytes(chunk(rest)?),
        b'n' => f64::from(u16::from_be_bytes(chunk(rest)?)),
        b'N' => f64::from(u32::from_be_bytes(chunk(rest)?)),
        b'M' => u64::from_be_bytes(chunk(rest)?) as f64,
        _ => take_ber(rest) as f64,
    })
}

fn chunk<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    match rest.split_first_chunk() {
        Some((chunk, tail)) => {
            *rest = tail;
            Some(*chunk)
        }
        None => {
            *rest = &[];
            None
        }
    }
}

/// What does not fit 64 bits is lost above; the last group may say that more follow.
fn take_ber(rest: &mut &[u8]) -> u64 {
    let mut number = 0;
    while let [byte, tail @ ..] = *rest {
        *rest = tail;
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}

/// The letters of a format with their counts.
fn forms(format: &[u8]) -> impl Iterator<Item = (u8, usize)> + '_ {
    let mut rest = format.split(|&byte| byte == 0).next().unwrap_or_default();
    std::iter::from_fn(move || {
        let [letter, tail @ ..] = rest else { return None };
        let (count, tail) = match tail {
            [b'*', tail @ ..] => (usize::MAX, tail),
            [b'0'..=b'9', ..] => {
                let digits = tail.iter().take_while(|byte| byte.is_ascii_digit()).count();
                (count(&tail[..digits]), &tail[digits..])
            }
            _ => (1, tail),
        };
        rest = tail;
        Some((*letter, count))
    })
}

/// A count in digits, of which 32 bits are believed; a negative one is none.
fn count(digits: &[u8]) -> usize {
    let number = digits
        .iter()
        .fold(0_u32, |number, digit| number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0')));
    usize::try_from(number.cast_signed()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
