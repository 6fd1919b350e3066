//! Bytes as they are typed and shown: hex, separators, numbers.

use std::io::{self, Write};

use super::failed::Failed;
use super::tool::Tool;

/// How keys and values are typed and shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Style {
    /// They are typed as hex.
    pub hex_in: bool,
    /// They are shown as hex.
    pub hex_out: bool,
    /// What is typed and shown in place of NUL.
    pub separator: Option<u8>,
}

impl Style {
    /// What was typed, as it is meant.
    pub fn read(self, tool: &Tool, text: &[u8]) -> Result<Vec<u8>, Failed> {
        if self.hex_in {
            return if tool.is_link { Ok(lenient_hex(text)) } else { strict_hex(text) };
        }
        Ok(match self.separator {
            Some(separator) => text.iter().map(|&byte| if byte == separator { 0 } else { byte }).collect(),
            None => text.to_vec(),
        })
    }

    /// Shows bytes.
    pub fn write(self, out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        if self.hex_out {
            return write_hex(out, bytes);
        }
        match self.separator {
            Some(separator) => {
                let shown: Vec<u8> =
                    bytes.iter().map(|&byte| if byte == 0 { separator } else { byte }).collect();
                out.write_all(&shown)
            }
            None => out.write_all(bytes),
        }
    }
}

/// The separator of `-sep`: the first byte, or one of three escapes. An empty one is NUL, which changes nothing.
pub fn separator(text: &[u8]) -> u8 {
    match text {
        b"\\t" => b'\t',
        b"\\n" => b'\n',
        b"\\r" => b'\r',
        text => text.first().copied().unwrap_or(0),
    }
}

