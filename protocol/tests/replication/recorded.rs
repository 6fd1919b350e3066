//! Logs and streams of servers of the original, recorded: what is in each is said here, and written again
//! it is the same to the last byte.

use std::fs;
use std::path::{Path, PathBuf};

use lcnode_protocol::update_log::{Answer, Change, Entry, Item, Logged, Step, file_name, file_number};
use lcnode_protocol::{Items, Limits};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/replication")
}

fn read(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

/// Every entry of a file, which must have nothing behind the last one; writes them again.
fn entries(file: &[u8]) -> Vec<Entry<'_>> {
    let (mut entries, mut at, mut again) = (Vec::new(), 0, Vec::new());
    while at < file.len() {
        match Entry::decode(&file[at..], Limits::default()) {
            Ok(Step::Whole { item, used }) => {
                item.encode(&mut again);
                entries.push(item);
                at += used;
            }
            other => panic!("{other:?} at {at}"),
        }
    }
    assert_eq!(again, file);
    entries
}

/// A stream: the master's id, its entries (time, origin, block), and how many keep-alives; writes it again.
struct Stream<'a> {
    sid: u32,
    entries: Vec<(u64, u16, &'a [u8])>,
    alive: usize,
}

fn stream(bytes: &[u8]) -> Stream<'_> {
    let Step::Whole { item: answer, used: mut at } = Answer::decode(bytes) else { panic!("no answer") };
    let (mut entries, mut alive, mut again) = (Vec::new(), 0, Vec::new());
    answer.encode(&mut again);
    while at < bytes.len() {
        match Item::decode(&bytes[at..], Limits::default()) {
            Ok(Step::Whole { item, used }) => {
                item.encode(&mut again);
                match item {
                    Item::KeepAlive => alive += 1,
                    Item::Entry { ts, sid, block } => entries.push((ts, sid, block)),
                }
                at += used;
            }
            other => panic!("{other:?} at {at}"),
        }
    }
    assert_eq!(again, bytes);
    Stream { sid: answer.sid, entries, alive }
}

/// The change of a block, which written again must be the block.
fn change(block: &[u8]) -> Logged<'_> {
    let logged = Logged::decode(block, Limits::default()).unwrap();
    let mut again = Vec::new();
    logged.encode(&mut again);
    assert_eq!(again, block);
    logged
}

fn put<'a>(key: &'a [u8], value: &'a [u8]) -> Change<'a> {
    Change::Put { key, value }
}

fn misc<'a>(name: &'a str, args: &'a [u8]) -> Change<'a> {
    Change::Misc { name: name.as_bytes(), args: Items::from_wire(args).unwrap() }
}

#[test]
fn one_server_logs_every_change() {
    let file = read("one.ulog");
    let binary: Vec<u8> = (0..=255).collect();
    let long = vec![b'x'; 300];
    let worked = true;
    let expected = [
        (put(b"one", b"1"), worked),
        (put(b"", b""), worked),
        (put(&binary, b"\xc9\xca\xc8\0"), worked),
        (Change::PutKeep { key: b"kept", value: b"first" }, worked),
        (Change::PutKeep { key: b"kept", value: b"second" }, !worked),
        (Change::PutCat { key: b"one", value: b"234" }, worked),
        (Change::PutCat { key: b"new", value: b"n" }, worked),
        (Change::PutShl { key: b"one", value: b"56789", width: 4 }, worked),
        (Change::PutShl { key: b"new", value: b"x", width: 0 }, worked),
        (put(b"silent", b"stored without a reply"), worked),
        (Change::Out { key: b"new" }, worked),
        (Change::Out { key: b"nope" }, !worked),
        (Change::AddInt { key: b"int", num: 5 }, worked),
        (Change::AddInt { key: b"int", num: -7 }, worked),
        (Change::AddInt { key: b"kept", num: 1 }, !worked),
        (Change::AddDouble { key: b"double", integ: 1, fract: 500_000_000_000 }, worked),
        (Change::AddDouble { key: b"double", integ: -2, fract: -250_000_000_000 }, worked),
        (Change::AddDouble { key: b"kept", integ: 1, fract: 0 }, !worked),
        (misc("put", b"\0\0\0\x07by misc\0\0\0\x05value"), worked),
        (misc("get", b"\0\0\0\x07by misc"), worked),
        (misc("putlist", b"\0\0\0\x01a\0\0\0\x011\0\0\0\x01b\0\0\0\x012"), worked),
        (misc("no such", b""), !worked),
        (misc("outlist", b"\0\0\0\x01a\0\0\0\x01b"), worked),
        (Change::Sync, worked),
        (Change::Optimize { params: b"" }, worked),
        (Change::Optimize { params: b"bnum=100" }, worked),
        (Change::Vanish, worked),
        (put(b"last", &long), worked),
    ];
    let entries = entries(&file);
    assert_eq!(entries.len(), expected.len());
    for (entry, (what, worked)) in entries.iter().zip(expected) {
        assert_eq!((entry.sid, entry.mid), (3, 0));
        assert_eq!(change(entry.block), Logged { change: what, worked });
    }
    assert!(entries.windows(2).all(|two| two[0].ts <= two[1].ts));

    // What a replica gets is the log without the master ids.
    let bytes = read("one.stream");
    let stream = stream(&bytes);
    let logged: Vec<_> = entries.iter().map(|entry| (entry.ts, entry.sid, entry.block)).collect();
    assert_eq!((stream.sid, stream.entries), (3, logged));
    assert!(stream.alive >= 2, "one at once, then one a second: {}", stream.alive);
    let nothing = read("nothing-new.stream");
    let nothing = self::stream(&nothing);
    assert_eq!((nothing.sid, nothing.entries.len()), (3, 0));
    assert_eq!(nothing.alive, 2);
}

