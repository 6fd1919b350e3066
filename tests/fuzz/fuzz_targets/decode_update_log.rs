//! Any bytes as an update log of the original, in a file and as a stream: however they are cut, the same
//! entries and the same refusal come out; a block is a change, which is written as it was read, or refused.
//!
//! The first byte of the input says how many cuts there are, the next bytes say where, and the rest is the
//! file and the stream.

#![no_main]

use lcnode_protocol::Limits;
use lcnode_protocol::update_log::{Change, Entry, Item, Logged, Reason, Step, max_block};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { max_key: 16, max_value: 64 };

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let (places, stream) = rest.split_at(usize::from(first % 8).min(rest.len()));
    let mut cuts = Vec::with_capacity(places.len() + 1);
    let mut at = 0;
    for &place in places {
        at = stream.len().min(at + usize::from(place));
        cuts.push(at);
    }
    cuts.push(stream.len());

    same(stream, &cuts, |input, out| {
        let step = Item::decode(input, LIMITS);
        if let Ok(Step::Whole { item, .. }) = &step {
            if let Item::Entry { block, .. } = item {
                check(block);
            }
            item.encode(out);
        }
        used(step)
    });
    same(stream, &cuts, |input, out| {
        let step = Entry::decode(input, LIMITS);
        if let Ok(Step::Whole { item, .. }) = &step {
            check(item.block);
            item.encode(out);
        }
        used(step)
    });
    // Blocks are what is most likely to be wrong: the whole input as one.
    check(rest);
});

/// A block becomes a change within the limits, or is refused with a reason.
fn check(block: &[u8]) {
    assert!(block.len() <= max_block(LIMITS));
    match Logged::decode(block, LIMITS) {
        Ok(logged) => {
            match logged.change {
                Change::Put { key, value }
                | Change::PutKeep { key, value }
                | Change::PutCat { key, value }
                | Change::PutShl { key, value, .. } => assert!(key.len() <= 16 && value.len() <= 64),
                Change::Out { key } | Change::AddInt { key, .. } | Change::AddDouble { key, .. } => {
                    assert!(key.len() <= 16);
                }
                Change::Misc { args, .. } => {
                    assert_eq!(args.iter().filter(|arg| arg.len() <= 64).count(), args.len());
                }
                Change::Sync | Change::Optimize { .. } | Change::Vanish => {}
            }
            let mut out = Vec::new();
            logged.encode(&mut out);
            // All but the result byte, which may be anything that is not 0.
            assert_eq!(out.len(), block.len());
            let last = out.len() - 1;
            assert_eq!(out[..last], block[..last]);
            assert_eq!(out[last] == 0, block[last] == 0);
        }
        Err(bad) => assert!(!bad.to_string().is_empty()),
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
) -> (usize, Result<usize, Reason>) {
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
                Err(reason) => return (start, Err(reason)),
            }
        }
    }
    (start, Ok(wanted))
}
