//! misc: which functions there are, how many arguments they want, what they give.

use crate::support::{Client, MEMORY, Node, folder, on_both, wire};

fn list(elements: &[&str]) -> Option<Vec<Vec<u8>>> {
    Some(elements.iter().map(|element| element.as_bytes().to_vec()).collect())
}

fn misc(client: &mut Client, name: &str, args: &[&str]) -> Option<Vec<Vec<u8>>> {
    let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
    client.misc(name, &args)
}

/// What a function answers with arguments that would do, and with one fewer than it needs.
const FUNCTIONS: [(&str, &[&str], usize); 18] = [
    ("put", &["k", "v"], 2),
    ("putkeep", &["new", "v"], 2),
    ("putcat", &["k", "v"], 2),
    ("out", &["new"], 1),
    ("get", &["k"], 1),
    ("putlist", &["a", "1"], 0),
    ("outlist", &["a"], 0),
    ("getlist", &["k"], 0),
    ("getpart", &["k", "0", "1"], 1),
    ("iterinit", &[], 0),
    ("iternext", &[], 0),
    ("regex", &["^k"], 1),
    ("sync", &[], 0),
    ("optimize", &["bnum=10"], 0),
    ("error", &[], 0),
    ("defrag", &["1"], 0),
    ("cacheclear", &[], 0),
    ("vanish", &[], 0),
];

#[test]
fn functions_there_are() {
    on_both(&[], |node| {
        let mut client = node.client();
        let is_memory = client.stat_of("type").unwrap() == "on-memory hash";
        for (name, args, least) in FUNCTIONS {
            let there = !is_memory || !["error", "defrag", "cacheclear"].contains(&name);
            assert_eq!(misc(&mut client, name, args).is_some(), there, "{name}");
            if least > 0 {
                assert_eq!(
                    misc(&mut client, name, &args[..least - 1]),
                    None,
                    "{name} with too few arguments"
                );
            }
        }
        // Arguments that are too many are ignored.
        assert_eq!(misc(&mut client, "put", &["k", "v", "more", "and more"]), list(&[]));
        assert_eq!(misc(&mut client, "get", &["k", "more"]), list(&["v"]));
        assert_eq!(misc(&mut client, "sync", &["more"]), list(&[]));
    });
}

#[test]
fn functions_there_are_not() {
    on_both(&[], |node| {
        let mut client = node.client();
        assert!(client.put("k", "v"));
        for name in [
            "range",
            "putdup",
            "putdupback",
            "setindex",
            "search",
            "metasearch",
            "genuid",
            "tranbegin",
            "trancommit",
            "tranabort",
            "addint",
            "adddouble",
            "vsiz",
            "fwmkeys",
            "rnum",
            "size",
            "copy",
            "stat",
            "PUT",
            "Get",
            "get ",
            " get",
            "nosuch",
            "@get",
            "$get",
            "",
        ] {
            client.ask(&wire::misc(name.as_bytes(), 0, &[b"k", b"v"]), &[1, 0, 0, 0, 0]);
        }
        assert_eq!(misc(&mut client, "get\0rubbish", &["k"]), list(&["v"]), "a name ends at a NUL");
        let longest = "n".repeat(1023);
        assert_eq!(misc(&mut client, &longest, &[]), None);
        for options in [0, 1, 2, u32::MAX] {
            assert_eq!(
                client.list_of(&wire::misc(b"get", options, &[b"k"])),
                list(&["v"]),
                "options {options}"
            );
        }
        client.send(&wire::misc("n".repeat(1024).as_bytes(), 0, &[]));
        assert_eq!(client.rest(), b"");
    });
}

#[test]
fn records_by_misc_are_those_of_the_commands() {
    on_both(&[], |node| {
        let mut client = node.client();
        assert_eq!(misc(&mut client, "put", &["k", "one"]), list(&[]));
        assert_eq!(misc(&mut client, "putkeep", &["k", "two"]), None);
        assert_eq!(misc(&mut client, "putkeep", &["new", ""]), list(&[]));
        assert_eq!(misc(&mut client, "putcat", &["k", "+two"]), list(&[]));
        assert_eq!(client.text("k").as_deref(), Some("one+two"));
        assert_eq!(misc(&mut client, "get", &["k"]), list(&["one+two"]));
        assert_eq!(misc(&mut client, "get", &["new"]), list(&[""]));
        assert_eq!(misc(&mut client, "get", &["none"]), None);
        assert_eq!(misc(&mut client, "out", &["new"]), list(&[]));
        assert_eq!(misc(&mut client, "out", &["new"]), None);
        assert_eq!(client.rnum(), 1);
        assert_eq!(misc(&mut client, "vanish", &[]), list(&[]));
        assert_eq!(client.rnum(), 0);
    });
}

