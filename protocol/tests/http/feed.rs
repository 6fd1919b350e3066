//! Streams of bytes through the decoder, in pieces.

use lcnode_protocol::dialect::{Decoder, Form, Reason, Reject, Step};
use lcnode_protocol::http::{self, Method};
use lcnode_protocol::{Arena, Limits, Request};

/// What a stream came to.
#[derive(Debug, PartialEq)]
pub(crate) struct Outcome {
    /// Each request or answer as text, with its length.
    pub(crate) steps: Vec<(String, usize)>,
    pub(crate) end: End,
    /// Before which of the steps the client was told to go on. Not compared: it is not told when all is there already.
    pub(crate) continued: Vec<usize>,
}

#[derive(Debug, PartialEq)]
pub(crate) enum End {
    Rejected(Reject),
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
    let arena = Arena::new();
    let mut outcome = Outcome { steps: Vec::new(), end: End::Short(0), continued: Vec::new() };
    let (mut start, mut wanted) = (0, 0);
    for &end in cuts {
        while end - start >= wanted || caller == Caller::Eager {
            let input = &stream[start..end];
            let (text, used) = match decoder.decode(input, &arena) {
                Ok(Step::Request { request, form, used }) => (format!("{request:?} {form:?}"), used),
                Ok(Step::Answer { counted, reply, used }) => (format!("{counted:?} {reply:?}"), used),
                Ok(Step::Incomplete { at_least, interim }) => {
                    assert!(at_least > input.len(), "{at_least} of {}", input.len());
                    assert!(at_least >= wanted, "the lower bound went down");
                    if !interim.is_empty() {
                        assert_eq!(interim, b"HTTP/1.1 100 Continue\r\n\r\n");
                        outcome.continued.push(outcome.steps.len());
                    }
                    wanted = at_least;
                    break;
                }
                Ok(Step::Quit) => panic!("HTTP has no way to say so"),
                Err(reject) => {
                    assert!(!reject.to_string().is_empty());
                    outcome.end = End::Rejected(reject);
                    return outcome;
                }
            };
            assert!(used > 0 && used <= input.len() && used >= wanted, "{used} of {wanted}");
            outcome.steps.push((text, used));
            start += used;
            wanted = 0;
        }
    }
    outcome.end = End::Short(wanted);
    outcome
}

/// The same in one piece.
pub(crate) fn whole(stream: &[u8]) -> Outcome {
    feed(stream, &[stream.len()], Limits::default(), Caller::Eager)
}

/// Fails unless these outcomes are the same but for when the client was told to go on.
pub(crate) fn assert_same(one: &Outcome, other: &Outcome, what: &str) {
    assert_eq!(one.steps, other.steps, "{what}");
    assert_eq!(one.end, other.end, "{what}");
}

/// Gives the one request that a stream is, which must be whole, with its form.
pub(crate) fn with<T>(stream: impl AsRef<[u8]>, look: impl FnOnce(Request<'_>, http::Form) -> T) -> T {
    let stream = stream.as_ref();
    let arena = Arena::new();
    match Decoder::new(Limits::default()).decode(stream, &arena) {
        Ok(Step::Request { request, form: Form::Http(form), used }) if used == stream.len() => {
            look(request, form)
        }
        other => panic!("{} is {other:?}", String::from_utf8_lossy(stream)),
    }
}

/// The same where only the key, the method and whether the connection is closed matter.
pub(crate) fn key_of(stream: impl AsRef<[u8]>) -> (Vec<u8>, Method, bool) {
    with(stream, |request, form| (request.key().unwrap_or_default().to_vec(), form.method, form.close))
}

/// The refusal of a stream, also if it comes byte by byte: its reason, which must be one of HTTP, and the status.
pub(crate) fn refused(stream: impl AsRef<[u8]>) -> (http::Reason, u16) {
    refused_under(stream, Limits::default())
}

pub(crate) fn refused_under(stream: impl AsRef<[u8]>, limits: Limits) -> (http::Reason, u16) {
    let stream = stream.as_ref();
    let at_once = feed(stream, &[stream.len()], limits, Caller::Eager);
    if stream.len() < 1000 {
        let every: Vec<usize> = (0..=stream.len()).collect();
        assert_same(&at_once, &feed(stream, &every, limits, Caller::Eager), "byte by byte");
    }
    match at_once.end {
        End::Rejected(Reject { reason: Reason::Http(reason), reply, .. }) if at_once.steps.is_empty() => {
            assert_eq!(reply, reason.reply());
            (reason, str::from_utf8(&reply[9..12]).unwrap().parse().unwrap())
        }
        _ => panic!("{} is {at_once:?}", String::from_utf8_lossy(&stream[..stream.len().min(500)])),
    }
}
