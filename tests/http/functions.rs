//! POST: functions of scripts and of the database.

use super::{ask, request, status, text};
use crate::support::{HASH, Node, folder, on_both};

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn a_function_of_the_script() {
    let script = "@function echo(key, value) return key .. ':' .. value end  function nothing() end";
    on_both(&["-ext", script], |node| {
        let mut client = node.client();
        let echo = ask(&mut client, "POST", "/a%20b", "X-TT-XNAME: echo\r\nX-TT-XOPTS: 3\r\n", b"\0v\xff");
        assert_eq!((echo.status, &echo.body[..]), (200, &b"a b:\0v\xff"[..]));
        assert_eq!(echo.header("Content-Type"), Some("application/octet-stream"));
        for name in ["nothing", "none", "_put"] {
            let call = request("POST", "/k", &format!("X-TT-XNAME: {name}\r\n"), b"");
            client.ask(&call, &text("500 Internal Server Error"));
        }
    });
}

#[test]
fn without_a_script() {
    on_both(&[], |node| {
        let call = request("POST", "/k", "X-TT-XNAME: echo\r\n", b"");
        node.client().ask(&call, &text("500 Internal Server Error"));
    });
}

#[test]
fn functions_of_the_database() {
    on_both(&[], |node| {
        let mut client = node.client();
        for (name, body, expected) in [
            ("putlist", "a=k1&b=v1&c=k+2&d=%76%00", Some("")),
            ("getlist", "a=k1&b=none&c=k%202", Some("res1=k1&res2=v1&res3=k%202&res4=v%00")),
            ("get", "x=k1", Some("res1=v1")),
            ("put", "a=e&b", Some("")),
            ("get", "=e", Some("res1=")),
            ("putcat", "a=e;b=\u{fc}", Some("")),
            ("get", "=e", Some("res1=%C3%BC")),
            // Arguments of one name are one.
            ("put", "a=k1&b=x&b=y", Some("")),
            ("get", "x=k1", Some("res1=x%00y")),
            ("out", "a=k1", Some("")),
            ("out", "a=k1", None),
            ("get", "a=k1", None),
            ("outlist", "a=k+2&b=none", Some("")),
            ("regex", "a=%5Ee%24", Some("res1=e&res2=%C3%BC")),
            ("sync", "", Some("")),
            ("nosuch", "a=b", None),
            ("vanish", "", Some("")),
        ] {
            let got =
                ask(&mut client, "POST", "/ignored%zz", &format!("X-TT-MNAME: {name}\r\n"), body.as_bytes());
            match expected {
                Some(expected) => {
                    assert_eq!((got.status, got.text()), (200, expected), "{name} {body}");
                    assert_eq!(got.header("Content-Type"), Some(FORM));
                }
                None => {
                    assert_eq!((got.status, got.text()), (500, "Internal Server Error\n"), "{name} {body}")
                }
            }
        }
        assert_eq!(client.rnum(), 0);
    });
}

#[test]
fn arguments_in_parts() {
    on_both(&[], |node| {
        let mut client = node.client();
        let headers = "X-TT-MNAME: putlist\r\nContent-Type: multipart/form-data; boundary=\"--x\"\r\n";
        let body = b"----x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n\
            ----x\r\nContent-Disposition: form-data; name=\"value\"; filename=\"f\"\r\n\r\n\0\r\n%41\r\n----x--\r\n";
        assert_eq!(status(&mut client, "POST", "/", headers, body), (200, Vec::new()));
        assert_eq!(client.get("k").as_deref(), Some(&b"\0\r\n%41"[..]));
    });
}

#[test]
fn neither_function() {
    on_both(&[], |node| {
        let mut client = node.client();
        client.ask(&request("POST", "/k", "", b"GET / HTTP/1.1\r\n\r\n"), &text("400 Bad Request"));
        client.ask(&request("POST", "/k", "X-TT-XNAME:\r\n", b""), &text("400 Bad Request"));
        assert_eq!(client.rnum(), 0, "the connection is kept, and in step");
        client.send(&request("POST", "/k", "Connection: close\r\n", b"x"));
        assert!(client.rest().starts_with(b"HTTP/1.1 400 "), "and closed where that was asked for");
    });
}

/// Tens of thousands of arguments are taken, on a thread of their own, and the connection is closed after it if asked.
#[test]
fn a_large_call() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    let mut client = node.client();
    let body: String =
        (0..20_000).map(|number| format!("k{number}={number}&v{number}=%30{number}&")).collect();
    client.send(&request("POST", "/", "X-TT-MNAME: putlist\r\nConnection: close\r\n", body.as_bytes()));
    assert!(client.rest().starts_with(b"HTTP/1.1 200 OK\r\n"));
    let mut client = node.client();
    assert_eq!((client.rnum(), client.text("19999").as_deref()), (20_000, Some("019999")));
}
