//! What patterns are in Lua 5.1, and where matching ends.

use std::cell::Cell;

use super::*;

/// Fails after so much work.
struct Budget(Cell<u64>);

impl Meter for Budget {
    fn work(&self, steps: u64) -> Result<(), LimitReached> {
        self.0.set(self.0.get().checked_sub(steps).ok_or(LimitReached)?);
        Ok(())
    }
}

fn find(subject: &[u8], pattern: &[u8]) -> Result<Option<Vec<Captured>>, PatternError> {
    let budget = Budget(Cell::new(100_000_000));
    let (pattern, anchored) = split_anchor(pattern);
    let mut matcher = Matcher::new(subject, pattern, &budget);
    let Some(whole) = matcher.find(0, anchored)? else { return Ok(None) };
    let mut captures = vec![Captured::Text(whole.clone())];
    for index in 0..matcher.captures() {
        captures.push(matcher.capture(index, &whole)?);
    }
    Ok(Some(captures))
}

fn text(range: std::ops::Range<usize>) -> Captured {
    Captured::Text(range)
}

#[test]
fn items() {
    for (subject, pattern, expected) in [
        ("hello", "l+", Some(vec![text(2..4)])),
        ("hello", "^l", None),
        ("hello", "o$", Some(vec![text(4..5)])),
        ("a$b", "$b", Some(vec![text(1..3)])),
        ("key = value", "(%w+)%s*=%s*(%w+)", Some(vec![text(0..11), text(0..3), text(6..11)])),
        ("x(a(b)c)y", "%b()", Some(vec![text(1..8)])),
        ("THE (quick) fox", "%f[%a]%a+%f[%A]", Some(vec![text(0..3)])),
        ("abc", "()b()", Some(vec![text(1..2), Captured::Position(1), Captured::Position(2)])),
        ("say \"it's\"", "([\"'])(.-)%1", Some(vec![text(4..10), text(4..5), text(5..9)])),
        ("a-b", "[a-]+", Some(vec![text(0..2)])),
        ("]^", "[]^]+", Some(vec![text(0..2)])),
        ("", ".*", Some(vec![text(0..0)])),
        ("aaa", "a-", Some(vec![text(0..0)])),
        ("aaab", "a-b", Some(vec![text(0..4)])),
        ("ab", "(a?)(a?)b", Some(vec![text(0..2), text(0..1), text(1..1)])),
    ] {
        assert_eq!(find(subject.as_bytes(), pattern.as_bytes()), Ok(expected), "{subject} {pattern}");
    }
}

#[test]
fn a_pattern_ends_at_nul_and_a_subject_does_not() {
    assert_eq!(find(b"banana~a\0b~", b"a\0b"), Ok(Some(vec![text(1..2)])));
    assert_eq!(find(b"x\0y", b"x%zy"), Ok(Some(vec![text(0..3)])));
    assert_eq!(find(b"x\0y", b"x.y"), Ok(Some(vec![text(0..3)])));
    assert!(!has_specials(b"a\0*") && has_specials(b"a*\0"));
    assert_eq!(find_plain(b"ab\0cd", b"\0c", 0, &Budget(Cell::new(1000))), Ok(Some(2)));
    assert_eq!(find_plain(b"abab", b"ab", 1, &Budget(Cell::new(1000))), Ok(Some(2)));
    assert_eq!(find_plain(b"ab", b"", 2, &Budget(Cell::new(1000))), Ok(Some(2)));
    assert_eq!(find_plain(b"ab", b"", 3, &Budget(Cell::new(1000))), Ok(None));
}

#[test]
fn errors_are_those_of_what_matching_gets_to() {
    for (pattern, error) in [
        ("%", PatternError::EndsWithEscape),
        ("x[a", PatternError::UnclosedSet),
        ("x[%]", PatternError::UnclosedSet),
        ("%f", PatternError::FrontierWithoutSet),
        ("%bx", PatternError::Unbalanced),
        ("(x", PatternError::UnfinishedCapture),
        ("x)", PatternError::NothingToClose),
        ("x%1", PatternError::NoSuchCapture),
        ("(%1)", PatternError::NoSuchCapture),
        ("%0", PatternError::NoSuchCapture),
    ] {
        assert_eq!(find(b"x", pattern.as_bytes()), Err(error), "{pattern}");
    }
    assert_eq!(find(b"y", b"(x"), Ok(None));
    assert_eq!(find(b"y", b"x)"), Ok(None));
    assert_eq!(find(b"x", "()".repeat(33).as_bytes()), Err(PatternError::TooManyCaptures));
    assert_eq!(find(b"x", "()".repeat(32).as_bytes()).map(|found| found.map(|all| all.len())), Ok(Some(33)));
}

#[test]
fn hostile_patterns_end() {
    let long = vec![b'a'; 1 << 20];
    let limit = Err(PatternError::Limit(LimitReached));
    // Each `.-` that is added multiplies the attempts by the length.
    assert_eq!(find(&long, b".-.-.-.-.-.-b"), limit);
    assert_eq!(find(&long, b"(.*)(.*)(.*)%1%2x"), limit);
    assert_eq!(find(&vec![b'('; 1 << 20], b"%b()x"), limit);
    let set = [b"[^".as_slice(), &vec![b'b'; 1 << 20], b"]*$x"].concat();
    assert_eq!(find(&long, &set), limit);
    assert_eq!(find(&vec![b'a'; 300], "a?".repeat(300).as_bytes()), Err(PatternError::TooComplex));
    assert_eq!(find(&long, "(".repeat(1 << 20).as_bytes()), Err(PatternError::TooManyCaptures));
}

#[test]
fn plain_searches_are_counted() {
    assert_eq!(find_plain(&[0; 1000], b"x", 0, &Budget(Cell::new(10))), Err(LimitReached));
}
