//! Holds REPLICATION.md against bytes that are really written: every field of every table. A change of
//! either side alone fails here.

use std::fs;
use std::path::Path;

use lcnode_protocol::peer::{
    self, Entries, Epoch, FRAME_HEADER, FollowerFrame, FollowerHello, Hashes, LeaderFrame, LeaderHello, Mode,
    Position, max_body,
};
use lcnode_protocol::update_log::{Answer, Change, Entry, Item, Logged, Step, encode_request};
use lcnode_protocol::{Command, Items, Limits};

/// The cells of the rows of the first table after a heading.
fn rows(heading: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("REPLICATION.md");
    let document = fs::read_to_string(path).unwrap();
    let rest = document.lines().skip_while(|line| *line != heading).skip(1);
    let table = rest.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let rows: Vec<_> = table.skip(2).map(|row| cells(row)[1..].to_vec()).collect();
    assert!(!rows.is_empty(), "no table after {heading:?}");
    rows
}

/// What a field should be: a number, or bytes.
#[derive(Clone, Copy)]
enum Is<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}
use Is::{Bytes, Number};

/// Bytes written in hexadecimal, or as they are, between backquotes.
fn quoted(text: &str) -> Vec<u8> {
    let quoted = text.split('`').nth(1).expect("something in backquotes");
    let pair = |pair: &str| u8::from_str_radix(pair, 16).ok();
    quoted.split(' ').map(pair).collect::<Option<_>>().unwrap_or_else(|| quoted.as_bytes().to_vec())
}

/// Checks that bytes are cut up as a table says: fields in their order without a gap, each with the
/// expected name and content. A magic is in the document itself.
fn check(heading: &str, bytes: &[u8], expected: &[(&str, Is<'_>)]) {
    let (mut rest, mut at) = (bytes, 0);
    let rows = rows(heading);
    let mut expected = expected.iter();
    for row in &rows {
        let name = row[2].split(':').next().unwrap();
        let magic = quoted_magic(&row[2]);
        let is = match &magic {
            Some(magic) => Bytes(magic),
            None => {
                let (expected, is) =
                    expected.next().unwrap_or_else(|| panic!("{heading}: {name} is not expected"));
                assert_eq!(name, *expected, "{heading}");
                *is
            }
        };
        if row[0] != "–" {
            assert_eq!(row[0].parse(), Ok(at), "{heading}: the offset of {name}");
        }
        let size = match (row[1].parse::<usize>(), is) {
            (Ok(size), _) => size,
            (Err(_), Bytes(bytes)) => bytes.len(),
            (Err(_), Number(_)) => panic!("{heading}: {name} is a number without a size"),
        };
        let (field, behind) = rest.split_at(size);
        match is {
            Bytes(bytes) => assert_eq!(field, bytes, "{heading}: {name}"),
            Number(number) => {
                let found = field.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
                assert_eq!(found, number, "{heading}: {name}");
            }
        }
        (rest, at) = (behind, at + size);
    }
    assert_eq!(rest, b"", "{heading} ends at {at}");
    assert_eq!(expected.next().map(|(name, _)| *name), None, "{heading}");
}

fn quoted_magic(text: &str) -> Option<Vec<u8>> {
    text.starts_with("magic: ").then(|| quoted(text))
}

/// Checks the frame around a body, and gives the body.
fn body<'a>(name: &str, by: &str, frame: &'a [u8]) -> &'a [u8] {
    let rows = rows("### Types of frame");
    let row = rows.iter().find(|row| row[1] == name).unwrap();
    assert_eq!(row[2], by);
    let kind: u8 = row[0].parse().unwrap();
    let body = &frame[FRAME_HEADER..];
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(body);
    check(
        "### Frame",
        frame,
        &[
            ("type", Number(kind.into())),
            ("length of the body in bytes", Number(body.len() as u64)),
            ("crc", Number(hasher.finalize().into())),
            ("body", Bytes(body)),
        ],
    );
    let fields = self::rows(&format!("### Body of {name}"));
    let fixed: usize = fields.iter().filter_map(|row| row[1].parse::<usize>().ok()).sum();
    assert_eq!(row[3].parse(), Ok(fixed), "the fixed bytes of {name}");
    body
}

