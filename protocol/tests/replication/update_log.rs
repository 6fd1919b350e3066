//! The original's update log and stream.

use crate::random::{Random, assert_cuts_do_not_matter};
use lcnode_protocol::binary::{self, Field};
use lcnode_protocol::update_log::{
    Answer, BadBlock, Change, Entry, Item, Logged, Reason, Step, encode_request, max_block,
};
use lcnode_protocol::{Command, Items, Limits};

const LIMITS: Limits = Limits { max_key: 1024, max_value: 1 << 16 };

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let pair = |pair: &[u8]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(pair).collect()
}

fn put<'a>(key: &'a [u8], value: &'a [u8]) -> Change<'a> {
    Change::Put { key, value }
}

/// One change of every kind, and its block but for the result.
fn all() -> Vec<(Change<'static>, Vec<u8>)> {
    let key = &b"k"[..];
    let args = Items::from_wire(b"\0\0\0\x01a\0\0\0\0").unwrap();
    vec![
        (put(key, b"v"), bytes("c810 00000001 00000001 6b 76")),
        (Change::PutKeep { key: b"n", value: b"1" }, bytes("c811 00000001 00000001 6e 31")),
        (Change::PutCat { key, value: b"" }, bytes("c812 00000001 00000000 6b")),
        (Change::PutShl { key, value: b"xyz", width: 4 }, bytes("c813 00000001 00000003 00000004 6b 78797a")),
        (Change::Out { key: b"n" }, bytes("c820 00000001 6e")),
        (Change::AddInt { key, num: -2 }, bytes("c860 00000001 fffffffe 6b")),
        (
            Change::AddDouble { key: b"d", integ: 1, fract: 500_000_000_000 },
            bytes("c861 00000001 0000000000000001 000000746a528800 64"),
        ),
        (Change::Sync, bytes("c870")),
        (Change::Optimize { params: b"a=1" }, bytes("c871 00000003 613d31")),
        (Change::Vanish, bytes("c872")),
        (Change::Misc { name: b"get", args }, bytes("c890 00000003 00000002 676574 00000001 61 00000000")),
        (Change::Misc { name: b"x", args: Items::EMPTY }, bytes("c890 00000001 00000000 78")),
    ]
}

#[test]
fn blocks_are_the_originals_bytes_and_come_back() {
    for (change, block) in all() {
        for worked in [true, false] {
            let mut block = block.clone();
            block.push(u8::from(!worked));
            let logged = Logged { change, worked };
            let mut wire = Vec::new();
            logged.encode(&mut wire);
            assert_eq!(wire, block);
            assert_eq!(Logged::decode(&block, LIMITS), Ok(logged));
        }
    }
}

#[test]
fn any_result_but_zero_is_a_failure() {
    for result in 0..=255 {
        let block = [0xC8, 0x72, result];
        let logged = Logged::decode(&block, LIMITS).unwrap();
        assert_eq!(logged, Logged { change: Change::Vanish, worked: result == 0 });
    }
}

#[test]
fn a_block_of_any_other_length_is_refused() {
    for (change, mut block) in all() {
        let command = change.command();
        block.push(0);
        let size = block.len();
        for end in 0..size {
            let refused = Logged::decode(&block[..end], LIMITS).unwrap_err();
            let known = if end < 2 { None } else { Some(command) };
            match refused {
                BadBlock::Short { command, size, needed } => {
                    assert_eq!((command, size), (known, end));
                    assert!(needed > end && needed <= block.len(), "{needed}");
                }
                other => panic!("{other} at {end} of {command:?}"),
            }
        }
        block.push(0);
        let long = BadBlock::Long { command, size: size + 1, used: size };
        assert_eq!(Logged::decode(&block, LIMITS), Err(long));
    }
}

