use super::Decimal::{Int, Real};
use super::*;

fn base(ts: u64, value: Option<&'static [u8]>) -> Counter<'static> {
    let stamp = Stamp { ts, origin: 9 };
    Counter { base: Base { stamp, value, attributes: Attributes::default() }, ..Counter::NOTHING }
}

impl Counter<'static> {
    fn plus(mut self, origin: u16, run: u32, ts: u64, amount: Amount) -> Option<Self> {
        self.add(origin, run, ts, amount).map(|()| self)
    }
}

fn plus(counter: Counter<'static>, origin: u16, ts: u64, num: i32) -> Counter<'static> {
    let counter = counter.plus(origin, 1, ts, Amount::Int(num)).unwrap();
    Counter { step: None, ..counter }
}

fn int(counter: &Counter<'_>) -> Option<i32> {
    counter.seen().map(|value| i32::from_le_bytes(value.as_ref().try_into().unwrap()))
}

#[test]
fn sums_of_several_servers_add_up_and_repeats_do_not() {
    let one = plus(plus(Counter::NOTHING, 1, 10, 5), 1, 11, 5);
    let old = plus(Counter::NOTHING, 1, 10, 5);
    let two = plus(Counter::NOTHING, 2, 12, -3);
    let both = one.clone().merge(two.clone());
    assert_eq!(int(&both), Some(7));
    assert_eq!(both.clone().merge(old).merge(one).merge(two), both);
    assert_eq!(both.stamp(), Stamp { ts: 12, origin: 2 });
}

#[test]
fn a_put_or_delete_ends_what_was_begun_before_it_and_not_what_came_later() {
    let counted = plus(plus(Counter::NOTHING, 1, 10, 5), 2, 30, 7);
    assert_eq!(int(&counted.clone().merge(base(20, None))), Some(7));
    assert_eq!(int(&counted.clone().merge(base(20, Some(&[100, 0, 0, 0])))), Some(107));
    assert_eq!(counted.clone().merge(base(40, None)).seen(), None);
    let text = counted.merge(base(20, Some(b"text!")));
    assert_eq!(text.seen().unwrap().as_ref(), b"text!");
}

/// The seed of this run, which is printed.
fn seed(test: &str) -> u64 {
    let now =
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = std::env::var("LCNODE_SEED").map_or_else(|_| now(), |seed| seed.parse().unwrap());
    eprintln!("{test}: LCNODE_SEED={seed}");
    seed
}

fn random_below(random: &mut u64, below: u64) -> u64 {
    *random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    (*random >> 33) % below
}

/// States of one counter, as servers may know them that counted it in all the ways there are.
fn random_state(random: &mut u64) -> Counter<'static> {
    const VALUES: [Option<&[u8]>; 8] = [
        None,
        Some(&[1, 0, 0, 0]),
        Some(b"12345678"),
        Some(b"text"),
        Some(b"12"),
        Some(b"-1020.5"),
        Some(b"9223372036854775807"),
        Some(b" 12 "),
    ];
    let mut counter = match random_below(random, 3) {
        0 => Counter::NOTHING,
        // One stamp, one value.
        _ => {
            let at = random_below(random, 8);
            base(5 * at + 3, VALUES[at as usize])
        }
    };
    for _ in 0..random_below(random, 5) {
        let (origin, ts) = (1 + random_below(random, 5) as u16, 1 + random_below(random, 60));
        // A server's sums are of one history: what they are is told by their time.
        let since = 1 + (ts / 20) * 20;
        let amount = match origin {
            1 | 2 => Amount::Int(ts as i32),
            3 => Amount::Double(ts as f64 / 8.0),
            _ if random_below(random, 2) == 0 => Amount::Decimal(Decimal::Real(ts as f64 * 0.7 - 20.0)),
            4 => Amount::Decimal(Decimal::Int(ts as i64 - 30)),
            _ => Amount::Decimal(Decimal::Int((ts as i64 - 30) << 57)),
        };
        let sum = Sum { origin, run: 1, since, time: ts.max(since), amount };
        let one = Counter { sums: SmallVec::from_iter([sum]), ..Counter::NOTHING };
        counter = counter.merge(one);
    }
    counter
}

#[test]
fn merging_in_any_order_gives_the_same() {
    let mut random = seed("merging_in_any_order_gives_the_same");
    let (mut exact, mut clamped) = (0, 0);
    for _ in 0..50_000 {
        let mut some = || random_state(&mut random);
        let (a, b, c) = (some(), some(), some());
        let left = a.clone().merge(b.clone()).merge(c.clone());
        assert_eq!(left, a.clone().merge(b.clone().merge(c.clone())));
        let right = c.clone().merge(a.clone()).merge(b.clone());
        assert_eq!((left.seen(), left.version(), &left), (right.seen(), right.version(), &right));
        assert_eq!(left, left.clone().merge(a).merge(c).merge(b));
        if left.has_sums() {
            let (value, state) = (left.seen().unwrap(), left.encode().unwrap());
            let decoded = Counter::of(&record(&left, &value, &state[..state.len() - 2]));
            assert_eq!(decoded.as_ref(), Some(&left));
            let is_decimal = left.newest().unwrap().amount.is_decimal();
            let total = left.decimal().filter(|_| is_decimal);
            assert!(total.is_none() || Decimal::parse(&value).is_some());
            exact += usize::from(total.is_some_and(|total| total.number().is_some()));
            clamped += usize::from(total.is_some_and(|total| total.number().is_none()));
        }
    }
    assert!(exact > 1_000 && clamped > 10, "{exact} and {clamped}");
}

