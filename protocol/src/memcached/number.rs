//! Numbers as they stand in lines and in values.

/// The number that a text begins with: decimal, blanks and control characters in front skipped, with an optional sign, up
/// to the first other character. Without digits it is 0. What is too large wraps, as in the original (observed).
#[must_use]
pub fn wrapping(text: &[u8]) -> i64 {
    let (is_negative, digits) = signed(text);
    let number =
        digits.fold(0_u64, |number, digit| number.wrapping_mul(10).wrapping_add(digit)).cast_signed();
    if is_negative { number.wrapping_neg() } else { number }
}

/// The same, but what is too large is the number next to it.
pub(super) fn saturating(text: &[u8]) -> i64 {
    let (is_negative, digits) = signed(text);
    let sign = if is_negative { -1 } else { 1 };
    digits.fold(0_i64, |number, digit| number.saturating_mul(10).saturating_add(sign * digit.cast_signed()))
}

/// The same without a sign: what has one is 0.
pub(super) fn unsigned(text: &[u8]) -> u64 {
    let (is_negative, digits) = signed(text);
    let number = digits.fold(0_u64, |number, digit| number.saturating_mul(10).saturating_add(digit));
    if is_negative { 0 } else { number }
}

/// Whether the number is negative, and the digits of the rest.
fn signed(text: &[u8]) -> (bool, impl Iterator<Item = u64> + '_) {
    let text = match text.iter().position(|&byte| byte == 0 || byte > b' ') {
        Some(start) => &text[start..],
        None => &[],
    };
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    (is_negative, digits.map(|digit| u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_leniently() {
        for (text, number) in [
            (&b"12"[..], 12),
            (b"+7", 7),
            (b"-5", -5),
            (b" \t\n\x0b12x", 12),
            (b"1.5", 1),
            (b"12\x003", 12),
            (b"\x0012", 0),
            (b"", 0),
            (b"-", 0),
            (b"- 5", 0),
            (b"+-5", 0),
            (b"0x10", 0),
            (b"abc", 0),
            (b"9223372036854775807", i64::MAX),
            (b"-9223372036854775808", i64::MIN),
        ] {
            assert_eq!((wrapping(text), saturating(text)), (number, number), "{text:?}");
        }
    }

    /// What the original makes of them.
    #[test]
    fn large_numbers_wrap_or_stop() {
        for (text, wrapped, nearest) in [
            (&b"9223372036854775808"[..], i64::MIN, i64::MAX),
            (b"18446744073709551615", -1, i64::MAX),
            (b"18446744073709551621", 5, i64::MAX),
            (b"-9223372036854775809", i64::MAX, i64::MIN),
            (b"99999999999999999999999", 200_376_420_520_689_663, i64::MAX),
        ] {
            assert_eq!((wrapping(text), saturating(text)), (wrapped, nearest), "{text:?}");
        }
    }

    #[test]
    fn ids_have_no_sign() {
        assert_eq!(unsigned(b"18446744073709551615"), u64::MAX);
        assert_eq!(unsigned(b"18446744073709551616"), u64::MAX);
        assert_eq!((unsigned(b"17x"), unsigned(b"-1"), unsigned(b"x")), (17, 0, 0));
    }
}
