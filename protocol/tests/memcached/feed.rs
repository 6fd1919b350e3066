//! Streams through a decoder, and what came of them.

use lcnode_protocol::dialect::{Decoder, Reject, Step};
use lcnode_protocol::{Arena, Limits};

/// What came out of a stream: the steps as text, with their lengths, and how it ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) steps: Vec<(String, usize)>,
    pub(crate) end: End,
}

#[derive(Debug, PartialEq)]
pub(crate) enum End {
    Rejected(Reject),
    Quit,
    /// The stream ended inside a request, which needed at least so many bytes.
    Short(usize),
}

/// Whether the caller waits for as many bytes as the decoder asked for, or calls with every piece.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Caller {
    Patient,
    Eager,
}

/// Feeds a stream that becomes available up to each of the cuts in turn, the last of which is its end.
pub(crate) fn feed(stream: &[u8], cuts: &[usize], limits: Limits, caller: Caller) -> Outcome {
    let mut decoder = Decoder::new(limits);
    let mut arena = Arena::new();
    let mut steps = Vec::new();
    let (mut start, mut wanted) = (0, 0);
    for &end in cuts {
        while end - start >= wanted || caller == Caller::Eager {
            arena.reset();
            let input = &stream[start..end];
            let (text, used) = match decoder.decode(input, &arena) {
                Ok(Step::Request { request, form, used }) => (format!("{request:?} {form:?}"), used),
                Ok(Step::Answer { counted, reply, used }) => (format!("{counted:?} {reply:?}"), used),
                Ok(Step::Incomplete { at_least, interim }) => {
                    assert!(at_least > input.len() && interim.is_empty());
                    assert!(at_least >= wanted, "the lower bound went down");
                    wanted = at_least;
                    break;
                }
                Ok(Step::Quit) => return Outcome { steps, end: End::Quit },
                Err(reject) => {
                    assert!(!reject.to_string().is_empty());
                    return Outcome { steps, end: End::Rejected(reject) };
                }
            };
            assert!(used > 0 && used <= input.len());
            assert!(used >= wanted, "asked for {wanted}, needed {used}");
            steps.push((text, used));
            start += used;
            wanted = 0;
        }
    }
    Outcome { steps, end: End::Short(wanted) }
}

/// All of it at once.
pub(crate) fn whole(stream: &[u8]) -> Outcome {
    feed(stream, &[stream.len()], Limits::default(), Caller::Eager)
}
