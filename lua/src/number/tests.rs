use super::*;
use crate::tonumber::tonumber;

#[test]
fn numbers_are_written_as_observed() {
    for (number, text) in [
        (3.0, "3"),
        (3.5, "3.5"),
        (1.0 / 3.0, "0.33333333333333"),
        (99_999_999_999_999.0, "99999999999999"),
        (1e14, "1e+14"),
        (123_456_789_012_345.0, "1.2345678901234e+14"),
        (9_007_199_254_740_992.0, "9.007199254741e+15"),
        (1e15, "1e+15"),
        (0.0, "0"),
        (-0.0, "-0"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (f64::NAN.copysign(1.0), "nan"),
        (f64::NAN.copysign(-1.0), "-nan"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (0.000099999999999999, "9.9999999999999e-05"),
        (0.0000999999999999999, "0.0001"),
        (99_999_999_999_999.5, "1e+14"),
        (99_999_999_999_999.4, "99999999999999"),
        (1e100, "1e+100"),
        (5e-324, "4.9406564584125e-324"),
        (f64::MAX, "1.7976931348623e+308"),
        (-1020.5, "-1020.5"),
        (1e16, "1e+16"),
        (100.0, "100"),
        (1.5e300, "1.5e+300"),
    ] {
        assert_eq!(format_g14(number), text);
    }
}

/// The numbers by which many forms are met: random bits, integers, fractions, powers of ten.
fn some_number(random: &mut fastrand::Rng) -> f64 {
    match random.u32(..5) {
        0 => f64::from_bits(random.u64(..)),
        1 => f64::from(random.i32(..)),
        2 => random.i64(..) as f64 / 1000.0,
        3 => 10_f64.powi(random.i32(-20..20)) * (1.0 + f64::from(random.i32(-2..3)) * f64::EPSILON),
        _ => random.f64() * 10_f64.powi(random.i32(-8..18)),
    }
}

/// A seed of its own each time, unless one is given.
fn random() -> fastrand::Rng {
    let seed = std::env::var("LCNODE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("LCNODE_SEED={seed}");
    fastrand::Rng::with_seed(seed)
}

#[test]
fn numbers_are_written_and_read_as_c_does() {
    let lua = mlua::Lua::new();
    let texts: mlua::Function = lua.load("return tostring(...)").into_function().unwrap();
    let numbers: mlua::Function = lua.load("return tonumber(...)").into_function().unwrap();
    let mut random = random();
    for _ in 0..20_000 {
        let number = some_number(&mut random);
        let text: String = texts.call(number).unwrap();
        assert_eq!(format_g14(number), text, "{number:e}");
        for text in [text, format!("{number:e}"), hex_text(&mut random, number)] {
            let expected: Option<f64> = numbers.call(&*text).unwrap();
            assert_eq!(tonumber(text.as_bytes()).map(f64::to_bits), expected.map(f64::to_bits), "{text}");
        }
    }
}

/// A number in hexadecimal with more digits than it can keep. Its exponent leaves out the numbers near 0 that
/// have fewer digits: the C library was seen to round some of those down that are nearer to the next.
fn hex_text(random: &mut fastrand::Rng, number: f64) -> String {
    let more = ["", "0", "8", "80", "800000000000", "8000000000001", "7fffffff", "fffffffffff"];
    let more = more[random.usize(..more.len())];
    let exponent = match random.u32(..3) {
        0 => random.i32(-1000..-900),
        1 => random.i32(950..1050),
        _ => random.i32(-20..20),
    };
    let (whole, fraction) = (number.to_bits() >> 52 & 0xf, number.to_bits() & ((1 << 52) - 1));
    format!("0x{whole:x}.{fraction:013x}{more}p{exponent}")
}

#[test]
fn numbers_are_cut_as_on_x86_64() {
    let two = |exponent: i32| 2_f64.powi(exponent);
    let (high, nan, inf) = (1_u64 << 63, f64::NAN, f64::INFINITY);
    for (number, wide, narrow, signed) in [
        (1.9, 1, 1, 1),
        (-1.9, u64::MAX, u32::MAX, -1),
        (two(31), 1 << 31, 1 << 31, i32::MIN),
        (two(32) + 5.0, (1 << 32) + 5, 5, i32::MIN),
        (-two(31) - 1.0, u64::MAX - (1 << 31), 0x7fff_ffff, i32::MIN),
        (two(63), high, 0, i32::MIN),
        (two(63) + two(12), high + (1 << 12), 0, i32::MIN),
        (two(63) + two(62), high + (high >> 1), 0, i32::MIN),
        (two(64), 0, 0, i32::MIN),
        (-two(64), high, 0, i32::MIN),
        (1e300, 0, 0, i32::MIN),
        (inf, 0, 0, i32::MIN),
        (-inf, high, 0, i32::MIN),
        (nan, high, 0, i32::MIN),
    ] {
        assert_eq!((to_u64(number), to_u32(number), to_i32(number)), (wide, narrow, signed), "{number}");
    }
}
