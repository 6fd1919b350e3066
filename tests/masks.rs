//! Masks: each row of the original's table, the forbidden replies, and groups as bits of their own.

use crate::support::{HASH, Node, SMALL, folder, on_both, wire};

/// A request that succeeds where it is allowed; its reply where it is forbidden; its class's group.
fn rows() -> Vec<(&'static str, Vec<u8>, Vec<u8>, &'static str)> {
    let no_elements = vec![0; 5];
    let zero = vec![0; 9];
    vec![
        ("put", wire::put(b"new", b"v"), vec![1], "allwrite"),
        ("putkeep", wire::putkeep(b"new", b"v"), vec![1], "allwrite"),
        ("putcat", wire::putcat(b"k", b"v"), vec![1], "allwrite"),
        ("putshl", wire::putshl(b"k", b"v", 9), vec![1], "allwrite"),
        ("putnr", wire::putnr(b"k", b"changed"), vec![], "allwrite"),
        ("out", wire::out(b"k"), vec![1], "allwrite"),
        ("get", wire::get(b"k"), vec![1], "allread"),
        ("mget", wire::mget(&[b"k"]), no_elements.clone(), "allread"),
        ("vsiz", wire::vsiz(b"k"), vec![1], "allread"),
        ("iterinit", wire::iterinit(), vec![1], "allread"),
        ("iternext", wire::iternext(), vec![1], "allread"),
        ("fwmkeys", wire::fwmkeys(b"", -1), no_elements.clone(), "allread"),
        ("addint", wire::addint(b"n", 1), vec![1], "allwrite"),
        ("adddouble", wire::adddouble(b"d", 1, 0), vec![1], "allwrite"),
        ("sync", wire::sync(), vec![1], "allmanage"),
        ("optimize", wire::optimize(b""), vec![1], "allmanage"),
        ("vanish", wire::vanish(), vec![1], "allwrite"),
        ("copy", wire::copy(b"copied.tch"), vec![1], "allmanage"),
        ("restore", wire::restore(b".", 0, 0), vec![1], "allmanage"),
        ("setmst", wire::setmst(b"", 0, 0, 0), vec![1], "allmanage"),
        ("rnum", wire::rnum(), zero.clone(), "allread"),
        ("size", wire::database_size(), zero, "allread"),
        ("misc", wire::misc(b"put", 0, &[b"new", b"v"]), no_elements, "allwrite"),
    ]
}

/// What a fresh database with one record answers to `request` under `options`; then what is left of the
/// connection by a request that no mask here touches.
fn answer(folder: &std::path::Path, options: &[&str], request: &[u8]) -> Vec<u8> {
    let node = Node::start(folder, &[options, &["--backup-dir", ".", "-sid", "3"], &SMALL].concat());
    let mut client = node.client();
    client.send(request);
    client.send(&wire::repl(1, 77));
    client.shut_down_sending();
    let mut reply = client.rest();
    // Its id, then a sign of life, then changes.
    let id = reply.windows(5).position(|bytes| bytes == [0, 0, 0, 3, 0xCA]);
    reply.truncate(id.unwrap_or_else(|| panic!("the connection is kept: {reply:02x?}")));
    node.stop();
    // What is left behind would change the next answer.
    let _ = std::fs::remove_dir_all(folder.join("copied.tch"));
    reply
}

fn with_a_record() -> tempfile::TempDir {
    let folder = folder();
    let node = Node::start(folder.path(), &SMALL);
    assert!(node.client().put("k", "v"));
    node.stop();
    folder
}