/// The record of a counter.
fn record<'a>(counter: &Counter<'_>, value: &'a [u8], state: &'a [u8]) -> Record<'a> {
    Record {
        kind: Kind::Counter,
        stamp: counter.stamp(),
        via: 0,
        moved: false,
        attributes: Attributes::default(),
        key: b"key",
        value,
        state,
        len: 0,
    }
}

#[test]
fn what_is_encoded_is_decoded_and_nothing_else() {
    let counter = plus(base(5, Some(&[7, 0, 0, 0])), 1, 10, i32::MAX);
    let counter = counter.plus(2, 3, 12, Amount::Int(-1)).unwrap();
    let (value, state) = (counter.seen().unwrap(), counter.encode().unwrap());
    let state = &state[..state.len() - 2];
    let record = |state| record(&counter, &value, state);
    assert_eq!(Counter::of(&record(state)).as_ref(), Some(&counter));
    for len in 0..state.len() {
        assert_eq!(Counter::of(&record(&state[..len])), None, "{len}");
    }
    assert_eq!(Counter::of(&Record { value: b"1234", ..record(state) }), None);
    assert_eq!(Counter::of(&Record { stamp: Stamp { ts: 11, origin: 2 }, ..record(state) }), None);
}

fn count(counter: &Counter<'static>, origin: u16, ts: u64, amount: Decimal) -> Option<Counter<'static>> {
    counter.clone().plus(origin, 1, ts, Amount::Decimal(amount))
}

fn text(counter: &Counter<'_>) -> String {
    String::from_utf8(counter.seen().unwrap().into_owned()).unwrap()
}

#[test]
fn integers_and_others_are_parts_of_one_number() {
    let begun = base(5, Some(b"1020"));
    let one = count(&count(&begun, 1, 10, Real(0.5)).unwrap(), 1, 11, Int(-20)).unwrap();
    assert_eq!((text(&one), one.sums.len()), ("1000.5".to_owned(), 2));
    let two = count(&count(&begun, 2, 12, Real(0.25)).unwrap(), 2, 13, Real(0.25)).unwrap();
    assert_eq!(text(&two), "1020.5");
    let both = one.clone().merge(two.clone());
    assert_eq!(text(&both), "1001");
    assert_eq!(both, two.merge(one.clone()).merge(one));
    let from_nothing = count(&Counter::NOTHING, 1, 10, Int(99_999_999_999_999)).unwrap();
    assert_eq!(text(&count(&from_nothing, 1, 11, Int(1)).unwrap()), "100000000000000");
    let put = |value| both.clone().merge(base(20, value));
    assert_eq!((text(&put(Some(b"7"))), put(None).seen()), ("7".to_owned(), None));
}

/// Additions of reals don't come to the same in every order: all nodes have the same one.
#[test]
fn reals_are_added_up_in_one_order() {
    let nums = [1e16, 1.0, -1e16, 0.3, 1.0, 3e-9];
    let counted = |at: usize| count(&Counter::NOTHING, 1 + at as u16, 10, Real(nums[at])).unwrap();
    let forward = (0..6).map(counted).reduce(Counter::merge).unwrap();
    let backward = (0..6).rev().map(counted).reduce(Counter::merge).unwrap();
    assert_eq!((text(&forward), text(&backward)), ("1.300000003".to_owned(), "1.300000003".to_owned()));
}

#[test]
fn what_is_too_large_is_no_sum_and_merged_the_nearest_number() {
    const HALF: i64 = i64::MAX / 2 + 1;
    let (one, two) = (count(&Counter::NOTHING, 1, 10, Int(HALF)), count(&Counter::NOTHING, 2, 11, Int(HALF)));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(count(&one, 1, 12, Int(HALF)).is_none() && count(&one, 2, 12, Int(HALF)).is_none());
    assert_eq!(text(&count(&one, 2, 12, Int(HALF - 1)).unwrap()), i64::MAX.to_string());
    let both = one.merge(two);
    assert_eq!(text(&both), i64::MAX.to_string());
    assert!(count(&both, 1, 12, Int(0)).is_none(), "a client's next number would be another");
    assert_eq!(text(&count(&both, 1, 12, Int(-2)).unwrap()), (i64::MAX - 1).to_string(), "the exact one");
    // The number fits, the server's own sum does not.
    let low = count(&base(5, Some(b"-9000000000000000000")), 1, 10, Int(i64::MAX)).unwrap();
    assert!(count(&low, 1, 11, Int(9)).is_none());
    assert!(count(&low, 2, 11, Int(9)).is_some());
    let huge = count(&Counter::NOTHING, 1, 10, Real(f64::MAX)).unwrap();
    assert!(count(&huge, 1, 11, Real(f64::MAX)).is_none());
    let infinite = huge.merge(count(&Counter::NOTHING, 2, 10, Real(f64::MAX)).unwrap());
    assert_eq!(text(&infinite), "1.7976931348623e+308");
    assert!(count(&Counter::NOTHING, 1, 10, Real(f64::NAN)).is_none());
}

#[test]
fn families_are_mixed_by_merges_alone() {
    let decimal = count(&Counter::NOTHING, 1, 10, Int(1234)).unwrap();
    assert!(decimal.clone().plus(1, 1, 11, Amount::Int(1)).is_none(), "it reads as one, though");
    assert!(count(&plus(Counter::NOTHING, 1, 10, 1), 1, 11, Int(1)).is_none());
    assert!(count(&base(5, Some(b" 12 ")), 1, 11, Int(1)).is_none());
    let binary = |ts| plus(Counter::NOTHING, 2, ts, 7);
    assert_eq!(text(&decimal.clone().merge(binary(9))), "1234", "the last is decimal");
    let mixed = binary(11).merge(decimal);
    assert_eq!(int(&mixed), Some(7), "the last is binary");
    assert_eq!(int(&plus(mixed.clone(), 2, 12, 1)), Some(8));
    let hidden = mixed.merge(base(5, Some(b"text!")));
    assert_eq!(text(&hidden), "text!");
}

#[test]
fn originals_are_not_told_of_additions_in_decimal_text() {
    let old = base(5, Some(b"1234"));
    let decimal = count(&old, 1, 10, Int(1)).unwrap();
    assert_eq!((decimal.step, decimal.step_from(&old)), (None, None));
    let binary = plus(old.clone(), 2, 11, 7);
    assert_eq!(binary.step_from(&old), Some(Amount::Int(7)));
    assert_eq!(decimal.clone().merge(binary).step_from(&decimal), None, "what it was added to was no base");
}

#[test]
fn versions_tell_the_kinds_of_sums_apart() {
    let versions = [Amount::Int(1), Amount::Double(1.0), Amount::Decimal(Int(1)), Amount::Decimal(Real(1.0))]
        .map(|amount| Counter::NOTHING.plus(1, 1, 10, amount).unwrap().version());
    for (at, version) in versions.iter().enumerate() {
        assert!(!versions[..at].contains(version));
    }
}

#[test]
fn a_state_in_decimal_text_that_no_node_writes_is_none() {
    let counter = count(&count(&base(5, Some(b"10")), 1, 10, Int(-12)).unwrap(), 1, 12, Real(0.5)).unwrap();
    let value = counter.seen().unwrap().into_owned();
    let state = counter.encode().unwrap();
    let state = &state[..state.len() - 2];
    let of = |value: &[u8], state: &[u8]| Counter::of(&record(&counter, value, state)).map(|_| ());
    assert_eq!((&value[..], of(&value, state)), (&b"-1.5"[..], Some(())));
    for len in 0..state.len() {
        assert_eq!(of(&value, &state[..len]), None, "{len}");
    }
    for other in [&b"-1.50"[..], b"-2", b"", b"10"] {
        assert_eq!(of(other, state), None, "another value");
    }
    // A base: behind kinds, time and origin.
    let with_base = |len: u8, base: &[u8]| [&state[..11], &[len], base, &state[14..]].concat();
    assert_eq!(of(&value, &with_base(2, b"10")), Some(()));
    for base in [&b""[..], b"x", b"1e3", b"010", b" 10", b"nan", b"1111111111111111111111"] {
        for value in [&value[..], base] {
            assert_eq!(of(value, &with_base(base.len() as u8, base)), None, "{base:?}");
        }
    }
    for len in [0, 1, 3, 255] {
        assert_eq!(of(&value, &with_base(len, b"10")), None, "{len} for 2");
    }
    for kinds in [3 << 4 | 4, 4 << 4 | 4, 5, 0x0f] {
        assert_eq!(of(&value, &[&[kinds], &state[1..11], b"\x0210", &[0; 8], &state[14..]].concat()), None);
        assert_eq!(of(&value, &[&[kinds], &state[1..]].concat()), None);
    }
    // The last 8 bytes are the amount of the reals; 31 before the end their kind.
    let with_amount = |amount: f64| [&state[..state.len() - 8], &amount.to_le_bytes()].concat();
    assert_eq!(of(&value, &with_amount(0.5)), Some(()));
    for amount in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.25] {
        for value in [&value[..], b"nan", b"-nan", b"inf", b"1.7976931348623e+308", b"-1.7976931348623e+308"]
        {
            assert_eq!(of(value, &with_amount(amount)), None, "{amount}");
        }
    }
    for kind in [0, 3, 5, 255] {
        let mut state = state.to_vec();
        let at = state.len() - SUM;
        state[at] = kind;
        assert_eq!(of(&value, &state), None, "kind {kind}");
    }
}
