//! Numbers in decimal text that are counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lcnode_storage::Decimal::{self, Int, Real};
use lcnode_storage::{Attributes, Clock, Kind, Options, Place, Store};

use crate::counters::{apply, pass, sent, server, version};
use crate::random;
use crate::scene;

/// Not counting.
fn alone() -> Store {
    Store::open(Options { buckets: 64, ..Options::new(Place::Memory) }).unwrap()
}

fn value(store: &Store, key: &[u8]) -> Option<Vec<u8>> {
    store.get(key, <[u8]>::to_vec).unwrap()
}

/// Reads what is written with spaces around it, and hexadecimals.
fn lenient(value: &[u8]) -> Option<Decimal> {
    let text = std::str::from_utf8(value).ok()?.trim();
    match text.strip_prefix("0x") {
        Some(digits) => i64::from_str_radix(digits, 16).ok().map(Int),
        None => text.parse().ok().map(Int).or_else(|| text.parse().ok().map(Real)),
    }
}

/// Adds and checks that what is given is what is seen then; as text.
fn add(store: &Store, key: &[u8], amount: Decimal) -> Option<String> {
    let before = (store.end(), value(store, key));
    let sum = store.add_decimal(key, amount, lenient).unwrap().map(|sum| sum.to_string());
    match &sum {
        Some(sum) => assert_eq!(value(store, key).as_deref(), Some(sum.as_bytes())),
        None => assert_eq!((store.end(), value(store, key)), before, "nothing is changed"),
    }
    sum
}

/// The kind of the last record of the log.
fn last_kind(store: &Store) -> Kind {
    let mut kind = Kind::Vanish;
    store.read_log(store.oldest(), usize::MAX, |record| kind = record.kind).unwrap();
    kind
}

#[test]
fn a_number_in_decimal_text_is_added_to() {
    let max = i64::MAX.to_string();
    let cases: [(Option<&[u8]>, _, _, _); 27] = [
        (None, Int(1), Some("1"), Kind::Counter),
        (None, Real(-0.25), Some("-0.25"), Kind::Counter),
        (Some(b"2"), Int(-5), Some("-3"), Kind::Counter),
        (Some(b"1020"), Real(0.5), Some("1020.5"), Kind::Counter),
        (Some(b"1020.5"), Real(0.5), Some("1021"), Kind::Counter),
        (Some(b"1020"), Real(7.0), Some("1027"), Kind::Counter),
        (Some(b"99999999999999"), Int(1), Some("100000000000000"), Kind::Counter),
        (Some(b"99999999999999"), Real(1.0), Some("100000000000000"), Kind::Counter),
        (Some(b"12345678901234567"), Int(1), Some("12345678901234568"), Kind::Counter),
        (Some(b"12345678901234567"), Real(-1.0), Some("12345678901234566"), Kind::Counter),
        (Some(b"1e+14"), Int(1), Some("100000000000001"), Kind::Counter),
        (Some(b"1e+15"), Real(0.5), Some("1e+15"), Kind::Counter),
        (Some(b"1e+100"), Real(1e100), Some("2e+100"), Kind::Counter),
        (Some(b"-9223372036854775808"), Int(i64::MAX), Some("-1"), Kind::Counter),
        (Some(max.as_bytes()), Int(1), None, Kind::Put),
        (Some(b"-9223372036854775808"), Int(-1), None, Kind::Put),
        (Some(b"1"), Real(f64::NAN), None, Kind::Put),
        (Some(b"text"), Real(f64::INFINITY), None, Kind::Put),
        (Some(b"1.7976931348623e+308"), Real(1e308), None, Kind::Put),
        (Some(b"nan"), Int(1), None, Kind::Put),
        (Some(b" 12 "), Int(1), Some("13"), Kind::Put),
        (Some(b"0x10"), Int(4), Some("20"), Kind::Put),
        (Some(b"007"), Int(1), Some("8"), Kind::Put),
        (Some(b"9223372036854775808"), Int(1), Some("9.2233720368548e+18"), Kind::Put),
        (Some(b"hello"), Int(4), Some("4"), Kind::Put),
        (Some(b""), Int(4), Some("4"), Kind::Put),
        (Some(&[1, 0, 0, 0]), Int(1), Some("1"), Kind::Put),
    ];
    for is_counting in [false, true] {
        let store = if is_counting { server(1) } else { alone() };
        for (old, amount, expected, kind) in cases {
            match old {
                Some(old) => store.put(b"key", old).unwrap(),
                None => _ = store.delete(b"key").unwrap(),
            }
            let sum = add(&store, b"key", amount);
            assert_eq!(sum.as_deref(), expected, "{old:?} and {amount:?}");
            let kind = if is_counting { kind } else { Kind::Put };
            assert_eq!(last_kind(&store), kind, "{old:?} and {amount:?}");
        }
        store.put(b"key", b"5").unwrap();
        let sum = store.add_decimal(b"key", Int(1), |_| panic!("it is canonical")).unwrap();
        assert_eq!(sum, Some(Int(6)));
    }
}