/// Each command is refused by its own name, by `allorg` and by its class, and by no other group.
#[test]
fn each_row_of_the_table() {
    for groups in ["", "allorg", "allread", "allwrite", "allmanage"] {
        let folder = with_a_record();
        let mask = if groups.is_empty() { "0x0" } else { groups };
        let node =
            Node::start(folder.path(), &["--backup-dir", ".", "-mask", mask, "--segment-size", "1m", HASH]);
        let mut client = node.client();
        for (name, request, forbidden, class) in rows() {
            let is_forbidden = groups == "allorg" || groups == class;
            if !is_forbidden {
                // That these work is shown by the other tests; here they would change what follows.
                continue;
            }
            client.ask(&request, &forbidden);
            // So that putnr, which has no reply, is done with too.
            client.ask(&wire::out(b"none"), &[1]);
            assert!(node.log().contains(&format!("do_{name}: forbidden")), "{name} under {groups:?}");
        }
        // Without a script it fails in any case; the log tells the reason. No class forbids it.
        client.ask(&wire::ext(b"f", 0, b"", b""), &[1]);
        assert_eq!(node.log().contains("do_ext: forbidden"), groups == "allorg", "ext under {groups:?}");
        drop(client);
        node.stop();
        let node = Node::start(folder.path(), &SMALL);
        let mut client = node.client();
        assert_eq!((client.text("k").as_deref(), client.rnum()), (Some("v"), 1), "something was done");
    }
}

#[test]
fn each_command_by_its_own_name_and_no_other() {
    let folder = with_a_record();
    let everything = rows().iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(",");
    let forbidding = Node::start(
        folder.path(),
        &["--backup-dir", ".", "-mask", &everything, "--segment-size", "1m", HASH],
    );
    let mut client = forbidding.client();
    for (_, request, forbidden, _) in rows() {
        client.ask(&request, &forbidden);
    }
    drop(client);
    forbidding.stop();
    for (name, request, forbidden, _) in rows() {
        // All names but this one: it works, so it has a name of its own.
        let others = rows()
            .iter()
            .map(|(other, ..)| *other)
            .filter(|other| *other != name)
            .collect::<Vec<_>>()
            .join(" ");
        let folder = with_a_record();
        let reply = answer(folder.path(), &["-mask", &others], &request);
        let changed = |key: &str| {
            let node = Node::start(folder.path(), &SMALL);
            node.client().text(key)
        };
        match name {
            // It has nothing to continue where iterinit is forbidden, and answers just as it does then.
            "iternext" => {}
            // Their replies are no others than where they are forbidden.
            "putnr" => assert_eq!(changed("k").as_deref(), Some("changed")),
            "misc" => assert_eq!(changed("new").as_deref(), Some("v")),
            _ => assert_ne!(reply, forbidden, "{name} with all others forbidden"),
        }
    }
}

/// The groups say which commands they do not touch, too.
#[test]
fn groups_leave_the_others_alone() {
    for group in ["allread", "allwrite", "allmanage", "slave", "allmc", "allhttp", "repl,ext"] {
        let folder = with_a_record();
        let node =
            Node::start(folder.path(), &["--backup-dir", ".", "-mask", group, "--segment-size", "1m", HASH]);
        let mut client = node.client();
        if group != "allread" {
            assert_eq!(client.text("k").as_deref(), Some("v"), "{group}");
            assert_eq!((client.vsiz("k"), client.rnum()), (Some(1), 1), "{group}");
            assert_eq!((client.mget(&[b"k"]).len(), client.fwmkeys(b"", -1).len()), (1, 1), "{group}");
            assert_eq!(client.keys().len(), 1, "{group}");
            assert!(client.size() > 0 && client.stat_of("version").is_some(), "{group}");
        }
        if group != "allmanage" {
            for request in
                [wire::sync(), wire::optimize(b""), wire::copy(b"a.tch"), wire::setmst(b"", 0, 0, 0)]
            {
                client.ask(&request, &[0]);
            }
        }
        if group != "allwrite" {
            for (name, request, forbidden, class) in rows() {
                if class == "allwrite" && name != "putnr" {
                    client.send(&request);
                    assert_ne!(client.take(forbidden.len().min(1)), [1], "{name} under {group}");
                    let rest = match name {
                        "addint" | "misc" => 4,
                        "adddouble" => 16,
                        _ => 0,
                    };
                    client.take(rest);
                    client.send(&wire::put(b"k", b"v"));
                    client.take(1);
                    if name == "put" {
                        assert!(client.out("new"));
                    }
                }
            }
        }
        assert!(client.count_of("cnt_stat") > 0, "{group}");
    }
}

