//! However a stream is cut, the same comes out of it.

use crate::random::{Random, stream};
use crate::wire::{message, push_item};
use lcnode_protocol::binary::{Decoder, Reject, Step};
use lcnode_protocol::{Command, Items, Request};

/// What came out of a stream: the requests with their lengths, and how it ended.
#[derive(Debug)]
struct Outcome<'a> {
    requests: Vec<(Request<'a>, usize)>,
    end: End,
}

#[derive(Debug, PartialEq)]
enum End {
    Rejected(Reject),
    /// The stream ended inside a request, which needed at least so many bytes.
    Short(usize),
}

/// Whether the caller waits for as many bytes as the decoder asked for, or calls
/// with every piece.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Caller {
    Patient,
    Eager,
}

/// Feeds a stream that becomes available up to each of the cuts in turn, the
/// last of which is its end.
fn feed<'a>(stream: &'a [u8], cuts: &[usize], caller: Caller) -> Outcome<'a> {
    let mut decoder = Decoder::default();
    let mut requests = Vec::new();
    let mut start = 0;
    let mut wanted = 0;
    for &end in cuts {
        while end - start >= wanted || caller == Caller::Eager {
            let input = &stream[start..end];
            match decoder.decode(input) {
                Ok(Step::Request { request, used }) => {
                    assert!(used >= wanted, "asked for {wanted}, needed {used}");
                    assert!(used > 0 && used <= input.len());
                    requests.push((request, used));
                    start += used;
                    wanted = 0;
                }
                Ok(Step::Incomplete { at_least }) => {
                    assert!(at_least > input.len());
                    assert!(at_least >= wanted, "the lower bound went down");
                    wanted = at_least;
                    break;
                }
                Err(reject) => return Outcome { requests, end: End::Rejected(reject) },
            }
        }
    }
    Outcome { requests, end: End::Short(wanted) }
}

/// Equal, where a number that is none equals itself.
fn same(one: &Request<'_>, other: &Request<'_>) -> bool {
    match (*one, *other) {
        (Request::AddDouble { key, num }, Request::AddDouble { key: k, num: n }) => {
            key == k && num.to_bits() == n.to_bits()
        }
        (one, other) => one == other,
    }
}

fn assert_same(whole: &Outcome<'_>, cut: &Outcome<'_>) {
    assert_eq!(whole.end, cut.end);
    assert_eq!(whole.requests.len(), cut.requests.len());
    for ((one, used), (other, other_used)) in whole.requests.iter().zip(&cut.requests) {
        assert!(same(one, other), "{one:?} or {other:?}");
        assert_eq!(used, other_used);
    }
}

/// From the environment, so that a failure can be repeated, or from the clock.
fn seed() -> u64 {
    let set = std::env::var("LCNODE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = set.unwrap_or_else(|| {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
        now.map_or(1, |since| since.as_nanos() as u64)
    });
    eprintln!("to repeat: LCNODE_TEST_SEED={seed}");
    seed
}

#[test]
fn a_split_stream_equals_the_whole() {
    let mut random = Random::new(seed());
    let (mut requests, mut rejects) = (0, 0);
    for _ in 0..20_000 {
        let stream = stream(&mut random);
        let all = stream.len();
        let whole = feed(&stream, &[all], Caller::Eager);
        requests += whole.requests.len();
        rejects += usize::from(matches!(whole.end, End::Rejected(_)));

        let every: Vec<usize> = (0..=all).collect();
        let mut some: Vec<usize> = (0..random.below(8)).map(|_| random.below(all + 1)).chain([all]).collect();
        some.sort_unstable();
        for cuts in [&every, &some] {
            for caller in [Caller::Patient, Caller::Eager] {
                assert_same(&whole, &feed(&stream, cuts, caller));
            }
        }
    }
    // The generator must reach both, or the test shows nothing.
    assert!(requests > 20_000 && rejects > 1_000, "{requests} and {rejects}");
}

