//! Any bytes as a stream of requests in the dialects of text: however it is cut, the same requests and the same refusal
//! come out, and answering them cannot fail either.
//!
//! The first byte of the input says how many cuts there are, the next bytes say where, and the rest is the stream.

#![no_main]

use lcnode_protocol::dialect::{Decoder, Form, Reject, Step};
use lcnode_protocol::http::{Encoder, MAX_ARGUMENTS};
use lcnode_protocol::{Arena, Limits, Reply, Request};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    lcnode_fuzz::however_cut(data, feed);
});

/// What a stream came to: each request as text, with its length and its answer; and the end, which is a refusal or the
/// bytes that were still wanted.
#[derive(Debug, PartialEq)]
struct Outcome {
    steps: Vec<(String, usize, String)>,
    end: Result<usize, Option<Reject>>,
}

/// Feeds a stream that becomes available up to each of the cuts in turn. A patient caller waits for as many bytes as the
/// decoder asked for.
fn feed(stream: &[u8], cuts: &[usize], limits: Limits, patient: bool) -> Outcome {
    let mut decoder = Decoder::new(limits);
    let arena = Arena::new();
    let mut steps = Vec::new();
    let (mut start, mut wanted, mut continued) = (0, 0, false);
    for &end in cuts {
        while !patient || end - start >= wanted {
            let input = &stream[start..end];
            let (text, used, answered) = match decoder.decode(input, &arena) {
                Ok(Step::Request { request, form, used }) => {
                    (format!("{request:?} {form:?}"), used, answer(&request, &form, limits))
                }
                Ok(Step::Answer { counted, reply, used }) => {
                    (format!("{counted:?} {reply:?}"), used, String::new())
                }
                Ok(Step::Incomplete { at_least, interim }) => {
                    assert!(at_least > input.len() && at_least >= wanted);
                    assert!(
                        interim.is_empty() || !std::mem::replace(&mut continued, true),
                        "told twice to go on"
                    );
                    wanted = at_least;
                    break;
                }
                Ok(Step::Quit) => return Outcome { steps, end: Err(None) },
                Err(reject) => {
                    assert!(!reject.to_string().is_empty());
                    return Outcome { steps, end: Err(Some(reject)) };
                }
            };
            assert!(used > 0 && used <= input.len() && used >= wanted);
            steps.push((text, used, answered));
            start += used;
            (wanted, continued) = (0, false);
        }
    }
    Outcome { steps, end: Ok(wanted) }
}

/// Checks what the decoder promises of a request of HTTP, and answers it with its own parts.
fn answer(request: &Request<'_>, form: &Form, limits: Limits) -> String {
    let Form::Http(form) = form else { return String::new() };
    assert!(request.key().unwrap_or_default().len() <= limits.max_key as usize);
    let mut out = b"before".to_vec();
    let mut reply = Encoder::new(&mut out, *form);
    match *request {
        Request::Get { key } => reply.value(key),
        Request::Put { value, .. } | Request::PutCat { value, .. } | Request::PutKeep { value, .. } => {
            assert!(value.len() <= limits.max_value as usize);
            reply.success();
        }
        Request::Ext { name, value, .. } => {
            assert!(!name.is_empty() && name.len() <= 2048 && value.len() <= limits.max_value as usize);
            reply.value(value);
        }
        Request::Vsiz { key } => reply.int(key.len() as i32),
        Request::Out { .. } => reply.missing(),
        Request::Misc { args, .. } => {
            assert!(args.len() <= MAX_ARGUMENTS && args.iter().count() == args.len());
            reply.begin_list();
            args.iter().for_each(|arg| reply.item(arg));
            reply.end_list();
        }
        Request::Options => {
            reply.begin_list();
            reply.record(b"X", b"a\r\nb");
            reply.end_list();
        }
        _ => panic!("{request:?} is not of HTTP"),
    }
    let len = reply.len();
    assert!(out.starts_with(b"beforeHTTP/1.1 ") && out.len() == "before".len() + len);
    check(&out["before".len()..], request, form.method == lcnode_protocol::http::Method::Head);
    String::from_utf8_lossy(&out).into_owned()
}

/// A client must find the end of the reply where it is.
fn check(reply: &[u8], request: &Request<'_>, is_head: bool) {
    let end = reply.windows(4).position(|four| four == b"\r\n\r\n").expect("the head has an end") + 4;
    let head = str::from_utf8(&reply[..end]).expect("the head is text");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    let body = if is_head { 0 } else { length.expect("a length").parse().expect("a number") };
    assert_eq!(end + body, reply.len(), "{request:?} got {head}");
}
