//! Heads: methods, keys, versions, connections.

use lcnode_protocol::dialect::Reason::NoDialect;
use lcnode_protocol::http::{self, Method, Range, Reason};
use lcnode_protocol::{Command, Request};

use crate::feed::{End, key_of, refused, whole, with};

#[test]
fn each_method_is_its_command() {
    for (head, method, command, counted) in [
        ("GET /k HTTP/1.1\r\n\r\n", Method::Get, Command::Get, Command::Get),
        ("HEAD /k HTTP/1.1\r\n\r\n", Method::Head, Command::Vsiz, Command::Vsiz),
        ("PUT /k HTTP/1.1\r\n\r\n", Method::Put, Command::Put, Command::Put),
        ("PUT /k HTTP/1.1\r\nX-TT-PDMODE: 0\r\n\r\n", Method::Put, Command::Put, Command::Put),
        ("PUT /k HTTP/1.1\r\nx-tt-pdmode:1\r\n\r\n", Method::PutKeep, Command::PutKeep, Command::Put),
        ("PUT /k HTTP/1.1\r\nX-Tt-Pdmode: 2 \r\n\r\n", Method::Put, Command::PutCat, Command::Put),
        ("PUT /k HTTP/1.1\r\nX-TT-PDMODE: 3\r\n\r\n", Method::Put, Command::Put, Command::Put),
        ("PUT /k HTTP/1.1\r\nX-TT-PDMODE: +1x\r\n\r\n", Method::PutKeep, Command::PutKeep, Command::Put),
        ("PUT /k HTTP/1.1\r\nX-TT-PDMODE: -1\r\n\r\n", Method::Put, Command::Put, Command::Put),
        ("PUT /k HTTP/1.1\r\nX-TT-PDMODE: 4294967297\r\n\r\n", Method::Put, Command::Put, Command::Put),
        ("DELETE /k HTTP/1.1\r\n\r\n", Method::Delete, Command::Out, Command::Out),
        ("OPTIONS /%zz HTTP/1.1\r\n\r\n", Method::Options, Command::Stat, Command::Stat),
        ("POST /k HTTP/1.1\r\nX-TT-XNAME: f\r\n\r\n", Method::Ext, Command::Ext, Command::Ext),
        ("POST /%zz HTTP/1.1\r\nX-TT-MNAME: f\r\n\r\n", Method::Misc, Command::Misc, Command::Ext),
    ] {
        with(head, |request, form| {
            assert_eq!((request.command(), form.method, form.close), (command, method, false), "{head}");
            assert_eq!(form.counted(request.command()), counted, "{head}");
        });
    }
}

#[test]
fn functions() {
    let head =
        "POST /k HTTP/1.1\r\nX-TT-XNAME: f\r\nX-TT-XOPTS: 3\r\nX-TT-MNAME: m\r\nContent-Length: 2\r\n\r\nvv";
    with(head, |request, _| {
        assert_eq!(request, Request::Ext { name: b"f", options: 3, key: b"k", value: b"vv" });
    });
    let head = "POST /k HTTP/1.1\r\nX-TT-XNAME:\r\nX-TT-MNAME: m\r\nX-TT-MOPTS: 1\r\n\r\n";
    with(head, |request, _| {
        assert!(matches!(request, Request::Misc { name: b"m", options: 1, args } if args.is_empty()));
    });
    let long = format!("POST / HTTP/1.1\r\nX-TT-XNAME: {}\r\n\r\n", "n".repeat(3000));
    with(long, |request, _| assert!(matches!(request, Request::Ext { name, .. } if name.len() == 2048)));
}

/// The connection is kept, as the original does, unless the client closes it.
#[test]
fn a_post_without_a_function_is_answered() {
    let request = b"POST /k HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /k HTTP/1.1\r\n\r\n";
    let outcome = whole(request);
    assert_eq!(outcome.steps.len(), 2);
    assert!(outcome.steps[0].0.starts_with("Some((Http, Ext))"), "{:?}", outcome.steps[0]);
    for head in ["POST /k HTTP/1.0\r\n\r\n", "POST /k HTTP/1.1\r\nConnection: close\r\n\r\n"] {
        assert_eq!(refused(head), (Reason::NoFunction, 400));
        let End::Rejected(reject) = whole(head.as_bytes()).end else { panic!("{head}") };
        assert_eq!(reject.command, Some(Command::Ext));
    }
}

