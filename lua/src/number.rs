//! Numbers as Lua 5.1 on C writes and reads them, and as functions written in C cut them to integers.

/// The text that C's `%.14g` makes of a number: what scripts and clients see of numbers.
#[must_use]
pub fn format_g14(number: f64) -> String {
    const DIGITS: i32 = 14;
    if number.is_nan() {
        return if number.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if number.is_infinite() {
        return if number < 0.0 { "-inf" } else { "inf" }.to_owned();
    }
    // Rounded to 14 digits first: that decides how many stand before the point.
    let scientific = format!("{number:.13e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..DIGITS).contains(&exponent) {
        let decimals = usize::try_from(DIGITS - 1 - exponent).unwrap_or(0);
        return without_trailing_zeros(&format!("{number:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", without_trailing_zeros(mantissa), exponent.unsigned_abs())
}

fn without_trailing_zeros(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

/// What Lua 5.1's `tonumber` makes of a string: a number as C's `strtod` reads it (decimal, `0x` with
/// fraction and binary exponent, `inf`, `nan`), spaces before and after it, and nothing else up to the
/// end or the first NUL.
#[must_use]
pub fn tonumber(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte))?;
    let end = text.iter().rposition(|byte| !is_space(byte))? + 1;
    let (negative, digits) = match &text[start..end] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let magnitude = match digits {
        [b'0', b'x' | b'X', rest @ ..] => hexadecimal(rest)?,
        [b'0'..=b'9' | b'.', ..] => std::str::from_utf8(digits).ok()?.parse().ok()?,
        _ => word(&digits.to_ascii_lowercase())?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// `inf`, `infinity`, `nan` and `nan(characters)`, in lower case.
fn word(text: &[u8]) -> Option<f64> {
    match text {
        b"inf" | b"infinity" => Some(f64::INFINITY),
        b"nan" => Some(f64::NAN),
        [b'n', b'a', b'n', b'(', inner @ .., b')'] => {
            inner.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').then_some(f64::NAN)
        }
        _ => None,
    }
}

/// A hexadecimal number after its `0x`, correctly rounded.
fn hexadecimal(text: &[u8]) -> Option<f64> {
    let at_exponent = text.iter().position(|byte| matches!(byte, b'p' | b'P'));
    let (mantissa, exponent) = match at_exponent {
        Some(at) => (&text[..at], binary_exponent(&text[at + 1..])?),
        None => (text, 0),
    };
    // The leading bits, the number of bits behind them, and whether any of those is set.
    let (mut bits, mut scale, mut sticky) = (0_u64, 0_i64, false);
    let (mut any, mut in_fraction) = (false, false);
    for &byte in mantissa {
        if byte == b'.' && !in_fraction {
            in_fraction = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        any = true;
        if bits >> 60 == 0 {
            bits = bits << 4 | u64::from(digit);
            scale -= if in_fraction { 4 } else { 0 };
        } else {
            sticky |= digit != 0;
            scale += if in_fraction { 0 } else { 4 };
        }
    }
    any.then(|| round(bits, sticky, scale.saturating_add(exponent)))
}

/// The decimal exponent of two; those beyond any number's stand for all larger ones.
fn binary_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value = digits.iter().fold(0_i64, |value, digit| (value * 10 + i64::from(digit - b'0')).min(1 << 40));
    Some(if negative { -value } else { value })
}

/// `bits` (and a little more, if `sticky`) times 2^`scale`, to the nearest, ties to even.
fn round(bits: u64, sticky: bool, scale: i64) -> f64 {
    if bits == 0 {
        return 0.0;
    }
    let top = 63 - i64::from(bits.leading_zeros()) + scale;
    if top > 1023 {
        return f64::INFINITY;
    }
    // The exponent of the last bit that the result can have.
    let last = (top - 52).max(-1074);
    let dropped = last - scale;
    let kept = match dropped {
        ..=0 => bits << -dropped.max(-63),
        1..=64 => {
            let wide = u128::from(bits);
            let (kept, rest, half) = (wide >> dropped, wide & ((1 << dropped) - 1), 1_u128 << (dropped - 1));
            let up = rest > half || rest == half && (sticky || kept & 1 == 1);
            u64::try_from(kept).unwrap_or(u64::MAX) + u64::from(up)
        }
        _ => 0,
    };
    // Two steps, as 2^-1074 and 2^1023 are the ends of what a power of two can be; both are exact.
    let power = |exponent: i64| 2_f64.powi(i32::try_from(exponent).unwrap_or(i32::MAX));
    kept as f64 * power(last / 2) * power(last - last / 2)
}

/// A number cut to 64 bits as C on x86-64 does: without its fraction, and -2^63 for what has no place.
pub(crate) fn to_i64(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

/// The same as an unsigned number: from 2^63 up to 2^64, and 0 beyond.
pub(crate) fn to_u64(number: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    match number >= HALF {
        true => to_i64(number - HALF).cast_unsigned() ^ 1 << 63,
        false => to_i64(number).cast_unsigned(),
    }
}

/// The lower 32 bits of [`to_i64`].
pub(crate) fn to_u32(number: f64) -> u32 {
    (to_i64(number).cast_unsigned() & u64::from(u32::MAX)) as u32
}

/// A number cut to 32 bits: -2^31 for what has no place.
pub(crate) fn to_i32(number: f64) -> i32 {
    i32::try_from(to_i64(number)).unwrap_or(i32::MIN)
}

#[cfg(test)]
mod tests;
