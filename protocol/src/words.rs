//! The words of a line.

use std::iter::FusedIterator;

/// Words separated by any run of spaces and tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Words<'a> {
    text: &'a [u8],
}

impl<'a> Words<'a> {
    /// The words of a text, which is looked at only while they are walked.
    #[inline]
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// The text itself.
    #[inline]
    #[must_use]
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The words in their order.
    #[inline]
    #[must_use]
    pub fn iter(&self) -> WordsIter<'a> {
        WordsIter { rest: self.text }
    }
}

impl<'a> IntoIterator for Words<'a> {
    type Item = &'a [u8];
    type IntoIter = WordsIter<'a>;

    #[inline]
    fn into_iter(self) -> WordsIter<'a> {
        self.iter()
    }
}

/// Iterator over the words of [`Words`].
#[derive(Debug, Clone)]
pub struct WordsIter<'a> {
    rest: &'a [u8],
}

impl<'a> WordsIter<'a> {
    /// What follows the words so far, blanks included.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

impl<'a> Iterator for WordsIter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|&byte| !is_blank(byte))?;
        let text = &self.rest[start..];
        let end = text.iter().position(|&byte| is_blank(byte)).unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        Some(word)
    }
}

impl FusedIterator for WordsIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_separate_words() {
        let words = |text: &'static str| {
            Words::new(text.as_bytes()).iter().map(|word| str::from_utf8(word).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(words("get a\tb  c"), ["get", "a", "b", "c"]);
        assert_eq!(words("  a "), ["a"]);
        assert!(words("").is_empty() && words(" \t ").is_empty());
        let mut iter = Words::new(b"get  a b").iter();
        iter.next();
        assert_eq!(iter.rest(), b"  a b");
    }
}
