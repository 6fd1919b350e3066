use std::cell::Cell;

use super::*;
use crate::meter::Unlimited;

fn compile(pattern: &[u8]) -> Regex {
    Regex::new(pattern).unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(pattern)))
}

/// What replacing gives, as `_regex` does it: unchanged, up to a NUL, for what is no expression.
fn replaced(text: &[u8], pattern: &[u8], with: &[u8]) -> Vec<u8> {
    match Regex::new(pattern) {
        Ok(regex) => regex.replace(text, with, 1 << 20, &Unlimited).unwrap(),
        Err(PatternError::Malformed(_)) => c_string(text).to_vec(),
        Err(error) => panic!("{}: {error}", String::from_utf8_lossy(pattern)),
    }
}

#[test]
fn patterns_mean_what_posix_says() {
    for (pattern, text, matches) in [
        ("^[ab]", "apple", true),
        ("^[ab]", "cab", false),
        ("", "anything", true),
        ("*APP", "apple", true),
        ("APP", "apple", false),
        ("*", "abc", true),
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
        ("a)", "a)", true),
        (")", "abc", false),
        (")", "abc)", true),
        ("caf\u{e9}", "caf\u{e9}", true),
        ("a\0x", "ab", true),
        ("a+b", "a+b", false),
        ("\\s", "a c", true),
    ] {
        let regex = compile(pattern.as_bytes());
        assert_eq!(regex.is_match(text.as_bytes()), matches, "{pattern} on {text}");
        assert_eq!(regex.is_found(text.as_bytes(), &Unlimited).unwrap(), matches, "{pattern} on {text}");
    }
    assert!(!compile(b"b").is_found(b"a\0b", &Unlimited).unwrap(), "text ends at a NUL");
    assert!(compile(b"a$").is_found(b"a\0b", &Unlimited).unwrap());
}

#[test]
fn malformed_patterns_are_refused() {
    for pattern in [
        "(",
        "[",
        "[a",
        "[]",
        "[^]",
        "a\\",
        "a{3,1}",
        "a{b",
        "a{,b",
        "a{1",
        "a{}",
        "a{1, 2}",
        "a{1,2,3}",
        "a{-1}",
        "a{32768}",
        "{2}",
        "[[:no:]]",
        "[z-a]",
        "[a-b-c]",
        "[[:alpha:]-z]",
        "[a-[:alpha:]]",
        "[[.hyphen.]]",
        "[[=ab=]]",
        "**b",
        "+a",
        "?a",
        "(*a)",
        "(+a)",
        "a|*b",
        "^*",
        "^*ab",
        "a$*b",
        "\\<*",
        "(a)\\2",
        "\\1",
    ] {
        let error = Regex::new(pattern.as_bytes()).err();
        assert!(matches!(error, Some(PatternError::Malformed(_))), "{pattern}: {error:?}");
    }
}

#[test]
fn what_is_not_to_be_had_is_said() {
    let nested = |open: &str, close: &str, times| format!("{}a{}", open.repeat(times), close.repeat(times));
    for pattern in [
        "(a)\\1".to_owned(),
        nested("(", ")", 250),
        nested("", "*", 250),
        nested("(", ")*", 150),
        "((x{1,255}){1,255}){1,255}".to_owned(),
        "x{1,32767}".repeat(10),
        "x".repeat(MAX_PATTERN + 1),
    ] {
        let error = Regex::new(pattern.as_bytes()).err();
        assert!(matches!(error, Some(PatternError::Unsupported(_))), "{:.30} {error:?}", pattern);
    }
    for pattern in [nested("(", ")", 100), nested("", "*", 100), "(x{1,255}){1,50}".to_owned()] {
        compile(pattern.as_bytes());
    }
}

