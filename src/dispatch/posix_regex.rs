//! POSIX extended regular expressions over bytes, as `misc regex` takes them, on the crate `regex`:
//! linear in time, whatever the pattern.

use regex::bytes::{Regex, RegexBuilder};

/// The largest pattern in bytes.
const MAX_PATTERN: usize = 16 << 10;

/// A compiled expression.
#[derive(Debug)]
pub(super) struct PosixRegex(Regex);

/// Why a pattern cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum PatternError {
    #[error("the pattern is longer than {MAX_PATTERN} bytes")]
    TooLong,
    #[error("the pattern has a [ without its ]")]
    OpenBracket,
    #[error("the pattern ends in a backslash")]
    TrailingBackslash,
    #[error(transparent)]
    Syntax(#[from] regex::Error),
}

impl PosixRegex {
    /// Compiles a pattern. A leading `*` makes it ignore case and is no part of it; it ends at a NUL.
    pub(super) fn new(pattern: &[u8]) -> Result<Self, PatternError> {
        let pattern = pattern.split(|&byte| byte == 0).next().unwrap_or_default();
        let (ignore_case, pattern) = match pattern {
            [b'*', rest @ ..] => (true, rest),
            whole => (false, whole),
        };
        if pattern.len() > MAX_PATTERN {
            return Err(PatternError::TooLong);
        }
        let regex = RegexBuilder::new(&translate(pattern)?)
            .unicode(false)
            .dot_matches_new_line(true)
            .case_insensitive(ignore_case)
            .build()?;
        Ok(Self(regex))
    }

    /// Whether the expression matches somewhere in `text`.
    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.0.is_match(text)
    }
}

/// The same expression in the crate's syntax. They differ in brackets, where POSIX knows no escapes
/// and lets `]` come first, and in what a backslash before a letter means: in POSIX, the letter.
fn translate(pattern: &[u8]) -> Result<String, PatternError> {
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut rest = pattern;
    while let [byte, tail @ ..] = rest {
        rest = match byte {
            b'\\' => {
                let [escaped, tail @ ..] = tail else { return Err(PatternError::TrailingBackslash) };
                literal(*escaped, &mut out);
                tail
            }
            b'[' => bracket(tail, &mut out)?,
            b'.' | b'*' | b'+' | b'?' | b'(' | b')' | b'|' | b'^' | b'$' | b'{' | b'}' => {
                out.push(char::from(*byte));
                // A ? or + after a repetition would make it lazy or possessive; here it repeats again.
                if matches!(byte, b'*' | b'+' | b'?') && matches!(tail, [b'+' | b'?', ..]) {
                    let start = group_start(&out);
                    out.insert_str(start, "(?:");
                    out.push(')');
                }
                tail
            }
            _ => {
                literal(*byte, &mut out);
                tail
            }
        };
    }
    Ok(out)
}

/// Where the last item of a translated expression begins.
fn group_start(out: &str) -> usize {
    let bytes = out.as_bytes();
    let end = bytes.len() - 1;
    match bytes[..end].last() {
        Some(b')') => {
            let mut depth = 0;
            bytes[..end]
                .iter()
                .enumerate()
                .rev()
                .find(|(_, byte)| {
                    depth += i32::from(**byte == b')') - i32::from(**byte == b'(');
                    depth == 0
                })
                .map_or(0, |(at, _)| at)
        }
        Some(b']') => out[..end].rfind('[').unwrap_or(0),
        // Literals are always four characters: \xHH.
        Some(byte) if byte.is_ascii_hexdigit() => end.saturating_sub(4),
        _ => end.saturating_sub(1),
    }
}

/// One byte that stands for itself.
fn literal(byte: u8, out: &mut String) {
    out.push_str(&format!("\\x{byte:02x}"));
}

/// A bracket expression after its `[`; returns what follows its `]`.
fn bracket<'a>(mut rest: &'a [u8], out: &mut String) -> Result<&'a [u8], PatternError> {
    out.push('[');
    if let [b'^', tail @ ..] = rest {
        out.push('^');
        rest = tail;
    }
    let mut first = true;
    loop {
        rest = match rest {
            [] => return Err(PatternError::OpenBracket),
            [b']', tail @ ..] if !first => {
                out.push(']');
                return Ok(tail);
            }
            [b'[', b':', tail @ ..] => {
                let end = tail.windows(2).position(|two| two == b":]").ok_or(PatternError::OpenBracket)?;
                out.push_str(&format!("[:{}:]", String::from_utf8_lossy(&tail[..end])));
                &tail[end + 2..]
            }
            [b'-', tail @ ..] if !first && !matches!(tail, [b']', ..]) => {
                out.push('-');
                tail
            }
            [byte, tail @ ..] => {
                literal(*byte, out);
                tail
            }
        };
        first = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_posix_says() {
        for (pattern, text, matches) in [
            ("^[ab]", "apple", true),
            ("^[ab]", "cab", false),
            ("", "anything", true),
            ("*APP", "apple", true),
            ("APP", "apple", false),
            ("a.c", "a\nc", true),
            ("a\\.c", "abc", false),
            ("a\\.c", "a.c", true),
            ("[\\.]", "\\", true),
            ("[]x]", "]", true),
            ("[^]x]", "]", false),
            ("[a-c-]", "-", true),
            ("[[:digit:]]+$", "key42", true),
            ("[[:digit:]]+$", "key", false),
            ("(ab|cd){2}", "abcd", true),
            ("\\d", "5", false),
            ("\\d", "d", true),
            ("a+?b", "b", true),
            ("(ab)*+c", "ababc", true),
            ("x{2,3}y", "xxy", true),
            ("caf\u{e9}", "caf\u{e9}", true),
        ] {
            let regex = PosixRegex::new(pattern.as_bytes()).unwrap();
            assert_eq!(regex.is_match(text.as_bytes()), matches, "{pattern} on {text}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for pattern in ["(", "[a", "a\\", "a{3,1}", "[[:no:]]", "[z-a]"] {
            assert!(PosixRegex::new(pattern.as_bytes()).is_err(), "{pattern}");
        }
    }
}
