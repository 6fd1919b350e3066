//! Frames between two lcnodes.

use crate::random::{Random, assert_cuts_do_not_matter};
use lcnode_protocol::Limits;
use lcnode_protocol::peer::{
    Entries, Epoch, FRAME_HEADER, FollowerFrame, Hashes, LeaderFrame, MAX_ENTRIES, Position, RANGES, Reason,
    RecordsWriter, Step, max_body,
};

const LIMITS: Limits = Limits { max_key: 1024, max_value: 1 << 16 };

fn leader(input: &[u8]) -> Result<Step<LeaderFrame<'_>>, Reason> {
    LeaderFrame::decode(input, LIMITS)
}

fn follower(input: &[u8]) -> Result<Step<FollowerFrame<'_>>, Reason> {
    FollowerFrame::decode(input, LIMITS)
}

fn position(random: &mut Random) -> Position {
    Position { segment: random.next() >> 32, offset: random.next() >> 32 }
}

/// Writes a random frame of a leader and checks that it comes back.
fn push_leader(random: &mut Random, stream: &mut Vec<u8>) {
    let (start, number) = (stream.len(), random.next());
    let records = random.bytes(200);
    let numbers: Vec<u64> = (0..random.below(6)).map(|_| random.next()).collect();
    let unknown = Hashes::to_wire(&numbers);
    let ranges = Hashes::to_wire(&vec![number; RANGES.into()]);
    let frame = match random.below(30) {
        0 => LeaderFrame::Digest {
            id: number,
            collected: random.next(),
            end: position(random),
            ranges: Hashes::from_wire(&ranges).unwrap(),
        },
        1..10 => LeaderFrame::Beat {
            end: position(random),
            clock: number,
            ts: random.next(),
            bytes: random.next(),
            entries: random.next(),
        },
        10..20 => LeaderFrame::Compared {
            id: number,
            range: number as u16 % RANGES,
            last: number & 1 << 40 != 0,
            unknown: Hashes::from_wire(&unknown).unwrap(),
            records: &records,
        },
        _ => LeaderFrame::Records {
            next: position(random),
            ts: number,
            passed: random.next(),
            records: &records,
        },
    };
    frame.encode(stream);
    let used = stream.len() - start;
    assert_eq!(leader(&stream[start..]), Ok(Step::Whole { item: frame, used }));
}

fn push_follower(random: &mut Random, stream: &mut Vec<u8>) {
    let (start, number) = (stream.len(), random.next());
    let entries: Vec<(u64, u64)> = (0..random.below(6)).map(|_| (random.next(), number)).collect();
    let entries = Entries::to_wire(&entries);
    let frame = match random.below(3) {
        0 => FollowerFrame::Ack {
            applied: position(random),
            own: Epoch { id: number, position: position(random) },
        },
        1 => FollowerFrame::AskDigest { id: number },
        _ => FollowerFrame::Compare {
            id: number,
            range: number as u16 % RANGES,
            last: number & 1 << 40 != 0,
            entries: Entries::from_wire(&entries).unwrap(),
        },
    };
    frame.encode(stream);
    let used = stream.len() - start;
    assert_eq!(follower(&stream[start..]), Ok(Step::Whole { item: frame, used }));
}

/// Perhaps damages a stream: a bit, a byte, the end.
fn damage(random: &mut Random, stream: &mut Vec<u8>) {
    if !stream.is_empty() && random.below(3) == 0 {
        let at = random.below(stream.len());
        match random.below(3) {
            0 => stream[at] ^= 1 << random.below(8),
            1 => stream[at] = random.next() as u8,
            _ => stream.truncate(at),
        }
    }
}