#[test]
fn keys() {
    for (target, key) in [
        ("/", &b""[..]),
        ("/a", b"a"),
        ("//a", b"/a"),
        ("/a%20b%2Fc%3f", b"a b/c?"),
        ("/a+b%2B", b"a b+"),
        ("/%00%ff%FF", b"\0\xff\xff"),
        ("/a?b=c&d#e", b"a?b=c&d#e"),
        ("a", b"a"),
        ("*", b"*"),
        ("http://host:1978/a%20b", b"a b"),
        ("HTTP://host/", b""),
        ("http://host//a", b"/a"),
        ("http://host", b"http://host"),
        ("http:/host/a", b"http:/host/a"),
        ("https://host/a", b"https://host/a"),
        ("/http://host/a", b"http://host/a"),
        ("/\u{fc}", "\u{fc}".as_bytes()),
    ] {
        let (found, ..) = key_of(format!("GET {target} HTTP/1.1\r\n\r\n"));
        assert_eq!(found, key, "{target}");
    }
    // Bytes that are no UTF-8 are as good.
    assert_eq!(key_of(b"GET /\xff\x80 HTTP/1.1\r\n\r\n").0, b"\xff\x80");
}

/// The original cuts the key there, and so would remove another record.
#[test]
fn a_bad_escape_is_refused() {
    for target in ["/a%", "/a%4", "/a%4g", "/%%20", "/a%4gh", "/%+20", "/%-1", "/a%\u{e9}"] {
        assert_eq!(
            refused(format!("DELETE {target} HTTP/1.1\r\n\r\n")),
            (Reason::BadEscape, 400),
            "{target}"
        );
    }
}

#[test]
fn what_keeps_a_connection() {
    for (head, close) in [
        ("HTTP/1.1\r\n", false),
        ("HTTP/1.9\r\n", false),
        ("HTTP/1.10\r\n", false),
        ("HTTP/1.0\r\n", true),
        ("HTTP/1.00\r\n", true),
        ("HTTP/1.0\r\nConnection: keep-alive\r\n", false),
        ("HTTP/1.0\r\nConnection: Keep-Alive, TE\r\n", false),
        ("HTTP/1.0\r\nConnection: TE\r\n", true),
        ("HTTP/1.1\r\nConnection: close\r\n", true),
        ("HTTP/1.1\r\nconnection:CLOSE\r\n", true),
        ("HTTP/1.1\r\nConnection: TE , close\r\n", true),
        ("HTTP/1.1\r\nConnection: closed\r\n", false),
        ("HTTP/1.1\r\nConnection: keep-alive\r\n", false),
        ("HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close\r\n", true),
        ("HTTP/1.0\r\nConnection: keep-alive, close\r\n", true),
    ] {
        let (_, _, closes) = key_of(format!("GET /k {head}\r\n"));
        assert_eq!(closes, close, "{head}");
    }
}

#[test]
fn line_feeds_alone_and_runs_of_blanks_are_taken() {
    for head in [
        "GET /k HTTP/1.1\n\n",
        "GET /k HTTP/1.1\nHost: x\r\n\n",
        "GET /k HTTP/1.1\r\nHost: x\n\r\n",
        "GET  /k \t HTTP/1.1 \r\n\r\n",
        "GET\t/k\tHTTP/1.1\r\nHost:\tx \r\nEmpty:\r\n\r\n",
    ] {
        assert_eq!(key_of(head), (b"k".to_vec(), Method::Get, false), "{head:?}");
    }
}