#[test]
fn a_log_goes_on_from_file_to_file() {
    let mut names: Vec<String> = fs::read_dir(folder().join("files"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    let files: Vec<Vec<u8>> = names.iter().map(|name| read(&format!("files/{name}"))).collect();
    assert!(files.len() > 1);
    let mut logged = Vec::new();
    for ((number, name), file) in (1..).zip(&names).zip(&files) {
        assert_eq!((file_name(number), file_number(name)), (name.clone(), Some(number)));
        let entries = entries(file);
        // The entry that reaches the limit is the last.
        let last = entries[entries.len() - 1].block.len() + 17;
        assert!(file.len() - last < 256);
        logged.extend(entries.iter().map(|entry| (entry.ts, entry.sid, entry.block)));
    }
    let bytes = read("files.stream");
    let stream = stream(&bytes);
    assert_eq!((stream.sid, &stream.entries), (4, &logged));
    assert_eq!(stream.entries.len(), 20);
    for (number, (_, _, block)) in stream.entries.iter().enumerate() {
        let (key, value) = (format!("key {number}"), format!("value {number}"));
        assert_eq!(change(block).change, put(key.as_bytes(), value.as_bytes()));
    }
}

#[test]
fn two_servers_log_where_a_change_was_made_and_who_sent_it() {
    let at_a = [
        put(b"from a", b"1"),
        Change::PutKeep { key: b"from b", value: b"refused" },
        Change::AddInt { key: b"count", num: 5 },
        Change::Out { key: b"from b" },
        put(b"after", b"all"),
    ];
    let at_b = [
        put(b"from b", b"2"),
        Change::PutCat { key: b"from a", value: b"+b" },
        Change::AddInt { key: b"count", num: 7 },
        Change::PutShl { key: b"from a", value: b"tail", width: 3 },
        Change::Vanish,
    ];
    for (name, own, other) in [("a", 1_u16, 2_u16), ("b", 2, 1)] {
        let file = read(&format!("pair-{name}.ulog"));
        let entries = entries(&file);
        for (server, made) in [(1, &at_a), (2, &at_b)] {
            let of_server: Vec<_> = entries.iter().filter(|entry| entry.sid == server).collect();
            let master = if server == own { 0 } else { server };
            assert!(of_server.iter().all(|entry| entry.mid == master));
            let changes: Vec<_> = of_server.iter().map(|entry| change(entry.block).change).collect();
            assert_eq!(changes, made);
        }
        assert_eq!(entries.len(), 10);
        let refused: Vec<_> = entries.iter().filter(|entry| !change(entry.block).worked).collect();
        assert_eq!(refused.len(), 1);
        assert_eq!(change(refused[0].block).change, at_a[1]);

        // To a stranger all is sent; to the other what it neither made nor sent.
        let bytes = read(&format!("pair-{name}-to-99.stream"));
        let all: Vec<_> = entries.iter().map(|entry| (entry.ts, entry.sid, entry.block)).collect();
        assert_eq!((stream(&bytes).sid, stream(&bytes).entries), (own.into(), all.clone()));
        let bytes = read(&format!("pair-{name}-to-{other}.stream"));
        let news: Vec<_> = all.into_iter().filter(|(_, sid, _)| *sid == own).collect();
        assert_eq!((news.len(), stream(&bytes).entries), (5, news));
    }
}