fn written(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

const AT: Position = Position { segment: 0x0102_0304, offset: 0x0506_0708 };
const END: Position = Position { segment: 0x1112_1314, offset: 0x1516_1718 };
/// Values that fill eight bytes, all different.
const fn full(which: u64) -> u64 {
    0x8081_8283_8485_8600 | which
}

#[test]
fn constants_are_as_documented() {
    let constant = |name: &str| {
        let rows = rows("# Replication on the wire");
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no constant {name:?}"));
        row[1].parse::<usize>().unwrap()
    };
    assert_eq!(constant("version"), usize::from(peer::VERSION));
    assert_eq!(constant("ranges"), usize::from(peer::RANGES));
    assert_eq!(constant("most entries in a list"), peer::MAX_ENTRIES);
    assert_eq!(constant("longest reason"), peer::MAX_REASON);
    let least = max_body(Limits { max_key: 1, max_value: 1 });
    assert_eq!(constant("least limit of a frame's body"), least);
    assert_eq!(rows("# Replication on the wire").len(), 5, "each is checked");
}

#[test]
fn hellos_are_as_documented() {
    let position = Some(Epoch { id: full(3), position: AT });
    let hello =
        FollowerHello { version: 1, sid: 0x0203, identity: full(1), clock: full(2), position, mine: true };
    let fields = |flags, epoch, at: Position| {
        [
            ("version", Number(1)),
            ("server id", Number(0x0203)),
            ("identity", Number(full(1))),
            ("clock", Number(full(2))),
            ("flags", Number(flags)),
            ("epoch", Number(epoch)),
            ("segment", Number(at.segment)),
            ("offset", Number(at.offset)),
        ]
    };
    let heading = "### Hello of the follower";
    check(heading, &written(|out| hello.encode(out)), &fields(3, full(3), AT));
    let with = FollowerHello { mine: false, ..hello };
    check(heading, &written(|out| with.encode(out)), &fields(1, full(3), AT));
    let without = FollowerHello { position: None, ..hello };
    check(heading, &written(|out| without.encode(out)), &fields(2, 0, Position::default()));

    let modes = rows("### Modes");
    assert_eq!(modes.len(), 3);
    for (mode, row) in [Mode::Resume, Mode::Full, Mode::Refused].into_iter().zip(modes) {
        assert_eq!(row[1], format!("{mode:?}").to_lowercase());
        let hello = LeaderHello {
            version: 1,
            mode,
            sid: 0x0203,
            identity: full(1),
            clock: full(2),
            from: Epoch { id: full(3), position: AT },
            end: END,
            collected: full(4),
            reason: "why not",
        };
        check(
            "### Hello of the leader",
            &written(|out| hello.encode(out)),
            &[
                ("version", Number(1)),
                ("mode", Number(row[0].parse().unwrap())),
                ("server id", Number(0x0203)),
                ("identity", Number(full(1))),
                ("clock", Number(full(2))),
                ("epoch", Number(full(3))),
                ("from segment", Number(AT.segment)),
                ("from offset", Number(AT.offset)),
                ("end segment", Number(END.segment)),
                ("end offset", Number(END.offset)),
                ("collected", Number(full(4))),
                ("length of the reason in bytes", Number(7)),
                ("reason", Bytes(b"why not")),
            ],
        );
    }
}

#[test]
fn the_leaders_frames_are_as_documented() {
    let frame = LeaderFrame::Records { next: AT, ts: full(1), passed: full(2), records: b"records" };
    check(
        "### Body of records",
        body("records", "leader", &written(|out| frame.encode(out))),
        &[
            ("next segment", Number(AT.segment)),
            ("next offset", Number(AT.offset)),
            ("time", Number(full(1))),
            ("passed", Number(full(2))),
            ("records", Bytes(b"records")),
        ],
    );
    let frame = LeaderFrame::Beat { end: END, clock: full(1), ts: full(2), bytes: full(3), entries: full(4) };
    check(
        "### Body of beat",
        body("beat", "leader", &written(|out| frame.encode(out))),
        &[
            ("end segment", Number(END.segment)),
            ("end offset", Number(END.offset)),
            ("clock", Number(full(1))),
            ("time", Number(full(2))),
            ("bytes", Number(full(3))),
            ("entries", Number(full(4))),
        ],
    );
    let ranges: Vec<u64> = (0..u64::from(peer::RANGES)).collect();
    let wire: Vec<u8> = ranges.iter().flat_map(|range| range.to_be_bytes()).collect();
    assert_eq!(wire, Hashes::to_wire(&ranges));
    let ranges = Hashes::from_wire(&wire).unwrap();
    let frame = LeaderFrame::Digest { id: full(1), collected: full(2), end: END, ranges };
    check(
        "### Body of digest",
        body("digest", "leader", &written(|out| frame.encode(out))),
        &[
            ("id", Number(full(1))),
            ("collected", Number(full(2))),
            ("end segment", Number(END.segment)),
            ("end offset", Number(END.offset)),
            ("digests", Bytes(&wire)),
        ],
    );
    for last in [false, true] {
        let unknown = Hashes::from_wire(&wire[..24]).unwrap();
        let frame = LeaderFrame::Compared { id: full(1), range: 0x0102, last, unknown, records: b"records" };
        check(
            "### Body of compared",
            body("compared", "leader", &written(|out| frame.encode(out))),
            &[
                ("id", Number(full(1))),
                ("range", Number(0x0102)),
                ("last", Number(last.into())),
                ("count", Number(3)),
                ("unknown hashes", Bytes(&wire[..24])),
                ("records", Bytes(b"records")),
            ],
        );
    }
}

#[test]
fn the_followers_frames_are_as_documented() {
    let frame = FollowerFrame::Ack { applied: AT, own: Epoch { id: full(1), position: END } };
    check(
        "### Body of ack",
        body("ack", "follower", &written(|out| frame.encode(out))),
        &[
            ("applied segment", Number(AT.segment)),
            ("applied offset", Number(AT.offset)),
            ("own segment", Number(END.segment)),
            ("own offset", Number(END.offset)),
            ("own epoch", Number(full(1))),
        ],
    );
    let frame = FollowerFrame::AskDigest { id: full(1) };
    let wire = written(|out| frame.encode(out));
    check("### Body of ask digest", body("ask digest", "follower", &wire), &[("id", Number(full(1)))]);
    let entries = [full(2).to_be_bytes(), full(3).to_be_bytes()].concat();
    assert_eq!(Entries::to_wire(&[(full(2), full(3))]), entries);
    for last in [false, true] {
        let entries = Entries::from_wire(&entries).unwrap();
        let frame = FollowerFrame::Compare { id: full(1), range: 0x0102, last, entries };
        check(
            "### Body of compare",
            body("compare", "follower", &written(|out| frame.encode(out))),
            &[
                ("id", Number(full(1))),
                ("range", Number(0x0102)),
                ("last", Number(last.into())),
                ("entries", Bytes(entries.wire())),
            ],
        );
    }
    assert_eq!(rows("### Types of frame").len(), 7, "each is checked");
}

#[test]
fn the_originals_are_as_documented() {
    let time = ("time", Number(full(1)));
    let request = written(|out| encode_request(full(1), 0x8000_0001, out));
    check("### Request of a replica", &request, &[time, ("server id", Number(0x8000_0001))]);
    let answer = written(|out| Answer { sid: 7 }.encode(out));
    check("### Answer of a master", &answer, &[("server id", Number(7))]);
    let block = &b"block"[..];
    let length = ("length of the block in bytes", Number(5));
    let item = Item::Entry { ts: full(1), sid: 0x0203, block };
    check(
        "### Entry in the stream",
        &written(|out| item.encode(out)),
        &[time, ("server id", Number(0x0203)), length, ("block", Bytes(block))],
    );
    assert_eq!(written(|out| Item::KeepAlive.encode(out)), [0xCA]);
    let ids = [("server id", Number(0x0203)), ("master id", Number(0x0405))];
    let entry = Entry { ts: full(1), sid: 0x0203, mid: 0x0405, block };
    check(
        "### Entry in a file",
        &written(|out| entry.encode(out)),
        &[time, ids[0], ids[1], length, ("block", Bytes(block))],
    );
    assert!(matches!(
        Entry::decode(&written(|out| entry.encode(out)), Limits::default()),
        Ok(Step::Whole { .. })
    ));
}

/// A change of a command, with lengths that tell its fields apart.
fn change(command: Command) -> Change<'static> {
    let (key, value) = (&b"key"[..], &b"value"[..]);
    match command {
        Command::Put => Change::Put { key, value },
        Command::PutKeep => Change::PutKeep { key, value },
        Command::PutCat => Change::PutCat { key, value },
        Command::PutShl => Change::PutShl { key, value, width: 9 },
        Command::Out => Change::Out { key },
        Command::AddInt => Change::AddInt { key, num: 9 },
        Command::AddDouble => Change::AddDouble { key, integ: 9, fract: 9 },
        Command::Sync => Change::Sync,
        Command::Optimize => Change::Optimize { params: key },
        Command::Vanish => Change::Vanish,
        Command::Misc => Change::Misc { name: key, args: Items::from_wire(b"\0\0\0\x05value").unwrap() },
        other => panic!("{other:?} is never logged"),
    }
}

