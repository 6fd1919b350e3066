//! The arguments of `misc` in the body of a request.

use lcnode_protocol::Request;
use lcnode_protocol::http::Reason;

use crate::feed::{refused, with};

fn request(content_type: &str, body: &str) -> String {
    let length = body.len();
    format!("POST / HTTP/1.1\r\nX-TT-MNAME: m\r\n{content_type}Content-Length: {length}\r\n\r\n{body}")
}

fn arguments(content_type: &str, body: &str) -> Vec<String> {
    with(request(content_type, body), |request, _| match request {
        Request::Misc { name: b"m", options: 0, args } => {
            args.iter().map(|arg| String::from_utf8(arg.to_vec()).unwrap()).collect()
        }
        other => panic!("{other:?}"),
    })
}

#[test]
fn pairs() {
    for (body, expected) in [
        ("", &[][..]),
        ("a=1", &["1"]),
        ("a=1&b=2;c=3", &["1", "2", "3"]),
        ("&&a=1;;&b=2&", &["1", "2"]),
        ("a", &[""]),
        ("a=&b", &["", ""]),
        ("a=b=c", &["b=c"]),
        ("a=%41+%2B\r\n ", &["A +\r\n "]),
        ("=1&b=2", &["1", "2"]),
        // Of one name.
        ("a=1&a=2", &["1\u{0}2"]),
        ("a=1&b=2&a=3&b=4&a=", &["1\u{0}3\u{0}", "2\u{0}4"]),
        ("%61=1&a=2&A=3", &["1\u{0}2", "3"]),
        ("=1&=2", &["1\u{0}2"]),
    ] {
        for content_type in
            ["", "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: text/plain\r\n"]
        {
            assert_eq!(arguments(content_type, body), expected, "{body:?}");
        }
    }
    for body in ["a=%", "a=%4", "a=%zz", "%zz=1"] {
        assert_eq!(refused(request("", body)), (Reason::BadEscape, 400), "{body}");
    }
}

const PARTS: &str = "Content-Type: multipart/form-data; boundary=xx\r\n";

#[test]
fn parts() {
    let body = "preamble\r\n--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n\
        --xx \r\ncontent-disposition: form-data; filename=\"a\"; name=b\r\nX: y\r\n\r\ntw%41\r\no\r\n\
        --xx\r\n\r\nthree\r\n--xx\r\n\r\n\r\n--xx--\r\nepilogue";
    assert_eq!(arguments(PARTS, body), ["one", "tw%41\r\no", "three", ""]);
    for content_type in [
        "Content-Type: Multipart/Mixed; a=b; Boundary=\"xx\"; c=d\r\n",
        "Content-Type: multipart/form-data;boundary=xx\r\n",
    ] {
        assert_eq!(arguments(content_type, "--xx\r\n\r\none\r\n--xx--"), ["one"]);
    }
    assert_eq!(arguments(PARTS, "--xx--"), [""; 0]);
    let same = "--xx\r\nContent-Disposition: x; name=a\r\n\r\n1\r\n--xx\r\n\r\n2\r\n\
        --xx\r\nContent-Disposition: x; name=a\r\n\r\n3\r\n--xx--";
    assert_eq!(arguments(PARTS, same), ["1\u{0}3", "2"]);
}

#[test]
fn parts_that_are_none() {
    for body in [
        "",
        "xx",
        "--x\r\n\r\na\r\n--x--",
        "--xx",
        "--xx\r\n",
        "--xx\r\n\r\na",
        "--xx\r\n\r\na\r\n--xx",
        "--xx\r\nA: b\r\n--xx--",
        "--xxy\r\n\r\na\r\n--xx--",
        "--xx\r\n\r\na\r\n--xx-",
        "--xx\n\na\n--xx--",
    ] {
        assert_eq!(refused(request(PARTS, body)), (Reason::BadParts, 400), "{body:?}");
    }
    for content_type in
        ["Content-Type: multipart/form-data\r\n", "Content-Type: multipart/form-data; boundary=\r\n"]
    {
        assert_eq!(refused(request(content_type, "--\r\n\r\na\r\n----")), (Reason::BadParts, 400));
    }
}
