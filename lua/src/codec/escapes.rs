//! Encodings of bytes as text. Their decoders end at a NUL.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

use crate::text::c_string;

/// What the original leaves as it is beside letters and digits.
const ESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(super) fn url_encode(data: &[u8]) -> Vec<u8> {
    percent_encoding::percent_encode(data, &ESCAPED).flat_map(str::bytes).collect()
}

/// Ends at an escape that is none.
pub(super) fn url_decode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = c_string(data);
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'%', [high, low, tail @ ..]) => {
                let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low)) else { break };
                out.push(high << 4 | low);
                rest = tail;
            }
            (b'%', _) => break,
            (b'+', _) => out.push(b' '),
            _ => out.push(*byte),
        }
    }
    out
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

pub(super) fn base_encode(data: &[u8]) -> Vec<u8> {
    STANDARD.encode(data).into_bytes()
}

/// Bytes that are no digits are skipped. A `=` stands for a digit 0 wherever it is and shortens its group of
/// four by a byte; that group is the last. Of an incomplete group the digits count as its last ones.
pub(super) fn base_decode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut bits, mut digits, mut padding) = (0_u32, 0, 0);
    let mut append = |bits: u32, padding: usize| {
        out.extend_from_slice(&bits.to_be_bytes()[1..4_usize.saturating_sub(padding).max(1)]);
    };
    for byte in c_string(data) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => {
                padding += 1;
                0
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(digit);
        digits += 1;
        if digits == 4 {
            append(bits, padding);
            (bits, digits) = (0, 0);
            if padding > 0 {
                break;
            }
        }
    }
    if digits > 0 {
        append(bits, padding);
    }
    out
}

pub(super) fn quote_encode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    for byte in data {
        match byte {
            b'=' => out.extend_from_slice(b"=3D"),
            b' '..=b'~' | b'\t' | b'\n' | b'\r' => out.push(*byte),
            _ => out.extend_from_slice(format!("={byte:02X}").as_bytes()),
        }
    }
    out
}

/// After a `=`, a line break is left out; else two characters are one byte, whatever they are.
pub(super) fn quote_decode(data: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A' + 10,
        b'a'..=b'z' => byte - b'a' + 10,
        _ => byte.wrapping_sub(b'0'),
    };
    let mut out = Vec::new();
    let mut rest = c_string(data);
    while let [byte, tail @ ..] = rest {
        rest = tail;
        match (byte, tail) {
            (b'=', [b'\r', b'\n', tail @ ..] | [b'\r' | b'\n', tail @ ..]) => rest = tail,
            (b'=', [high, low, tail @ ..]) => {
                out.push((digit(*high) << 4).wrapping_add(digit(*low)));
                rest = tail;
            }
            (b'=', _) => break,
            _ => out.push(*byte),
        }
    }
    out
}

pub(super) fn hex_encode(data: &[u8]) -> Vec<u8> {
    hex::encode(data).into_bytes()
}

/// Two characters are one byte, where those that are no digits do not count; spaces and control characters are
/// skipped before the first of the two. A single last one is left out.
pub(super) fn hex_decode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = c_string(data);
    while let [first, tail @ ..] = rest {
        rest = tail;
        let [second, tail @ ..] = tail else { break };
        if *first <= b' ' {
            continue;
        }
        rest = tail;
        let digits = [*first, *second].into_iter().filter_map(hex_digit);
        out.push(digits.fold(0, |value, digit| value << 4 | digit));
    }
    out
}

pub(super) fn xml_encode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for byte in c_string(data) {
        match ENTITIES.iter().find(|(_, meaning)| meaning == byte) {
            Some((entity, _)) => out.extend_from_slice(entity),
            None => out.push(*byte),
        }
    }
    out
}

pub(super) fn xml_decode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = c_string(data);
    while let [byte, tail @ ..] = rest {
        match ENTITIES.iter().find(|(entity, _)| rest.starts_with(entity)) {
            Some((entity, meaning)) => {
                out.push(*meaning);
                rest = &rest[entity.len()..];
            }
            None => {
                out.push(*byte);
                rest = tail;
            }
        }
    }
    out
}

const ENTITIES: [(&[u8], u8); 4] = [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"')];
