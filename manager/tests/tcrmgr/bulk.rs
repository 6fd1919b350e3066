//! Many records, large ones, streams, and pages.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines, Read};
use std::process::{ChildStdout, Command};

use crate::one_node::{Node, Program, parrot};
use crate::support::children::Running;
use crate::support::cluster::eventually;

#[test]
fn lists_are_whole_however_long() {
    let node = Node::start(&[]);
    let tcrmgr = Program::tcrmgr();
    let lines: String = (0..3001).map(|n| format!("key{n:05}\tvalue{n}\n")).collect();
    assert_eq!(tcrmgr.run_with(["importtsv", &node.address], lines.as_bytes()).code, 0);
    let listed = |args: &[&str]| {
        let said = tcrmgr.run(args.iter().chain([&&node.address[..]]));
        assert_eq!((said.code, &said.err[..]), (0, ""), "{args:?}");
        let text = said.text();
        let lines: BTreeSet<_> = text.lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), text.lines().count(), "{args:?}: some came twice");
        lines
    };
    assert_eq!(listed(&["list"]).len(), 3001);
    let records = listed(&["list", "-pv"]);
    let expected: BTreeSet<_> = lines.lines().map(str::to_owned).collect();
    assert_eq!(records, expected);
    for (max, count) in [("0", 1), ("1", 1), ("256", 256), ("257", 257), ("9999", 3001), ("-1", 3001)] {
        assert_eq!(listed(&["list", "-m", max]).len(), count, "{max}");
    }
    assert_eq!(listed(&["list", "-fm", "key00", "-pv"]).len(), 1000);
    assert_eq!(listed(&["list", "-fm", "key00", "-m", "17"]).len(), 17);
}

#[tokio::test]
async fn a_list_that_is_too_long_for_one_reply() {
    let node = Node::start(&[]);
    let server = node.server();
    for n in 0..70u8 {
        let mut key = vec![b'k'; 1 << 20];
        key[1] = n;
        server.put(&key, b"v").await.unwrap();
    }
    server.put(b"other", b"v").await.unwrap();
    let tcrmgr = Program::tcrmgr();
    let said = tcrmgr.run(["list", "-fm", "k", &node.address]);
    assert_eq!((said.code, &said.err[..]), (0, ""));
    assert_eq!(said.out.len(), 70 * ((1 << 20) + 1));
    let said = tcrmgr.run(["list", "-fm", "k", "-m", "69", &node.address]);
    assert_eq!(said.out.len(), 69 * ((1 << 20) + 1));
}

#[test]
fn lines_of_text_become_records() {
    let node = Node::start(&[]);
    let tcrmgr = Program::tcrmgr();
    let address = &node.address[..];
    let text = b"K1\tv1\nno value\nK2\tv\t2\r\nK3\t\n\tempty\nK4\tnul\0x\r\rK|5\tla|st";
    for options in [&[][..], &["-nr"], &["-sc"], &["-sep", "|"]] {
        assert_eq!(tcrmgr.run(["vanish", address]).code, 0);
        let line = ["importtsv"].iter().chain(options).chain([&address]);
        let said = tcrmgr.run_with(line, text);
        assert_eq!((said.code, &said.text()[..]), (0, " (00000006)\n"), "{options:?}");
        let first = if options == ["-sc"] { "k1" } else { "K1" };
        let fifth = if options == ["-sc"] { "k|5" } else { "K|5" };
        let said = tcrmgr.run(["mget", "-px", address, first, "K2", "K3", "K4", "", fifth]);
        let last = if options.contains(&"-sep") { "6C 61 00 73 74" } else { "6C 61 7C 73 74" };
        let text = said.text();
        assert!(text.ends_with(&format!("\t{last}\n")), "{options:?} {text}");
        if options != ["-sc"] {
            let expected = "4B 31\t76 31\n4B 32\t76 09 32\n4B 33\t\n4B 34\t6E 75 6C 78\n\t65 6D 70 74 79\n";
            assert!(text.starts_with(expected), "{options:?} {text}");
        }
    }
    let file = node.path("records.tsv");
    for (records, said) in [
        (0, " (00000000)\n".to_owned()),
        (100, " (00000100)\n".to_owned()),
        (5000, format!("{} (00005000)\n", ".".repeat(49))),
        (5123, format!("{} (00005000)\n. (00005123)\n", ".".repeat(50))),
    ] {
        let text: String = (0..records).map(|n| format!("i{n}\t{n}\n")).collect();
        std::fs::write(&file, text).unwrap();
        assert_eq!(tcrmgr.run(["importtsv", address, file.to_str().unwrap()]).text(), said, "{records}");
    }
}

#[test]
fn an_import_that_is_refused_says_how_far_it_came() {
    let node = Node::start(&["--mask", "put"]);
    let tcrmgr = Program::tcrmgr();
    let said = tcrmgr.run_with(["importtsv", &node.address], b"a\t1\nb\t2\n");
    assert_eq!((said.code, &said.text()[..]), (1, " (00000000)\n"));
    assert_eq!(said.err, "tcrmgr: error: 9999: miscellaneous error\n");
}

/// The lines that a command says, which does not end by itself.
struct Said {
    lines: Lines<BufReader<ChildStdout>>,
    _running: Running,
}

impl Said {
    fn by(mut command: Command) -> Self {
        let mut running = Running(command.spawn().unwrap());
        let lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
        Self { lines, _running: running }
    }

    /// The next one. The command says it while this waits, or the test is killed by its runner.
    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }
}