#[test]
fn unmask_does_not_open_what_a_group_closes() {
    // Options; whether get, put and sync are allowed then.
    for (options, get, put, sync) in [
        (&["-mask", "all", "-unmask", "get"][..], false, false, false),
        (&["-mask", "allread", "-unmask", "get"], false, true, true),
        (&["-mask", "allwrite", "-unmask", "put"], true, false, true),
        (&["-mask", "all", "-unmask", "get,allorg,allread"], true, false, false),
        (&["-mask", "all", "-unmask", "get", "-unmask", "allread ALLORG"], true, false, false),
        (&["-mask", "all", "-unmask", "all"], true, true, true),
        (&["-unmask", "all", "-mask", "get"], false, true, true),
        (&["-mask", "get", "-unmask", "get", "-mask", "put"], true, false, true),
        (&["-mask", "0x41"], false, false, true),
        (&["-mask", "0x100000000"], true, true, false),
        (&["--mask", "nosuch,Get", "--unmask=other"], false, true, true),
        (&["-mask", "allorg", "-unmask", "allorg"], true, true, true),
        (&["-mask", "0xffffffffffffffff", "-unmask", "0x48000040"], true, false, false),
    ] {
        let folder = folder();
        let node = Node::start(folder.path(), &[options, &[HASH]].concat());
        let mut client = node.client();
        assert_eq!(client.put("k", "v"), put, "put under {options:?}");
        assert_eq!(client.get("k").is_some(), get && put, "get under {options:?}");
        assert_eq!(client.succeeds(&wire::sync()), sync, "sync under {options:?}");
        if get && !put {
            assert!(!node.log().contains("do_get: forbidden"), "{options:?}");
        }
    }
}

#[test]
fn a_masked_stat_has_the_counters_alone() {
    on_both(&["-mask", "stat"], |node| {
        let names: Vec<String> = node.client().stat().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), 29);
        assert!(names.iter().all(|name| name.starts_with("cnt_")), "{names:?}");
        assert_eq!(names[0], "cnt_put");
    });
}

#[test]
fn a_masked_repl_is_closed() {
    on_both(&["-mask", "repl", "-sid", "3"], |node| {
        let mut client = node.client();
        client.send(&wire::repl(1, 1));
        assert_eq!(client.rest(), b"");
    });
    on_both(&["-mask", "allorg,allread,allwrite,allmanage", "-sid", "3"], |node| {
        let mut client = node.client();
        client.send(&wire::repl(1, 1));
        assert_eq!(client.take(5), [0, 0, 0, 3, 0xCA], "no group forbids it");
    });
}

/// Forbidden requests are read to their end, so the next one is understood.
#[test]
fn the_connection_goes_on_after_a_forbidden_request() {
    on_both(&["-mask", "put,mget,misc,copy,out,ext"], |node| {
        let mut client = node.client();
        let many = [
            wire::put(b"k", &[0xC8; 100_000]),
            wire::mget(&[b"a", b"b", b"c"]),
            wire::misc(b"putlist", 0, &[b"a", b"b"]),
            wire::copy(b"path"),
            wire::out(b"k"),
            wire::ext(b"name", 0, b"key", b"value"),
            wire::rnum(),
        ];
        let replies = [&[1][..], &[0; 5], &[0; 5], &[1], &[1], &[1], &[0; 9]].concat();
        client.ask(&many.concat(), &replies);
        for (counter, count) in [("put", 1), ("mget", 1), ("misc", 1), ("copy", 1), ("out", 1), ("ext", 1)] {
            assert_eq!(client.count_of(&format!("cnt_{counter}")), count, "masked calls count: {counter}");
        }
        for miss in ["put", "out"] {
            assert_eq!(client.count_of(&format!("cnt_{miss}_miss")), 0, "but are no misses: {miss}");
        }
    });
    on_both(&["-mask", "get"], |node| {
        let mut client = node.client();
        client.ask(&wire::get(b"k"), &[1]);
        assert_eq!(client.count_of("cnt_get_miss"), 1, "but a masked get is a miss");
    });
}
