//! Hellos of both sides.

use crate::random::{Random, assert_cuts_do_not_matter};
use lcnode_protocol::binary::{Decoder, Reason as Refused, Step as Decoded};
use lcnode_protocol::peer::{
    Epoch, FollowerHello, LeaderHello, MAX_REASON, Mode, Position, Reason, Step, VERSION,
};
use lcnode_protocol::{Command, Request};

const AT: Position = Position { segment: 5, offset: 600 };

fn follower() -> FollowerHello {
    let position = Some(Epoch { id: 1 << 60, position: AT });
    FollowerHello { version: VERSION, sid: 7, identity: 1 << 50, clock: 1 << 40, position, mine: true }
}

fn leader() -> LeaderHello<'static> {
    LeaderHello {
        version: VERSION,
        mode: Mode::Full,
        sid: 8,
        identity: 9,
        clock: 10,
        from: Epoch { id: 11, position: AT },
        end: Position { segment: 12, offset: 13 },
        collected: 14,
        reason: "",
    }
}

fn wire_of(hello: &FollowerHello) -> Vec<u8> {
    let mut wire = Vec::new();
    hello.encode(&mut wire);
    wire
}

/// What the binary dialect makes of a hello.
fn decode(wire: &[u8]) -> Result<FollowerHello, Refused> {
    match Decoder::default().decode(wire) {
        Ok(Decoded::Request { request: Request::Follow(hello), used }) => {
            assert_eq!((used, Request::Follow(hello).command()), (wire.len(), Command::Repl));
            Ok(hello)
        }
        Ok(other) => panic!("{other:?}"),
        Err(reject) => {
            assert_eq!(reject.command, Some(Command::Repl), "it is counted");
            Err(reject.reason)
        }
    }
}

#[test]
fn a_followers_hello_comes_back() {
    for (position, mine) in
        [(None, false), (None, true), (follower().position, false), (follower().position, true)]
    {
        let hello = FollowerHello { position, mine, ..follower() };
        assert_eq!(decode(&wire_of(&hello)), Ok(hello));
    }
}

#[test]
fn a_followers_hello_is_refused_where_it_says_what_cannot_be() {
    let wire = wire_of(&follower());
    for bit in 2..8 {
        let mut flagged = wire.clone();
        flagged[22] |= 1 << bit;
        assert_eq!(decode(&flagged), Err(Refused::BadHello(Reason::Flags(3 | 1 << bit))));
    }
    for at in [31, 39] {
        let mut far = wire.clone();
        far[at] = 1;
        assert!(matches!(decode(&far), Err(Refused::BadHello(Reason::Position { .. }))), "{at}");
        // Without a position nobody looks there.
        far[22] = 0;
        assert_eq!(decode(&far).unwrap().position, None);
    }
}

#[test]
fn another_version_is_told_apart_so_that_it_can_be_refused_with_a_reason() {
    let mut wire = wire_of(&follower());
    wire[2..4].copy_from_slice(&2_u16.to_be_bytes());
    wire[22] = 0xff;
    let hello = decode(&wire).unwrap();
    assert_eq!((hello.version, hello.sid, hello.position, hello.mine), (2, 7, None, false));
}

#[test]
fn a_leaders_hello_comes_back_and_may_be_cut_anywhere() {
    for mode in [Mode::Resume, Mode::Full, Mode::Refused] {
        for reason in ["", "no", "größer"] {
            let hello = LeaderHello { mode, reason, ..leader() };
            let mut wire = b"before".to_vec();
            hello.encode(&mut wire);
            wire.extend_from_slice(b"behind");
            let wire = &wire[6..];
            let used = wire.len() - 6;
            assert_eq!(LeaderHello::decode(wire), Ok(Step::Whole { item: hello, used }));
            for end in 0..used {
                let at_least = [4, 75, used].into_iter().find(|&stage| end < stage).unwrap();
                assert_eq!(LeaderHello::decode(&wire[..end]), Ok(Step::Incomplete { at_least }), "{end}");
            }
        }
    }
}

#[test]
fn a_reason_is_cut_between_two_characters() {
    let long = "ö".repeat(MAX_REASON);
    let mut wire = Vec::new();
    LeaderHello::refusal(1, 2, &long).encode(&mut wire);
    let Ok(Step::Whole { item, .. }) = LeaderHello::decode(&wire) else { panic!("a hello") };
    assert_eq!((item.mode, item.reason), (Mode::Refused, &*"ö".repeat(MAX_REASON / 2)));
    let long = format!("a{long}");
    wire.clear();
    LeaderHello::refusal(1, 2, &long).encode(&mut wire);
    let Ok(Step::Whole { item, .. }) = LeaderHello::decode(&wire) else { panic!("a hello") };
    assert_eq!(item.reason.len(), MAX_REASON - 1);
}

#[test]
fn a_leaders_hello_is_refused_where_it_says_what_cannot_be() {
    let mut wire = Vec::new();
    LeaderHello { reason: "why", ..leader() }.encode(&mut wire);
    let with = |at: usize, bytes: &[u8]| {
        let mut wire = wire.clone();
        wire[at..at + bytes.len()].copy_from_slice(bytes);
        wire
    };
    let refused = |wire: &[u8]| LeaderHello::decode(wire).unwrap_err();
    assert_eq!(refused(&with(4, &[0, 2])), Reason::Version(2));
    assert_eq!(refused(&with(6, &[3])), Reason::Mode(3));
    assert_eq!(refused(&with(73, &[4, 1])), Reason::Text { size: MAX_REASON + 1 });
    assert_eq!(refused(&with(75, &[0xff])), Reason::Text { size: 3 });
    for at in [33, 41, 49, 57] {
        assert!(matches!(refused(&with(at, &[1, 0, 0, 0, 0])), Reason::Position { .. }), "{at}");
    }
    // A refusal of another version is understood.
    let newer = with(4, &[0, 2, 2]);
    let Ok(Step::Whole { item, .. }) = LeaderHello::decode(&newer) else { panic!("a hello") };
    assert_eq!((item.version, item.mode, item.reason), (2, Mode::Refused, "why"));
    // So is an original that answers with the four bytes of its id, or a web server.
    for other in [&[0, 0, 0, 3][..], b"LCNX", b"HTTP/1.1 400"] {
        assert_eq!(refused(other), Reason::NotLcnode);
    }
}

#[test]
fn no_change_of_a_byte_makes_a_hello_panic() {
    let mut random = Random::new();
    let mut wire = Vec::new();
    LeaderHello { reason: "a reason", ..leader() }.encode(&mut wire);
    for _ in 0..20_000 {
        let mut changed = wire.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(changed.len());
            changed[at] = random.next() as u8;
        }
        changed.truncate(random.below(changed.len() + 1));
        let outcome = assert_cuts_do_not_matter(&mut random, &changed, LeaderHello::decode);
        assert!(outcome.items.len() <= 1);
    }
}