/// What a server's own sum can't hold, and what others' sums make too large, is put.
#[test]
fn a_result_that_fits_is_kept_even_where_the_sum_does_not() {
    let (one, two) = (server(1), server(2));
    one.put(b"key", b"-9000000000000000000").unwrap();
    for (amount, sum, kind) in [
        (i64::MAX, "223372036854775807", Kind::Counter),
        (i64::MAX, "9446744073709551614", Kind::Put),
        (-1000, "223372036854774807", Kind::Counter),
        (9_000_000_000_000_000_000, "9223372036854774807", Kind::Put),
        (-1, "9223372036854774806", Kind::Counter),
    ] {
        let is_refused = sum.parse::<i64>().is_err();
        let kind = if is_refused { Kind::Counter } else { kind };
        assert_eq!(add(&one, b"key", Int(amount)), (!is_refused).then(|| sum.to_owned()));
        assert_eq!(last_kind(&one), kind, "{amount}");
    }
    pass(&one, &two, b"key");
    assert_eq!(add(&one, b"key", Int(1000)).unwrap(), "9223372036854775806");
    assert_eq!(add(&two, b"key", Int(1000)).unwrap(), "9223372036854775806");
    pass(&one, &two, b"key");
    assert_eq!(value(&two, b"key"), Some(i64::MAX.to_string().into_bytes()), "999 too many");
    assert_eq!(add(&two, b"key", Int(1)), None);
    assert_eq!(add(&two, b"key", Int(-7)).unwrap(), "9223372036854775800", "of what a client saw");
    assert_eq!(last_kind(&two), Kind::Put);
}

#[test]
fn additions_to_text_add_up_however_they_travel() {
    let mut random = random::seeded("additions_to_text_add_up_however_they_travel");
    let servers = [1, 2, 3].map(server);
    let (mut quarters, mut old) = (4 * 1020, Vec::new());
    servers[0].put(b"key", b"1020").unwrap();
    for to in [1, 2] {
        pass(&servers[0], &servers[to], b"key");
    }
    for _ in 0..3_000 {
        let num = random.below(2_001) as i64 - 1_000;
        let (amount, part) = match random.below(2) {
            0 => (Int(num), 4 * num),
            _ => (Real(num as f64 / 4.0), num),
        };
        quarters += part;
        assert!(add(&servers[random.below(3) as usize], b"key", amount).is_some());
        let (from, to) = (random.below(3) as usize, random.below(3) as usize);
        if random.below(4) == 0 {
            old.extend(sent(&servers[from], b"key"));
            pass(&servers[from], &servers[to], b"key");
        }
        // Repeats, out of order.
        if random.below(10) == 0 && !old.is_empty() {
            apply(&servers[to], &old[random.below(old.len() as u64) as usize], 9);
        }
    }
    for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1), (1, 0)] {
        pass(&servers[from], &servers[to], b"key");
    }
    for server in &servers {
        let text = value(server, b"key").unwrap();
        assert_eq!(text, (quarters as f64 / 4.0).to_string().into_bytes());
        assert_eq!(version(server, b"key"), version(&servers[0], b"key"));
    }
    assert_eq!(pass(&servers[0], &servers[1], b"key"), 0, "nothing new");
}

