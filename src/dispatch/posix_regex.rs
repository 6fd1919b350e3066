//! POSIX extended regular expressions over bytes, as `misc regex` takes them, on the crate `regex`:
//! linear in time, whatever the pattern.

use regex::bytes::{Regex, RegexBuilder};

/// The largest pattern in bytes.
const MAX_PATTERN: usize = 16 << 10;

/// The character classes of POSIX.
const CLASSES: [&str; 12] = [
    "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
    "xdigit",
];

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
    #[error("there is no character class {0}")]
    UnknownClass(String),
    #[error("the pattern has a ( without its )")]
    OpenGroup,
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
/// and lets `]` come first; in what a backslash before a letter means (in POSIX, the letter); and in a
/// repetition after a repetition, which in the crate would make it lazy.
fn translate(pattern: &[u8]) -> Result<String, PatternError> {
    // The items of the group that is being read, and of those around it.
    let mut groups = vec![vec![]];
    let mut rest = pattern;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let mut item = String::new();
        match byte {
            b'\\' => {
                let [escaped, tail @ ..] = tail else { return Err(PatternError::TrailingBackslash) };
                literal(*escaped, &mut item);
                rest = tail;
            }
            b'[' => rest = bracket(tail, &mut item)?,
            b'.' | b'^' | b'$' | b'|' => item.push(char::from(*byte)),
            b'(' => {
                groups.push(vec![]);
                continue;
            }
            b')' if groups.len() > 1 => {
                let inner: Vec<String> = groups.pop().unwrap_or_default();
                item = format!("(?:{})", inner.concat());
            }
            b'*' | b'+' | b'?' | b'{' => {
                let (repetition, tail) = repetition(*byte, tail);
                let last = groups.last_mut().and_then(|items| items.last_mut());
                match last.filter(|last| !repetition.is_empty() && !matches!(last.as_str(), "|" | "^")) {
                    Some(last) => {
                        *last = format!("(?:{last}){repetition}");
                        rest = tail;
                        continue;
                    }
                    // Nothing to repeat, or not a count: the byte itself.
                    None => literal(*byte, &mut item),
                }
            }
            _ => literal(*byte, &mut item),
        }
        if let Some(items) = groups.last_mut() {
            items.push(item);
        }
    }
    match groups.len() {
        1 => Ok(groups.concat().concat()),
        _ => Err(PatternError::OpenGroup),
    }
}

/// A repetition that begins with `byte`, and what follows it; empty where it is none.
fn repetition(byte: u8, tail: &[u8]) -> (String, &[u8]) {
    if byte != b'{' {
        return (char::from(byte).to_string(), tail);
    }
    let end = tail.iter().position(|&byte| byte == b'}').unwrap_or(0);
    let counts = &tail[..end];
    let is_count = counts.first().is_some_and(u8::is_ascii_digit)
        && counts.iter().all(|byte| byte.is_ascii_digit() || *byte == b',');
    match is_count {
        true => (format!("{{{}}}", String::from_utf8_lossy(counts)), &tail[end + 1..]),
        false => (String::new(), tail),
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
                let class = String::from_utf8_lossy(&tail[..end]);
                if !CLASSES.contains(&&*class) {
                    return Err(PatternError::UnknownClass(class.into_owned()));
                }
                out.push_str(&format!("[:{class}:]"));
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
            ("x{2}?y", "y", true),
            ("a|b+", "cb", true),
            ("(a|b)c", "bc", true),
            ("a{b", "a{b", true),
            ("a)", "a)", true),
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
