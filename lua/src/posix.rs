//! POSIX extended regular expressions over bytes, as `misc regex` and `_regex` take them: on automata, so that
//! the time is linear in text and pattern, whatever these are.
//!
//! Beside POSIX there are `\w \W \s \S \b \B \< \> \`` and `\'`, as in the C library of the originals; bytes
//! are characters.

mod brackets;
mod parse;
mod replace;
mod search;

use std::sync::OnceLock;

use regex_automata::meta;
use regex_automata::nfa::thompson::WhichCaptures;
use regex_syntax::hir::Hir;

pub(crate) use self::brackets::named as named_class;
use self::search::Searcher;
use crate::meter::{LimitReached, Meter};
use crate::text::c_string;

/// The largest pattern in bytes.
const MAX_PATTERN: usize = 16 << 10;
/// The largest automaton in bytes.
const MAX_AUTOMATON: usize = 4 << 20;

/// A compiled expression.
#[derive(Debug)]
pub struct Regex {
    parsed: Hir,
    /// The same where `^` does not match: for what follows a match.
    continued: Option<Hir>,
    is_empty: bool,
    matcher: OnceLock<Option<meta::Regex>>,
    searcher: OnceLock<Option<Searcher>>,
    continued_searcher: OnceLock<Option<Searcher>>,
}

/// Why a pattern cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is no expression.
    #[error("the pattern has {0}")]
    Malformed(&'static str),
    /// It is an expression, but is beyond what is compiled.
    #[error("the pattern {0}")]
    Unsupported(&'static str),
}

/// Why there is no result of a replacement.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    /// The result would be longer than allowed.
    #[error("the result would be longer than {0} bytes")]
    TooLong(usize),
    /// Groups are asked for, of which there are many in a long match.
    #[error("a match is too long to find the groups in it")]
    LongMatch,
    /// It takes too much time.
    #[error(transparent)]
    LimitReached(#[from] LimitReached),
}

impl Regex {
    /// Compiles a pattern. A leading `*` makes it ignore case and is no part of it; it ends at a NUL.
    ///
    /// # Errors
    /// [`PatternError::Malformed`] for what the originals refuse as well, [`PatternError::Unsupported`] for what
    /// only they take: patterns of more than 16 KiB, groups nested more than 200 deep, large automata, and
    /// back-references.
    pub fn new(pattern: &[u8]) -> Result<Self, PatternError> {
        let (ignore_case, pattern) = match c_string(pattern) {
            [b'*', rest @ ..] => (true, rest),
            whole => (false, whole),
        };
        if pattern.len() > MAX_PATTERN {
            return Err(PatternError::Unsupported("is longer than 16 KiB"));
        }
        let parsed = parse::parse(pattern, ignore_case, true)?;
        let continued =
            if pattern.contains(&b'^') { Some(parse::parse(pattern, ignore_case, false)?) } else { None };
        let regex = Self {
            is_empty: pattern.is_empty(),
            parsed,
            continued,
            matcher: OnceLock::new(),
            searcher: OnceLock::new(),
            continued_searcher: OnceLock::new(),
        };
        // Finds out whether it can be compiled.
        regex.searcher().map(|_| ()).ok_or(PatternError::Unsupported("makes too large an automaton"))?;
        Ok(regex)
    }

    /// About how many nanoseconds it has taken to compile it.
    #[must_use]
    pub fn cost(&self) -> u64 {
        let size = self.searcher().map_or(0, Searcher::size);
        u64::try_from(size).unwrap_or(u64::MAX).saturating_mul(500)
    }

    /// Whether the expression matches somewhere in `text`, however long that takes.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        // It is known that the size is bounded.
        let config = meta::Config::new()
            .utf8_empty(false)
            .which_captures(WhichCaptures::Implicit)
            .nfa_size_limit(None);
        let matcher = self
            .matcher
            .get_or_init(|| meta::Builder::new().configure(config).build_from_hir(&self.parsed).ok());
        matcher.as_ref().is_some_and(|matcher| matcher.is_match(text))
    }

    /// The same for a text up to its first NUL, and as the meter says.
    ///
    /// # Errors
    /// [`LimitReached`].
    pub fn is_found(&self, text: &[u8], meter: &dyn Meter) -> Result<bool, LimitReached> {
        match self.searcher() {
            Some(searcher) => searcher.is_match(c_string(text), meter),
            None => Ok(false),
        }
    }

    fn searcher(&self) -> Option<&Searcher> {
        self.searcher.get_or_init(|| Searcher::new(&self.parsed)).as_ref()
    }

    /// What finds matches after a first one.
    fn continued_searcher(&self) -> Option<&Searcher> {
        match &self.continued {
            Some(continued) => self.continued_searcher.get_or_init(|| Searcher::new(continued)).as_ref(),
            None => self.searcher(),
        }
    }
}

#[cfg(test)]
mod tests;
