//! Text as Lua 5.1 reads numbers in it.

/// The number that a text is to Lua: blanks around it, decimal or hexadecimal, `inf` and `nan`; it ends at a NUL.
pub fn tonumber(text: &[u8]) -> Option<f64> {
    let text = text.split(|&byte| byte == 0).next()?.trim_ascii();
    let text = std::str::from_utf8(text).ok()?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let unsigned = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => hexadecimal(hex)?,
        None if digits.starts_with(['+', '-']) => return None,
        None => digits.parse::<f64>().ok()?,
    };
    Some(sign * unsigned)
}

/// Hexadecimal digits with a fraction and a binary exponent, as C's `strtod` reads them.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    Some(value * 2f64.powi(exponent.saturating_sub(4 * i32::try_from(fraction.len()).ok()?)))
}

/// A number cut to 32 bits as x86-64 does: what is outside becomes the least one.
pub(crate) fn saturated_int(number: f64) -> i32 {
    let cut = number.trunc();
    if cut >= f64::from(i32::MIN) && cut <= f64::from(i32::MAX) { cut as i32 } else { i32::MIN }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (text, number) in [
            ("5", Some(5.0)),
            (" 12 ", Some(12.0)),
            ("0x1F", Some(31.0)),
            ("0x1p4", Some(16.0)),
            ("1e2", Some(100.0)),
            ("-0x10", Some(-16.0)),
            ("inf", Some(f64::INFINITY)),
            ("5\0junk", Some(5.0)),
            ("", None),
            ("1_0", None),
            ("1e", None),
            ("--1", None),
            ("0x", None),
        ] {
            assert_eq!(tonumber(text.as_bytes()), number, "{text:?}");
        }
        assert!(tonumber(b"nan").is_some_and(f64::is_nan));
        assert_eq!(saturated_int(1e10), i32::MIN);
        assert_eq!(saturated_int(-2.9), -2);
    }
}