#[test]
fn matches_are_replaced_as_observed() {
    for (text, pattern, with, result) in [
        ("abcb", "b", "X", "aXcX"),
        ("abcb", "b", "", "ac"),
        ("abcb", "b", "[&]", "a[b]c[b]"),
        ("abcb", "(b)", "[\\1\\0]", "a[bb]c[bb]"),
        ("abcb", "(b)", "[\\&\\\\\\n\\2]", "a[&\\n]c[&\\n]"),
        ("abcb", "(b)", "x\\", "axcx"),
        ("abcb", "(b)(c)", "\\2\\1", "acbb"),
        ("abcdefghijk", "(a)(b)(c)(d)(e)(f)(g)(h)(i)(j)", "\\9\\10", "ia0k"),
        ("abc", "", "X", "abc"),
        ("abc", "*", "X", "abc"),
        ("abc", "x*", "-", "-abc"),
        ("abc", "b*", "-", "-abc"),
        ("aaa", "a*", "-", "-"),
        ("aab", "a*", "-", "--b"),
        ("aaba", "a*", "-", "--ba"),
        ("baaac", "a*", "-", "-baaac"),
        ("abc", "^", "X", "Xabc"),
        ("abc", "$", "X", "abcX"),
        ("aa", "a|$", "X", "XX"),
        ("ab", "b*$", "X", "aX"),
        ("", "^", "X", ""),
        ("aaa", "^a", "X", "Xaa"),
        ("aaa", "a$", "X", "aaX"),
        ("abab", "^ab", "X", "Xab"),
        ("a\nb", "^b", "X", "a\nb"),
        ("a\nb", "a.b", "X", "X"),
        ("a\nb", "a[^x]b", "X", "X"),
        ("aBbc", "*b+", "<&>", "a<Bb>c"),
        ("ab\0cb", "b", "X", "aX"),
        ("ab\0cb", "z", "X", "ab"),
        ("abc", "b", "X\0Y", "aXc"),
        ("abc abc", "\\babc", "X", "X X"),
        ("abc abc", "\\<abc\\>", "X", "X X"),
        ("aaa", "\\<a", "X", "XXX"),
        ("aa", "\\Ba", "X", "aX"),
        ("aaa", "\\`a", "X", "XXX"),
        ("aaa", "a\\'", "X", "aaX"),
        ("a b\tc_", "\\w", "X", "X X\tXX"),
        ("a_b", "\\W", "X", "a_b"),
        ("a b", "\\S", "X", "X X"),
        ("日本", "[日]", "X", "XXXX\u{9c}\u{ac}"),
        ("日本", ".", "X", "XXXXXX"),
        ("ab12cd", "[[:digit:]]+", "<&>", "ab<12>cd"),
        ("ABC", "[[:lower:]]", "X", "ABC"),
        ("ABC", "*[[:lower:]]", "X", "XXX"),
        ("ABC", "*[a-b]", "X", "XXC"),
        ("ABC", "*[^a]", "X", "AXX"),
        ("aaaa", "a{2}", "X", "XX"),
        ("aaaa", "a{2,}", "X", "X"),
        ("aaaa", "a{,2}", "X", "XX"),
        ("aaaa", "a{0}", "X", "Xaaaa"),
        ("aa", "a{,}", "X", "X"),
        ("aa", "a{01}", "X", "XX"),
        ("aa", "a{1}{2}", "X", "X"),
        ("aa", "a**", "X", "X"),
        ("a", "|a", "X", "X"),
        ("a", "a|", "X", "X"),
        ("a", "a||b", "X", "X"),
        ("a", "()", "X", "Xa"),
        ("a", "(|a)", "X", "X"),
        ("ab", "(^)*a", "X", "Xb"),
        ("a^b", "a^b", "X", "a^b"),
        ("^a", "\\^a", "X", "X"),
        ("a{1", "a\\{1", "X", "X"),
        ("a-b", "[a\\-b]", "X", "X-X"),
        ("a-", "[--a]", "X", "XX"),
        ("a-b", "[[.-.]]", "X", "aXb"),
        ("abc", "[[=a=]]", "X", "Xbc"),
        ("abc", "b|$", "-", "a-c-"),
        ("abc", "x|^|b", "-", "-abc"),
        ("ab", "(((((((((((a)))))))))))b", "X", "X"),
    ] {
        let mut expected = result.as_bytes().to_vec();
        if result.contains('\u{9c}') {
            expected = b"XXXX\x9c\xac".to_vec();
        }
        assert_eq!(
            replaced(text.as_bytes(), pattern.as_bytes(), with.as_bytes()),
            expected,
            "{text} {pattern} {with}"
        );
    }
    assert_eq!(replaced(b"\xff\xfe", b"[\xfe-\xff]", b"X"), b"XX");
    assert_eq!(replaced(b"\xc8", b"[\x80-\xff]", b"X"), b"X");
}

