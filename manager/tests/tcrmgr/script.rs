//! What an operator types in the course of a day, and what comes back, to the byte. The expectations are what the
//! original's tool says to the original's server.

use crate::one_node::{Node, Program, original_path};

/// What a line is to come to.
enum Then {
    /// This on stdout, nothing on stderr, exit code 0.
    Says(&'static [u8]),
    /// This error, nothing on stdout, exit code 1.
    Fails(&'static str),
    /// Usage on stderr, exit code 1.
    Usage,
}

use Then::{Fails, Says, Usage};

const EXISTS: Then = Fails("tcrmgr: error: 6: existing record\n");
const MISSING: Then = Fails("tcrmgr: error: 7: no record found\n");
const OTHER: Then = Fails("tcrmgr: error: 9999: miscellaneous error\n");

/// Lines, with `@` for the host and its port, `HOST` and `PORT` for either.
const SCRIPT: &[(&[&str], Then)] = &[
    (&["inform", "HOST", "-port", "PORT"], Usage),
    (&["put", "@", "a", "1"], Says(b"")),
    (&["put", "-port", "PORT", "HOST", "a", "1"], Says(b"")),
    (&["put", "-port", "1", "@", "a", "1"], Says(b"")),
    (&["put", "@", "-dk", "a", "1"], Usage),
    (&["put", "-dk", "@", "a", "2"], EXISTS),
    (&["put", "-dk", "@", "fresh", "2"], Says(b"")),
    (&["get", "@", "fresh"], Says(b"2\n")),
    (&["out", "@", "fresh"], Says(b"")),
    (&["out", "@", "fresh"], MISSING),
    (&["get", "@", "fresh"], MISSING),
    (&["put", "-dai", "@", "n", "5"], Says(b"5\n")),
    (&["put", "-dai", "@", "n", "-7"], Says(b"-2\n")),
    (&["put", "-dai", "@", "n", "x3"], Says(b"-2\n")),
    (&["put", "-dai", "@", "a", "5"], EXISTS),
    (&["put", "-dad", "@", "d", "1.5"], Says(b"1.500000\n")),
    (&["put", "-dad", "@", "d", "-2.5e-1x"], Says(b"1.250000\n")),
    (&["put", "-dad", "@", "a", "1"], EXISTS),
    (&["put", "-dad", "-dai", "@", "n", "3"], Says(b"1\n")),
    (&["put", "-dai", "@", "wide", "99999999999"], Says(b"1215752191\n")),
    (&["out", "@", "wide"], Says(b"")),
    (&["put", "-ds", "3", "@", "a", "2345"], Says(b"")),
    (&["put", "-dc", "@", "a", "xyz"], Says(b"")),
    (&["get", "@", "a"], Says(b"345xyz\n")),
    (&["get", "-pz", "@", "a"], Says(b"345xyz")),
    (&["get", "-px", "@", "a"], Says(b"33 34 35 78 79 7A\n")),
    (&["get", "-px", "-pz", "@", "a"], Says(b"33 34 35 78 79 7A")),
    (&["put", "@", "a", "-5"], Says(b"")),
    (&["get", "@", "a"], Says(b"-5\n")),
    (&["get", "@", "-px"], MISSING),
    (&["put", "-sx", "@", "6b 00 6c", "00 FF 0a"], Says(b"")),
    (&["get", "-sx", "@", "6b006c"], Says(b"\0\xff\n\n")),
    (&["get", "-sep", "|", "@", "k|l"], Says(b"|\xff\n\n")),
    (&["get", "-sep", "|", "-px", "@", "k|l"], Says(b"00 FF 0A\n")),
    (&["get", "-sep", "\\x", "@", "a"], Says(b"-5\n")),
    (&["put", "-sep", "\\t", "@", "x\ty", "1\t2"], Says(b"")),
    (&["get", "-sep", "\\n", "@", "x\ny"], Says(b"1\n2\n")),
    (&["put", "-sep", "-", "@", "x-z", "3"], Says(b"")),
    (&["get", "-sep", "\\r", "@", "x\rz"], Says(b"3\n")),
    (&["put", "@", "", "empty key"], Says(b"")),
    (&["get", "@", ""], Says(b"empty key\n")),
    (&["out", "@", ""], Says(b"")),
    (&["put", "@", "empty", ""], Says(b"")),
    (&["get", "@", "empty"], Says(b"\n")),
    (&["mget", "@", "a", "nobody", "n", "empty", "a"], Says(b"a\t-5\nn\t\x01\0\0\0\nempty\t\na\t-5\n")),
    (&["mget", "-px", "@", "n"], Says(b"6E\t01 00 00 00\n")),
    (&["mget", "-sep", ".", "@", "x.y"], Says(b"x.y\t1.2\n")),
    (&["mget", "@"], Says(b"")),
    (&["list", "-fm", "k", "-pv", "-px", "@"], Says(b"6B 00 6C\t00 FF 0A\n")),
    (&["list", "-fm", "k", "-sep", "/", "@"], Says(b"k/l\n")),
    (&["list", "-fm", "k/", "-sep", "/", "@"], Says(b"")),
    (&["list", "-fm", "k", "-m", "0", "@"], Says(b"")),
    (&["list", "-m", "-1", "-fm", "em", "@"], Says(b"empty\n")),
    (&["ext", "@", "echo", "a", "b"], Says(b"a:b\n")),
    (&["ext", "@", "echo", "a"], Says(b"a:\n")),
    (&["ext", "@", "echo"], Says(b":\n")),
    (&["ext", "-px", "-xlr", "@", "echo", "a", "b"], Says(b"61 3A 62\n")),
    (&["ext", "-pz", "-xlg", "@", "echo", "a", "b"], Says(b"a:b")),
    (&["ext", "-sx", "@", "echo", "61", "62"], Says(b"a:b\n")),
    (&["ext", "-sep", "|", "@", "echo", "|", "b"], Says(b"|:b\n")),
    (&["ext", "@", "nobody", "a", "b"], OTHER),
    (&["ext", "@", "nothing", "a", "b"], OTHER),
    (&["ext", "@", "echo", "a", "b", "c"], Usage),
    (&["misc", "@", "put", "mk", "mv"], Says(b"")),
    (&["misc", "@", "get", "mk"], Says(b"mv\n")),
    (&["misc", "-mnu", "@", "getlist", "mk", "a"], Says(b"mk\nmv\na\n-5\n")),
    (&["misc", "-sx", "-px", "@", "getlist", "6d6b"], Says(b"6D 6B\n6D 76\n")),
    (&["misc", "-sep", "|", "@", "getlist", "k|l"], Says(b"k|l\n|\xff\n\n")),
    (&["misc", "@", "out", "mk"], Says(b"")),
    (&["misc", "@", "nobody"], OTHER),
    (&["misc", "@"], Usage),
    (&["sync", "@"], Says(b"")),
    (&["optimize", "@"], Says(b"")),
    (&["optimize", "@", "bnum=1000#apow=4"], Says(b"")),
    (&["copy", "@", "/nobody/has/this.tch"], OTHER),
    (&["copy", "@"], Usage),
    (&["restore", "@", "/nobody/has/this"], OTHER),
    (&["restore", "-ts", "5", "-rcc", "@", "/nobody/has/this"], OTHER),
    (&["setmst", "-ts", "now", "-rcc", "-mport", "9", "@", ""], Says(b"")),
    (&["setmst", "@", "a", "b"], Usage),
    (&["vanish", "@"], Says(b"")),
    (&["list", "@"], Says(b"")),
    (&["put", "@", "only", "one"], Says(b"")),
    (&["list", "-m", "0", "@"], Says(b"only\n")),
    (&["list", "-pv", "@"], Says(b"only\tone\n")),
    (&["list", "-px", "-pv", "-sep", "|", "-m", "5", "@"], Says(b"6F 6E 6C 79\t6F 6E 65\n")),
    (&["vanish", "@", "more"], Usage),
    (&["get", "-x", "@", "only"], Usage),
    (&["get", "@"], Usage),
    (&["get", "@", "only", "more"], Usage),
    (&["get", "-sep"], Usage),
    (&["get"], Usage),
    (&["nobody", "@"], Usage),
    (&[], Usage),
    (&["--help"], Usage),
];

fn runs_as_expected(node: &Node) {
    let tcrmgr = Program::tcrmgr();
    let (host, port) = node.address.split_once(':').unwrap();
    let mut wrong = Vec::new();
    for (line, then) in SCRIPT {
        let words = line.iter().map(|word| match *word {
            "@" => &node.address[..],
            "HOST" => host,
            "PORT" => port,
            word => word,
        });
        let said = tcrmgr.run(words);
        let is_right = match then {
            Says(out) => (said.code, &said.out[..], &said.err[..]) == (0, out, ""),
            Fails(err) => (said.code, &said.out[..], &said.err[..]) == (1, b"", err),
            Usage => said.code == 1 && said.out.is_empty() && said.err.contains("usage:\n  tcrmgr "),
        };
        if !is_right {
            wrong.push(format!("{line:?}: {said:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_day_of_an_operator() {
    runs_as_expected(&Node::start(&[]));
}

#[test]
#[ignore = "needs LCNODE_ORIGINAL"]
fn a_day_of_an_operator_with_an_original_server() {
    runs_as_expected(&Node::original(&original_path(), &[], true));
}

#[test]
fn the_state_of_a_node() {
    let node = Node::start(&[]);
    let tcrmgr = Program::tcrmgr();
    let inform = tcrmgr.run(["inform", &node.address]).text();
    let size = inform.strip_prefix("record number: 0\nfile size: ").and_then(|rest| rest.strip_suffix('\n'));
    assert!(size.is_some_and(|size| size.parse::<u64>().is_ok()), "{inform:?}");
    let stat = tcrmgr.run(["inform", "-st", &node.address]).text();
    assert!(stat.starts_with("version\t1.1.41\n"), "{stat}");
    assert!(stat.contains("\nrnum\t0\n"), "{stat}");

    let (host, port) = crate::one_node::free();
    let nobody = format!("{host}:{port}");
    assert_eq!(tcrmgr.run(["setmst", &node.address, &nobody]).code, 0);
    let stat = tcrmgr.run(["inform", "-st", &node.address]).text();
    assert!(stat.contains(&format!("\nmhost\t{host}\nmport\t{port}\n")), "{stat}");
    // Without a master the original's tool crashes.
    assert_eq!(tcrmgr.run(["setmst", &node.address]).code, 0);
    let stat = tcrmgr.run(["inform", "-st", &node.address]).text();
    assert!(!stat.contains("\nmhost\t"), "{stat}");

    for line in [&["version"][..], &["--version"], &["version", "-x"]] {
        let said = tcrmgr.run(line);
        assert_eq!(said.code, 0);
        let text = said.text();
        assert!(text.starts_with("Tokyo Tyrant version 1.1.41 (324:0.91) for Linux\n"), "{text}");
        assert!(text.lines().count() == 2 && text.contains("Copyright"), "{text}");
    }
}

#[test]
fn a_backup_and_its_socket() {
    let node = Node::start(&[]);
    let tcrmgr = Program::tcrmgr();
    assert_eq!(tcrmgr.run(["put", &node.address, "k", "v"]).code, 0);
    let backup = node.path("backups/monday.tch");
    assert_eq!(tcrmgr.run(["copy", &node.address, backup.to_str().unwrap()]).code, 0);
    assert!(backup.is_dir());

    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("socket");
    let mut command = std::process::Command::new(crate::support::lcnode());
    command.args(["--port", "0", "--host"]).arg(&socket).arg("*").current_dir(dir.path());
    let _served =
        crate::support::children::Running(command.stdout(std::process::Stdio::null()).spawn().unwrap());
    crate::support::cluster::eventually("the socket is there", || socket.exists());
    let path = socket.to_str().unwrap();
    for port in ["0", "-1"] {
        assert_eq!(tcrmgr.run(["put", "-port", port, path, "k", port]).code, 0);
        assert_eq!(tcrmgr.run(["get", "-port", port, path, "k"]).text(), format!("{port}\n"));
    }
}
