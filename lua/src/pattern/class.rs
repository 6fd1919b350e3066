//! Which bytes one item of a pattern stands for, and how items are read.

use super::PatternError;

/// One byte's worth of pattern.
#[derive(Debug, Clone, Copy)]
pub(super) enum Class<'p> {
    Any,
    Byte(u8),
    /// `%` and a byte: a class by its letter, or the byte itself.
    Escaped(u8),
    Set(Set<'p>),
}

/// What stands between `[` and `]`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Set<'p> {
    negated: bool,
    members: &'p [u8],
}

impl<'p> Class<'p> {
    /// The class at `at` of a pattern, and where it ends. Not to be called at the pattern's end.
    pub(super) fn read(pattern: &'p [u8], at: usize) -> Result<(Self, usize), PatternError> {
        match pattern.get(at).copied() {
            Some(b'%') => {
                let byte = pattern.get(at + 1).ok_or(PatternError::EndsWithEscape)?;
                Ok((Self::Escaped(*byte), at + 2))
            }
            Some(b'[') => Set::read(pattern, at).map(|(set, end)| (Self::Set(set), end)),
            Some(b'.') => Ok((Self::Any, at + 1)),
            Some(byte) => Ok((Self::Byte(byte), at + 1)),
            None => Err(PatternError::EndsWithEscape),
        }
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Byte(own) => *own == byte,
            Self::Escaped(letter) => letter_contains(*letter, byte),
            Self::Set(set) => set.contains(byte),
        }
    }

    /// About how many nanoseconds looking a byte up takes.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Set(set) => 4 + 2 * set.members.len() as u64,
            _ => 4,
        }
    }
}

impl<'p> Set<'p> {
    /// The set whose `[` is at `at`, and where it ends.
    pub(super) fn read(pattern: &'p [u8], at: usize) -> Result<(Self, usize), PatternError> {
        let negated = pattern.get(at + 1) == Some(&b'^');
        let start = at + 1 + usize::from(negated);
        let mut end = start;
        // The first byte is a member even if it is a bracket.
        while end == start || pattern.get(end) != Some(&b']') {
            match pattern.get(end) {
                None => return Err(PatternError::UnclosedSet),
                Some(b'%') if end + 1 < pattern.len() => end += 2,
                Some(_) => end += 1,
            }
        }
        Ok((Self { negated, members: &pattern[start..end] }, end + 1))
    }

    pub(super) fn contains(&self, byte: u8) -> bool {
        self.lists(byte) != self.negated
    }

    fn lists(&self, byte: u8) -> bool {
        let mut rest = self.members;
        loop {
            rest = match rest {
                [] => return false,
                [b'%', letter, more @ ..] => {
                    if letter_contains(*letter, byte) {
                        return true;
                    }
                    more
                }
                [low, b'-', high, more @ ..] => {
                    if (*low..=*high).contains(&byte) {
                        return true;
                    }
                    more
                }
                [own, more @ ..] => {
                    if *own == byte {
                        return true;
                    }
                    more
                }
            }
        }
    }
}

/// `%` and `letter`: upper case is the complement of lower case.
fn letter_contains(letter: u8, byte: u8) -> bool {
    let contained = match letter.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b'\t'..=b'\r' | b' '),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return letter == byte,
    };
    contained == letter.is_ascii_lowercase()
}
