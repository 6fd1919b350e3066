//! incr.lua against the behaviour of LightCloud's script.

use crate::world::World;

/// Stored, value, answer, and what is stored then.
type Row = (Option<&'static [u8]>, &'static str, Option<&'static str>, Option<&'static [u8]>);

fn check(rows: &[Row]) {
    for (stored, value, answer, then) in rows {
        let world = World::new();
        if let Some(stored) = stored {
            world.put("k", stored);
        }
        let scene = format!("{:?} + {value:?}", stored.map(|stored| stored.escape_ascii().to_string()));
        assert_eq!(world.ask("incr", "k", value).as_deref(), *answer, "{scene}");
        assert_eq!(world.record("k").as_deref(), *then, "{scene}");
    }
}

#[test]
fn as_lightcloud_counts() {
    check(&[
        (None, "1", Some("1"), Some(b"1")),
        (Some(b"1"), "1", Some("2"), Some(b"2")),
        (Some(b"2"), "-5", Some("-3"), Some(b"-3")),
        (Some(b"2"), "abc", None, Some(b"2")),
        (Some(b"2"), "", None, Some(b"2")),
        (None, "abc", None, None),
        (None, "", None, None),
        (Some(b"-3"), " 7 ", Some("4"), Some(b"4")),
        (Some(b"4"), "0x10", Some("20"), Some(b"20")),
        (Some(b"20"), "1e3", Some("1020"), Some(b"1020")),
        (Some(b"1020"), "0.5", Some("1020.5"), Some(b"1020.5")),
        (Some(b"hello"), "4", Some("4"), Some(b"4")),
        (Some(b" 12 "), "1", Some("13"), Some(b"13")),
        (Some(&[1, 0, 0, 0]), "1", Some("1"), Some(b"1")),
        (Some(b"5\0junk"), "1", Some("6"), Some(b"6")),
        (Some(b""), "3", Some("3"), Some(b"3")),
    ]);
}

#[test]
fn mended() {
    check(&[
        // There it stuck at 1e+14.
        (Some(b"99999999999999"), "1", Some("100000000000000"), Some(b"100000000000000")),
        (Some(b"100000000000000"), "1", Some("100000000000001"), Some(b"100000000000001")),
        // What has stuck there goes on.
        (Some(b"1e+14"), "1", Some("100000000000001"), Some(b"100000000000001")),
        // There digits were lost.
        (Some(b"12345678901234567"), "1", Some("12345678901234568"), Some(b"12345678901234568")),
        (Some(b"9223372036854775806"), "1", Some("9223372036854775807"), Some(b"9223372036854775807")),
        // There nothing was refused, and digits were lost.
        (Some(b"9223372036854775807"), "1", None, Some(b"9223372036854775807")),
        (Some(b"-9223372036854775808"), "-1", None, Some(b"-9223372036854775808")),
        // There it was nan for ever.
        (Some(b"7"), "nan", None, Some(b"7")),
        (Some(b"7"), "inf", None, Some(b"7")),
        (Some(b"nan"), "1", Some("1"), Some(b"1")),
        (Some(b"inf"), "1", Some("1"), Some(b"1")),
    ]);
}

#[test]
fn odd_keys_and_values() {
    let world = World::new();
    for key in [&b""[..], b"\0", b"a\0b", b"%d+", b"5|L", b"~"] {
        assert_eq!(world.ask("incr", key, "1").as_deref(), Some("1"), "{}", key.escape_ascii());
        assert_eq!(world.ask("incr", key, "1").as_deref(), Some("2"), "{}", key.escape_ascii());
    }
    for value in ["1_0", "1e", "--1", "%d", "~", "1 2", "0x", "1e999"] {
        assert_eq!(world.ask("incr", "k", value), None, "{value}");
    }
    assert_eq!(world.record("k"), None);
    assert_eq!(world.memory.errors(), [""; 0], "a value that is no number is the client's affair");
}
