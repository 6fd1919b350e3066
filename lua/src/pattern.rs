//! Lua 5.1's patterns, over bytes, in work that is counted.
//!
//! As in 5.1 a pattern ends at its first NUL byte, and what is wrong in it is an error only once matching gets there.
//! Unlike there, the depth of nested attempts is bounded, as in later versions of Lua.

mod class;
mod matching;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

use memchr::memmem;

use crate::meter::{LimitReached, Meter};
pub(crate) use matching::{Captured, Matcher};

/// How many captures a pattern may have.
const MAX_CAPTURES: usize = 32;
/// How many attempts may be nested: captures and repetitions that are under way.
const MAX_DEPTH: usize = 200;
/// Bytes with a meaning of their own.
const SPECIAL: &[u8] = b"^$*+?.([%-";

/// Why a match could not be tried to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("malformed pattern (ends with '%')")]
    EndsWithEscape,
    #[error("malformed pattern (missing ']')")]
    UnclosedSet,
    #[error("missing '[' after '%f' in pattern")]
    FrontierWithoutSet,
    #[error("unbalanced pattern")]
    Unbalanced,
    #[error("too many captures")]
    TooManyCaptures,
    #[error("invalid pattern capture")]
    NothingToClose,
    #[error("invalid capture index")]
    NoSuchCapture,
    #[error("unfinished capture")]
    UnfinishedCapture,
    #[error("pattern too complex")]
    TooComplex,
    #[error(transparent)]
    Limit(#[from] LimitReached),
}

/// Whether `pattern` has to be matched; one without special bytes can be searched for as it is.
pub(crate) fn has_specials(pattern: &[u8]) -> bool {
    until_nul(pattern).iter().any(|byte| SPECIAL.contains(byte))
}

/// Where `needle` first is in `subject`, at `from` or after it. NUL is a byte like others here.
pub(crate) fn find_plain(
    subject: &[u8],
    needle: &[u8],
    from: usize,
    meter: &dyn Meter,
) -> Result<Option<usize>, LimitReached> {
    let Some(rest) = subject.get(from..) else { return Ok(None) };
    meter.work((rest.len() + needle.len()) as u64 / 4)?;
    Ok(memmem::find(rest, needle).map(|at| from + at))
}

/// The pattern without the `^` that ties it to where a search begins, and whether there was one.
pub(crate) fn split_anchor(pattern: &[u8]) -> (&[u8], bool) {
    match pattern.strip_prefix(b"^") {
        Some(rest) => (rest, true),
        None => (pattern, false),
    }
}

fn until_nul(pattern: &[u8]) -> &[u8] {
    memchr::memchr(0, pattern).map_or(pattern, |nul| &pattern[..nul])
}
