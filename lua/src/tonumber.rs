//! Text as Lua 5.1 reads numbers in it.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_observed() {
        let inf = f64::INFINITY;
        for (text, number) in [
            ("0x1F", Some(31.0)),
            ("1e2", Some(100.0)),
            ("1E2", Some(100.0)),
            ("5\0junk", Some(5.0)),
            ("\0", None),
            ("\x005", None),
            ("0x1p4", Some(16.0)),
            ("0X1P-2", Some(0.25)),
            ("0x1p+4", Some(16.0)),
            ("0x.8", Some(0.5)),
            ("0x1.8p1", Some(3.0)),
            ("0x1.p1", Some(2.0)),
            ("0x.p1", None),
            ("0x", None),
            ("0x1p", None),
            ("0x-1", None),
            ("-0x10", Some(-16.0)),
            ("", None),
            (" ", None),
            ("1_0", None),
            ("1e", None),
            ("1e+", None),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            (".", None),
            ("+5", Some(5.0)),
            ("+-5", None),
            ("- 5", None),
            ("\t\n\x0b\x0c\r 5\t\n\x0b\x0c\r ", Some(5.0)),
            ("5 5", None),
            ("1d2", None),
            ("1.5.2", None),
            ("1,5", None),
            ("0b1", None),
            ("5f", None),
            ("\u{a0}5", None),
            ("inf", Some(inf)),
            ("-Infinity ", Some(-inf)),
            ("infx", None),
            ("nan(1", None),
            ("1e400", Some(inf)),
            ("-1e400", Some(-inf)),
            ("1e-400", Some(0.0)),
            ("-0", Some(-0.0)),
            ("0x1p1024", Some(inf)),
            ("0x1p-1074", Some(5e-324)),
            ("0x1.8p-1074", Some(1e-323)),
            ("0x1p-1075", Some(0.0)),
            ("0x1.000001p-1075", Some(5e-324)),
            ("0x3.1c0845bf64de50p-1025", Some(f64::from_bits(1_750_493_571_238_333))),
            ("0x1p-1080", Some(0.0)),
            ("0xffffffffffffffffffff", Some(1.208_925_819_614_629_2e24)),
            ("0x123456789abcdef01", Some(2.098_829_547_942_064_5e19)),
            ("0x0.0000000000000000000001p88", Some(1.0)),
            ("1e5000000000000000000000", Some(inf)),
            ("0x1p5000000000000000000000", Some(inf)),
            ("0x1p-5000000000000000000000", Some(0.0)),
            ("0x0p5000000000000000000000", Some(0.0)),
            ("0x1.fffffffffffff8p0", Some(2.0)),
            ("0x1.fffffffffffff80000000000000001p0", Some(2.0)),
            ("0x1.00000000000008p0", Some(1.0)),
            ("0x1.00000000000018p0", Some(1.000_000_000_000_000_4)),
            ("0x1.000000000000080001p0", Some(1.000_000_000_000_000_2)),
        ] {
            assert_eq!(tonumber(text.as_bytes()).map(f64::to_bits), number.map(f64::to_bits), "{text:?}");
        }
        for (text, seen) in [("nan", "nan"), ("-nan", "-nan"), ("NAN(1_a)", "nan")] {
            assert_eq!(crate::number::format_g14(tonumber(text.as_bytes()).unwrap()), seen, "{text}");
        }
    }

    #[test]
    fn long_numbers_take_linear_time() {
        let zeros = "0".repeat(1 << 20);
        assert_eq!(tonumber(format!("0x{zeros}1").as_bytes()), Some(1.0));
        assert_eq!(tonumber(format!("0x.{zeros}1p4194308").as_bytes()), Some(1.0));
        assert_eq!(tonumber(format!("{zeros}1").as_bytes()), Some(1.0));
        assert_eq!(tonumber(format!("1{zeros}").as_bytes()), Some(f64::INFINITY));
    }
}
