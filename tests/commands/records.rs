//! Commands about records: put in all its forms, out, get, mget, vsiz, fwmkeys.

use crate::support::{on_both, rng, wire};

#[test]
fn empty_keys_and_values_are_like_any_other() {
    on_both(&[], |node| {
        let mut client = node.client();
        assert_eq!(client.get(""), None);
        assert!(client.put("", ""));
        assert_eq!(client.get("").as_deref(), Some(&b""[..]));
        assert_eq!(client.vsiz(""), Some(0));
        assert!(!client.succeeds(&wire::putkeep(b"", b"x")), "an empty value is there too");
        assert_eq!(client.mget(&[b""]), [(vec![], vec![])]);
        assert_eq!(client.rnum(), 1);
        assert_eq!(client.keys(), [b""]);
        assert_eq!(client.fwmkeys(b"", -1), [b""]);
        assert!(client.succeeds(&wire::putcat(b"", b"")));
        assert!(client.succeeds(&wire::putcat(b"", b"abc")));
        assert_eq!(client.text("").as_deref(), Some("abc"));
        assert!(client.out(""));
        assert!(!client.out(""));
        assert!(client.succeeds(&wire::putshl(b"", b"abc", 0)));
        assert_eq!(client.text("").as_deref(), Some("abc"));
        assert_eq!(client.rnum(), 1);
    });
}

#[test]
fn every_byte_is_allowed_in_keys_and_values() {
    on_both(&[], |node| {
        let mut client = node.client();
        let all: Vec<u8> = (0..=255).collect();
        assert!(client.put(&all, &all));
        assert_eq!(client.get(&all).as_deref(), Some(&*all));
        for byte in 0..=255u8 {
            assert!(client.put([byte], [byte, byte]));
        }
        assert!(client.put("a\0b", "nul"));
        assert_eq!(client.get("a"), Some(b"aa".to_vec()), "a key does not end at a NUL");
        for byte in 0..=255u8 {
            assert_eq!(client.get([byte]), Some(vec![byte, byte]));
        }
        assert_eq!(client.rnum(), 258);
    });
}

#[test]
fn puts_of_all_kinds() {
    on_both(&[], |node| {
        let mut client = node.client();
        assert!(client.succeeds(&wire::putkeep(b"k", b"one")));
        assert!(!client.succeeds(&wire::putkeep(b"k", b"two")));
        assert!(client.succeeds(&wire::putcat(b"k", b"+two")));
        assert_eq!(client.text("k").as_deref(), Some("one+two"));
        assert!(client.succeeds(&wire::putcat(b"new", b"made")));
        assert!(client.put("k", "over"));
        assert_eq!(
            (client.text("k").as_deref(), client.text("new").as_deref()),
            (Some("over"), Some("made"))
        );
        assert_eq!(client.vsiz("k"), Some(4));
        assert_eq!(client.vsiz("none"), None);
        // Silent, and seen by what follows on the same connection.
        client.ask(&[wire::putnr(b"k", b"nr"), wire::vsiz(b"k")].concat(), &[0, 0, 0, 0, 2]);
        assert!(client.out("k"));
        assert!(!client.out("k"));
        assert!(client.succeeds(&wire::putkeep(b"k", b"again")));
        assert_eq!(client.rnum(), 2);
    });
}

#[test]
fn putshl_keeps_the_last_bytes_of_what_was_there() {
    on_both(&[], |node| {
        let mut client = node.client();
        // What was there, what is added, the width, what is there then.
        for (old, added, width, new) in [
            (None, "abc", 0, "abc"),
            (None, "abc", 2, "abc"),
            (None, "", 5, ""),
            (Some("12345"), "abc", 0, ""),
            (Some("12345"), "abc", 1, "c"),
            (Some("12345"), "abc", 3, "abc"),
            (Some("12345"), "abc", 4, "5abc"),
            (Some("12345"), "abc", 8, "12345abc"),
            (Some("12345"), "abc", 9, "12345abc"),
            (Some("12345"), "abc", i32::MAX.cast_unsigned(), "12345abc"),
            (Some("12345"), "", 2, "45"),
            (Some("12345"), "", 0, ""),
            (Some(""), "abc", 2, "bc"),
        ] {
            let case = format!("{old:?} and {added:?}, width {width}");
            client.out("k");
            if let Some(old) = old {
                assert!(client.put("k", old));
            }
            assert!(client.succeeds(&wire::putshl(b"k", added.as_bytes(), width)), "{case}");
            assert_eq!(client.text("k").as_deref(), Some(new), "{case}");
        }
        client.send(&wire::putshl(b"k", b"abc", 1 << 31));
        assert_eq!(client.rest(), b"", "a negative width is no request");
        assert_eq!(node.client().text("k").as_deref(), Some("bc"));
    });
}