#[tokio::test]
async fn changes_are_shown_as_they_come() {
    let node = Node::start(&["--sid", "9"]);
    let server = node.server();
    server.put(b"a", b"1").await.unwrap();
    let tcrmgr = Program::tcrmgr();
    let mut command = tcrmgr.command();
    command.args(["repl", "-ph", &node.address]);
    let mut said = Said::by(command);
    // Those of before, and then those of now.
    let mut shown = vec![said.line()];
    server.out(b"a").await.unwrap();
    server.add_int(b"n", 5).await.unwrap();
    server.put(b"z", b"\0\xff").await.unwrap();
    shown.extend((0..3).map(|_| said.line()));
    let expected = [
        ("put", "C8 10 00 00 00 01 00 00 00 01 61 31 00"),
        ("out", "C8 20 00 00 00 01 61 00"),
        ("addint", "C8 60 00 00 00 01 00 00 00 05 6E 00"),
        ("put", "C8 10 00 00 00 01 00 00 00 02 7A 00 FF 00"),
    ];
    let mut last = 0;
    for (line, (name, hex)) in shown.iter().zip(expected) {
        let (ts, rest) = line.split_once('\t').unwrap();
        let ts: u64 = ts.parse().unwrap();
        assert!(ts > last, "{line}");
        last = ts;
        assert_eq!(rest, format!("9:9\t{name}\t{hex}"));
    }
    // From a time on, and without those of a server, which are all.
    let from = last.to_string();
    let mut command = tcrmgr.command();
    command.args(["repl", "-ts", &from, "-ph", &node.address]);
    let shown = Said::by(command).line();
    assert!(shown.ends_with("7A 00 FF 00"), "{shown}");
    let said = tcrmgr.run(["repl", "-sid", "9", &node.address]);
    assert_eq!((said.code, said.err), (1, format!("tcrmgr: {} could not be connected\n", node.address)));
}

#[tokio::test]
async fn a_raw_stream_is_a_log_that_can_be_replayed() {
    let (one, other) = (Node::start(&["--sid", "9"]), Node::start(&["--sid", "10"]));
    let server = one.server();
    let large = vec![b'l'; 3 << 20];
    server.put(b"\0binary\xff", &large).await.unwrap();
    server.put(b"", b"empty").await.unwrap();
    server.add_int(b"n", 7).await.unwrap();
    server.put(b"last", b"").await.unwrap();
    let tcrmgr = Program::tcrmgr();
    let logs = other.path("backups/logs");
    std::fs::create_dir(&logs).unwrap();
    let log = logs.join("00000001.ulog");
    let file = std::fs::File::create(&log).unwrap();
    let running = Running(tcrmgr.command().args(["repl", &one.address]).stdout(file).spawn().unwrap());
    // A header, a put without key and value, and these, four times.
    let size = (4 * (17 + 11) + 8 + large.len() + 5 + 1 + 4 + 4) as u64;
    eventually("all is there", || std::fs::metadata(&log).unwrap().len() >= size);
    assert_eq!(std::fs::metadata(&log).unwrap().len(), size);
    drop(running);
    assert_eq!(tcrmgr.run(["restore", &other.address, logs.to_str().unwrap()]).code, 0);
    let server = other.server();
    assert_eq!(server.rnum().await.unwrap(), 4);
    assert_eq!(server.get(b"\0binary\xff").await.unwrap().unwrap(), large);
    assert_eq!(server.get(b"n").await.unwrap().unwrap(), &7i32.to_le_bytes()[..]);
}

#[test]
fn pages_are_fetched() {
    let tcrmgr = Program::tcrmgr();
    let url = |says| format!("http://{}/a b?c=d#e", parrot(says));
    let page = b"HTTP/1.1 404 Nobody Home\r\ncontent-length: 5\r\nx-two-words: x\r\nETAG: q\r\n\r\nhe\0lo";
    let said = tcrmgr.run(["http", &url(page)]);
    assert_eq!((said.code, &said.out[..]), (0, &b"he\0lo"[..]));
    let said = tcrmgr.run(["http", "-ih", &url(page)]);
    let head = "HTTP/1.1 404 Nobody Home\nContent-Length: 5\nX-Two-Words: x\nEtag: q\n\nhe\0lo";
    assert_eq!((said.code, &said.text()[..]), (0, head));
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    let said = tcrmgr.run(["http", &url(chunked)]);
    assert_eq!((said.code, &said.out[..]), (0, &b"abcde"[..]));
    let said = tcrmgr.run(["http", "-ih", &url(b"HTTP/1.0 200 OK\r\n\r\nto the end")]);
    assert_eq!((said.code, &said.text()[..]), (0, "HTTP/1.0 200 OK\n\nto the end"));
    for wrong in [&b"hello\r\n\r\n"[..], b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort"] {
        let url = url(wrong);
        let said = tcrmgr.run(["http", &url]);
        assert_eq!((said.code, said.err), (1, format!("tcrmgr: {url}: could not be connected\n")));
    }
}

#[test]
fn headers_are_sent() {
    let (host, port) = crate::one_node::free();
    let listener = std::net::TcpListener::bind((&host[..], port)).unwrap();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut byte = [0];
        while !asked.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            asked.extend(byte);
        }
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8(asked).unwrap()
    });
    let url = format!("http://{host}:{port}/p?q");
    let said = Program::tcrmgr().run(["http", "-ah", "X-Foo", "-bar baz", "-ah", "y-z", "", &url]);
    assert_eq!(said.code, 0, "{said:?}");
    let asked = asked.join().unwrap();
    let expected = format!(
        "GET /p?q HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\nX-Foo: -bar baz\r\nY-Z: \r\n\r\n"
    );
    assert_eq!(asked, expected);
}