#[test]
fn blocks_are_as_documented() {
    let rows = rows("### Blocks");
    assert_eq!(rows.len(), 11);
    for row in rows {
        let command = Command::from_name(&row[1]).unwrap();
        let mut expected = quoted(&row[0]);
        for number in row[2].split(", ").filter(|number| !number.is_empty()) {
            let (name, size) = number.split_once(':').unwrap();
            let number: u64 = match name {
                "key length" | "name length" | "length" => 3,
                "value length" => 5,
                "count" => 1,
                "number" | "width" | "integral part" | "fractional part" => 9,
                other => panic!("{other}"),
            };
            let size: usize = size.parse().unwrap();
            expected.extend_from_slice(&number.to_be_bytes()[8 - size..]);
        }
        for field in row[3].split(", ").filter(|field| !field.is_empty()) {
            expected.extend_from_slice(match field {
                "key" | "name" | "parameters" => &b"key"[..],
                "value" => b"value",
                "arguments (each length:4 and bytes)" => b"\0\0\0\x05value",
                other => panic!("{other}"),
            });
        }
        for worked in [true, false] {
            let mut expected = expected.clone();
            expected.push(u8::from(!worked));
            let change = change(command);
            assert_eq!(written(|out| Logged { change, worked }.encode(out)), expected, "{command:?}");
        }
    }
}