#[test]
fn mget_gives_what_it_finds_in_the_order_asked() {
    on_both(&[], |node| {
        let mut client = node.client();
        let record = |key: &str, value: &str| (key.as_bytes().to_vec(), value.as_bytes().to_vec());
        assert!(client.mget(&[]).is_empty());
        assert!(client.mget(&[b"a"]).is_empty());
        assert!(client.put("a", "1") && client.put("b", "") && client.put("c", "333"));
        assert_eq!(
            client.mget(&[b"c", b"none", b"a", b"c", b"b"]),
            [record("c", "333"), record("a", "1"), record("c", "333"), record("b", "")]
        );
        // More than are worked at once, and more than fit into one read.
        let keys: Vec<String> = (0..5000).map(|number| format!("key {number}")).collect();
        let puts: Vec<u8> = keys.iter().flat_map(|key| wire::putnr(key.as_bytes(), key.as_bytes())).collect();
        client.send(&puts);
        let keys: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
        let found = client.mget(&keys);
        assert!(found.iter().map(|(key, _)| &**key).eq(keys.iter().copied()));
        assert!(found.iter().all(|(key, value)| key == value));
    });
}

#[test]
fn fwmkeys_gives_keys_of_a_prefix() {
    on_both(&[], |node| {
        let mut client = node.client();
        for number in 0..300 {
            assert!(client.put(format!("a{number:03}"), "v") && client.put(format!("b{number:03}"), "v"));
        }
        assert!(client.put("", "v") && client.put("a", "v") && client.put("\u{ff}", "v"));
        let mut of = |prefix: &str, max| {
            let mut keys = client.fwmkeys(prefix.as_bytes(), max);
            let len = keys.len();
            assert!(keys.iter().all(|key| key.starts_with(prefix.as_bytes())), "{prefix}");
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), len, "a key comes once");
            len
        };
        for (prefix, max, len) in [
            ("", -1, 603),
            ("", i32::MIN, 603),
            ("", i32::MAX, 603),
            ("", 0, 0),
            ("", 7, 7),
            ("a", -1, 301),
            ("a", 300, 300),
            ("a", 301, 301),
            ("a01", -1, 10),
            ("a010", 5, 1),
            ("a0100", -1, 0),
            ("c", -1, 0),
            ("\u{ff}", -1, 1),
        ] {
            assert_eq!(of(prefix, max), len, "{prefix:?}, at most {max}");
        }
    });
}

#[test]
fn values_of_many_sizes_are_kept_whole() {
    let mut rng = rng("values_of_many_sizes_are_kept_whole");
    let sizes =
        [0, 1, 3, 4, 7, 8, 255, 256, 4095, 4096, 65_530, 65_536, 65_537, 262_144, 1 << 20, (1 << 20) + 1];
    let values: Vec<Vec<u8>> = sizes.iter().map(|&size| (0..size).map(|_| rng.u8(..)).collect()).collect();
    on_both(&[], |node| {
        let mut client = node.client();
        for value in &values {
            let key = format!("{}", value.len());
            assert!(client.put(&key, value));
            assert_eq!(client.vsiz(&key), Some(value.len() as i32));
        }
        for value in &values {
            assert!(client.get(format!("{}", value.len())).as_ref() == Some(value), "{} bytes", value.len());
        }
        // The same with keys: the value is found by all of them.
        for key in &values[..values.len() - 2] {
            assert!(client.put(key, "v"));
        }
        for key in &values[..values.len() - 2] {
            assert_eq!(client.text(key).as_deref(), Some("v"), "a key of {} bytes", key.len());
        }
    });
}