#[test]
fn sizes_that_lie_are_refused() {
    let tight = Limits { max_key: 1, max_value: 2 };
    let decode = |hex: &str| Logged::decode(&bytes(hex), tight).unwrap_err();
    let size = |command, reason| BadBlock::Size { command, reason };
    assert_eq!(
        decode("c820 ffffffff 6e 00"),
        size(Command::Out, binary::Reason::Negative { field: Field::Key, value: -1 })
    );
    assert_eq!(
        decode("c820 00000002 6e6e 00"),
        size(Command::Out, binary::Reason::KeyTooLong { size: 2, limit: 1 })
    );
    assert_eq!(
        decode("c810 00000001 00000003 6e 616263 00"),
        size(Command::Put, binary::Reason::ValueTooLong { size: 3, limit: 2 })
    );
    assert_eq!(
        decode("c890 00000001 00000001 78 00000003 616263 00"),
        size(Command::Misc, binary::Reason::ArgumentTooLong { size: 3, limit: 2 })
    );
    assert_eq!(
        decode("c890 00000001 00100001 78 00"),
        size(Command::Misc, binary::Reason::TooManyItems { count: 1_048_577 })
    );
    assert_eq!(
        decode("c813 00000001 00000001 80000000 6b 78 00"),
        size(Command::PutShl, binary::Reason::Negative { field: Field::Width, value: i32::MIN })
    );
    assert!(matches!(decode("c871 00010001 00"), BadBlock::Size { command: Command::Optimize, .. }));
    assert!(matches!(decode("c890 00000400 00000000 00"), BadBlock::Size { command: Command::Misc, .. }));
}

#[test]
fn what_is_no_change_is_refused_by_name() {
    let says = |block: &[u8], text: &str| {
        assert_eq!(Logged::decode(block, LIMITS).unwrap_err().to_string(), text);
    };
    says(&[0xC9, 0x10, 0], "the command block begins with 0xc9, not with 0xc8");
    says(&[0xC8, 0xFF, 0], "byte 1 of the command block is 0xff, which is no command");
    says(&[0xC8, 0x30, 0], "the command block is a get, which changes nothing");
    says(&[0xC8, 0x10, 0], "the command block (put) has 3 bytes and needs 11");
    says(&[0xC8, 0x72, 0, 0], "the command block (vanish) has 4 bytes, its fields only 3");
    let logged: Vec<u8> = all().iter().map(|(change, _)| change.command().id()).collect();
    for command in Command::ALL.into_iter().filter(|command| !logged.contains(&command.id())) {
        assert_eq!(Logged::decode(&[0xC8, command.id(), 0], LIMITS), Err(BadBlock::NotLogged(command)));
    }
}

#[test]
fn entries_and_items_are_the_originals_bytes() {
    // From one captured conversation: the answer, two keep-alives, two entries.
    let stream = bytes(
        "00000003 ca c9 000660d849a7052e 00000003 0000000d c81000000001000000016131 00
         c9 000660d849a7067b 00000003 0000000b c820000000046e6f7065 01 ca",
    );
    assert_eq!(Answer::decode(&stream), Step::Whole { item: Answer { sid: 3 }, used: 4 });
    assert_eq!(Answer::decode(&stream[..3]), Step::Incomplete { at_least: 4 });
    let (one, other) = (&stream[22..35], &stream[52..63]);
    let items = [
        Item::KeepAlive,
        Item::Entry { ts: 0x0006_60d8_49a7_052e, sid: 3, block: one },
        Item::Entry { ts: 0x0006_60d8_49a7_067b, sid: 3, block: other },
        Item::KeepAlive,
    ];
    let mut wire = Vec::new();
    Answer { sid: 3 }.encode(&mut wire);
    let mut at = 4;
    for item in items {
        let Ok(Step::Whole { item: decoded, used }) = Item::decode(&stream[at..], LIMITS) else {
            panic!("at {at}")
        };
        assert_eq!(decoded, item);
        at += used;
        item.encode(&mut wire);
    }
    assert_eq!((at, &wire), (stream.len(), &stream));
    let change = Change::Out { key: b"nope" };
    assert_eq!(Logged::decode(other, LIMITS), Ok(Logged { change, worked: false }));

    let file = bytes("c9 000660d84199774a 0007 0008 0000000d c8100000000100000001 6b 76 00");
    let entry = Entry { ts: 0x0006_60d8_4199_774a, sid: 7, mid: 8, block: &file[17..] };
    assert_eq!(Entry::decode(&file, LIMITS), Ok(Step::Whole { item: entry, used: file.len() }));
    let mut wire = Vec::new();
    entry.encode(&mut wire);
    assert_eq!(wire, file);

    let mut request = Vec::new();
    encode_request(1 << 33 | 1, 99, &mut request);
    assert_eq!(request, bytes("c8a0 0000000200000001 00000063"));
}

