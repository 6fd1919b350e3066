use lcnode_protocol::Limits;
use lcnode_protocol::update_log::{Change, Logged};
use lcnode_storage::{Author, Store};

use super::super::apply::{Outcome, apply};
use super::{fields, get, misc, put, store};

const LIMITS: Limits = Limits { max_key: 8, max_value: 16 };

/// Applies a change by server 7; checks that the memo came with it, and goes only with what was carried out.
fn done(store: &Store, change: Change<'_>) -> Outcome {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_be_bytes();
    let author = Author { origin: 7, via: 0, memo: Some((b"at", &number)) };
    let outcome = apply(store, author, &change, LIMITS).unwrap();
    assert_eq!(store.memo(b"at") == Some(number.to_vec()), outcome != Outcome::Passed, "{change:?}");
    outcome
}

#[test]
fn each_command_changes_what_it_changes_there() {
    use Outcome::{Passed, Refused, Worked};
    let store = store(1);
    let (k, v) = (&b"k"[..], &b"value"[..]);
    assert_eq!(done(&store, Change::PutKeep { key: k, value: v }), Worked);
    assert_eq!(done(&store, Change::PutKeep { key: k, value: b"other" }), Refused);
    assert_eq!(done(&store, Change::PutCat { key: k, value: b"+" }), Worked);
    assert_eq!(get(&store, "k").as_deref(), Some("value+"));
    assert_eq!(done(&store, Change::PutShl { key: k, value: b"xyz", width: 4 }), Worked);
    assert_eq!(get(&store, "k").as_deref(), Some("+xyz"));
    assert_eq!(done(&store, Change::PutCat { key: k, value: &[b'x'; 13] }), Refused, "too large");
    assert_eq!(done(&store, put("k", "new")), Worked);
    assert_eq!(get(&store, "k").as_deref(), Some("new"));
    assert_eq!(done(&store, Change::AddInt { key: k, num: 1 }), Refused);
    assert_eq!(done(&store, Change::Out { key: k }), Worked);
    assert_eq!(done(&store, Change::Out { key: k }), Refused);
    for _ in 0..2 {
        assert_eq!(done(&store, Change::AddInt { key: b"n", num: -3 }), Worked);
        let half = Change::AddDouble { key: b"d", integ: 1, fract: 500_000_000_000 };
        assert_eq!(done(&store, half), Worked);
    }
    assert_eq!(store.get(b"n", <[u8]>::to_vec).unwrap(), Some((-6_i32).to_le_bytes().to_vec()));
    assert_eq!(store.get(b"d", <[u8]>::to_vec).unwrap(), Some(3.0_f64.to_le_bytes().to_vec()));
    assert_eq!(done(&store, Change::Sync), Passed);
    assert_eq!(done(&store, Change::Optimize { params: b"bnum=5" }), Passed);
    assert_eq!(store.records(), 2);
    assert_eq!(done(&store, Change::Vanish), Worked);
    assert_eq!(store.records(), 0);
}

#[test]
fn functions_that_write_are_carried_out_and_others_passed_over() {
    use Outcome::{Passed, Refused, Worked};
    let store = store(1);
    for (name, args, outcome) in [
        ("put", &["a", "1"][..], Worked),
        ("put\0more", &["a", "2", "3"], Worked),
        ("put", &["a"], Refused),
        ("put", &["a-long-key", "1"], Refused),
        ("putkeep", &["a", "1"], Refused),
        ("putcat", &["a", "+"], Worked),
        ("out", &["none"], Refused),
        ("out", &[], Refused),
        ("putlist", &["b", "1", "c", "2", "d"], Worked),
        ("putlist", &["e", "1", "a-long-key", "2", "f", "1"], Refused),
        ("putlist", &[], Worked),
        ("outlist", &["b", "none", "a-long-key"], Worked),
        ("get", &["none"], Passed),
        ("iterinit", &[], Passed),
        ("sync", &[], Passed),
        ("unknown", &["x"], Passed),
    ] {
        let wire = fields(args);
        assert_eq!(done(&store, misc(name, &wire)), outcome, "{name} {args:?}");
    }
    let values = ["a", "b", "c", "d", "e", "f"].map(|key| get(&store, key));
    let values = values.each_ref().map(Option::as_deref);
    assert_eq!(values, [Some("2+"), None, Some("2"), None, Some("1"), None]);
    assert_eq!(done(&store, misc("vanish", &[])), Worked);
    assert_eq!(store.records(), 0);
}

#[test]
fn what_counts_as_a_difference() {
    let sum = Change::AddInt { key: b"k", num: 1 };
    for (change, worked, outcome, differs) in [
        (put("k", "v"), true, Outcome::Worked, false),
        (put("k", "v"), false, Outcome::Worked, true),
        (put("k", "v"), true, Outcome::Refused, true),
        (put("k", "v"), false, Outcome::Refused, false),
        (sum, false, Outcome::Worked, false),
        (sum, true, Outcome::Refused, true),
        (Change::Sync, false, Outcome::Passed, false),
    ] {
        assert_eq!(
            outcome.differs_from(&Logged { change, worked }),
            differs,
            "{change:?} {worked} {outcome:?}"
        );
    }
}
