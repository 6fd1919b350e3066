//! Bodies: where they end, what they hold, what is refused.

use lcnode_protocol::http::Reason;
use lcnode_protocol::{Limits, Request};

use crate::feed::{Caller, End, feed, refused, whole, with};

fn value_of(stream: impl AsRef<[u8]>) -> Vec<u8> {
    with(stream, |request, _| match request {
        Request::Put { value, .. } => value.to_vec(),
        other => panic!("{other:?}"),
    })
}

fn chunked(body: &str) -> String {
    format!("PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

#[test]
fn lengths() {
    for (length, body) in [("0", ""), ("5", "hello"), ("05", "hello"), (" 5 ", "hello")] {
        assert_eq!(
            value_of(format!("PUT /k HTTP/1.1\r\nContent-Length:{length}\r\n\r\n{body}")),
            body.as_bytes()
        );
    }
    assert_eq!(value_of("PUT /k HTTP/1.1\r\n\r\n"), b"");
    // Said twice is no doubt.
    let twice = "PUT /k HTTP/1.1\r\nContent-Length: 2\r\ncontent-length: 02\r\n\r\nab";
    assert_eq!(value_of(twice), b"ab");
    // A body may look like anything.
    let odd = "PUT /k HTTP/1.1\r\nContent-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    assert_eq!(value_of(odd), b"GET / HTTP/1.1\r\n\r\n");
}

#[test]
fn lengths_that_are_none() {
    for length in
        ["-1", "+1", "1 2", "1,1", "1, 1", "0x1", "1a", "", "\u{661}", "18446744073709551616", "1.0"]
    {
        for method in ["PUT", "GET", "POST"] {
            let head = format!("{method} /k HTTP/1.1\r\nContent-Length: {length}\r\n\r\n");
            assert_eq!(refused(head), (Reason::BadLength, 400), "{length}");
        }
    }
    let two = "PUT /k HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(refused(two), (Reason::BadLength, 400));
    for length in ["268435457", "18446744073709551615"] {
        let head = format!("PUT /k HTTP/1.1\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n");
        assert_eq!(refused(head), (Reason::BodyTooLarge, 413), "{length}");
    }
}

/// The original takes it for the next request, and loses step.
#[test]
fn a_body_where_none_belongs_is_thrown_away() {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS"] {
        for body in [
            "Content-Length: 18\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n12\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n",
        ] {
            let outcome =
                whole(format!("{method} /k HTTP/1.1\r\n{body}DELETE /next HTTP/1.1\r\n\r\n").as_bytes());
            assert_eq!(outcome.steps.len(), 2, "{outcome:?}");
            assert!(outcome.steps[1].0.starts_with("Out"), "{outcome:?}");
        }
    }
}

#[test]
fn chunks() {
    for (body, value) in [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("00005\r\nhello\r\n000\r\n\r\n", "hello"),
        ("1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "hello"),
        ("2\r\nhe\r\n1\r\nl\r\n2\r\nlo\r\n0\r\n\r\n", "hello"),
        ("A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n", "01234567890123456789a"),
        ("5;a=b; c=\"d\"\r\nhello\r\n0;last\r\n\r\n", "hello"),
        ("5 ;a\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5\r\nhello\r\n0\r\nTrailer: x\r\nAnother: y\r\n\r\n", "hello"),
        ("5\r\nhello\r\n0\r\nContent-Length: 7\r\n\n", "hello"),
        ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n"),
    ] {
        assert_eq!(value_of(chunked(body)), value.as_bytes(), "{body:?}");
        let two = whole(&[chunked(body), chunked(body)].concat().into_bytes());
        assert_eq!(two.steps.len(), 2, "{body:?}");
    }
}

#[test]
fn chunks_that_are_none() {
    for body in [
        "\r\n",
        "x\r\n",
        "-5\r\nhello\r\n",
        "+5\r\nhello\r\n",
        "0x5\r\nhello\r\n",
        " 5\r\nhello\r\n",
        "5\nhello\r\n",
        "5\r\nhelloX0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhell\r\n0\r\n\r\n",
        "5 5\r\nhello\r\n",
        "5\rhello\r\n\r\n",
        "5;\r\r\nhello\r\n",
        "5;a\0\r\nhello\r\n",
        "00000000000000005\r\nhello\r\n",
        "g\r\n",
        ";a\r\n",
    ] {
        assert_eq!(refused(chunked(body)), (Reason::BadChunk, 400), "{body:?}");
    }
    for size in ["10000001", "ffffffff", "7fffffffffffffff", "ffffffffffffffff"] {
        assert_eq!(refused(chunked(&format!("{size}\r\n"))), (Reason::BodyTooLarge, 413), "{size}");
        assert_eq!(refused(chunked(&format!("1\r\nx\r\n{size}\r\n"))), (Reason::BodyTooLarge, 413), "{size}");
    }
}

#[test]
fn two_ways_to_say_where_it_ends_are_refused() {
    let length = "Content-Length: 5\r\n";
    let chunks = "Transfer-Encoding: chunked\r\n";
    for headers in [[length, chunks], [chunks, length]] {
        let request = format!("PUT /k HTTP/1.1\r\n{}\r\n0\r\n\r\n", headers.concat());
        assert_eq!(refused(request), (Reason::TwoLengths, 400));
    }
    assert_eq!(refused(format!("PUT /k HTTP/1.0\r\n{chunks}\r\n0\r\n\r\n")), (Reason::TwoLengths, 400));
    for encoding in
        ["gzip", "gzip, chunked", "chunked, identity", "identity", "chunked,", "xchunked", "", "\"chunked\""]
    {
        let head = format!("PUT /k HTTP/1.1\r\nTransfer-Encoding: {encoding}\r\n\r\n");
        assert_eq!(refused(head), (Reason::TransferEncoding, 501), "{encoding}");
    }
    assert_eq!(refused(format!("PUT /k HTTP/1.1\r\n{chunks}{chunks}\r\n")), (Reason::TransferEncoding, 501));
}

#[test]
fn a_client_that_waits_is_told_to_go_on() {
    let expect = |version: &str, expectation: &str| {
        format!("PUT /k HTTP/{version}\r\nContent-Length: 2\r\nExpect: {expectation}\r\n\r\nab").into_bytes()
    };
    let told = |request: &[u8], first: usize| {
        feed(request, &[first, request.len()], Limits::default(), Caller::Eager).continued.len()
    };
    let modern = expect("1.1", "100-Continue");
    assert_eq!(told(&modern, modern.len() - 2), 1);
    assert_eq!(told(&modern, modern.len() - 1), 1);
    assert_eq!(told(&modern, modern.len()), 0, "the body is there already");
    assert_eq!(told(&modern, modern.len() - 3), 0, "the head was not, and then all was");
    let old = expect("1.0", "100-continue");
    assert_eq!(told(&old, old.len() - 2), 0, "HTTP/1.0 knows no such reply");
    assert_eq!(refused(expect("1.1", "200-ok")), (Reason::Expectation, 417));
    assert_eq!(whole(&expect("1.0", "200-ok")).steps.len(), 1);
    let empty = b"PUT /k HTTP/1.1\r\nExpect: 100-continue\r\n\r\n";
    assert!(whole(empty).continued.is_empty(), "there is no body");
}

#[test]
fn a_body_is_asked_for_as_a_whole() {
    let request = b"PUT /k HTTP/1.1\r\nContent-Length: 1000\r\n\r\n0123";
    assert_eq!(whole(request).end, End::Short(request.len() - 4 + 1000));
    let request = chunked("3e8\r\n0123");
    assert_eq!(whole(request.as_bytes()).end, End::Short(request.len() - 4 + 1000 + 2));
}
