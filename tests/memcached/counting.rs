//! incr and decr, as the original does them.

use super::ask;
use crate::support::{HASH, MEMORY, Node, folder, loopback, on_both};

/// Stored, then what 5 more is, then what 0 less of the stored one is.
const SUMS: [(&str, &str, &str); 18] = [
    ("0", "5", "0"),
    ("10", "15", "10"),
    ("-5", "0", "0"),
    ("+7", "12", "7"),
    (" 12x", "17", "12"),
    ("\t8", "13", "8"),
    ("1.5", "6", "1"),
    ("12\x003", "17", "12"),
    ("", "5", "0"),
    ("abc", "5", "0"),
    ("- 5", "5", "0"),
    ("007", "12", "7"),
    ("1e3", "6", "1"),
    ("9223372036854775807", "0", "9223372036854775807"),
    ("9223372036854775808", "0", "0"),
    ("-9223372036854775808", "0", "0"),
    ("18446744073709551621", "10", "5"),
    ("99999999999999999999999", "200376420520689668", "200376420520689663"),
];

fn sums(node: &Node) {
    let client = &mut node.client();
    for (stored, more, same) in SUMS {
        let set = format!("set k 7 0 {}\r\n{stored}\r\n", stored.len());
        ask(client, &format!("{set}incr k 5\r\n"), &format!("STORED\r\n{more}\r\n"));
        ask(client, "get k\r\n", &format!("VALUE k 7 {}\r\n{more}\r\nEND\r\n", more.len()));
        ask(client, &format!("{set}decr k 0\r\n"), &format!("STORED\r\n{same}\r\n"));
        ask(client, "get k\r\n", &format!("VALUE k 7 {}\r\n{same}\r\nEND\r\n", same.len()));
    }
    for (request, sum) in [
        ("incr k -3", "7"),
        ("decr k -3", "13"),
        ("decr k 11", "0"),
        ("incr k x", "10"),
        ("incr k 3x", "13"),
        ("incr k 9223372036854775807", "0"),
        ("incr k 18446744073709551615", "9"),
        ("decr k -9223372036854775808", "0"),
    ] {
        ask(client, &format!("set k 0 0 2\r\n10\r\n{request}\r\n"), &format!("STORED\r\n{sum}\r\n"));
    }
    ask(client, "incr none 1\r\n", "NOT_FOUND\r\n");
    ask(client, "decr none 1\r\n", "NOT_FOUND\r\n");
    ask(client, "get none\r\n", "END\r\n");
    // A number of addint is bytes here, and no digits.
    assert_eq!(client.addint("binary", 258), Some(258));
    ask(client, "incr binary 1\r\n", "1\r\n");
    ask(
        client,
        "set n 0 0 1\r\n1\r\nincr n 1\r\nincr n 1\r\nincr n 1\r\ndecr n 2\r\n",
        "STORED\r\n2\r\n3\r\n4\r\n2\r\n",
    );
    // Appending to a counter makes it a text again, and a number the next time.
    ask(client, "append n 0 0 1\r\n0\r\nincr n 1\r\n", "STORED\r\n21\r\n");
    ask(client, "delete n\r\nincr n 1\r\n", "DELETED\r\nNOT_FOUND\r\n");
}

#[test]
fn as_the_original() {
    on_both(&[], sums);
}

/// Additions are kept as such then.
#[test]
fn where_another_server_counts_too() {
    for database in [HASH, MEMORY] {
        let folder = folder();
        let nobody = loopback().to_string();
        sums(&Node::start(folder.path(), &["-sid", "1", "--master", &nobody, database]));
    }
}
