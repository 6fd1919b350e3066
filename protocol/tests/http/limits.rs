//! Limits: of heads, keys, bodies, arguments.

use lcnode_protocol::Limits;
use lcnode_protocol::http::{MAX_ARGUMENTS, MAX_HEAD, MAX_HEADERS, Reason};

use crate::feed::{Caller, End, feed, refused, refused_under, whole, with};

const TIGHT: Limits = Limits { max_key: 4, max_value: 8 };

#[test]
fn a_line_without_an_end() {
    let endless = format!("GET /{}", "k".repeat(MAX_HEAD));
    assert_eq!(refused(&endless), (Reason::LineTooLong, 414));
    assert!(matches!(whole(&endless.as_bytes()[..MAX_HEAD - 1]).end, End::Short(MAX_HEAD)));
    assert_eq!(refused(&endless[..MAX_HEAD]), (Reason::LineTooLong, 414));
}

#[test]
fn a_head_without_an_end() {
    let lines = format!("GET /k HTTP/1.1\r\n{}", "A: b\r\n".repeat(MAX_HEAD));
    assert_eq!(refused(&lines), (Reason::HeadTooLong, 431));
    let one = format!("GET /k HTTP/1.1\r\nA: {}", "b".repeat(MAX_HEAD));
    assert_eq!(refused(&one), (Reason::HeadTooLong, 431));
    assert!(matches!(whole(&one.as_bytes()[..MAX_HEAD - 1]).end, End::Short(MAX_HEAD)));
}

/// To the byte, however it comes.
#[test]
fn the_largest_head() {
    let head = |len: usize| {
        let rest = "GET /k HTTP/1.1\r\nA: \r\n\r\n".len();
        format!("GET /k HTTP/1.1\r\nA: {}\r\n\r\n", "b".repeat(len - rest)).into_bytes()
    };
    for cut in [MAX_HEAD, MAX_HEAD - 1, MAX_HEAD - 3, 20] {
        let largest = head(MAX_HEAD);
        let outcome = feed(&largest, &[cut, largest.len()], Limits::default(), Caller::Eager);
        assert_eq!(outcome.steps.len(), 1, "{cut}");
        let larger = head(MAX_HEAD + 1);
        let outcome = feed(&larger, &[cut, larger.len()], Limits::default(), Caller::Eager);
        assert!(matches!(outcome.end, End::Rejected(_)), "{cut}");
    }
}

#[test]
fn headers_are_counted() {
    let head = |count: usize| format!("GET /k HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
    for count in [0, 15, 16, 17, MAX_HEADERS] {
        with(head(count), |_, _| ());
    }
    for count in [MAX_HEADERS + 1, 1000] {
        assert_eq!(refused(head(count)), (Reason::TooManyHeaders, 431));
    }
    // What counts may come last.
    let last = format!("GET /k HTTP/1.1\r\n{}Connection: close\r\n\r\n", "A: b\r\n".repeat(MAX_HEADERS - 1));
    with(last, |_, form| assert!(form.close));
}

#[test]
fn keys_and_values_over_the_limit() {
    for (target, fits) in [("/abcd", true), ("/abcde", false), ("/%61%62%63%64", true), ("/%61bcde", false)] {
        let head = format!("GET {target} HTTP/1.1\r\n\r\n");
        match fits {
            true => {
                let outcome = feed(head.as_bytes(), &[head.len()], TIGHT, Caller::Eager);
                assert_eq!(outcome.steps.len(), 1, "{target}");
            }
            false => assert_eq!(refused_under(head, TIGHT), (Reason::KeyTooLong, 414), "{target}"),
        }
    }
    for head in [
        "PUT /k HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
        "GET /k HTTP/1.1\r\nContent-Length: 9\r\n\r\n",
        "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n",
        "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n1\r\n",
    ] {
        assert_eq!(refused_under(head, TIGHT), (Reason::BodyTooLarge, 413), "{head}");
    }
    for request in [
        "PUT /k HTTP/1.1\r\nContent-Length: 8\r\n\r\n12345678",
        "PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n0\r\n\r\n",
    ] {
        assert_eq!(feed(request.as_bytes(), &[request.len()], TIGHT, Caller::Eager).steps.len(), 1);
    }
}

/// What chunks carry beside the body is bounded too.
#[test]
fn extensions_and_trailers_without_an_end() {
    let chunked = |body: &str| format!("PUT /k HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let many = format!("1;{}\r\nx\r\n", "e".repeat(1000)).repeat(100);
    assert_eq!(refused(chunked(&many)), (Reason::HeadTooLong, 431));
    assert_eq!(refused(chunked(&format!("1;{}", "e".repeat(5000)))), (Reason::BadChunk, 400));
    assert_eq!(
        refused(chunked(&format!("0\r\n{}", "A: b\r\n".repeat(MAX_HEAD)))),
        (Reason::HeadTooLong, 431)
    );
    assert_eq!(refused(chunked(&format!("0\r\nA: {}", "b".repeat(MAX_HEAD)))), (Reason::HeadTooLong, 431));
}

#[test]
fn arguments_are_counted() {
    let call = |count: usize| {
        let body = "a&".repeat(count);
        format!("POST / HTTP/1.1\r\nX-TT-MNAME: m\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    };
    with(call(MAX_ARGUMENTS), |_, _| ());
    assert_eq!(refused(call(MAX_ARGUMENTS + 1)), (Reason::TooManyArguments, 413));
}
