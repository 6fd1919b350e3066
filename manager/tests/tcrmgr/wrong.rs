//! What goes wrong is named, by codes that scripts know.

use std::io::Read;
use std::process::Stdio;

use crate::one_node::{Node, Program, free, parrot};
use crate::support::cluster::eventually;

/// A command of each form, for a host.
fn lines(address: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["inform", address],
        vec!["inform", "-st", address],
        vec!["put", address, "k", "v"],
        vec!["put", "-dk", address, "k", "v"],
        vec!["put", "-dai", address, "k", "1"],
        vec!["put", "-dad", address, "k", "1"],
        vec!["out", address, "k"],
        vec!["get", address, "k"],
        vec!["mget", address, "k"],
        vec!["list", address],
        vec!["list", "-fm", "k", address],
        vec!["ext", address, "echo"],
        vec!["sync", address],
        vec!["optimize", address],
        vec!["vanish", address],
        vec!["copy", address, "/x"],
        vec!["misc", address, "get", "k"],
        vec!["importtsv", address],
        vec!["restore", address, "/x"],
        vec!["setmst", address, "x"],
    ]
}

#[test]
fn nobody_is_there() {
    let (host, port) = free();
    let address = format!("{host}:{port}");
    let tcrmgr = Program::tcrmgr();
    for line in lines(&address) {
        let said = tcrmgr.run(&line);
        assert_eq!((said.code, &said.err[..]), (1, "tcrmgr: error: 3: connection refused\n"), "{line:?}");
        assert!(said.out.is_empty(), "{line:?}");
    }
    let said = tcrmgr.run(["repl", &address]);
    assert_eq!((said.code, said.err), (1, format!("tcrmgr: {address} could not be connected\n")));
    let said = tcrmgr.run(["get", "-port", "0", "/nobody/has/this", "k"]);
    assert_eq!(said.err, "tcrmgr: error: 3: connection refused\n");
    let said = tcrmgr.run(["get", "no-such-host.invalid", "k"]);
    assert_eq!((said.code, &said.err[..]), (1, "tcrmgr: error: 2: host not found\n"));
}

#[test]
fn it_is_no_tokyo_tyrant() {
    let tcrmgr = Program::tcrmgr();
    for says in [&b""[..], b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
    {
        let address = parrot(says);
        // What is stored or removed by one byte cannot be told from a success.
        let one_byte =
            ["put", "out", "sync", "optimize", "vanish", "copy", "restore", "setmst", "importtsv", "inform"];
        for line in lines(&address) {
            let said = tcrmgr.run(&line);
            if says.starts_with(b"\0") && (one_byte.contains(&line[0]) || line == ["list", &address]) {
                continue;
            }
            assert_eq!(
                (said.code, &said.err[..]),
                (1, "tcrmgr: error: 5: recv error\n"),
                "{says:?} {line:?}"
            );
        }
        let said = tcrmgr.run(["repl", &address]);
        assert_eq!(said.code, 1, "{says:?} {said:?}");
    }
}

#[test]
fn our_own_name_says_more() {
    let node = Node::start(&[]);
    let lcmgr = Program::lcmgr();
    let (host, port) = free();
    let nobody = format!("{host}:{port}");
    let said = lcmgr.run(["get", &nobody, "k"]);
    assert_eq!(said.code, 1);
    assert!(
        said.err.starts_with(&format!("lcmgr: error: 3: connection refused: {nobody}: ")),
        "{}",
        said.err
    );

    for (line, code, err) in [
        (&["get", "@", "nobody"][..], 1, "lcmgr: error: 7: no record found"),
        (&["put", "-dai", "@", "n", "x3"], 2, "\"x3\" is no whole number"),
        (&["put", "-dai", "@", "n", "99999999999"], 2, "-2147483648 to 2147483647"),
        (&["put", "-dad", "@", "n", "one"], 2, "\"one\" is no number"),
        (&["put", "-ds", "-2", "@", "n", "v"], 2, "between 0 and 2147483647"),
        (&["get", "-sx", "@", "6g"], 2, "is no hex"),
        (&["get", "-sx", "@", "abc"], 2, "is no hex"),
        (&["get", "-port", "x", "@", "k"], 2, "\"x\" is no whole number"),
        (&["get", "host:70000", "k"], 2, "ports are 1 to 65535"),
        (&["get", "-x", "@", "k"], 2, "Usage: lcmgr get"),
        (&["get", "@"], 2, "<KEY>"),
        (&["ext", "@", "nobody"], 1, "its log says why"),
        (&["importtsv", "@", "/nobody/has/this"], 1, "No such file"),
        (&["repl", &nobody], 1, "cannot connect"),
        (&["http", "https://localhost/"], 1, "give http://"),
        (&["tcrmgr", "restore", "@", "/nobody/has/this"], 1, "lcmgr: error: 9999"),
        (&["tcrmgr"], 2, "Usage: lcmgr tcrmgr"),
    ] {
        let line: Vec<_> =
            line.iter().map(|word| if *word == "@" { &node.address[..] } else { *word }).collect();
        let said = lcmgr.run(&line);
        assert!(said.code == code && said.err.contains(err), "{line:?}: {said:?}");
    }
    assert_eq!(lcmgr.run(["put", "-dai", &node.address, "n", "-3"]).text(), "-3\n");
    assert_eq!(lcmgr.run(["-c", "x", "tcrmgr", "get", "-px", &node.address, "n"]).text(), "FD FF FF FF\n");
    let help = lcmgr.run(["put", "--help"]);
    assert!(help.code == 0 && help.text().contains("--dai"), "{help:?}");
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let node = Node::start(&[]);
    let tcrmgr = Program::tcrmgr();
    let lines: String = (0..20_000).map(|n| format!("key{n}\tvalue\n")).collect();
    assert_eq!(tcrmgr.run_with(["importtsv", &node.address], lines.as_bytes()).code, 0);
    let mut command = tcrmgr.command();
    let mut child = command.args(["list", "-pv", &node.address]).stdin(Stdio::null()).spawn().unwrap();
    let mut some = [0; 100];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    let mut running = crate::support::children::Running(child);
    let mut status = None;
    eventually("it ends", || {
        status = running.0.try_wait().unwrap();
        status.is_some()
    });
    let mut err = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(status.unwrap().success() && err.is_empty(), "{err}");
}