#[test]
fn lengths_that_lie_are_refused_before_anything_is_waited_for() {
    let most = max_block(LIMITS);
    let header = |size: usize| {
        let mut wire = vec![0xC9; 13];
        wire.extend((size as u32).to_be_bytes());
        wire
    };
    let mut stream = header(0);
    for (size, refused) in [
        (0, Some(Reason::TooShort { size: 0 })),
        (2, Some(Reason::TooShort { size: 2 })),
        (3, None),
        (most, None),
        (most + 1, Some(Reason::TooLong { size: most + 1, limit: most })),
        (u32::MAX as usize, Some(Reason::TooLong { size: u32::MAX as usize, limit: most })),
    ] {
        let wait = Step::Incomplete { at_least: 17 + size };
        assert_eq!(Entry::decode(&header(size), LIMITS), refused.map_or(Ok(wait), Err));
        let wait = Step::Incomplete { at_least: 17 + size };
        stream[9..13].copy_from_slice(&[0, 0, 0, 1]);
        stream[13..].copy_from_slice(&(size as u32).to_be_bytes());
        assert_eq!(Item::decode(&stream, LIMITS), refused.map_or(Ok(wait), Err));
    }
    stream[10] = 1;
    assert_eq!(Item::decode(&stream, LIMITS), Err(Reason::ServerId(65_537)));
    for first in (0..=255).filter(|first| ![0xC9, 0xCA].contains(first)) {
        assert_eq!(Item::decode(&[first], LIMITS), Err(Reason::Magic(first)));
        assert_eq!(Entry::decode(&[first], LIMITS), Err(Reason::Magic(first)));
    }
    assert_eq!(Entry::decode(&[0xCA], LIMITS), Err(Reason::Magic(0xCA)), "only the stream is kept alive");
}

#[test]
fn cuts_and_damage_change_nothing_but_what_they_must() {
    let mut random = Random::new();
    let changes = all();
    let (mut items, mut refused) = (0, 0);
    for _ in 0..3_000 {
        let (mut stream, mut file) = (Vec::new(), Vec::new());
        for _ in 0..random.below(6) {
            let mut block = Vec::new();
            let change = changes[random.below(changes.len())].0;
            Logged { change, worked: random.below(2) == 0 }.encode(&mut block);
            let (ts, sid, mid) = (random.next(), random.next() as u16, random.next() as u16);
            match random.below(4) {
                0 => Item::KeepAlive,
                _ => Item::Entry { ts, sid, block: &block },
            }
            .encode(&mut stream);
            Entry { ts, sid, mid, block: &block }.encode(&mut file);
        }
        for bytes in [&mut stream, &mut file] {
            if !bytes.is_empty() && random.below(3) == 0 {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
            }
        }
        let one = assert_cuts_do_not_matter(&mut random, &stream, |input| Item::decode(input, LIMITS));
        let other = assert_cuts_do_not_matter(&mut random, &file, |input| Entry::decode(input, LIMITS));
        for outcome in [one, other] {
            items += outcome.items.len();
            refused += usize::from(outcome.end.is_err());
        }
        // A damaged block is a change or refused, and what is a change is the block again.
        let mut block = Vec::new();
        Logged { change: changes[random.below(changes.len())].0, worked: true }.encode(&mut block);
        let at = random.below(block.len());
        block[at] = random.next() as u8;
        if let Ok(logged) = Logged::decode(&block, LIMITS) {
            let mut again = Vec::new();
            logged.encode(&mut again);
            let end = block.len() - 1;
            assert_eq!(again[..end], block[..end]);
        }
    }
    assert!(items > 5_000 && refused > 100, "{items} and {refused}");
}
