//! Numbers in decimal text, as scripts keep them.

use std::fmt;

/// A number in decimal text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Decimal {
    /// An integer: sums of these are exact.
    Int(i64),
    /// Any other.
    Real(f64),
}

/// The longest canonical text, in bytes: `-2.2250738585072e-308`.
pub(super) const MAX_TEXT: usize = 21;
/// Significant digits of a real number.
const DIGITS: i32 = 14;
/// Up to here a double has each integer: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// What numbers come to, before it is known whether a number can be that large.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Total {
    Int(i128),
    Real(f64),
}

impl Decimal {
    /// The number of a canonical text: an optional `-` and digits without needless zeros in front, which fits an
    /// `i64`; or else what [`Display`](fmt::Display) writes for a finite `Real`. None of any other text.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // One that begins with a zero is that, or no integer: `-0` is what a double may be.
        if is_whole && (!digits.starts_with('0') || text == "0") {
            return text.parse().ok().map(Self::Int);
        }
        let real = Self::Real(text.parse().ok().filter(|num: &f64| num.is_finite())?);
        (real.to_string() == text).then_some(real)
    }

    /// Whether it is a number at all, and not an infinite one.
    pub(super) fn is_finite(self) -> bool {
        match self {
            Self::Int(_) => true,
            Self::Real(num) => num.is_finite(),
        }
    }

    /// The same, an integer where a double holds it exactly.
    pub(crate) fn normal(self) -> Self {
        match self {
            Self::Real(num) if num.fract() == 0.0 && num.abs() < EXACT => Self::Int(num as i64),
            num => num,
        }
    }

    /// Both together, of the same kind; none where they are of different ones, or it is too large.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        let sum = match (self, other) {
            (Self::Int(a), Self::Int(b)) => Self::Int(a.checked_add(b)?),
            (Self::Real(a), Self::Real(b)) => Self::Real(a + b),
            _ => return None,
        };
        sum.is_finite().then_some(sum)
    }

    /// (It + all integers) + all others, which are added up in their order, so that each node comes to the same.
    pub(super) fn total(self, amounts: impl IntoIterator<Item = Self>) -> Total {
        let (mut ints, mut reals) = (0_i128, None);
        for amount in amounts {
            match amount {
                Self::Int(num) => ints += i128::from(num),
                Self::Real(num) => reals = Some(reals.unwrap_or(0.0) + num),
            }
        }
        match (self.normal(), reals) {
            (Self::Int(num), None) => Total::Int(i128::from(num) + ints),
            (Self::Int(num), Some(reals)) => Total::Real((i128::from(num) + ints) as f64 + reals),
            (Self::Real(num), reals) => Total::Real(num + ints as f64 + reals.unwrap_or(0.0)),
        }
    }
}

impl Total {
    /// The number; none where it is too large for one.
    pub(super) fn number(self) -> Option<Decimal> {
        match self {
            Self::Int(num) => num.try_into().ok().map(Decimal::Int),
            Self::Real(num) => num.is_finite().then_some(Decimal::Real(num).normal()),
        }
    }

    /// The number; the one next to it where it is too large.
    pub(super) fn nearest(self) -> Decimal {
        self.number().unwrap_or(match self {
            Self::Int(num) => Decimal::Int(if num < 0 { i64::MIN } else { i64::MAX }),
            Self::Real(num) => Decimal::Real(num.clamp(f64::MIN, f64::MAX)),
        })
    }
}

/// Integers in decimal digits, others as C's `%.14g` has them.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let num = match *self {
            Self::Int(num) => return write!(f, "{num}"),
            Self::Real(num) => num,
        };
        if !num.is_finite() {
            let sign = if num.is_sign_negative() { "-" } else { "" };
            return write!(f, "{sign}{}", if num.is_nan() { "nan" } else { "inf" });
        }
        let text = format!("{num:.0$e}", DIGITS as usize - 1);
        // Always there.
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if (-4..DIGITS).contains(&exponent) {
            let places = (DIGITS - 1 - exponent) as usize;
            return f.write_str(trimmed(&format!("{num:.places$}")));
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(f, "{}e{sign}{:02}", trimmed(mantissa), exponent.unsigned_abs())
    }
}

