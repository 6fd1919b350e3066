//! list.lua against the behaviour of LightCloud's script.

use crate::world::World;

/// Stored, key, value, and what the record `L` is then; the answer is ok.
type Row<'a> = (Option<&'a [u8]>, &'a str, &'a [u8], Option<&'a [u8]>);

fn check(function: &str, rows: &[Row<'_>]) {
    for (stored, key, value, then) in rows {
        let world = World::new();
        if let Some(stored) = stored {
            world.put("L", stored);
        }
        let shown = |bytes: &[u8]| bytes.escape_ascii().to_string();
        let scene = format!("{function} {:?} {key} {}", stored.map(shown), shown(value));
        assert_eq!(world.ask(function, key, value).as_deref(), Some("ok"), "{scene}");
        assert_eq!(world.record("L").map(|record| shown(&record)), then.map(shown), "{scene}");
        assert_eq!(world.records(), usize::from(then.is_some()), "{scene}");
    }
}

/// Items `first` to `last` in the stored form.
fn items(first: usize, last: usize) -> String {
    (first..=last).map(|number| format!("i{number}~")).collect()
}

#[test]
fn as_lightcloud_adds() {
    check(
        "list_add",
        &[
            (None, "L", b"a~", Some(b"a~")),
            (None, "L", b"a~b~", Some(b"a~b~")),
            (Some(b""), "L", b"a~", Some(b"a~")),
            (Some(b"a~"), "L", b"b~", Some(b"a~b~")),
            (Some(b"a~"), "5|L", b"b~", Some(b"a~b~")),
            (Some(b"a~b~"), "L", b"b~", Some(b"a~b~")),
            (Some(b"a~b~"), "L", b"b~a~", Some(b"a~b~")),
            (Some(b"a~"), "L", b"", Some(b"a~")),
            (Some(b"a~"), "L", b"~~", Some(b"a~")),
            (None, "L", b"", None),
            (None, "L", b"~", None),
            (Some(b"a~"), "L", "å~日本~a b~/:_~".as_bytes(), Some("a~å~日本~a b~/:_~".as_bytes())),
        ],
    );
}

#[test]
fn as_lightcloud_trims() {
    for (limit, key) in [(200, "L"), (200, "200|L"), (3, "3|L"), (0, "0|L"), (16, "0x10|L")] {
        let world = World::new();
        for number in 1..limit + 100 {
            assert_eq!(world.ask("list_add", key, items(number, number)).as_deref(), Some("ok"));
        }
        assert_eq!(world.record("L").unwrap(), items(1, limit + 99).as_bytes(), "{key}");
        let last = limit + 100;
        world.ask("list_add", key, items(last, last));
        let kept = items(if limit == 0 { last } else { 101 }, last);
        assert_eq!(world.record("L").unwrap(), kept.as_bytes(), "{key}: the oldest are dropped");
    }
}

#[test]
fn what_is_added_at_once_is_not_trimmed() {
    let world = World::new();
    world.put("L", items(1, 300));
    world.ask("list_add", "L", items(1001, 1250));
    assert_eq!(world.record("L").unwrap(), items(1001, 1250).as_bytes());
    let world = World::new();
    // There the record began with a separator then.
    world.ask("list_add", "L", items(1, 305));
    assert_eq!(world.record("L").unwrap(), items(1, 305).as_bytes());
    world.ask("list_add", "L", "x~");
    assert_eq!(world.record("L").unwrap(), (items(107, 305) + "x~").as_bytes(), "200 are left");
}

#[test]
fn an_item_that_would_be_dropped_is_added_again() {
    let world = World::new();
    world.put("L", items(1, 102));
    world.ask("list_add", "3|L", "i1~new~");
    assert_eq!(world.record("L").unwrap(), b"i101~i102~i1~new~");
}

#[test]
fn as_lightcloud_removes() {
    check(
        "list_remove",
        &[
            (None, "L", b"a~", None),
            (Some(b"a~b~c~"), "L", b"b~", Some(b"a~c~")),
            (Some(b"a~b~c~"), "L", b"a~c~", Some(b"b~")),
            (Some(b"a~b~c~"), "L", b"c", Some(b"a~b~")),
            (Some(b"a~"), "L", b"a~", Some(b"")),
            (Some(b""), "L", b"a~", Some(b"")),
            (Some(b"a~b~a~"), "L", b"a~", Some(b"b~")),
            (Some(b"a~b~"), "L", b"x~", Some(b"a~b~")),
            (Some(b"a~b~"), "L", b"", Some(b"a~b~")),
            (Some(b"a~b~"), "L", b"~", Some(b"a~b~")),
        ],
    );
}

#[test]
fn mended() {
    check(
        "list_add",
        &[
            // There the whole value was appended as soon as one item was new.
            (Some(b"a~b~c~"), "L", b"a~d~", Some(b"a~b~c~d~")),
            (None, "L", b"d~d~", Some(b"d~")),
            (None, "L", b"~a~~b~", Some(b"a~b~")),
            // There it was appended as it came, and two items became one.
            (None, "L", b"a", Some(b"a~")),
            (Some(b"a"), "L", b"b", Some(b"a~b~")),
            (Some(b"a"), "L", b"a~", Some(b"a")),
        ],
    );
    check(
        "list_remove",
        &[
            // There the left end was not looked at.
            (Some(b"foobar~bar~"), "L", b"bar~", Some(b"foobar~")),
            (Some(b"11~1~21~"), "L", b"1~", Some(b"11~21~")),
            // There the limit was not understood, and nothing removed.
            (Some(b"a~b~"), "5|L", b"b~", Some(b"a~")),
            // What it left behind.
            (Some(b"~a~b~"), "L", b"b~", Some(b"a~")),
        ],
    );
}

#[test]
fn items_are_plain_bytes() {
    // There items were patterns: some were taken for others, some never found again, some an error.
    let odd: [&[u8]; 22] = [
        b"a.c",
        b".*",
        b"a*",
        b"what?",
        b"[a]",
        b"(a)",
        b"%a",
        b"%d",
        b"2009-06-01",
        b"a-b",
        b"a.b-c@d.com",
        b"c++",
        b"50%",
        b"http://x/?b=1",
        b"[x",
        b"(x",
        b"x)",
        b"^a",
        b"a$",
        b"a%",
        b"a\0b",
        b"\xff\n",
    ];
    let plain = b"axc~aaa~wha~a~7~banana~x~2~";
    for item in odd {
        let scene = item.escape_ascii();
        let entry = [item, b"~"].concat();
        let world = World::new();
        world.put("L", plain);
        for _ in 0..2 {
            assert_eq!(world.ask("list_add", "L", &entry).as_deref(), Some("ok"), "{scene}");
            assert_eq!(world.record("L").unwrap(), [plain, &entry[..]].concat(), "{scene} is there once");
        }
        assert_eq!(world.ask("list_remove", "L", &entry).as_deref(), Some("ok"), "{scene}");
        assert_eq!(world.record("L").unwrap(), plain, "{scene} is gone, and nothing else");
    }
}

#[test]
fn what_keys_mean() {
    let world = World::new();
    for (key, record) in [
        ("ll_a|b", "ll_a|b"),
        ("5|ll_a|b", "ll_a|b"),
        ("5|ll_c", "ll_c"),
        // There the list L.
        ("5|L|M", "L|M"),
        ("200|x|L", "x|L"),
        ("1e2|N", "N"),
        ("", ""),
        ("~", "~"),
        ("%d", "%d"),
        ("a\0b", "a\0b"),
        ("5|a\0b|", "a\0b|"),
    ] {
        let item = format!("of {}~", key.replace('~', "tilde"));
        assert_eq!(world.ask("list_add", key, &item).as_deref(), Some("ok"), "{key:?}");
        let text = String::from_utf8(world.record(record).unwrap()).unwrap();
        assert!(text.ends_with(&item), "{key:?}: {text}");
        assert_eq!(world.ask("list_remove", key, &item).as_deref(), Some("ok"), "{key:?}");
        assert!(!String::from_utf8(world.record(record).unwrap()).unwrap().contains(&item), "{key:?}");
    }
    for key in ["x|L", "L|", "|L", "|", "7|", "-5|L", "1.5|L", "nan|L", "inf|L", "1e300|L", "\0|L", "5 5|L"] {
        world.refuses("list_add", key, "a~", "LIMIT|KEY");
        world.refuses("list_remove", key, "a~", "LIMIT|KEY");
    }
}