#[test]
fn frames_come_back_however_they_are_cut() {
    let mut random = Random::new();
    let (mut items, mut refused) = (0, 0);
    for _ in 0..1_000 {
        let mut stream = Vec::new();
        (0..random.below(4)).for_each(|_| push_leader(&mut random, &mut stream));
        // Each byte on its own would take long with a digest of 32 KiB.
        if stream.len() < 3_000 {
            damage(&mut random, &mut stream);
            let outcome = assert_cuts_do_not_matter(&mut random, &stream, leader);
            items += outcome.items.len();
            refused += usize::from(outcome.end.is_err());
        }
        let mut stream = Vec::new();
        (0..random.below(4)).for_each(|_| push_follower(&mut random, &mut stream));
        damage(&mut random, &mut stream);
        let outcome = assert_cuts_do_not_matter(&mut random, &stream, follower);
        items += outcome.items.len();
        refused += usize::from(outcome.end.is_err());
    }
    assert!(items > 1_000 && refused > 100, "{items} and {refused}");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let mut wire = Vec::new();
    let next = Position { segment: 1, offset: 2 };
    LeaderFrame::Records { next, ts: 3, passed: 4, records: b"some records" }.encode(&mut wire);
    for bit in 0..wire.len() * 8 {
        wire[bit / 8] ^= 1 << (bit % 8);
        // A length that grew lets it wait for more; nothing is ever taken for whole.
        assert!(!matches!(leader(&wire), Ok(Step::Whole { .. })), "bit {bit}");
        wire[bit / 8] ^= 1 << (bit % 8);
    }
    let mut wire = Vec::new();
    FollowerFrame::Ack { applied: next, own: Epoch { id: 5, position: next } }.encode(&mut wire);
    for bit in 0..wire.len() * 8 {
        wire[bit / 8] ^= 1 << (bit % 8);
        assert!(follower(&wire).is_err(), "bit {bit}");
        wire[bit / 8] ^= 1 << (bit % 8);
    }
}

/// A frame whose checksum is right, whatever it says.
fn forged(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut wire = vec![kind];
    wire.extend((body.len() as u32).to_be_bytes());
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind]);
    hasher.update(body);
    wire.extend(hasher.finalize().to_be_bytes());
    wire.extend_from_slice(body);
    wire
}

#[test]
fn a_length_that_cannot_be_is_refused_before_anything_is_waited_for() {
    let most = max_body(LIMITS);
    let header = |kind: u8, size: usize| {
        let mut wire = vec![kind];
        wire.extend((size as u32).to_be_bytes());
        wire.extend([0; 4]);
        wire
    };
    for (kind, least) in [(0x01, 32), (0x04, 15)] {
        assert!(matches!(leader(&header(kind, least - 1)), Err(Reason::Length { .. })));
        assert!(matches!(leader(&header(kind, most + 1)), Err(Reason::Length { .. })));
        assert!(matches!(leader(&header(kind, u32::MAX as usize)), Err(Reason::Length { .. })));
        let at_least = FRAME_HEADER + most;
        assert_eq!(leader(&header(kind, most)), Ok(Step::Incomplete { at_least }));
    }
    for (kind, size) in [(0x02, 48), (0x03, 32 + 8 * 4096)] {
        assert!(matches!(leader(&header(kind, size - 1)), Err(Reason::Length { .. })));
        assert!(matches!(leader(&header(kind, size + 1)), Err(Reason::Length { .. })));
    }
    for (kind, size) in [(0x11, 40), (0x12, 8)] {
        assert!(matches!(follower(&header(kind, size - 1)), Err(Reason::Length { .. })));
        assert!(matches!(follower(&header(kind, size + 1)), Err(Reason::Length { .. })));
    }
    assert!(matches!(follower(&header(0x13, 10)), Err(Reason::Length { .. })));
    assert!(matches!(follower(&header(0x13, most + 1)), Err(Reason::Length { .. })));
    // The frames of the other side, and none at all, are refused at their first byte.
    for kind in (0..=255).filter(|kind| !(1..=4).contains(kind)) {
        assert_eq!(leader(&[kind]), Err(Reason::Type(kind)));
    }
    for kind in (0..=255).filter(|kind| !(0x11..=0x13).contains(kind)) {
        assert_eq!(follower(&[kind]), Err(Reason::Type(kind)));
    }
}

