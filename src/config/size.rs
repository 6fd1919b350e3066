//! Sizes in bytes as an operator types them: `4096`, `64k`, `1.5m`.

use thiserror::Error;

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum SizeError {
    /// The text is not a number with an optional unit.
    #[error("not a size; write bytes or a number with k, m, g or t, such as 256m")]
    Malformed,
    /// The number is below one byte or does not fit.
    #[error("a size must be between {least} and {most} bytes")]
    OutOfRange {
        /// The smallest size taken.
        least: u64,
        /// The largest size taken.
        most: u64,
    },
}

/// Reads a size in bytes.
///
/// A number, with a fraction if a unit follows, then at most one unit: `k`, `m`, `g` or `t` in either
/// case, powers of 1024. Anything else is [`SizeError::Malformed`]; what does not fit 63 bits, or is
/// 0, is [`SizeError::OutOfRange`]. A fraction of a byte is dropped.
pub(super) fn parse(text: &str) -> Result<u64, SizeError> {
    parse_within(text, 1, i64::MAX as u64)
}

/// Reads a size as [`parse`] does, and refuses one outside `least..=most`.
pub(super) fn parse_within(text: &str, least: u64, most: u64) -> Result<u64, SizeError> {
    let bytes = exact(text)?;
    match u64::try_from(bytes) {
        Ok(size) if (least..=most).contains(&size) => Ok(size),
        _ => Err(SizeError::OutOfRange { least, most }),
    }
}

/// How many bytes one of `unit` is: powers of 1024 for k, m, g and t in either case.
pub(super) fn unit_of(unit: u8) -> Option<u64> {
    match unit.to_ascii_lowercase() {
        b'k' => Some(1 << 10),
        b'm' => Some(1 << 20),
        b'g' => Some(1 << 30),
        b't' => Some(1 << 40),
        _ => None,
    }
}

/// The value in 128 bits, so that the range check sees what was meant and not what overflowed.
fn exact(text: &str) -> Result<u128, SizeError> {
    let (number, unit) = match text.as_bytes().last().copied().and_then(unit_of) {
        Some(unit) => (&text[..text.len() - 1], Some(unit)),
        None => (text, None),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) if unit.is_some() => (whole, Some(fraction)),
        Some(_) => return Err(SizeError::Malformed),
        None => (number, None),
    };
    let unit = u128::from(unit.unwrap_or(1));
    let mut bytes = digits(whole)?.saturating_mul(unit);
    if let Some(fraction) = fraction {
        // Eighteen digits are finer than a byte of a tebibyte; more would only overflow.
        let kept = fraction.get(..18).unwrap_or(fraction);
        digits(fraction)?;
        let scale = 10_u128.pow(kept.len() as u32);
        bytes = bytes.saturating_add(digits(kept)? * unit / scale);
    }
    Ok(bytes)
}

fn digits(text: &str) -> Result<u128, SizeError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(SizeError::Malformed);
    }
    // Only digits are left, so the one error is a number too long: out of any range.
    Ok(text.parse().unwrap_or(u128::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("1", 1),
            ("4096", 4096),
            ("64k", 65_536),
            ("64K", 65_536),
            ("1.5k", 1536),
            ("0.5m", 524_288),
            ("256m", 268_435_456),
            ("1g", 1 << 30),
            ("2T", 2 << 40),
            ("1.0000000000000000000000001k", 1024),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn not_sizes() {
        for text in
            ["", "k", "1.5", "1.k", ".5k", "-1", "+1", "1 k", " 1", "1kb", "0x10", "1e3", "ten", "１k", "1é"]
        {
            assert_eq!(parse(text), Err(SizeError::Malformed), "{text}");
        }
    }

    #[test]
    fn out_of_range() {
        let long = "9".repeat(60);
        for text in ["0", "0k", "9223372036854775808", "99999999t", long.as_str()] {
            assert!(matches!(parse(text), Err(SizeError::OutOfRange { .. })), "{text}");
        }
        assert_eq!(parse_within("2k", 1, 1024), Err(SizeError::OutOfRange { least: 1, most: 1024 }));
    }
}
