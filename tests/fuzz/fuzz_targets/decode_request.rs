//! Any bytes as a stream of requests: however it is cut, the same requests and
//! the same refusal come out, and answering them cannot fail either.
//!
//! The first byte of the input says how many cuts there are, the next bytes say
//! where, and the rest is the stream.

#![no_main]

use lcnode_protocol::binary::{Decoder, Encoder, Reject, Step};
use lcnode_protocol::{Items, Limits, Reply, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    lcnode_fuzz::however_cut(data, feed);
});

/// What a stream came to: each request as text, where a number that is none
/// equals itself, with its length and the length of its answer; and the end,
/// which is a refusal or the bytes that were still wanted.
#[derive(Debug, PartialEq)]
struct Outcome {
    requests: Vec<(String, usize, usize)>,
    end: Result<usize, Reject>,
}

/// Feeds a stream that becomes available up to each of the cuts in turn. A
/// patient caller waits for as many bytes as the decoder asked for.
fn feed(stream: &[u8], cuts: &[usize], limits: Limits, patient: bool) -> Outcome {
    let mut decoder = Decoder::new(limits);
    let mut requests = Vec::new();
    let (mut start, mut wanted) = (0, 0);
    let mut out = Vec::new();
    for &end in cuts {
        while !patient || end - start >= wanted {
            let input = &stream[start..end];
            match decoder.decode(input) {
                Ok(Step::Request { request, used }) => {
                    assert!(used > 0 && used <= input.len() && used >= wanted);
                    check(&request, limits);
                    requests.push((format!("{request:?}"), used, answer(&request, &mut out)));
                    start += used;
                    wanted = 0;
                }
                Ok(Step::Incomplete { at_least }) => {
                    assert!(at_least > input.len() && at_least >= wanted);
                    wanted = at_least;
                    break;
                }
                Err(reject) => {
                    assert!(!reject.to_string().is_empty());
                    return Outcome { requests, end: Err(reject) };
                }
            }
        }
    }
    Outcome { requests, end: Ok(wanted) }
}

/// What the decoder promises of any request.
fn check(request: &Request<'_>, limits: Limits) {
    let walk = |items: Items<'_>, limit: u32| {
        let mut walked = 0;
        for item in items {
            assert!(item.len() <= limit as usize);
            walked += 1;
        }
        assert_eq!(walked, items.len());
    };
    match *request {
        Request::Put { key, value }
        | Request::PutKeep { key, value }
        | Request::PutCat { key, value }
        | Request::PutNr { key, value }
        | Request::PutShl { key, value, .. }
        | Request::Ext { key, value, .. } => {
            assert!(key.len() <= limits.max_key as usize);
            assert!(value.len() <= limits.max_value as usize);
        }
        Request::Get { key }
        | Request::Out { key }
        | Request::Vsiz { key }
        | Request::AddInt { key, .. }
        | Request::AddDouble { key, .. }
        | Request::FwmKeys { prefix: key, .. } => {
            assert!(key.len() <= limits.max_key as usize);
        }
        Request::MGet { keys } => walk(keys, limits.max_key),
        Request::Misc { args, .. } => walk(args, limits.max_field()),
        Request::Repl { ts, sid } => assert!(ts > 0 && sid > 0),
        _ => {}
    }
}

/// Answers a request with its own parts, and returns the answer's length.
fn answer(request: &Request<'_>, out: &mut Vec<u8>) -> usize {
    out.clear();
    let mut reply = Encoder::new(out, request.command());
    match *request {
        Request::Get { key } => reply.value(key),
        Request::Ext { value, .. } => reply.value(value),
        Request::AddInt { num, .. } => reply.int(num),
        Request::AddDouble { num, .. } => reply.double(num),
        Request::Restore { ts, .. } => reply.count(ts),
        Request::FwmKeys { prefix, .. } => {
            reply.begin_list();
            reply.item(prefix);
            reply.abandon_list();
        }
        Request::MGet { keys } => {
            reply.begin_list();
            keys.iter().for_each(|key| reply.record(key, key));
            reply.end_list();
        }
        Request::Misc { args, .. } => {
            reply.begin_list();
            args.iter().for_each(|arg| reply.item(arg));
            reply.end_list();
        }
        _ => reply.success(),
    }
    reply.len()
}
