//! Masks: each row of the original's table for memcached's commands.

use super::ask;
use crate::support::{HASH, Node, folder, on_both};

/// A request; its reply where it is allowed, and where it is forbidden; the bit of its command, and of its class.
const ROWS: [(&str, &str, &str, &str, &str); 17] = [
    ("set k 0 0 1\r\n5\r\n", "STORED\r\n", FORBIDDEN, "put", "allwrite"),
    ("add none 0 0 1\r\nv\r\n", "STORED\r\n", FORBIDDEN, "putkeep", "allwrite"),
    ("replace k 0 0 1\r\n5\r\n", "STORED\r\n", FORBIDDEN, "put", "allwrite"),
    ("append k 0 0 0\r\n\r\n", "STORED\r\n", FORBIDDEN, "put", "allwrite"),
    ("prepend k 0 0 0\r\n\r\n", "STORED\r\n", FORBIDDEN, "put", "allwrite"),
    ("cas k 0 0 1 0\r\n5\r\n", "EXISTS\r\n", FORBIDDEN, "put", "allwrite"),
    ("touch k 0\r\n", "TOUCHED\r\n", FORBIDDEN, "put", "allwrite"),
    ("get k x\r\n", "VALUE k 0 1\r\n5\r\nEND\r\n", "END\r\n", "get", "allread"),
    ("gets none x\r\n", "", "END\r\n", "get", "allread"),
    ("gat 0 k\r\n", "VALUE k 0 1\r\n5\r\nEND\r\n", "END\r\n", "get", "allread"),
    ("gat 0 k\r\n", "VALUE k 0 1\r\n5\r\nEND\r\n", "END\r\n", "put", "allwrite"),
    ("delete k\r\n", "DELETED\r\n", FORBIDDEN, "out", "allwrite"),
    ("incr k 0\r\n", "5\r\n", FORBIDDEN, "addint", "allwrite"),
    ("decr k 0\r\n", "5\r\n", FORBIDDEN, "addint", "allwrite"),
    ("version\r\n", "VERSION 1.1.41\r\n", FORBIDDEN, "stat", "allread"),
    ("stats\r\n", "", "", "stat", "allread"),
    ("flush_all\r\n", "OK\r\n", FORBIDDEN, "vanish", "allwrite"),
];
const FORBIDDEN: &str = "CLIENT_ERROR forbidden\r\n";

/// Every row on a node with this mask: refused exactly where one of its bits is set, and the connection goes on.
fn check(mask: &str, own: Option<&str>) {
    let folder = folder();
    let node = Node::start(folder.path(), &["--mask", mask, "--segment-size", "1m", HASH]);
    let binary = &mut node.client();
    let put = matches!(mask, "allorg" | "allwrite" | "put");
    for (request, allowed, forbidden, command, class) in ROWS {
        if put {
            // Through the other dialect it can't be had.
            assert!(!binary.put("k", "5"));
        } else {
            assert!(binary.put("k", "5"));
        }
        // gat has two bits of its own.
        let is_forbidden = mask == "allmc"
            || mask == class
            || own == Some(command)
            || (request.starts_with("gat ") && matches!(mask, "allread" | "allwrite" | "get" | "put"));
        let client = &mut node.client();
        if is_forbidden {
            // Its value is read all the same.
            ask(client, request, forbidden);
            ask(
                client,
                &format!("verbosity 1\r\n{request}verbosity 1\r\n"),
                &format!("OK\r\n{forbidden}OK\r\n"),
            );
            let noreply = match request.split_once("\r\n") {
                Some((line, rest)) if forbidden == FORBIDDEN && !line.starts_with("version") => {
                    format!("{line} noreply\r\n{rest}")
                }
                _ => continue,
            };
            ask(client, &format!("{noreply}verbosity 1\r\n"), "OK\r\n");
        } else if !put && !allowed.is_empty() {
            ask(client, request, allowed);
        }
    }
    if mask != "allmc" {
        let name = own.unwrap_or("get");
        let is_said = node.log().contains(&format!("do_{name}: forbidden"));
        assert_eq!(is_said, own.is_some() || matches!(mask, "allread" | "allwrite"), "{mask}");
    }
}

#[test]
fn each_row_by_its_group() {
    for group in ["allmc", "allread", "allwrite", "allorg", "allhttp", "allmanage"] {
        check(group, None);
    }
}

#[test]
fn each_row_by_its_name() {
    for name in ["put", "putkeep", "get", "out", "addint", "stat", "vanish", "mget,vsiz,putcat"] {
        check(name, Some(name).filter(|name| !name.contains(',')));
    }
}

#[test]
fn nothing_is_done_that_is_forbidden() {
    on_both(&["--mask", "allmc"], |node| {
        let client = &mut node.client();
        assert!(client.put("k", "5"));
        for (request, _, forbidden, ..) in ROWS {
            ask(client, request, forbidden);
        }
        assert_eq!((client.text("k").as_deref(), client.rnum()), (Some("5"), 1));
        // Calls are counted before they are refused; each key that is not returned is a miss.
        assert_eq!([client.count_of("cnt_put"), client.count_of("cnt_get")], [7, 7]);
        assert_eq!([client.count_of("cnt_get_miss"), client.count_of("cnt_put_miss")], [6, 0]);
    });
}