/// Who has no peers sees no difference, whatever is mixed. (But for fractions of more than 14 digits.)
#[test]
fn counting_gives_what_plain_puts_give() {
    let mut random = random::seeded("counting_gives_what_plain_puts_give");
    const VALUES: [&[u8]; 8] =
        [b"1234", b"12345678", b"12", b"-7.5", b" 7 ", b"text", &[1, 0, 0, 0], &[0; 8]];
    let (counting, plain) = (server(1), alone());
    let (mut given, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let key = random.below(20).to_le_bytes();
        let (action, small) = (random.below(12), random.below(2_001) as i32 - 1_000);
        let at = random.below(8) as usize;
        let results = [&counting, &plain].map(|store| match action {
            0 => store.put(&key, VALUES[at]).map(|()| None).unwrap(),
            1 => store.delete(&key).map(|_| None).unwrap(),
            2..5 => store.add_int(&key, small).unwrap().map(|sum| sum.to_string()),
            5 | 6 => store.add_double(&key, 0.5).unwrap().map(|sum| sum.to_string()),
            7 | 8 => add(store, &key, Real(f64::from(small) / 2.0)),
            9 => add(store, &key, Int(1_000_000_000 - i64::from(small) * 1_000_000)),
            _ => add(store, &key, Int(small.into())),
        });
        assert_eq!(results[0], results[1]);
        assert_eq!(value(&counting, &key), value(&plain, &key));
        given += usize::from(results[0].is_some());
        refused += usize::from(results[0].is_none() && action > 1);
    }
    assert!(given > 1_000 && refused > 100, "{given} and {refused}");
}

#[test]
fn sums_are_there_again_after_each_start_and_compaction() {
    let mut random = random::seeded("sums_are_there_again_after_each_start_and_compaction");
    let folder = scene::quick_folder();
    let path = folder.path().join("sums.tch");
    let mut halves: BTreeMap<[u8; 8], i64> = BTreeMap::new();
    for round in 0..8 {
        let options = Options { segment_size: 1 << 16, ..Options::new(Place::Directory(path.clone())) };
        let store = Store::open(options).unwrap();
        let check = |halves: &BTreeMap<[u8; 8], i64>| {
            for (key, halves) in halves {
                let text = (*halves as f64 / 2.0).to_string();
                assert_eq!(value(&store, key), Some(text.into_bytes()), "round {round}");
            }
        };
        check(&halves);
        // A store that has lost its peers goes on with what is seen.
        if round % 3 < 2 {
            store.set_counting().unwrap();
        }
        for _ in 0..3_000 {
            let (key, num) = (random.below(50).to_le_bytes(), random.below(200) as i64 - 100);
            let sum = halves.entry(key).or_default();
            match random.below(3) {
                0 => (add(&store, &key, Int(num)), *sum += 2 * num),
                _ => (add(&store, &key, Real(num as f64 / 2.0)), *sum += num),
            };
        }
        if round % 2 == 0 {
            store.optimize().unwrap();
            check(&halves);
        }
        match round % 4 {
            0 | 1 => store.close().unwrap(),
            2 => drop(store),
            _ => {
                drop(store);
                _ = std::fs::remove_file(path.join("index/checkpoint"));
            }
        }
    }
    assert!(scene::segments(&path).len() > 1);
}

