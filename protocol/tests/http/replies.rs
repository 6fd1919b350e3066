//! Replies, to the letter.

use lcnode_protocol::Reply;
use lcnode_protocol::http::{Encoder, Form, Method, Range, Reason};

/// What is written in a form, behind what the buffer has.
fn written(method: Method, range: Option<Range>, say: impl FnOnce(&mut Encoder<'_>)) -> String {
    let mut out = b"before".to_vec();
    let mut reply = Encoder::new(&mut out, Form { method, close: false, range });
    assert!(reply.is_empty());
    say(&mut reply);
    let len = reply.len();
    assert_eq!(out.len(), "before".len() + len);
    String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
}

fn text(status: &str) -> String {
    let reason = &status[4..];
    let length = reason.len() + 1;
    format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{reason}\n")
}

fn data(value: &str) -> String {
    let length = value.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\n\r\n{value}"
    )
}

#[test]
fn each_outcome_of_each_method() {
    use Method::{Delete, Ext, Get, Head, Misc, Options, Put, PutKeep};
    let failed = text("500 Internal Server Error");
    for (method, success, failure, missing) in [
        (Get, text("200 OK"), failed.clone(), text("404 Not Found")),
        (Put, text("201 Created"), failed.clone(), failed.clone()),
        (PutKeep, text("201 Created"), text("409 Conflict"), text("409 Conflict")),
        (Delete, text("200 OK"), text("404 Not Found"), text("404 Not Found")),
        (Ext, text("200 OK"), failed.clone(), failed.clone()),
        (Options, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(), failed.clone(), failed.clone()),
    ] {
        assert_eq!(written(method, None, |reply| reply.success()), success, "{method:?}");
        assert_eq!(written(method, None, |reply| reply.failure()), failure, "{method:?}");
        assert_eq!(written(method, None, |reply| reply.exists()), failure, "{method:?}");
        assert_eq!(written(method, None, |reply| reply.missing()), missing, "{method:?}");
        assert_eq!(written(method, None, |reply| reply.forbidden()), text("403 Forbidden"), "{method:?}");
    }
    assert_eq!(written(Head, None, |reply| reply.missing()), "HTTP/1.1 404 Not Found\r\n\r\n");
    assert_eq!(written(Head, None, |reply| reply.failure()), "HTTP/1.1 500 Internal Server Error\r\n\r\n");
    assert_eq!(written(Head, None, |reply| reply.forbidden()), "HTTP/1.1 403 Forbidden\r\n\r\n");
    assert_eq!(written(Misc, None, |reply| reply.failure()), failed);
    assert_eq!(text("201 Created").len(), 77);
}

#[test]
fn values() {
    for value in ["", "v", &"x".repeat(100_000)] {
        assert_eq!(written(Method::Get, None, |reply| reply.value(value.as_bytes())), data(value));
        assert_eq!(written(Method::Ext, None, |reply| reply.value(value.as_bytes())), data(value));
    }
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: 2147483647\r\n\r\n";
    assert_eq!(written(Method::Head, None, |reply| reply.int(i32::MAX)), head);
}

#[test]
fn parts_of_values() {
    let of =
        |range: Range, value: &str| written(Method::Get, Some(range), |reply| reply.value(value.as_bytes()));
    assert_eq!(
        of(Range::Between(1, 2), "abcdef"),
        "HTTP/1.1 206 Partial Content\r\nContent-Type: application/octet-stream\r\n\
         Content-Range: bytes 1-2/6\r\nContent-Length: 2\r\n\r\nbc"
    );
    assert!(
        of(Range::Between(1, u64::MAX), "abcdef").ends_with("bytes 1-5/6\r\nContent-Length: 5\r\n\r\nbcdef")
    );
    assert!(of(Range::Last(2), "abcdef").ends_with("bytes 4-5/6\r\nContent-Length: 2\r\n\r\nef"));
    for (range, value, length) in
        [(Range::Between(6, 9), "abcdef", 6), (Range::Last(0), "abcdef", 6), (Range::Between(0, 0), "", 0)]
    {
        assert_eq!(
            of(range, value),
            format!(
                "HTTP/1.1 416 Range Not Satisfiable\r\nContent-Type: text/plain\r\nContent-Length: 22\r\n\
                 Content-Range: bytes */{length}\r\n\r\nRange Not Satisfiable\n"
            )
        );
    }
    assert_eq!(of(Range::Last(3), ""), data(""));
    // What is no value has no parts.
    assert_eq!(written(Method::Get, Some(Range::Last(1)), |reply| reply.missing()), text("404 Not Found"));
}

#[test]
fn lists() {
    let form = |body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    };
    let list = |items: &[&[u8]]| {
        written(Method::Misc, None, |reply| {
            reply.begin_list();
            items.iter().for_each(|item| reply.item(item));
            reply.end_list();
        })
    };
    assert_eq!(list(&[]), form(""));
    assert_eq!(written(Method::Misc, None, |reply| reply.success()), form(""));
    assert_eq!(list(&[b""]), form("res1="));
    assert_eq!(list(&[b"k", b"a b"]), form("res1=k&res2=a%20b"));
    assert_eq!(list(&[b"\0\xff%&=+/~!'()*-._"]), form("res1=%00%FF%25%26%3D%2B%2F~!'()*-._"));
    assert_eq!(written(Method::Misc, None, |reply| reply.value(b"v")), form("res1=v"));
    let long = list(&[&b"x"[..]; 12_345]);
    assert!(long.contains("&res12345=x") && long == form(long.rsplit("\r\n").next().unwrap()));
    let abandoned = written(Method::Misc, None, |reply| {
        reply.begin_list();
        reply.item(b"x");
        assert!(reply.len() > 1);
        reply.abandon_list();
    });
    assert_eq!(abandoned, text("500 Internal Server Error"));
}

#[test]
fn headers_stay_on_their_line() {
    let headers = written(Method::Options, None, |reply| {
        reply.begin_list();
        reply.record(b"Allow", b"GET");
        reply.record(b"X-TT-PATH", b"a\r\nb\0c");
        reply.end_list();
    });
    assert_eq!(headers, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nAllow: GET\r\nX-TT-PATH: a  b c\r\n\r\n");
}

/// A client must know where the reply ends, and that it is the last.
#[test]
fn refusals() {
    for reason in Reason::ALL {
        let reply = str::from_utf8(reason.reply()).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        let status = head.lines().next().unwrap().strip_prefix("HTTP/1.1 ").unwrap();
        assert_eq!(body, format!("{}\n", &status[4..]));
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{reply}");
        assert!(head.ends_with("\r\nConnection: close"), "{reply}");
        assert_eq!(head.contains("\r\nAllow: "), status.starts_with("405"), "{reply}");
        assert!(!reason.to_string().is_empty());
    }
}
