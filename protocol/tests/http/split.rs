//! However a stream is cut, the same comes out of it.

use lcnode_protocol::Limits;
use lcnode_protocol::dialect::{Decoder, Step};
use lcnode_protocol::{Arena, Request};

use crate::feed::{Caller, assert_same, feed, whole};

/// Requests of all kinds, mixed with binary ones; one waits to be told to go on.
fn streams() -> Vec<Vec<u8>> {
    let get = b"GET /a%20b HTTP/1.1\r\nHost: x\r\nRange: bytes=0-1\r\n\r\n".to_vec();
    let put = b"PUT /k HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello".to_vec();
    let chunks = b"PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n\
        2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nTrailer: x\r\n\r\n"
        .to_vec();
    let call = b"POST / HTTP/1.1\nX-TT-MNAME: getlist\nContent-Length: 9\n\na=k%31&b=".to_vec();
    let neither = b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab".to_vec();
    let binary = b"\xC8\x30\0\0\0\x01k".to_vec();
    let bad = b"GET /k HTTP/1.1\r\nbad\r\n\r\n".to_vec();
    let badder = b"PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc".to_vec();
    vec![
        [&get[..], &put, &binary, &chunks, &call].concat(),
        [&binary[..], &chunks, &put, &neither, &get, &bad].concat(),
        [&call[..], &get, &badder].concat(),
        [&put[..], b"GET /x HTTP/2\r\n"].concat(),
        [&chunks[..], b"GET /x\r\n"].concat(),
        get[..get.len() - 1].to_vec(),
        chunks[..chunks.len() - 1].to_vec(),
    ]
}

#[test]
fn at_any_byte() {
    for stream in streams() {
        let all = whole(&stream);
        for cut in 0..=stream.len() {
            for caller in [Caller::Patient, Caller::Eager] {
                let shown = format!("cut at {cut}: {}", String::from_utf8_lossy(&stream));
                assert_same(&all, &feed(&stream, &[cut, stream.len()], Limits::default(), caller), &shown);
            }
        }
        let every: Vec<usize> = (0..=stream.len()).collect();
        for caller in [Caller::Patient, Caller::Eager] {
            let outcome = feed(&stream, &every, Limits::default(), caller);
            assert_same(&all, &outcome, "at every byte");
            // Each of those that wait is told once.
            let text = String::from_utf8_lossy(&stream);
            let waits = text.matches("Expect").count();
            let mut told = outcome.continued.clone();
            told.dedup();
            assert_eq!((outcome.continued.len(), told.len()), (waits, waits), "{text}");
        }
    }
}

/// Destroys all of a body in chunks that the decoder has seen: if it looked at it again before the whole is there, it
/// would refuse it.
#[test]
fn a_dribbled_body_is_walked_once() {
    const CHUNK: &[u8] = b"5\r\nhello\r\n";
    let head = b"PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut stream = [head, &CHUNK.repeat(20_000)[..], b"0\r\n\r\n"].concat();
    let intact = stream.clone();
    let mut decoder = Decoder::new(Limits::default());
    let arena = Arena::new();
    let mut end = 0;
    while end + 7 < stream.len() {
        end += 7;
        match decoder.decode(&stream[..end], &arena) {
            Ok(Step::Incomplete { at_least, .. }) => assert!(at_least > end && at_least <= stream.len()),
            other => panic!("{other:?} at {end}"),
        }
        let seen = (end.saturating_sub(head.len()) / CHUNK.len()) * CHUNK.len();
        stream[head.len()..head.len() + seen].fill(b'!');
    }
    match decoder.decode(&intact, &arena) {
        Ok(Step::Request { request: Request::Put { value, .. }, used, .. }) => {
            assert_eq!((value.len(), used), (100_000, intact.len()));
            assert!(value.chunks(5).all(|chunk| chunk == b"hello"));
        }
        other => panic!("{other:?}"),
    }
}

/// The same of a head: its lines are looked for once.
#[test]
fn a_dribbled_head_takes_no_time() {
    let head = format!("GET /k HTTP/1.1\r\n{}\r\n", "A:\r\n".repeat(16_000)).into_bytes();
    let start = std::time::Instant::now();
    let every: Vec<usize> = (0..=head.len()).collect();
    feed(&head, &every, Limits::default(), Caller::Eager);
    // Each line once for every byte that comes would be 500 million lines.
    assert!(start.elapsed().as_secs() < 4, "{:?}", start.elapsed());
}
