//! The wire form of a floating-point number in `adddouble`: an integral part
//! and a fractional part in units of 10^-12, both signed 64-bit.

/// Units of the fractional part in one.
const TRILLION: f64 = 1e12;

/// 2^63, the first number beyond the range of the integral part.
const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

/// From the wire to a number.
///
/// The least integral part stands for negative infinity or, if the fractional
/// part is the least too, for NaN; the greatest stands for positive infinity.
/// Otherwise it is the sum of the parts, and the fractional part may be of any
/// sign and exceed 10^12.
#[inline]
#[must_use]
pub fn decode_double(integ: i64, fract: i64) -> f64 {
    match (integ, fract) {
        (i64::MIN, i64::MIN) => f64::NAN,
        (i64::MIN, _) => f64::NEG_INFINITY,
        (i64::MAX, _) => f64::INFINITY,
        _ => integ as f64 + fract as f64 / TRILLION,
    }
}

/// From a number to the wire, as the integral and the fractional part.
///
/// Both parts are truncated toward zero and carry the sign. A finite number
/// beyond the range of the integral part becomes its least value, which reads
/// back as negative infinity: so the original does it.
#[inline]
#[must_use]
pub fn encode_double(number: f64) -> (i64, i64) {
    if number.is_nan() {
        (i64::MIN, i64::MIN)
    } else if number == f64::INFINITY {
        (i64::MAX, 0)
    } else if (-TWO_POW_63..TWO_POW_63).contains(&number) {
        let whole = number.trunc();
        (whole as i64, ((number - whole) * TRILLION) as i64)
    } else {
        (i64::MIN, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_carry_the_sign() {
        assert_eq!(encode_double(1.5), (1, 500_000_000_000));
        assert_eq!(encode_double(-1.75), (-1, -750_000_000_000));
        assert_eq!(encode_double(-0.25), (0, -250_000_000_000));
        assert_eq!(encode_double(0.0), (0, 0));
        assert_eq!(encode_double(-0.0), (0, 0));
        // Below the last digit of the fractional part: cut, not rounded.
        assert_eq!(encode_double(1.9e-12), (0, 1));
        assert_eq!(encode_double(-9e-13), (0, 0));
    }

    #[test]
    fn what_does_not_fit_is_the_least_number() {
        assert_eq!(encode_double(1e300), (i64::MIN, 0));
        assert_eq!(encode_double(-1e300), (i64::MIN, 0));
        assert_eq!(encode_double(TWO_POW_63), (i64::MIN, 0));
        assert_eq!(encode_double(-TWO_POW_63), (i64::MIN, 0));
        let below = TWO_POW_63.next_down();
        assert_eq!(encode_double(below), (i64::MAX - 1023, 0));
    }

    #[test]
    fn the_special_numbers() {
        assert_eq!(encode_double(f64::INFINITY), (i64::MAX, 0));
        assert_eq!(encode_double(f64::NEG_INFINITY), (i64::MIN, 0));
        assert_eq!(encode_double(f64::NAN), (i64::MIN, i64::MIN));
        assert!(decode_double(i64::MIN, i64::MIN).is_nan());
        assert_eq!(decode_double(i64::MIN, 0), f64::NEG_INFINITY);
        assert_eq!(decode_double(i64::MIN, i64::MIN + 1), f64::NEG_INFINITY);
        assert_eq!(decode_double(i64::MAX, 0), f64::INFINITY);
        assert_eq!(decode_double(i64::MAX, i64::MIN), f64::INFINITY);
    }

    #[test]
    fn the_fractional_part_may_have_any_sign_and_size() {
        assert_eq!(decode_double(2, -500_000_000_000), 1.5);
        assert_eq!(decode_double(-2, 500_000_000_000), -1.5);
        assert_eq!(decode_double(0, 3_250_000_000_000), 3.25);
        assert_eq!(decode_double(0, i64::MIN), -9_223_372.036854776);
    }

    #[test]
    fn numbers_of_few_digits_come_back_exactly() {
        for eighths in -8000..8000 {
            let number = f64::from(eighths) / 8.0;
            let (integ, fract) = encode_double(number);
            assert_eq!(decode_double(integ, fract), number);
        }
    }
}
