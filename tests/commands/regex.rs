//! misc regex: patterns of POSIX, over keys, in linear time.

use std::time::{Duration, Instant};

use crate::support::{Client, on_both};

fn matching(client: &mut Client, args: &[&str]) -> Option<Vec<String>> {
    let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
    let records = client.misc("regex", &args)?;
    assert_eq!(records.len() % 2, 0);
    assert!(records.chunks(2).all(|record| record[1] == [b"value of ", &*record[0]].concat()));
    let mut keys: Vec<String> =
        records.chunks(2).map(|record| String::from_utf8_lossy(&record[0]).into_owned()).collect();
    keys.sort();
    Some(keys)
}

fn with_keys(keys: &[&str], test: impl Fn(&mut Client)) {
    on_both(&[], |node| {
        let mut client = node.client();
        for key in keys {
            assert!(client.put(key, format!("value of {key}")));
        }
        test(&mut client);
    });
}

#[test]
fn patterns_of_posix() {
    let keys =
        ["apple", "Apple", "banana", "cherry1", "cherry22", "x.y", "x-y", "b", "ab", "aab", "a]b", "\\d"];
    with_keys(&keys, |client| {
        for (pattern, found) in [
            ("^a", "a]b aab ab apple"),
            ("*^a", "Apple a]b aab ab apple"),
            ("*", "Apple \\d a]b aab ab apple b banana cherry1 cherry22 x-y x.y"),
            ("an(an)a$", "banana"),
            ("[0-9]{2}$", "cherry22"),
            ("[[:digit:]]+$", "cherry1 cherry22"),
            ("^[^[:lower:]]", "Apple \\d"),
            ("x\\.y", "x.y"),
            ("x.y", "x-y x.y"),
            ("x[.-]y", "x-y x.y"),
            ("^(ab|b)$", "ab b"),
            ("[]]", "a]b"),
            ("[\\]d", "\\d"),
            ("e|f", "Apple apple cherry1 cherry22"),
            // What other dialects take for lazy or possessive repeats once more here.
            ("^a+?b$", "aab ab b"),
            ("^a{2}?b$", "aab b"),
            ("^[[:lower:]]+?b$", "aab ab b"),
            ("^a*+b$", "aab ab b"),
        ] {
            let found: Vec<&str> = found.split(' ').collect();
            assert_eq!(
                matching(client, &[pattern]).as_deref().map(<[String]>::to_vec).unwrap(),
                found,
                "{pattern}"
            );
        }
        assert_eq!(matching(client, &["^nothing$"]), Some(vec![]));
        assert_eq!(matching(client, &[""]).unwrap().len(), keys.len());
        for pattern in ["(", "[a", "a{2,1}", "\\", "[[:nothing:]]", "*("] {
            assert_eq!(matching(client, &[pattern]), None, "{pattern}");
        }
        for (max, found) in [("3", 3), ("0", 12), ("-1", 12), ("", 12), ("x", 12), ("12", 12), (" 2 keys", 2)]
        {
            assert_eq!(matching(client, &["", max]).unwrap().len(), found, "{max:?}");
        }
    });
}

#[test]
fn hostile_patterns_take_no_time() {
    let long = "a".repeat(2000);
    with_keys(&[&long], |client| {
        let start = Instant::now();
        // Answered one way or the other.
        for pattern in [
            "(a*)*b",
            "(a|aa)+$",
            "(a|a?)+b",
            "((a{1,100}){1,100}){1,100}b",
            &"(".repeat(5000),
            &"a?".repeat(5000),
        ] {
            matching(client, &[pattern]);
        }
        matching(client, &[&"x".repeat(1 << 20)]);
        assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
        assert_eq!(matching(client, &["^a+$"]).unwrap(), [&*long]);
    });
}
