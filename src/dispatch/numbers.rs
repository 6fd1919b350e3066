//! Numbers in text, read as leniently as the original reads them.

/// The number that a text begins with: blanks, a sign, digits; the rest is ignored. No digits are 0,
/// and what does not fit is cut to the nearest that does.
pub(super) fn leading(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let mut number: i64 = 0;
    for digit in digits.iter().take_while(|byte| byte.is_ascii_digit()) {
        number = number.saturating_mul(10).saturating_add(i64::from(digit - b'0'));
    }
    if negative { -number } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_leniently() {
        for (text, number) in [
            ("", 0),
            ("12", 12),
            ("  -7x", -7),
            ("+3 4", 3),
            ("abc", 0),
            ("0x10", 0),
            ("99999999999999999999", i64::MAX),
        ] {
            assert_eq!(leading(text.as_bytes()), number, "{text:?}");
        }
    }
}
