//! Conversations as the original server holds them: what a client sends, what
//! that means, and the bytes that answer it.

use crate::wire::hex;
use lcnode_protocol::binary::{Decoder, Encoder, Step};
use lcnode_protocol::{Items, Reply, Request};

/// A request, what it decodes to, what the command says, and the reply.
type Vector = (&'static str, Request<'static>, fn(&mut Encoder<'_>), &'static str);

const VECTORS: &[Vector] = &[
    (
        "C810 00000001 00000003 61 616263",
        Request::Put { key: b"a", value: b"abc" },
        |reply| reply.success(),
        "00",
    ),
    ("C830 00000001 61", Request::Get { key: b"a" }, |reply| reply.value(b"abc"), "00 00000003 616263"),
    ("C830 00000001 7A", Request::Get { key: b"z" }, |reply| reply.failure(), "01"),
    (
        "C811 00000001 00000001 61 78",
        Request::PutKeep { key: b"a", value: b"x" },
        |reply| reply.failure(),
        "01",
    ),
    (
        "C813 00000001 00000005 00000003 73 6162636465",
        Request::PutShl { key: b"s", value: b"abcde", width: 3 },
        |reply| reply.success(),
        "00",
    ),
    ("C830 00000001 73", Request::Get { key: b"s" }, |reply| reply.value(b"abcde"), "00 00000005 6162636465"),
    (
        "C813 00000001 00000003 00000004 73 78797A",
        Request::PutShl { key: b"s", value: b"xyz", width: 4 },
        |reply| reply.success(),
        "00",
    ),
    ("C830 00000001 73", Request::Get { key: b"s" }, |reply| reply.value(b"exyz"), "00 00000004 6578797A"),
    (
        "C860 00000001 FFFFFFFE 69",
        Request::AddInt { key: b"i", num: -2 },
        |reply| reply.int(-2),
        "00 FFFFFFFE",
    ),
    (
        "C830 00000001 69",
        Request::Get { key: b"i" },
        |reply| reply.value(&(-2i32).to_le_bytes()),
        "00 00000004 FEFFFFFF",
    ),
    (
        "C861 00000001 0000000000000001 000000746A528800 64",
        Request::AddDouble { key: b"d", num: 1.5 },
        |reply| reply.double(1.5),
        "00 0000000000000001 000000746A528800",
    ),
    (
        "C830 00000001 64",
        Request::Get { key: b"d" },
        |reply| reply.value(&1.5f64.to_le_bytes()),
        "00 00000008 000000000000F83F",
    ),
    ("C831 00000000", Request::MGet { keys: NONE }, |reply| no_items(reply), "00 00000000"),
    (
        "C858 00000001 00000000 61",
        Request::FwmKeys { prefix: b"a", max: Some(0) },
        |reply| no_items(reply),
        "00 00000000",
    ),
    ("C818 00000001 00000001 6E 31", Request::PutNr { key: b"n", value: b"1" }, |reply| reply.success(), ""),
    ("C880", Request::Rnum, |reply| reply.count(5), "00 0000000000000005"),
    (
        "C890 00000006 00000000 00000000 6E6F73756368",
        Request::Misc { name: b"nosuch", options: 0, args: NONE },
        |reply| reply.failure(),
        "01 00000000",
    ),
];

const NONE: Items<'static> = Items::EMPTY;

fn no_items(reply: &mut Encoder<'_>) {
    reply.begin_list();
    reply.end_list();
}

#[test]
fn every_vector_is_understood_and_answered() {
    for (sent, meaning, answer, received) in VECTORS {
        let sent = hex(sent);
        let step = Decoder::default().decode(&sent).unwrap();
        let Step::Request { request, used } = step else {
            panic!("{sent:02x?} is not whole: {step:?}");
        };
        assert_eq!(request, *meaning);
        assert_eq!(used, sent.len());
        let mut out = Vec::new();
        answer(&mut Encoder::new(&mut out, request.command()));
        assert_eq!(out, hex(received), "reply to {sent:02x?}");
    }
}

#[test]
fn the_vectors_in_one_stream_are_answered_in_their_order() {
    let stream: Vec<u8> = VECTORS.iter().flat_map(|vector| hex(vector.0)).collect();
    let expected: Vec<u8> = VECTORS.iter().flat_map(|vector| hex(vector.3)).collect();
    let mut decoder = Decoder::default();
    let mut rest = &stream[..];
    let mut out = Vec::new();
    for (_, meaning, answer, _) in VECTORS {
        let Ok(Step::Request { request, used }) = decoder.decode(rest) else {
            panic!("{meaning:?} is not found");
        };
        assert_eq!(request, *meaning);
        answer(&mut Encoder::new(&mut out, request.command()));
        rest = &rest[used..];
    }
    assert!(rest.is_empty());
    assert_eq!(out, expected);
}

#[test]
fn an_unknown_command_is_refused() {
    let reject = Decoder::default().decode(&hex("C8FF")).unwrap_err();
    assert_eq!(reject.command, None);
    assert_eq!(reject.to_string(), "no command has the byte 0xff");
}
