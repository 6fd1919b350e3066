//! What masks forbid over HTTP: each row of the original's table.

use super::{request, text};
use crate::support::{Node, SMALL, folder};

/// A request; what its row has; a request that is not in it.
const ROWS: [(&str, &str, &str); 8] = [
    ("GET", "", "get,allhttp,allread"),
    ("HEAD", "", "vsiz,allhttp,allread"),
    ("PUT", "", "put,allhttp,allwrite"),
    ("PUT", "X-TT-PDMODE: 1\r\n", "put,allhttp,allwrite"),
    ("PUT", "X-TT-PDMODE: 2\r\n", "put,allhttp,allwrite"),
    ("DELETE", "", "out,allhttp,allwrite"),
    ("POST", "X-TT-MNAME: put\r\n", "misc,allhttp"),
    ("OPTIONS", "", "stat,allorg,allread"),
];

#[test]
fn each_row_of_the_table() {
    let bits = [
        "put",
        "putkeep",
        "putcat",
        "out",
        "get",
        "vsiz",
        "ext",
        "stat",
        "misc",
        "allorg",
        "allmc",
        "allhttp",
        "allread",
        "allwrite",
        "allmanage",
    ];
    for bit in bits {
        let folder = folder();
        let node = Node::start(folder.path(), &[&["-mask", bit][..], &SMALL].concat());
        let mut client = node.client();
        for (method, headers, row) in ROWS {
            client.send(&request(method, "/k", headers, b"a=k&b=v"));
            let reply = super::answer(&mut client, method);
            let is_forbidden = row.split(',').any(|of_row| of_row == bit);
            assert_eq!(reply.status == 403, is_forbidden, "{method} {headers} under {bit}: {reply:?}");
        }
        let call = request("POST", "/k", "X-TT-XNAME: f\r\n", b"");
        let is_forbidden = ["ext", "allhttp"].contains(&bit);
        client.ask(&call, &text(if is_forbidden { "403 Forbidden" } else { "500 Internal Server Error" }));
        client.ask(&request("POST", "/k", "", b""), &text("400 Bad Request"));
    }
}

#[test]
fn forbidden_to_the_letter_and_counted() {
    let folder = folder();
    let node = Node::start(folder.path(), &[&["-mask", "allhttp"][..], &SMALL].concat());
    let mut client = node.client();
    client.ask(&request("GET", "/k", "", b""), &text("403 Forbidden"));
    client.ask(&request("HEAD", "/k", "", b""), b"HTTP/1.1 403 Forbidden\r\n\r\n");
    client.ask(&request("PUT", "/k", "", b"v"), &text("403 Forbidden"));
    client.ask(&request("DELETE", "/k", "", b""), &text("403 Forbidden"));
    for (name, count) in [("put", 1), ("out", 1), ("get", 1), ("vsiz", 1)] {
        assert_eq!(client.count_of(&format!("cnt_{name}")), count, "{name}");
    }
    for miss in ["put", "out", "get"] {
        assert_eq!(client.count_of(&format!("cnt_{miss}_miss")), 0, "{miss}");
    }
    assert_eq!(client.rnum(), 0);
}
