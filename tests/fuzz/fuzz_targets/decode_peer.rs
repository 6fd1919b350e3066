//! Any bytes as what another lcnode sends: however they are cut, the same hello, frames and refusal come
//! out, limits hold, and what was understood is written as it was read.
//!
//! The first byte of the input says which side sends, and how many cuts there are; the next bytes say
//! where, and the rest is the stream. Where the second highest bit of the first byte is set, the frames of
//! the stream are given valid checksums, which are hard to guess.

#![no_main]

use lcnode_protocol::binary::{self, Decoder};
use lcnode_protocol::peer::{
    FRAME_HEADER, FollowerFrame, LeaderFrame, LeaderHello, MAX_ENTRIES, MAX_REASON, RANGES, Reason, Step,
    max_body,
};
use lcnode_protocol::{Limits, Request};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { max_key: 16, max_value: 64 };

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let (places, stream) = rest.split_at(usize::from(first % 8).min(rest.len()));
    let mut stream = stream.to_vec();
    if first & 0x40 != 0 {
        forge(&mut stream);
    }
    let mut cuts = Vec::with_capacity(places.len() + 1);
    let mut at = 0;
    for &place in places {
        at = stream.len().min(at + usize::from(place));
        cuts.push(at);
    }
    cuts.push(stream.len());

    same(&stream, &cuts, |input, out| {
        let step = LeaderFrame::decode(input, LIMITS);
        if let Ok(Step::Whole { item, .. }) = &step {
            check_leader(item);
            item.encode(out);
        }
        used(step)
    });
    same(&stream, &cuts, |input, out| {
        let step = FollowerFrame::decode(input, LIMITS);
        if let Ok(Step::Whole { item, .. }) = &step {
            check_follower(item);
            item.encode(out);
        }
        used(step)
    });
    same(&stream, &cuts, |input, out| {
        let step = LeaderHello::decode(input);
        if let Ok(Step::Whole { item, .. }) = &step {
            assert!(item.reason.len() <= MAX_REASON);
            item.encode(out);
        }
        used(step)
    });
    if let Ok(binary::Step::Request { request: Request::Follow(hello), used }) =
        Decoder::default().decode(&stream)
    {
        let mut out = Vec::new();
        hello.encode(&mut out);
        // Of a hello without a position nobody looks where one would be.
        let known = if hello.position.is_some() { used } else { 22 };
        assert_eq!(out[..known], stream[..known]);
    }
});

/// Gives every frame of a stream the checksum of its bytes, as far as its lengths are credible.
fn forge(stream: &mut [u8]) {
    let mut rest = stream;
    while let Some((header, behind)) = rest.split_first_chunk_mut::<FRAME_HEADER>() {
        let size = u32::from_be_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if size > behind.len() {
            return;
        }
        let (body, after) = behind.split_at_mut(size);
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&header[..1]);
        hasher.update(body);
        header[5..].copy_from_slice(&hasher.finalize().to_be_bytes());
        rest = after;
    }
}

fn check_leader(frame: &LeaderFrame<'_>) {
    match frame {
        LeaderFrame::Digest { ranges, .. } => assert_eq!(ranges.iter().count(), usize::from(RANGES)),
        LeaderFrame::Compared { range, unknown, .. } => {
            assert!(*range < RANGES && unknown.len() <= MAX_ENTRIES);
            assert_eq!(unknown.iter().count(), unknown.len());
        }
        LeaderFrame::Records { records, .. } => assert!(records.len() <= max_body(LIMITS)),
        LeaderFrame::Beat { .. } => {}
    }
}

fn check_follower(frame: &FollowerFrame<'_>) {
    if let FollowerFrame::Compare { range, entries, .. } = frame {
        assert!(*range < RANGES && entries.len() <= MAX_ENTRIES);
        assert_eq!(entries.iter().count(), entries.len());
    }
}

/// The bytes used, or those that are wanted.
type Used = Result<Result<usize, usize>, Reason>;

fn used<T>(step: Result<Step<T>, Reason>) -> Used {
    step.map(|step| match step {
        Step::Whole { used, .. } => Ok(used),
        Step::Incomplete { at_least } => Err(at_least),
    })
}

/// However the stream is cut, the same items come out, and they are written as they were read.
fn same(stream: &[u8], cuts: &[usize], decode: impl Fn(&[u8], &mut Vec<u8>) -> Used) {
    let whole = feed(stream, &[stream.len()], false, &decode);
    for patient in [false, true] {
        assert_eq!(whole, feed(stream, cuts, patient, &decode));
    }
    if stream.len() <= 256 {
        let every: Vec<usize> = (0..=stream.len()).collect();
        assert_eq!(whole, feed(stream, &every, false, &decode));
    }
}

/// How many bytes became items, and the end: the refusal, or the bytes that were wanted.
fn feed(
    stream: &[u8],
    cuts: &[usize],
    patient: bool,
    decode: impl Fn(&[u8], &mut Vec<u8>) -> Used,
) -> (usize, Result<usize, String>) {
    let (mut start, mut wanted) = (0, 0);
    let mut out = Vec::new();
    for &end in cuts {
        while !patient || end - start >= wanted {
            let input = &stream[start..end];
            out.clear();
            match decode(input, &mut out) {
                Ok(Ok(used)) => {
                    assert!(used > 0 && used <= input.len() && used >= wanted);
                    assert_eq!(out, input[..used]);
                    start += used;
                    wanted = 0;
                }
                Ok(Err(at_least)) => {
                    assert!(at_least > input.len() && at_least >= wanted);
                    wanted = at_least;
                    break;
                }
                Err(reason) => {
                    let text = reason.to_string();
                    assert!(!text.is_empty());
                    return (start, Err(text));
                }
            }
        }
    }
    (start, Ok(wanted))
}
