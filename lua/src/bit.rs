//! `_bit`: operations on the bits of 32-bit numbers.

use crate::number::to_u32;

/// The result of `mode` (and, or, xor, not, left, right, in any case) on `first` and `second`, each taken
/// modulo 2^32; `not` ignores `second`. A shift counts modulo 32, as the processors of the originals do.
/// None for an unknown mode.
#[must_use]
pub fn bit(mode: &[u8], first: f64, second: f64) -> Option<u32> {
    let (first, second) = (to_u32(first), to_u32(second));
    Some(match mode.to_ascii_lowercase().as_slice() {
        b"and" => first & second,
        b"or" => first | second,
        b"xor" => first ^ second,
        b"not" => !first,
        b"left" => first.wrapping_shl(second),
        b"right" => first.wrapping_shr(second),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_do_what_was_observed() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let two = |exponent: i32| 2f64.powi(exponent);
        for (mode, first, second, result) in [
            ("and", 6.0, 3.0, 2),
            ("or", 6.0, 3.0, 7),
            ("xor", 6.0, 3.0, 5),
            ("not", 6.0, 3.0, 4_294_967_289),
            ("AND", 6.0, 3.0, 2),
            ("And", 6.0, 3.0, 2),
            ("left", 1.0, 4.0, 16),
            ("right", 16.0, 4.0, 1),
            ("left", 1.0, 31.0, 2_147_483_648),
            ("left", 1.0, 32.0, 1),
            ("left", 1.0, 33.0, 2),
            ("right", 5.0, 33.0, 2),
            ("left", 1.0, -1.0, 2_147_483_648),
            ("right", two(31), -1.0, 1),
            ("left", 1.0, two(32) + 1.0, 2),
            ("left", 1.0, 1.9, 2),
            ("left", 1.0, nan, 1),
            ("left", two(32) - 1.0, 4.0, 4_294_967_280),
            ("right", -1.0, 4.0, 268_435_455),
            ("and", -1.0, two(32) - 1.0, 4_294_967_295),
            ("and", two(32) + 5.0, 255.0, 5),
            ("and", 1e20, -1.0, 0),
            ("or", nan, 0.0, 0),
            ("or", inf, 0.0, 0),
            ("or", -inf, 0.0, 0),
            ("or", -two(31) - 1.0, 0.0, 2_147_483_647),
            ("or", -two(33) - 1.0, 0.0, 4_294_967_295),
            ("or", two(62) + two(11), 0.0, 2048),
            ("or", 1.9, 0.0, 1),
            ("or", -1.9, 0.0, 4_294_967_295),
            ("or", 0.0, -0.5, 0),
        ] {
            assert_eq!(bit(mode.as_bytes(), first, second), Some(result), "{mode} {first} {second}");
        }
        for mode in ["", "foo", "shl", "&", "lshift", "and "] {
            assert_eq!(bit(mode.as_bytes(), 6.0, 3.0), None, "{mode}");
        }
    }
}
