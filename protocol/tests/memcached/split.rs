//! However a stream is cut, the same comes out of it.

use lcnode_protocol::Limits;

use crate::feed::{Caller, End, feed, whole};
use crate::random::{Random, seed, stream};

const TIGHT: Limits = Limits { max_key: 8, max_value: 12 };

fn assert_same_however_cut(stream: &[u8], some: &[usize], limits: Limits) {
    let whole = feed(stream, &[stream.len()], limits, Caller::Eager);
    let every: Vec<usize> = (0..=stream.len()).collect();
    for cuts in [&every, some] {
        for caller in [Caller::Patient, Caller::Eager] {
            assert_eq!(whole, feed(stream, cuts, limits, caller), "{:?}", String::from_utf8_lossy(stream));
        }
    }
}

#[test]
fn a_split_stream_equals_the_whole() {
    let mut random = Random::new(seed());
    let (mut steps, mut rejects) = (0, 0);
    for _ in 0..20_000 {
        let stream = stream(&mut random);
        let all = stream.len();
        let outcome = whole(&stream);
        steps += outcome.steps.len();
        rejects += usize::from(matches!(outcome.end, End::Rejected(_)));
        let mut some: Vec<usize> = (0..random.below(8)).map(|_| random.below(all + 1)).chain([all]).collect();
        some.sort_unstable();
        for limits in [Limits::default(), TIGHT] {
            assert_same_however_cut(&stream, &some, limits);
        }
    }
    // The generator must reach both, or the test shows nothing.
    assert!(steps > 20_000 && rejects > 1_000, "{steps} and {rejects}");
}

#[test]
fn any_bytes_do_no_harm() {
    let mut random = Random::new(seed());
    for _ in 0..20_000 {
        let mut bytes: Vec<u8> = (0..random.below(40)).map(|_| random.below(256) as u8).collect();
        if random.one_in(2) {
            let verb = random.pick(&[b"set ", b"get ", b"cas ", b"incr ", b"gat "]);
            bytes.splice(0..0, verb.iter().copied());
        }
        // The binary dialect has tests of its own, which know how its requests end.
        if !bytes.contains(&0xC8) {
            assert_same_however_cut(&bytes, &[bytes.len()], Limits::default());
        }
    }
}

#[test]
fn the_lower_bound_is_where_the_decoder_gets_further() {
    let request = b"set k 0 0 5\r\nhello\r\n";
    let (line, value) = (13, 18);
    for end in 1..request.len() {
        let expected = match end {
            // The line has no end yet.
            end if end < line => end + 1,
            // One more tells whether the value has this length.
            end if end <= value => value + 1,
            _ => value + 2,
        };
        let outcome = whole(&request[..end]);
        assert_eq!((outcome.steps, outcome.end), (vec![], End::Short(expected)), "at {end}");
    }
}

#[test]
fn dialects_take_turns() {
    let mut stream = b"set k 0 0 1\r\nv\r\n".to_vec();
    stream.extend([0xC8, 0x30, 0, 0, 0, 1, b'k']);
    stream.extend(b"get k\r\n");
    stream.extend([0xC8, 0x80]);
    stream.extend(b"version\n");
    let outcome = whole(&stream);
    assert_eq!((outcome.steps.len(), outcome.end), (5, End::Short(1)));
    assert_same_however_cut(&stream, &[stream.len()], Limits::default());
}