#[test]
fn what_is_malformed_gets_its_status() {
    for (head, refusal) in [
        ("GET /k HTTP/2.0\r\n", (Reason::Version, 505)),
        ("PRI * HTTP/2.0\r\n", (Reason::Version, 505)),
        ("GET /k HTTP/0.9\r\n", (Reason::Version, 505)),
        ("GET /k HTTP/11\r\n", (Reason::Version, 505)),
        ("GET /k HTTP/\r\n", (Reason::Version, 505)),
        ("GET /k HTTP/1.\r\n", (Reason::BadLine, 400)),
        ("GET /k HTTP/1.x\r\n", (Reason::BadLine, 400)),
        ("GET /k HTTP/1.99999999999999999999\r\n", (Reason::BadLine, 400)),
        ("GET /k HTTP/1.1 more\r\n", (Reason::BadLine, 400)),
        ("GET /k\rk HTTP/1.1\r\n", (Reason::BadLine, 400)),
        ("GET /\0 HTTP/1.1\r\n", (Reason::BadLine, 400)),
        ("PATCH /k HTTP/1.1\r\n", (Reason::MethodNotAllowed, 405)),
        ("TRACE /k HTTP/1.1\r\n", (Reason::MethodNotAllowed, 405)),
        ("CONNECT k:1 HTTP/1.1\r\n", (Reason::MethodNotAllowed, 405)),
        ("BREW /k HTTP/1.1\r\n", (Reason::UnknownMethod, 501)),
        ("GET /k HTTP/1.1\r\nno colon\r\n\r\n", (Reason::BadHeader, 400)),
        ("GET /k HTTP/1.1\r\n: none\r\n\r\n", (Reason::BadHeader, 400)),
        ("GET /k HTTP/1.1\r\nHost : x\r\n\r\n", (Reason::BadHeader, 400)),
        ("GET /k HTTP/1.1\r\n Host: x\r\n\r\n", (Reason::BadHeader, 400)),
        ("GET /k HTTP/1.1\r\nA: b\r\n folded\r\n\r\n", (Reason::BadHeader, 400)),
        ("GET /k HTTP/1.1\r\nA: b\0\r\n\r\n", (Reason::BadHeader, 400)),
        ("GET /k HTTP/1.1\r\nA: b\rB: c\r\n\r\n", (Reason::BadHeader, 400)),
    ] {
        assert_eq!(refused(head), refusal, "{head:?}");
    }
}

#[test]
fn what_is_of_no_dialect_is_closed_in_silence() {
    for line in [
        "GET\r\n",
        "GET \r\n",
        "GET /k\r\n",
        "GET /k http/1.1\r\n",
        "GET /k XHTTP/1.1\r\n",
        "GET /a b HTTP/1.1\r\n",
        "VERSION\n",
        "ABCDEFGHIJKLMNOPQ /k HTTP/1.1\r\n",
        "GeT /k HTTP/1.1\r\n",
        "G-T /k HTTP/1.1\r\n",
        "G\0 x y\n",
    ] {
        match whole(line.as_bytes()).end {
            End::Rejected(reject) => {
                assert_eq!(
                    (reject.reason, reject.reply),
                    (NoDialect(line.as_bytes()[0]), &b""[..]),
                    "{line:?}"
                );
            }
            End::Short(_) => panic!("{line:?}"),
        }
    }
}

#[test]
fn a_request_begins_with_a_word_in_upper_case() {
    for (input, begins) in [
        ("", None),
        ("G", None),
        ("GET", None),
        ("GET ", Some(true)),
        ("GET\t", Some(true)),
        ("GET\n", Some(false)),
        ("Get ", Some(false)),
        (" GET", Some(false)),
        ("ABCDEFGHIJKLMNOP", None),
        ("ABCDEFGHIJKLMNOP ", Some(true)),
        ("ABCDEFGHIJKLMNOPQ", Some(false)),
        ("ABCDEFGHIJKLMNOPQ ", Some(false)),
        ("GET:", Some(false)),
    ] {
        assert_eq!(http::begins(input.as_bytes()), begins, "{input:?}");
    }
}

#[test]
fn ranges_belong_to_get() {
    let range = |method: &str, headers: &str| {
        with(format!("{method} /k HTTP/1.1\r\n{headers}\r\n"), |_, form| form.range)
    };
    assert_eq!(range("GET", "Range: bytes=2-5\r\n"), Some(Range::Between(2, 5)));
    assert_eq!(range("GET", "range: bytes=2-\r\n"), Some(Range::Between(2, u64::MAX)));
    assert_eq!(range("GET", "Range: bytes=-5\r\n"), Some(Range::Last(5)));
    assert_eq!(range("GET", "Range: bytes=0-1,4-5\r\n"), None);
    assert_eq!(range("GET", "Range: bytes=0-1\r\nRange: bytes=2-3\r\n"), None);
    assert_eq!(range("GET", "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n"), None);
    assert_eq!(range("HEAD", "Range: bytes=2-5\r\n"), None);
    assert_eq!(range("PUT", "Range: bytes=2-5\r\n"), None);
}
