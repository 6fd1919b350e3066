//! Bracket expressions.

use regex_syntax::hir::{ClassBytes, ClassBytesRange};

use super::PatternError;

const OPEN: PatternError = PatternError::Malformed("a [ without its ]");
const RANGE: PatternError = PatternError::Malformed("a range in [] that is none");

/// What one element of a bracket expression is.
enum Element {
    Byte(u8),
    Class(ClassBytes),
}

/// The bytes of a bracket expression, of which `rest` is what follows its `[`; and what follows its `]`.
pub(super) fn parse(mut rest: &[u8], ignore_case: bool) -> Result<(ClassBytes, &[u8]), PatternError> {
    let negated = rest.first() == Some(&b'^');
    rest = &rest[usize::from(negated)..];
    let mut bytes = ClassBytes::empty();
    let mut first = true;
    loop {
        match rest {
            [] => return Err(OPEN),
            [b']', tail @ ..] if !first => {
                rest = tail;
                break;
            }
            // Only as the first, as the last, or as an end of a range.
            [b'-', after, ..] if !first && *after != b']' => return Err(RANGE),
            _ => {}
        }
        first = false;
        let start;
        (start, rest) = element(rest)?;
        match (rest, start) {
            ([b'-', tail @ ..], start) if !tail.is_empty() && tail[0] != b']' => {
                let end;
                (end, rest) = element(tail)?;
                match (start, end) {
                    (Element::Byte(start), Element::Byte(end)) if start <= end => {
                        bytes.push(ClassBytesRange::new(start, end));
                    }
                    _ => return Err(RANGE),
                }
            }
            (_, Element::Byte(byte)) => bytes.push(ClassBytesRange::new(byte, byte)),
            (_, Element::Class(class)) => bytes.union(&class),
        }
    }
    if ignore_case {
        bytes.case_fold_simple();
    }
    if negated {
        bytes.negate();
    }
    Ok((bytes, rest))
}

fn element(rest: &[u8]) -> Result<(Element, &[u8]), PatternError> {
    let (kind, tail) = match rest {
        [b'[', kind @ (b':' | b'.' | b'='), tail @ ..] => (*kind, tail),
        [byte, tail @ ..] => return Ok((Element::Byte(*byte), tail)),
        [] => return Err(OPEN),
    };
    let end = tail.windows(2).position(|two| two == [kind, b']']).ok_or(OPEN)?;
    let (name, tail) = (&tail[..end], &tail[end + 2..]);
    match (kind, name) {
        (b':', name) => {
            let class = named(name).ok_or(PatternError::Malformed("a class in [] that is not known"))?;
            Ok((Element::Class(class), tail))
        }
        (b'.', [byte]) => Ok((Element::Byte(*byte), tail)),
        // Is all of its class, and no end of a range.
        (b'=', [byte]) => Ok((Element::Class(ClassBytes::new([ClassBytesRange::new(*byte, *byte)])), tail)),
        _ => Err(PatternError::Malformed("a name in [] that is not known")),
    }
}

/// A class by its name, as the C locale has it.
pub(crate) fn named(name: &[u8]) -> Option<ClassBytes> {
    let is_in: fn(&u8) -> bool = match name {
        b"alnum" => u8::is_ascii_alphanumeric,
        b"alpha" => u8::is_ascii_alphabetic,
        b"blank" => |byte| matches!(byte, b' ' | b'\t'),
        b"cntrl" => u8::is_ascii_control,
        b"digit" => u8::is_ascii_digit,
        b"graph" => u8::is_ascii_graphic,
        b"lower" => u8::is_ascii_lowercase,
        b"print" => |byte| matches!(byte, b' '..=b'~'),
        b"punct" => u8::is_ascii_punctuation,
        b"space" => |byte| matches!(byte, b' ' | b'\t'..=b'\r'),
        b"upper" => u8::is_ascii_uppercase,
        b"xdigit" => u8::is_ascii_hexdigit,
        _ => return None,
    };
    Some(ClassBytes::new((0..=255).filter(is_in).map(|byte| ClassBytesRange::new(byte, byte))))
}
