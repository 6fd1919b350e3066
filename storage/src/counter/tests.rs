use super::*;

fn base(ts: u64, value: Option<&'static [u8]>) -> Counter<'static> {
    let stamp = Stamp { ts, origin: 9 };
    Counter { base: Base { stamp, value, attributes: Attributes::default() }, ..Counter::NOTHING }
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

#[test]
fn merging_in_any_order_gives_the_same() {
    let mut random = 1_u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (random >> 33) % below
    };
    let values: [Option<&'static [u8]>; 4] = [None, Some(&[1, 0, 0, 0]), Some(b"12345678"), Some(b"text")];
    for _ in 0..20_000 {
        let mut some = || {
            let mut counter = match next(3) {
                0 => Counter::NOTHING,
                // One stamp, one value.
                _ => {
                    let at = next(4);
                    base(10 * at + 5, values[at as usize])
                }
            };
            for _ in 0..next(4) {
                let (origin, ts) = (1 + next(3) as u16, 1 + next(60));
                // A server's sums are of one history: what they are is told by their time.
                let since = 1 + (ts / 20) * 20;
                let amount = match origin {
                    3 => Amount::Double(ts as f64 / 8.0),
                    _ => Amount::Int(ts as i32),
                };
                let sum = Sum { origin, run: 1, since, time: ts.max(since), amount };
                let one = Counter { sums: SmallVec::from_iter([sum]), ..Counter::NOTHING };
                counter = counter.merge(one);
            }
            counter
        };
        let (a, b, c) = (some(), some(), some());
        let left = a.clone().merge(b.clone()).merge(c.clone());
        assert_eq!(left, a.clone().merge(b.clone().merge(c.clone())));
        assert_eq!(left, c.clone().merge(a.clone()).merge(b.clone()));
        assert_eq!(left, left.clone().merge(a).merge(c).merge(b));
        assert_eq!(left.seen(), left.clone().seen());
    }
}

#[test]
fn what_is_encoded_is_decoded_and_nothing_else() {
    let counter = plus(base(5, Some(&[7, 0, 0, 0])), 1, 10, i32::MAX);
    let counter = counter.plus(2, 3, 12, Amount::Int(-1)).unwrap();
    let (value, state) = (counter.seen().unwrap(), counter.encode().unwrap());
    let state = &state[..state.len() - 2];
    let record = |state| Record {
        kind: Kind::Counter,
        stamp: counter.stamp(),
        via: 0,
        moved: false,
        attributes: Attributes::default(),
        key: b"key",
        value: &value,
        state,
        len: 0,
    };
    assert_eq!(Counter::of(&record(state)).as_ref(), Some(&counter));
    for len in 0..state.len() {
        assert_eq!(Counter::of(&record(&state[..len])), None, "{len}");
    }
    assert_eq!(Counter::of(&Record { value: b"1234", ..record(state) }), None);
    assert_eq!(Counter::of(&Record { stamp: Stamp { ts: 11, origin: 2 }, ..record(state) }), None);
}