/// Upper-case pairs, a space between two.
pub fn write_hex(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for (at, chunk) in bytes.chunks(4096).enumerate() {
        let mut shown = Vec::with_capacity(3 * chunk.len());
        for byte in chunk {
            shown.push(b' ');
            shown.push(DIGITS[usize::from(byte >> 4)]);
            shown.push(DIGITS[usize::from(byte & 15)]);
        }
        out.write_all(&shown[usize::from(at == 0)..])?;
    }
    Ok(())
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// As tcrmgr takes it: pairs of characters, of which those that are no digits count as missing; spaces between pairs
/// and a single character at the end are passed over.
fn lenient_hex(text: &[u8]) -> Vec<u8> {
    let mut rest = text.trim_ascii_start();
    let mut bytes = Vec::new();
    while let Some((pair, behind)) = rest.split_first_chunk::<2>() {
        let digits = pair.iter().filter_map(|&byte| digit(byte));
        bytes.push(digits.fold(0, |sum, digit| sum << 4 | digit));
        rest = behind.trim_ascii_start();
    }
    bytes
}

fn strict_hex(text: &[u8]) -> Result<Vec<u8>, Failed> {
    let digits: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let (pairs, single) = digits.as_chunks::<2>();
    let bytes: Option<Vec<u8>> =
        pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
    bytes.filter(|_| single.is_empty()).ok_or_else(|| {
        let text = String::from_utf8_lossy(text);
        Failed::Usage(format!("{text:?} is no hex: with -sx give pairs of 0-9, a-f, such as 6B 65 79"))
    })
}

/// The digits that a text begins with, as C's atoi reads them; 0 where there are none.
fn leading_number(text: &str) -> i64 {
    let text = text.trim_start();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1i64, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = digits.bytes().take_while(u8::is_ascii_digit);
    digits.fold(0i64, |sum, digit| sum.saturating_mul(10).saturating_add(sign * i64::from(digit - b'0')))
}

/// The decimal number that a text begins with; 0 where there is none.
fn leading_double(text: &str) -> f64 {
    let text = text.trim_start();
    let may_be_part = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    let end = text.find(|c| !may_be_part(c)).unwrap_or(text.len()).min(400);
    // The longest beginning that is a number.
    let candidates = (1..=end).rev().filter_map(|end| text.get(..end));
    candidates.filter_map(|text| text.parse().ok()).next().unwrap_or(0.0)
}

/// A whole number. tcrmgr takes what a text begins with.
pub fn whole(tool: &Tool, text: &str) -> Result<i64, Failed> {
    if tool.is_link {
        return Ok(leading_number(text));
    }
    text.trim().parse().map_err(|_| Failed::Usage(format!("{text:?} is no whole number")))
}

/// A number of 32 bits with a sign, as `addint` adds it. tcrmgr takes the lower half of a longer one.
pub fn int(tool: &Tool, text: &str) -> Result<i32, Failed> {
    let number = whole(tool, text)?;
    match i32::try_from(number) {
        Ok(number) => Ok(number),
        #[expect(clippy::cast_possible_truncation, reason = "as the original")]
        Err(_) if tool.is_link => Ok(number as i32),
        Err(_) => Err(Failed::Usage(format!("{text} is more than 32 bits hold: -2147483648 to 2147483647"))),
    }
}

/// A number for `adddouble`.
pub fn double(tool: &Tool, text: &str) -> Result<f64, Failed> {
    if tool.is_link {
        return Ok(leading_double(text));
    }
    text.trim().parse().map_err(|_| Failed::Usage(format!("{text:?} is no number")))
}

/// A number that is not below zero and within 31 bits.
pub fn natural(tool: &Tool, text: &str) -> Result<u32, Failed> {
    let number = whole(tool, text)?;
    let within = u32::try_from(number).ok().filter(|&number| number <= i32::MAX.cast_unsigned());
    match within {
        Some(number) => Ok(number),
        None if tool.is_link => Ok(0),
        None => Err(Failed::Usage(format!("{text} is not between 0 and 2147483647"))),
    }
}

/// A time stamp in microseconds: `now` and negative numbers are the present.
pub fn time_stamp(tool: &Tool, text: &str) -> Result<u64, Failed> {
    let number = if text == "now" { -1 } else { whole(tool, text)? };
    Ok(u64::try_from(number).unwrap_or_else(|_| crate::clock::now()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: Tool = Tool { program: "tcrmgr", is_link: true };
    const OWN: Tool = Tool { program: "lcmgr", is_link: false };

    #[test]
    fn hex_of_the_original_is_lenient_and_ours_is_not() {
        for (text, bytes, is_right) in [
            ("6b 65", &b"ke"[..], true),
            ("6B65", b"ke", true),
            ("", b"", true),
            (" 61", b"a", true),
            ("6 1", b"\x06", true),
            ("6 1 6 2", b"\x06\x01\x06", true),
            ("61,62", b"a\x06", false),
            ("6g", b"\x06", false),
            ("g6", b"\x06", false),
            ("0x61", b"\0a", false),
            ("abc", b"\xab", false),
            ("zz79", b"\0y", false),
        ] {
            let style = Style { hex_in: true, ..Style::default() };
            assert_eq!(style.read(&LINK, text.as_bytes()).unwrap(), bytes, "{text}");
            assert_eq!(style.read(&OWN, text.as_bytes()).is_ok(), is_right, "{text}");
        }
    }

    #[test]
    fn numbers_of_the_original_are_lenient_and_ours_are_not() {
        for (text, number, is_right) in [
            ("5", 5, true),
            ("-7", -7, true),
            ("+5", 5, true),
            ("x3", 0, false),
            ("  12 3", 12, false),
            ("1.9", 1, false),
            ("99999999999", 1_215_752_191, false),
            ("99999999999999999999999", -1, false),
        ] {
            assert_eq!(int(&LINK, text).unwrap(), number, "{text}");
            assert_eq!(int(&OWN, text).is_ok(), is_right, "{text}");
        }
        for (text, number, is_right) in
            [("1.5", 1.5, true), ("abc", 0.0, false), ("-2.5e-1x", -0.25, false), ("1e3", 1000.0, true)]
        {
            assert!((double(&LINK, text).unwrap() - number).abs() < 1e-12, "{text}");
            assert_eq!(double(&OWN, text).is_ok(), is_right, "{text}");
        }
        assert!(double(&OWN, "inf").unwrap().is_infinite());
    }

    #[test]
    fn separators_stand_for_nul() {
        for (text, byte) in
            [("|", b'|'), ("\\t", b'\t'), ("\\n", b'\n'), ("\\r", b'\r'), ("ab", b'a'), ("", 0)]
        {
            assert_eq!(separator(text.as_bytes()), byte, "{text}");
        }
        let style = Style { separator: Some(b'|'), ..Style::default() };
        assert_eq!(style.read(&LINK, b"a|b").unwrap(), b"a\0b");
        let mut out = Vec::new();
        style.write(&mut out, b"a\0b").unwrap();
        assert_eq!(out, b"a|b");
    }

    #[test]
    fn long_values_are_shown_as_one_line_of_hex() {
        let mut out = Vec::new();
        write_hex(&mut out, &[0xAB; 10_000]).unwrap();
        assert_eq!(out, "AB ".repeat(10_000).trim_end().as_bytes());
    }
}
