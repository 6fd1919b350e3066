//! What each command can answer.

use lcnode_protocol::dialect::{Decoder, Form, Step};
use lcnode_protocol::memcached::Encoder;
use lcnode_protocol::{Arena, Limits, Reply};

/// What is written for a request when it is answered so.
fn reply(request: &[u8], answer: impl Fn(&mut Encoder<'_>)) -> String {
    let arena = Arena::new();
    let step = Decoder::new(Limits::default()).decode(request, &arena);
    let Ok(Step::Request { form: Form::Memcached(form), .. }) = step else { panic!("{step:?}") };
    // What is there already stays.
    let mut out = b"before".to_vec();
    let mut encoder = Encoder::new(&mut out, form);
    assert!(encoder.is_empty());
    answer(&mut encoder);
    let len = encoder.len();
    assert_eq!(len, out.len() - 6);
    String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
}

#[test]
fn each_command_has_its_words() {
    for (request, success, failure, missing, exists) in [
        (&b"set k 0 0 1\r\nv\r\n"[..], "STORED", "SERVER_ERROR unexpected", "SERVER_ERROR unexpected", ""),
        (b"add k 0 0 1\r\nv\r\n", "STORED", "NOT_STORED", "NOT_STORED", "NOT_STORED"),
        (b"replace k 0 0 1\r\nv\r\n", "STORED", "SERVER_ERROR unexpected", "NOT_STORED", ""),
        (b"append k 0 0 1\r\nv\r\n", "STORED", "SERVER_ERROR unexpected", "NOT_STORED", ""),
        (b"prepend k 0 0 1\r\nv\r\n", "STORED", "SERVER_ERROR unexpected", "NOT_STORED", ""),
        (b"cas k 0 0 1 5\r\nv\r\n", "STORED", "SERVER_ERROR unexpected", "NOT_FOUND", "EXISTS"),
        (b"delete k\r\n", "DELETED", "NOT_FOUND", "NOT_FOUND", ""),
        (b"touch k 0\r\n", "TOUCHED", "SERVER_ERROR unexpected", "NOT_FOUND", ""),
        (b"incr k 1\r\n", "OK", "SERVER_ERROR unexpected", "NOT_FOUND", ""),
        (b"flush_all\r\n", "OK", "SERVER_ERROR unexpected", "SERVER_ERROR unexpected", ""),
    ] {
        let line = |text: &str| format!("{text}\r\n");
        assert_eq!(reply(request, |reply| reply.success()), line(success));
        assert_eq!(reply(request, |reply| reply.failure()), line(failure));
        assert_eq!(reply(request, |reply| reply.missing()), line(missing));
        if !exists.is_empty() {
            assert_eq!(reply(request, |reply| reply.exists()), line(exists));
        }
        assert_eq!(reply(request, |reply| reply.forbidden()), "CLIENT_ERROR forbidden\r\n");
    }
    assert_eq!(reply(b"decr k 1\r\n", |reply| reply.count(u64::MAX)), format!("{}\r\n", u64::MAX));
    assert_eq!(reply(b"version\r\n", |reply| reply.value(b"1.1.41")), "VERSION 1.1.41\r\n");
    assert_eq!(reply(b"version\r\n", |reply| reply.forbidden()), "CLIENT_ERROR forbidden\r\n");
}

#[test]
fn noreply_is_silent_in_its_place() {
    for request in [
        &b"set k 0 0 1 noreply\r\nv\r\n"[..],
        b"add k 0 0 1 noreply x\r\nv\r\n",
        b"replace k 0 0 1 noreply\r\nv\r\n",
        b"append k 0 0 1 noreply\r\nv\r\n",
        b"prepend k 0 0 1 noreply\r\nv\r\n",
        b"cas k 0 0 1 5 noreply\r\nv\r\n",
        b"delete k noreply\r\n",
        b"delete k 0 noreply\r\n",
        b"incr k 1 noreply\r\n",
        b"decr k 1 noreply\r\n",
        b"touch k 1 noreply\r\n",
        b"flush_all noreply\r\n",
        b"flush_all 0 noreply\r\n",
    ] {
        for answer in [
            |reply: &mut Encoder<'_>| reply.success(),
            |reply: &mut Encoder<'_>| reply.failure(),
            |reply: &mut Encoder<'_>| reply.missing(),
            |reply: &mut Encoder<'_>| reply.exists(),
            |reply: &mut Encoder<'_>| reply.forbidden(),
            |reply: &mut Encoder<'_>| reply.count(5),
        ] {
            assert_eq!(reply(request, answer), "", "{request:?}");
        }
    }
    for request in [
        &b"set k 0 0 1 NOREPLY\r\nv\r\n"[..],
        b"set k 0 0 1 x noreply\r\nv\r\n",
        b"cas k 0 0 1 noreply\r\nv\r\n",
        b"delete k 0 x noreply\r\n",
        b"incr k 1 x noreply\r\n",
        b"touch k 1 noreplyx\r\n",
        b"flush_all 1 x noreply\r\n",
    ] {
        assert_ne!(reply(request, |reply| reply.success()), "", "{request:?}");
    }
}

#[test]
fn records_are_listed() {
    let list = |reply: &mut Encoder<'_>| {
        reply.begin_list();
        reply.record_with(b"a", b"one", 7, 1234);
        reply.record(b"b", b"");
        reply.end_list();
    };
    let expected = "VALUE a 7 3\r\none\r\nVALUE b 0 0\r\n\r\nEND\r\n";
    assert_eq!(reply(b"get a b\r\n", list), expected);
    assert_eq!(reply(b"gat 0 a b\r\n", list), expected);
    let expected = "VALUE a 7 3 1234\r\none\r\nVALUE b 0 0 0\r\n\r\nEND\r\n";
    assert_eq!(reply(b"gets a b\r\n", list), expected);
    assert_eq!(reply(b"gats 0 a b\r\n", list), expected);
    let abandoned = |reply: &mut Encoder<'_>| {
        reply.begin_list();
        reply.record_with(b"a", b"one", 7, 1234);
        reply.abandon_list();
    };
    assert_eq!(reply(b"get a\r\n", abandoned), "SERVER_ERROR out of memory writing get response\r\n");
}

#[test]
fn stats_are_lines() {
    let lines = |reply: &mut Encoder<'_>| {
        reply.begin_list();
        reply.record(b"pid", b"12");
        reply.record(b"version", b"1.1.41");
        reply.end_list();
    };
    assert_eq!(reply(b"stats\r\n", lines), "STAT pid 12\r\nSTAT version 1.1.41\r\nEND\r\n");
    assert_eq!(reply(b"stats\r\n", |reply| reply.forbidden()), "");
}
