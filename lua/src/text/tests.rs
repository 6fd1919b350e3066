use std::cell::Cell;

use super::*;
use crate::meter::Unlimited;

#[test]
fn texts_are_split_as_observed() {
    type Case = (&'static [u8], Option<&'static [u8]>, &'static [&'static [u8]]);
    let cases: &[Case] = &[
        (b"", None, &[b""]),
        (b"", Some(b","), &[b""]),
        (b"a,b,,c", None, &[b"a,b,,c"]),
        (b"a,b,,c", Some(b","), &[b"a", b"b", b"", b"c"]),
        (b",", Some(b","), &[b"", b""]),
        (b"a,b;c", Some(b",;"), &[b"a", b"b", b"c"]),
        (b"a,b", Some(b""), &[b"a,b"]),
        (b"a\0b\0\0c", None, &[b"a", b"b", b"", b"c"]),
        (b"a\0b\0", None, &[b"a", b"b", b""]),
        (b"\0", None, &[b"", b""]),
        (b"a,b\0c,d", Some(b","), &[b"a", b"b"]),
        (b"a,b\0c,d", Some(b"\0"), &[b"a,b"]),
        (b"a,b\0c,d", Some(b",\0x"), &[b"a", b"b"]),
        (b"\0a,b", Some(b","), &[b""]),
        (b"a\xffb", Some(b"\xff"), &[b"a", b"b"]),
    ];
    for (text, delimiters, fields) in cases {
        assert_eq!(split(text, *delimiters).collect::<Vec<_>>(), *fields, "{text:?} {delimiters:?}");
    }
}

#[test]
fn occurrences_are_found_and_replaced_as_observed() {
    for (text, pattern, at) in [
        ("abc", "b", 2),
        ("abc", "", 1),
        ("", "", 1),
        ("", "a", 0),
        ("abc", "abcd", 0),
        ("abcabc", "c", 3),
        ("ab\0c", "c", 0),
        ("ab\0c", "b\0x", 2),
        ("ab\0c", "\0c", 1),
    ] {
        assert_eq!(find(text.as_bytes(), pattern.as_bytes()), at, "{text:?} {pattern:?}");
    }
    for (text, pattern, with, result) in [
        ("abc", "b", "X", "aXc"),
        ("abcb", "b", "", "ac"),
        ("abc", "", "X", "abc"),
        ("aaaa", "aa", "b", "bb"),
        ("aaaaa", "aa", "b", "bba"),
        ("ab\0cb", "b", "X", "aX"),
        ("abc", "b", "X\0Y", "aXc"),
        ("ab\0c", "z", "X", "ab"),
        ("ab\0c", "", "X", "ab"),
        ("aXbX", "X", "[X]", "a[X]b[X]"),
    ] {
        let replaced = replace(text.as_bytes(), pattern.as_bytes(), with.as_bytes(), 10);
        assert_eq!(replaced.as_deref(), Some(result.as_bytes()), "{text:?} {pattern:?} {with:?}");
    }
    assert_eq!(replace(b"aaaa", b"a", b"xyz", 11), None);
    assert_eq!(replace(b"aaaa", b"b", b"", 3), None);
}

#[test]
fn characters_are_read_and_written_as_observed() {
    let cases: &[(&[u8], &[u16])] = &[
        (b"", &[]),
        (b"abc", &[97, 98, 99]),
        ("aé日".as_bytes(), &[97, 233, 26085]),
        (b"a\0b", &[97]),
        (b"\xff\xfe", &[]),
        (b"\xc3", &[]),
        (b"\xc3a", &[97]),
        (b"\xe4\xb8", &[]),
        (b"\xe4\xb8a", &[97]),
        (b"\xf0\x9f\x98\x80", &[2008]),
        (b"\xc0\x80", &[0]),
        (b"\x80\x81a", &[1, 97]),
        (b"\xed\xa0\x80", &[55296]),
        (b"\xe0\x80\x80", &[0]),
        (b"\xc3\xc3\xa9", &[195]),
        (b"\xe4AB", &[65, 66]),
        (b"\xf8\x88\x80\x80\x80x", &[512, 0, 120]),
        (b"\xfc\x84\x80\x80\x80\x80x", &[256, 0, 120]),
        (b"\xf7\xbf\xbf\xbf", &[2047]),
        (b"\xef\xbf\xbf", &[65535]),
    ];
    for (text, expected) in cases {
        assert_eq!(codes(text).collect::<Vec<_>>(), *expected, "{text:?}");
    }
    let cases: &[(&[f64], &[u8])] = &[
        (&[], b""),
        (&[97.0, 233.0, 26085.0], "aé日".as_bytes()),
        (&[97.0, 0.0, 98.0], b"a"),
        (&[65536.0], b""),
        (&[65535.0, 65537.0], b"\xef\xbf\xbf\x01"),
        (&[-1.0], b"\xef\xbf\xbf"),
        (&[1e10], b"\xee\x90\x80"),
        (&[f64::NAN], b""),
        (&[4_294_967_361.0], b"A"),
        (&[97.9], b"a"),
        (&[55357.0, 56832.0], b"\xed\xa0\xbd\xed\xb8\x80"),
        (&[127.0, 128.0, 2047.0, 2048.0], b"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80"),
    ];
    for (numbers, expected) in cases {
        assert_eq!(from_codes(numbers.iter().map(|number| code(*number))), *expected, "{numbers:?}");
    }
}

#[test]
fn distances_are_as_observed() {
    for (first, second, bytes, characters) in [
        ("kitten", "sitting", 3, 3),
        ("", "abc", 3, 3),
        ("abc", "", 3, 3),
        ("", "", 0, 0),
        ("é", "e", 2, 1),
        ("日本", "日", 3, 1),
        ("ab\0c", "ab\0d", 0, 0),
        ("ab", "ba", 2, 2),
        ("ABC", "abc", 3, 3),
        ("\u{1f600}", "\u{1f601}", 1, 0),
        ("intention", "execution", 5, 5),
    ] {
        let distance = |characters| distance(first.as_bytes(), second.as_bytes(), characters, &Unlimited);
        assert_eq!(distance(false).unwrap(), bytes, "{first} {second}");
        assert_eq!(distance(true).unwrap(), characters, "{first} {second}");
    }
    let long = |letter| vec![letter; 70_000];
    assert_eq!(distance(&long(b'a'), b"a", false, &Unlimited).unwrap(), 69_999);
    assert_eq!(distance(b"a", &long(b'a'), false, &Unlimited).unwrap(), 69_999);
}

/// Lets a number of steps pass.
struct Budget(Cell<u64>);

impl Meter for Budget {
    fn work(&self, steps: u64) -> Result<(), LimitReached> {
        self.0.set(self.0.get().checked_sub(steps).ok_or(LimitReached)?);
        Ok(())
    }
}

#[test]
fn distances_end_at_the_limit() {
    let long = vec![b'a'; 100_000];
    assert!(distance(&long, &long, false, &Budget(Cell::new(1_000_000))).is_err());
    assert!(distance(&long, &long, true, &Budget(Cell::new(1_000_000))).is_err());
    assert!(distance(b"abcd", b"abcd", false, &Budget(Cell::new(100))).is_ok());
    // A row alone is too long.
    assert!(distance(b"a", &long, false, &Budget(Cell::new(50_000))).is_err());
}