/// Without the zeros at the end of the decimal places, and without a point that nothing follows.
fn trimmed(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reals_are_written_as_c_writes_them() {
        // As `printf "%.14g"` has them.
        for (num, text) in [
            (1020.5, "1020.5"),
            (3.0, "3"),
            (0.1 + 0.2, "0.3"),
            (1.0 / 3.0, "0.33333333333333"),
            (-2.0 / 3.0, "-0.66666666666667"),
            (99_999_999_999_999.0, "99999999999999"),
            (99_999_999_999_999.5, "1e+14"),
            (1e14, "1e+14"),
            (123_456_789_012_345.0, "1.2345678901234e+14"),
            (10_000_000_000_000.5, "10000000000000"),
            (10_000_000_000_001.5, "10000000000002"),
            (9_007_199_254_740_992.0, "9.007199254741e+15"),
            (1e100, "1e+100"),
            (1e-4, "0.0001"),
            (0.000_123_456_789_012_345_6, "0.00012345678901235"),
            (0.000_099_999_999_999_999_9, "0.0001"),
            (1e-5, "1e-05"),
            (5e-324, "4.9406564584125e-324"),
            (f64::MIN_POSITIVE, "2.2250738585072e-308"),
            (f64::MIN, "-1.7976931348623e+308"),
            (100.0, "100"),
            (0.0, "0"),
            (-0.0, "-0"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(Decimal::Real(num).to_string(), text);
            assert!(text.len() <= MAX_TEXT);
        }
    }

    #[test]
    fn canonical_texts_are_numbers() {
        for (text, num) in [
            ("0", Decimal::Int(0)),
            ("-1", Decimal::Int(-1)),
            ("1234567890123456789", Decimal::Int(1_234_567_890_123_456_789)),
            ("9223372036854775807", Decimal::Int(i64::MAX)),
            ("-9223372036854775808", Decimal::Int(i64::MIN)),
            ("1020.5", Decimal::Real(1020.5)),
            ("-0", Decimal::Real(-0.0)),
            ("1e+14", Decimal::Real(1e14)),
            ("1e-05", Decimal::Real(1e-5)),
            ("-2.2250738585072e-308", Decimal::Real(-2.2250738585072e-308)),
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()), Some(num));
            assert_eq!(num.to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "-",
            "+1",
            "--1",
            " 12 ",
            "12 ",
            "\t1",
            "0x10",
            "1e3",
            "1E+14",
            "1e14",
            "1e+014",
            "1e+5",
            "007",
            "-01",
            "-00",
            "00",
            "1.",
            ".5",
            "1.50",
            "0.50",
            "1_0",
            "nan",
            "-nan",
            "inf",
            "-inf",
            "infinity",
            "1e+999",
            "5\0",
            "9223372036854775808",
            "-9223372036854775809",
            "0.123456789012345",
            "1234567890.123456789",
            "\u{663}",
            "0000000000000000000000000000001",
        ] {
            assert_eq!(Decimal::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Decimal::parse(&[0xff, 0, 0, 0]), None);
        assert_eq!(Decimal::parse(&[b'1'; 1000]), None);
    }

    #[test]
    fn totals_are_exact_as_far_as_they_can_be() {
        use Decimal::{Int, Real};
        for (base, amounts, total) in [
            (Int(99_999_999_999_999), &[Int(1)][..], Some(Int(100_000_000_000_000))),
            (Int(1020), &[Real(0.5)], Some(Real(1020.5))),
            (Int(1020), &[Real(0.5), Real(0.5)], Some(Int(1021))),
            (Int(i64::MAX), &[Int(5), Int(-6)], Some(Int(i64::MAX - 1))),
            (Int(i64::MAX), &[Int(1)], None),
            (Int(i64::MIN), &[Int(-1)], None),
            (Real(1e14), &[Int(i64::MAX - 100_000_000_000_000)], Some(Int(i64::MAX))),
            (Real(0.25), &[Int(2), Real(0.75)], Some(Int(3))),
            (Real(f64::MAX), &[Real(f64::MAX)], None),
            (Int(1 << 53), &[Real(0.5)], Some(Real(9_007_199_254_740_992.0))),
            (Int(i64::MAX), &[Int(i64::MAX), Real(0.5)], Some(Real(18_446_744_073_709_551_616.0))),
            (Int(0), &[Real(-0.0)], Some(Int(0))),
        ] {
            assert_eq!(base.total(amounts.iter().copied()).number(), total, "{base:?} and {amounts:?}");
        }
        assert_eq!(Total::Int(i128::from(i64::MAX) + 1).nearest(), Int(i64::MAX));
        assert_eq!(Total::Int(i128::from(i64::MIN) - 1).nearest(), Int(i64::MIN));
        assert_eq!(Total::Real(f64::NEG_INFINITY).nearest(), Real(f64::MIN));
        assert_eq!(Real(f64::MAX).to_string().parse::<f64>().map(f64::is_finite), Ok(true));
    }
}