#[test]
fn a_checksum_that_is_right_makes_nothing_true() {
    let compared = |range: u16, last: u8, count: u32, rest: &[u8]| {
        let mut body = vec![0; 8];
        body.extend(range.to_be_bytes());
        body.push(last);
        body.extend(count.to_be_bytes());
        body.extend_from_slice(rest);
        forged(0x04, &body)
    };
    assert!(matches!(leader(&compared(4095, 1, 1, &[0; 9])), Ok(Step::Whole { .. })));
    assert_eq!(leader(&compared(4096, 1, 1, &[0; 9])), Err(Reason::Range(4096)));
    assert_eq!(leader(&compared(0, 2, 1, &[0; 9])), Err(Reason::Flag(2)));
    let list = |entries| Err(Reason::List { frame: "compared", entries });
    assert_eq!(leader(&compared(0, 0, 2, &[0; 9])), list(2));
    assert_eq!(leader(&compared(0, 0, u32::MAX, &[0; 9])), list(u32::MAX as usize));
    let many = vec![0; 8 * (MAX_ENTRIES + 1)];
    assert_eq!(leader(&compared(0, 0, MAX_ENTRIES as u32 + 1, &many)), list(MAX_ENTRIES + 1));
    assert!(matches!(leader(&compared(0, 0, MAX_ENTRIES as u32, &many)), Ok(Step::Whole { .. })));

    let compare = |range: u16, last: u8, size: usize| {
        let mut body = vec![0; 8];
        body.extend(range.to_be_bytes());
        body.push(last);
        body.resize(11 + size, 0);
        forged(0x13, &body)
    };
    assert!(matches!(follower(&compare(4095, 0, 16 * MAX_ENTRIES)), Ok(Step::Whole { .. })));
    assert_eq!(follower(&compare(4096, 0, 0)), Err(Reason::Range(4096)));
    assert_eq!(follower(&compare(0, 0xff, 0)), Err(Reason::Flag(0xff)));
    for (size, entries) in [(15, 0), (17, 1), (16 * MAX_ENTRIES + 16, MAX_ENTRIES + 1)] {
        assert_eq!(follower(&compare(0, 0, size)), Err(Reason::List { frame: "compare", entries }));
    }
    // Positions beyond what a log can have, wherever one stands.
    for (kind, size, at) in [(0x01, 32, 3), (0x01, 32, 11), (0x02, 48, 0), (0x03, 32 + 8 * 4096, 16)] {
        let mut body = vec![0; size];
        body[at] = 1;
        assert!(matches!(leader(&forged(kind, &body)), Err(Reason::Position { .. })), "{kind} {at}");
    }
    for at in [0, 8, 16, 24] {
        let mut body = [0; 40];
        body[at] = 1;
        assert!(matches!(follower(&forged(0x11, &body)), Err(Reason::Position { .. })), "{at}");
    }
}

#[test]
fn the_limit_follows_the_largest_record() {
    let record = |max_key, max_value| max_body(Limits { max_key, max_value });
    assert_eq!(record(16, 64), (1 << 20) + (1 << 16));
    assert_eq!(record(1 << 20, 1 << 22), (1 << 20) + (1 << 22) + 64 + (1 << 16));
    assert_eq!(record(u32::MAX, u32::MAX), 2 * u32::MAX as usize + 64 + (1 << 16), "no overflow");
}

#[test]
fn records_are_written_piece_by_piece() {
    let (mut pieces, mut whole) = (b"before".to_vec(), b"before".to_vec());
    let next = Position { segment: 3, offset: 4 };
    let mut writer = RecordsWriter::new(&mut pieces);
    assert!(writer.is_empty());
    writer.push(b"one");
    writer.push(b"two");
    assert_eq!(writer.len(), 6);
    writer.finish(next, 5, 6);
    LeaderFrame::Records { next, ts: 5, passed: 6, records: b"onetwo" }.encode(&mut whole);
    assert_eq!(pieces, whole);
    let mut writer = RecordsWriter::new(&mut pieces);
    writer.push(b"three");
    writer.abandon();
    assert_eq!(pieces, whole);
}

#[test]
fn each_refusal_says_what_is_wrong() {
    let says = |reason: Reason, what: &str| {
        let text = reason.to_string();
        assert!(text.contains(what), "{text}");
    };
    says(Reason::NotLcnode, "is this the address of one");
    says(Reason::Version(9), "version 9");
    says(Reason::Length { frame: "beat", size: 9, least: 48, most: 48 }, "beat of 9 bytes; 48 to 48");
    says(Reason::Checksum { frame: "ack", size: 40 }, "ack of 40 bytes");
    says(Reason::Position { segment: 1 << 40, offset: 7 }, "1099511627776:7");
    says(Reason::Range(4096), "range 4096");
}