#[test]
fn lists() {
    on_both(&[], |node| {
        let mut client = node.client();
        assert_eq!(misc(&mut client, "putlist", &[]), list(&[]));
        assert_eq!(misc(&mut client, "putlist", &["a", "1", "b", "2", "a", "3", "odd"]), list(&[]));
        assert_eq!(client.rnum(), 2, "an odd last key is ignored");
        assert_eq!(
            misc(&mut client, "getlist", &["b", "none", "a", "b"]),
            list(&["b", "2", "a", "3", "b", "2"])
        );
        assert_eq!(misc(&mut client, "getlist", &[]), list(&[]));
        assert_eq!(misc(&mut client, "outlist", &["none", "a", "a"]), list(&[]));
        assert_eq!(misc(&mut client, "outlist", &[]), list(&[]));
        assert_eq!(misc(&mut client, "getlist", &["a", "b"]), list(&["b", "2"]));
        // More than are worked where they would hold up others.
        let pairs: Vec<String> = (0..6000).map(|number| format!("k{}", number / 2)).collect();
        let pairs: Vec<&str> = pairs.iter().map(String::as_str).collect();
        assert_eq!(misc(&mut client, "putlist", &pairs), list(&[]));
        assert_eq!(misc(&mut client, "getlist", &pairs).unwrap().len(), 12_000);
        assert_eq!(misc(&mut client, "outlist", &pairs), list(&[]));
        assert_eq!(client.rnum(), 1);
    });
}

#[test]
fn parts_of_values() {
    on_both(&[], |node| {
        let mut client = node.client();
        assert!(client.put("k", "0123456789") && client.put("empty", ""));
        for (args, part) in [
            (&["k"][..], Some("0123456789")),
            (&["k", "3"], Some("3456789")),
            (&["k", "3", "4"], Some("3456")),
            (&["k", "3", "0"], Some("")),
            (&["k", "3", "-1"], Some("3456789")),
            (&["k", "3", "-99"], Some("3456789")),
            (&["k", "3", "99999999999999999999"], Some("3456789")),
            (&["k", "-3", "2"], Some("01")),
            (&["k", "9", "5"], Some("9")),
            (&["k", "10"], None),
            (&["k", "10", "0"], None),
            (&["k", "99999999999999999999"], None),
            (&["k", " +3x", "2 bytes"], Some("34")),
            (&["k", "", ""], Some("")),
            (&["k", "x"], Some("0123456789")),
            (&["k", "0x5", "1"], Some("0")),
            (&["empty"], None),
            (&["empty", "0", "0"], None),
            (&["none"], None),
            (&[], None),
        ] {
            assert_eq!(misc(&mut client, "getpart", args), part.and_then(|part| list(&[part])), "{args:?}");
        }
    });
}

#[test]
fn numbers_of_arguments_at_their_limit() {
    let folder = folder();
    let node = Node::start(folder.path(), &[MEMORY]);
    let mut client = node.client();
    // The most that may be announced, all of them empty keys.
    let mut request = wire::frame(0x90, &[7, 0, 1 << 20], &[b"getlist"]);
    request.resize(request.len() + (4 << 20), 0);
    assert!(client.put("", "v"));
    client.send(&request);
    let reply = client.take(5 + (1 << 20) * 9);
    assert_eq!(reply[..5], [0, 0, 32, 0, 0]);
    assert!(reply[5..].chunks(9).all(|record| record == [0, 0, 0, 0, 0, 0, 0, 1, b'v']));
    client.send(&wire::frame(0x90, &[7, 0, (1 << 20) + 1], &[b"getlist"]));
    assert_eq!(client.rest(), b"");
    // mget has the same limit.
    let mut client = node.client();
    let mut request = wire::frame(0x31, &[1 << 20], &[]);
    request.resize(request.len() + (4 << 20), 0);
    client.send(&request);
    assert_eq!(client.take(5 + (1 << 20) * 9)[..5], [0, 0, 16, 0, 0]);
    client.send(&wire::frame(0x31, &[(1 << 20) + 1], &[]));
    assert_eq!(client.rest(), b"");
}
