//! Any bytes as a stream of memcached's requests, with those of other dialects between them: however it is cut, the
//! same steps and the same end come out, and answering them cannot fail either.
//!
//! The first byte of the input says how many cuts there are, the next bytes say
//! where, and the rest is the stream.

#![no_main]

use lcnode_protocol::dialect::{Decoder, Form, Reject, Step};
use lcnode_protocol::{Arena, Limits, Reply, Request, memcached};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some(stream) = lcnode_fuzz::however_cut(data, feed) else { return };
    // What ends with the input reads, and becomes nothing else by its end.
    if memcached::may_end(stream) {
        let whole = feed(&[stream, b"\n"].concat(), &[stream.len() + 1], Limits::default(), true);
        assert!(whole.steps.len() <= 1);
    }
});

/// What a stream came to: each step as text, with its length and the length of its answer; and the end.
#[derive(Debug, PartialEq)]
struct Outcome {
    steps: Vec<(String, usize, usize)>,
    end: End,
}

#[derive(Debug, PartialEq)]
enum End {
    Rejected(Reject),
    Quit,
    /// So many bytes were still wanted.
    Short(usize),
    /// A dialect with a target of its own.
    Other,
}

/// Feeds a stream that becomes available up to each of the cuts in turn. A
/// patient caller waits for as many bytes as the decoder asked for.
fn feed(stream: &[u8], cuts: &[usize], limits: Limits, patient: bool) -> Outcome {
    let mut decoder = Decoder::new(limits);
    let mut arena = Arena::new();
    let mut steps = Vec::new();
    let (mut start, mut wanted) = (0, 0);
    let mut out = Vec::new();
    for &end in cuts {
        while !patient || end - start >= wanted {
            arena.reset();
            let input = &stream[start..end];
            // Its requests may have other ends.
            if input.first().is_some_and(u8::is_ascii_uppercase) {
                return Outcome { steps, end: End::Other };
            }
            let (step, used) = match decoder.decode(input, &arena) {
                Ok(Step::Request { request, form, used }) => {
                    check(&request, limits);
                    let answer = answer(&request, form, &mut out);
                    ((format!("{request:?} {form:?}"), used, answer), used)
                }
                Ok(Step::Answer { reply, used, .. }) => (("answer".to_owned(), used, reply.len()), used),
                Ok(Step::Incomplete { at_least, interim }) => {
                    assert!(at_least > input.len() && at_least >= wanted && interim.is_empty());
                    wanted = at_least;
                    break;
                }
                Ok(Step::Quit) => return Outcome { steps, end: End::Quit },
                Err(reject) => {
                    assert!(!reject.to_string().is_empty());
                    return Outcome { steps, end: End::Rejected(reject) };
                }
            };
            assert!(used > 0 && used <= input.len() && used >= wanted);
            steps.push(step);
            start += used;
            wanted = 0;
        }
    }
    Outcome { steps, end: End::Short(wanted) }
}

/// What the decoder promises of any request of memcached's.
fn check(request: &Request<'_>, limits: Limits) {
    let is_key = |key: &[u8]| {
        assert!(!key.is_empty() && key.len() <= limits.max_key as usize);
        assert!(!key.iter().any(|byte| b" \t\r\n\0".contains(byte)));
    };
    match *request {
        Request::Store { key, value, .. } => {
            is_key(key);
            assert!(value.len() <= limits.max_value as usize);
        }
        Request::Touch { key, .. } | Request::Adjust { key, .. } => is_key(key),
        Request::Fetch { keys, .. } => {
            assert!(keys.iter().count() > 0);
            keys.iter().for_each(is_key);
        }
        _ => {}
    }
}

/// Answers a request with its own parts, and returns the answer's length.
fn answer(request: &Request<'_>, form: Form, out: &mut Vec<u8>) -> usize {
    let Form::Memcached(form) = form else { return 0 };
    out.clear();
    let mut reply = memcached::Encoder::new(out, form);
    match *request {
        Request::Fetch { keys, touch } => {
            reply.begin_list();
            for key in keys {
                reply.record_with(key, key, u32::MAX, touch.unwrap_or(-1).cast_unsigned());
            }
            if keys.iter().count() > 3 {
                reply.abandon_list();
            } else {
                reply.end_list();
            }
        }
        Request::Adjust { by, .. } => reply.count(by.cast_unsigned()),
        Request::Touch { .. } => reply.missing(),
        Request::Store { .. } => reply.exists(),
        Request::Flush { .. } => reply.forbidden(),
        Request::Stats => reply.record(b"name", b"value"),
        Request::Version => reply.value(b"1"),
        _ => reply.success(),
    }
    reply.len()
}
