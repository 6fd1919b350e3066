//! OPTIONS: the state of the node.

use super::ask;
use crate::support::{HASH, Node, SMALL, folder, on_both};

#[test]
fn the_headers_in_their_order() {
    on_both(&["-sid", "7"], |node| {
        let mut client = node.client();
        assert!(client.put("k", "v"));
        let answer = ask(&mut client, "OPTIONS", "/whatever%zz", "", b"");
        assert_eq!((answer.status, &answer.body[..]), (200, &b""[..]));
        let names: Vec<&str> = answer.headers.iter().map(|(name, _)| name.as_str()).collect();
        let tt = |name: &str| format!("X-TT-{name}");
        let expected: Vec<String> = ["Content-Length", "Allow"]
            .map(str::to_owned)
            .into_iter()
            .chain(
                [
                    "VERSION", "LIBVER", "PROTVER", "OS", "TIME", "PID", "SID", "TYPE", "PATH", "RNUM",
                    "SIZE", "BIGEND", "FD", "LOADAVG", "MEMSIZE", "MEMRSS", "RU_REAL", "RU_USER", "RU_SYS",
                ]
                .map(tt),
            )
            .collect();
        assert_eq!(names, expected);
        for (name, value) in [
            ("Allow", "OPTIONS, GET, HEAD, PUT, POST, DELETE"),
            ("X-TT-VERSION", "1.1.41"),
            ("X-TT-SID", "7"),
            ("X-TT-RNUM", "1"),
            ("X-TT-PID", &node.pid().to_string()),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
        for name in ["TYPE", "PATH", "SIZE", "BIGEND", "FD"] {
            let line = client.stat_of(&name.to_ascii_lowercase());
            assert_eq!(answer.header(&tt(name)), line.as_deref(), "{name}");
        }
    });
}

#[test]
fn a_master_is_told() {
    let folder = folder();
    let node = Node::start(folder.path(), &["-mhost", "127.0.0.1", "-mport", "1", "-sid", "3", HASH]);
    let answer = ask(&mut node.client(), "OPTIONS", "*", "", b"");
    assert_eq!(answer.header("X-TT-MHOST"), Some("127.0.0.1"));
    assert_eq!(answer.header("X-TT-MPORT"), Some("1"));
    let place = |name: &str| answer.headers.iter().position(|(found, _)| found == name).unwrap();
    assert!(place("X-TT-BIGEND") < place("X-TT-MHOST") && place("X-TT-DELAY") < place("X-TT-FD"));
}

#[test]
fn what_is_masked_is_not_allowed() {
    for (mask, allowed) in [
        ("get", "OPTIONS, HEAD, PUT, POST, DELETE"),
        ("vsiz,put", "OPTIONS, GET, POST, DELETE"),
        ("allwrite", "OPTIONS, GET, HEAD"),
        ("ext,out", "OPTIONS, GET, HEAD, PUT"),
        // Not considered here (observed).
        ("allhttp", "OPTIONS, GET, HEAD, PUT, POST, DELETE"),
    ] {
        let folder = folder();
        let node = Node::start(folder.path(), &[&["-mask", mask][..], &SMALL].concat());
        let answer = ask(&mut node.client(), "OPTIONS", "/", "", b"");
        assert_eq!((answer.status, answer.header("Allow")), (200, Some(allowed)), "{mask}");
    }
}