#[test]
fn the_longest_match_is_taken() {
    for (text, pattern, with, result) in [
        ("abcd", "a|ab|abc", "<&>", "<abc>d"),
        ("xabcabcx", "(abc|abcabcx)", "<&>", "x<abcabcx>"),
        ("foobar", "foo|foobar", "<&>", "<foobar>"),
        ("abc", "(a|ab)(c|bcd)?", "[\\1|\\2]", "[ab|c]"),
        ("abab", "(a|ab)(ab|b)?", "<\\1,\\2>", "<ab,ab>"),
        ("abcd", "(a|ab)(c|bcd)(d*)", "<\\1,\\2,\\3>", "<a,bcd,>"),
        ("abcd", "(a|ab)(bcd|c)(d*)", "<\\1,\\2,\\3>", "<a,bcd,>"),
        ("abcd", "(ab|a)(c|bcd)(d*)", "<\\1,\\2,\\3>", "<ab,c,d>"),
        ("xyxyz", "(x|xy|y)*", "<\\1>", "<y><>z"),
        ("ab", "(a|b)*", "<\\1>", "<b>"),
        ("aab", "(a*)(ab)*(b*)", "<\\1,\\2,\\3>", "<aa,,b>"),
        ("aab", "(a*)(a|b)*", "<\\1,\\2>", "<aa,b>"),
        ("b", "(a*)+", "<\\1>", "<>b"),
        ("ab", "(a?)(ab)?", "<\\1,\\2>", "<,ab>"),
        ("abab", "(a|ab)(bab|b|)(ab)?", "<\\1,\\2,\\3>", "<a,bab,>"),
        ("foobarfoo", "(foo|foobar)(bar)?(foo|barfoo)?", "<\\1,\\2,\\3>", "<foo,bar,foo>"),
        ("aba", "(a|(b))*", "<\\1,\\2>", "<a,b>"),
        ("ab", "(a*)*", "<\\1>", "<a><>b"),
        ("ab", "(a*)+", "<\\1>", "<a><>b"),
        ("abc", "(a)(b)?(x)?", "[\\1][\\2][\\3]", "[a][b][]c"),
        ("aab", "a(|a)b", "<\\1>", "<a>"),
        ("aa", "(a){2}", "<\\1>", "<a>"),
        ("hello world", "(h.*o) (w.*)", "\\2 \\1", "world hello"),
    ] {
        let result = result.as_bytes().to_vec();
        assert_eq!(
            replaced(text.as_bytes(), pattern.as_bytes(), with.as_bytes()),
            result,
            "{text} {pattern}"
        );
    }
}

/// Lets a number of steps pass.
struct Steps(Cell<u64>);

impl Meter for Steps {
    fn work(&self, steps: u64) -> Result<(), LimitReached> {
        self.0.set(self.0.get().checked_sub(steps).ok_or(LimitReached)?);
        Ok(())
    }
}

#[test]
fn searches_end_at_the_limit() {
    let text = vec![b'x'; 1 << 20];
    let steps = || Steps(Cell::new(100_000));
    assert!(compile(b"y").is_found(&text, &steps()).is_err());
    assert!(compile(b"x").is_found(&text, &steps()).is_ok(), "found at once");
    assert!(matches!(compile(b"y").replace(&text, b"", 9, &steps()), Err(ReplaceError::LimitReached(_))));
    assert!(matches!(compile(b"x").replace(&text, b"", 9, &steps()), Err(ReplaceError::LimitReached(_))));
    assert!(matches!(
        compile(b"(x)*").replace(&text, b"\\1", 9, &steps()),
        Err(ReplaceError::LimitReached(_))
    ));
    assert!(matches!(compile(b"x").replace(&text, b"12", 100, &Unlimited), Err(ReplaceError::TooLong(100))));
    // Each match looks at all that follows it.
    assert!(compile(b"x|.*y").replace(&text, b"", 9, &Steps(Cell::new(50_000_000))).is_err());
}