#[test]
fn expiry_and_flags_stay_and_what_has_expired_counts_as_nothing() {
    let now = Arc::new(AtomicU64::new(1_800_000_000_000_000));
    for is_counting in [false, true] {
        let clock = Arc::clone(&now);
        let clock = Clock::Given(Arc::new(move || clock.fetch_add(1, Ordering::Relaxed)));
        let store = Store::open(Options { clock, ..Options::new(Place::Memory) }).unwrap();
        if is_counting {
            store.set_counting().unwrap();
        }
        let attributes = Attributes { expiry: Some(store.now() / 1_000 + 60_000), flags: 7 };
        let with = || store.get_with(b"key", |record| (record.value.to_vec(), record.attributes)).unwrap();
        // Kept as a sum, as a put, and refused.
        for (old, amount, new) in [("1", Int(2), "3"), (" 1", Int(1), "2"), ("x", Real(f64::NAN), "x")] {
            store.put_with(b"key", old.as_bytes(), attributes).unwrap();
            add(&store, b"key", amount);
            assert_eq!(with(), Some((new.into(), attributes)));
            assert!(add(&store, b"key", Int(40)).is_some());
            assert_eq!(with().unwrap().1, attributes);
        }
        store.put_with(b"key", b"100", attributes).unwrap();
        add(&store, b"key", Int(1));
        now.fetch_add(61_000_000, Ordering::Relaxed);
        assert_eq!((with(), add(&store, b"key", Int(5))), (None, Some("5".to_owned())));
        assert_eq!(with(), Some((b"5".to_vec(), Attributes::default())));
    }
}

/// Of what two servers counted in different ways at once the last counts; an addition of the other family goes on from what
/// is seen.
#[test]
fn families_that_were_mixed_at_once_come_to_one_everywhere() {
    let mut random = random::seeded("families_that_were_mixed_at_once_come_to_one_everywhere");
    let servers = [1, 2, 3].map(server);
    for _ in 0..10_000 {
        let (store, key) = (&servers[random.below(3) as usize], &[random.below(10) as u8]);
        match random.below(12) {
            0 => store.put(key, [&b"1234"[..], b"5", b" 7 ", b"12345678"][random.below(4) as usize]).unwrap(),
            1 => _ = store.delete(key).unwrap(),
            2 => _ = store.add_int(key, 1).unwrap(),
            3 => _ = store.add_double(key, 1.0).unwrap(),
            4 => assert!(add(store, key, Int(1 << 40)).is_some()),
            5 => assert!(add(store, key, Real(0.1)).is_some()),
            _ => _ = pass(store, &servers[random.below(3) as usize], key),
        }
    }
    for key in 0..10 {
        for (from, to) in [(0, 1), (1, 2), (2, 0), (0, 1)] {
            pass(&servers[from], &servers[to], &[key]);
        }
        let held = servers.each_ref().map(|server| (value(server, &[key]), version(server, &[key])));
        assert!(held[0] == held[1] && held[0] == held[2], "{held:?}");
    }
}

/// The clock is behind what was counted in another way meanwhile: the record is as long as what it holds.
#[test]
fn a_clock_that_goes_back_changes_no_length() {
    let now = Arc::new(AtomicU64::new(1_800_000_000_000_000));
    let clock = |now: &Arc<AtomicU64>| {
        let now = Arc::clone(now);
        Clock::Given(Arc::new(move || now.load(Ordering::Relaxed)))
    };
    let open = |origin| {
        let options = Options { origin, clock: clock(&now), ..Options::new(Place::Memory) };
        let store = Store::open(options).unwrap();
        store.set_counting().unwrap();
        store
    };
    let (one, two) = (open(1), open(2));
    two.add_int(b"key", 7).unwrap();
    now.fetch_add(1_000, Ordering::Relaxed);
    add(&one, b"key", Int(123_456));
    pass(&two, &one, b"key");
    now.fetch_sub(1_000_000, Ordering::Relaxed);
    assert_eq!(add(&one, b"key", Int(1)).as_deref(), Some("123457"));
    one.put(b"other", b"value").unwrap();
    assert_eq!(last_kind(&one), Kind::Put, "the log goes on behind it");
    assert_eq!(pass(&one, &two, b"key"), 1);
    assert_eq!(value(&two, b"key"), Some(b"123457".to_vec()));
}