/// Feeds a run of 100,000 items by 7 bytes, and destroys every item as soon as
/// the decoder has seen all of it: if it looked at one again it would refuse the
/// request. So each item is read once, however many the pieces.
fn dribble(command: Command, header: &[u32], name: &[u8]) {
    const ITEMS: usize = 100_000;
    const ITEM: &[u8] = b"a key";
    let mut wire = message(command.id(), header, &[name]);
    let run = wire.len();
    (0..ITEMS).for_each(|_| push_item(&mut wire, ITEM));
    let one = 4 + ITEM.len();

    let mut decoder = Decoder::default();
    let mut end = 0;
    let mut destroyed = run;
    loop {
        end = wire.len().min(end + 7);
        match decoder.decode(&wire[..end]).unwrap() {
            Step::Incomplete { at_least } => {
                assert!(at_least > end && at_least <= wire.len());
                let seen = end.saturating_sub(run) / one * one + run;
                wire[destroyed..seen].fill(0xFF);
                destroyed = seen;
            }
            Step::Request { request, used } => {
                assert_eq!(used, wire.len());
                let (Request::MGet { keys: items } | Request::Misc { args: items, .. }) = request else {
                    panic!("{:?}", request.command());
                };
                assert_eq!(items.len(), ITEMS);
                break;
            }
        }
    }
}

#[test]
fn a_dribbled_mget_is_read_once() {
    dribble(Command::MGet, &[100_000], b"");
}

#[test]
fn a_dribbled_misc_is_read_once() {
    dribble(Command::Misc, &[7, 0, 100_000], b"putlist");
}

#[test]
fn the_lower_bound_is_where_the_decoder_gets_further() {
    let mut wire = message(Command::Misc.id(), &[4, 0, 2], &[b"name"]);
    push_item(&mut wire, b"first");
    push_item(&mut wire, b"second");
    // The header, the name, the first size, the first item and the second size,
    // the second item.
    let header = 2 + 12;
    let name = header + 4;
    let first = name + 4;
    let second = first + 5 + 4;
    let all = second + 6;
    assert_eq!(all, wire.len());
    for (range, next) in [
        (0..1, 1),
        (1..2, 2),
        (2..header, header),
        (header..name, name),
        (name..first, first),
        (first..second, second),
        (second..all, all),
    ] {
        for end in range {
            let step = Decoder::default().decode(&wire[..end]);
            assert_eq!(step, Ok(Step::Incomplete { at_least: next }), "at {end}");
        }
    }
}

#[test]
fn nothing_is_remembered_of_a_finished_request() {
    let mut first = message(Command::MGet.id(), &[3], &[]);
    (0..3).for_each(|_| push_item(&mut first, b"first"));
    let mut second = message(Command::MGet.id(), &[3], &[]);
    (0..3).for_each(|_| push_item(&mut second, b"2"));

    let mut decoder = Decoder::default();
    for (wire, item) in [(&first, &b"first"[..]), (&second, b"2")] {
        let partly = decoder.decode(&wire[..wire.len() - 1]);
        assert!(matches!(partly, Ok(Step::Incomplete { .. })));
        let Ok(Step::Request { request: Request::MGet { keys }, .. }) = decoder.decode(wire) else {
            panic!("a whole request");
        };
        assert!(keys.len() == 3 && keys.iter().all(|key| key == item));
    }
}

#[test]
fn a_caller_that_breaks_the_contract_gets_no_panic() {
    let mut long = message(Command::MGet.id(), &[5], &[]);
    (0..4).for_each(|_| push_item(&mut long, b"a long key"));
    let mut shorter = message(Command::MGet.id(), &[2], &[]);
    (0..2).for_each(|_| push_item(&mut shorter, b"k"));
    let mut other = message(Command::MGet.id(), &[5], &[]);
    other.extend([0xAB; 100]);
    other.extend([0; 100]);

    for next in [&shorter, &other] {
        let mut decoder = Decoder::default();
        assert!(matches!(decoder.decode(&long), Ok(Step::Incomplete { .. })));
        if let Ok(Step::Request { request: Request::MGet { keys }, .. }) = decoder.decode(next) {
            assert!(keys.iter().count() <= keys.len());
        }
    }
    let mut decoder = Decoder::default();
    assert!(matches!(decoder.decode(&long), Ok(Step::Incomplete { .. })));
    let keys = Items::from_wire(&shorter[6..]).unwrap();
    let request = Request::MGet { keys };
    let used = shorter.len();
    assert_eq!(decoder.decode(&shorter), Ok(Step::Request { request, used }));
}
