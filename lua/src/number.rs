//! Numbers as Lua 5.1 writes them, and as functions written in C cut them to integers.

/// As C's `%.14g`.
pub fn format_g14(number: f64) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() { "-nan".to_owned() } else { "nan".to_owned() };
    }
    if number.is_infinite() {
        return if number < 0.0 { "-inf".to_owned() } else { "inf".to_owned() };
    }
    if number.fract() == 0.0 && number.abs() < 1e14 && (number != 0.0 || number.is_sign_positive()) {
        return (number as i64).to_string();
    }
    let scientific = format!("{number:.13e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..14).contains(&exponent) {
        let fixed = format!("{number:.*}", (13 - exponent) as usize);
        return trim_zeros(&fixed).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trim_zeros(mantissa), exponent.abs())
}

fn trim_zeros(digits: &str) -> &str {
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.'),
        false => digits,
    }
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
