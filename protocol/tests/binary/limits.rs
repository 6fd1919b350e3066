//! The boundaries of every limited number, and the refusals beyond them.

use crate::wire::message;
use lcnode_protocol::binary::{Decoder, Field, MAX_ITEMS, MAX_NAME, MAX_TEXT, Reason, Reject, Step};
use lcnode_protocol::peer::FOLLOW;
use lcnode_protocol::{Command, Limits, Request};

const MOST: u32 = i32::MAX as u32;

/// A limited number: the command, how many numbers its header has, which of
/// them is meant, its limit, and how the refusal beyond the limit reads.
struct Case {
    command: Command,
    header: usize,
    at: usize,
    field: Field,
    limit: u32,
    beyond: fn(u32, u32) -> Option<Reason>,
}

const KEY: fn(u32, u32) -> Option<Reason> = |size, limit| Some(Reason::KeyTooLong { size, limit });
const VALUE: fn(u32, u32) -> Option<Reason> = |size, limit| Some(Reason::ValueTooLong { size, limit });
const NAME: fn(u32, u32) -> Option<Reason> = |size, _| Some(Reason::NameTooLong { size });
const ITEMS: fn(u32, u32) -> Option<Reason> = |count, _| Some(Reason::TooManyItems { count });
const PATH: fn(u32, u32) -> Option<Reason> = |size, _| Some(Reason::TextTooLong { field: Field::Path, size });
const HOST: fn(u32, u32) -> Option<Reason> = |size, _| Some(Reason::TextTooLong { field: Field::Host, size });
const PARAMS: fn(u32, u32) -> Option<Reason> =
    |size, _| Some(Reason::TextTooLong { field: Field::Params, size });
const ANY: fn(u32, u32) -> Option<Reason> = |_, _| None;

fn cases(limits: Limits) -> Vec<Case> {
    let Limits { max_key, max_value } = limits;
    let mut cases = Vec::new();
    let mut add = |command, header, at, field, limit, beyond| {
        cases.push(Case { command, header, at, field, limit, beyond });
    };
    for command in [Command::Put, Command::PutKeep, Command::PutCat, Command::PutNr] {
        add(command, 2, 0, Field::Key, max_key, KEY);
        add(command, 2, 1, Field::Value, max_value, VALUE);
    }
    add(Command::PutShl, 3, 0, Field::Key, max_key, KEY);
    add(Command::PutShl, 3, 1, Field::Value, max_value, VALUE);
    add(Command::PutShl, 3, 2, Field::Width, MOST, ANY);
    for command in [Command::Out, Command::Get, Command::Vsiz] {
        add(command, 1, 0, Field::Key, max_key, KEY);
    }
    add(Command::MGet, 1, 0, Field::Count, MAX_ITEMS, ITEMS);
    add(Command::FwmKeys, 2, 0, Field::Prefix, max_key, KEY);
    add(Command::AddInt, 2, 0, Field::Key, max_key, KEY);
    add(Command::AddDouble, 5, 0, Field::Key, max_key, KEY);
    add(Command::Ext, 4, 0, Field::Name, MAX_NAME, NAME);
    add(Command::Ext, 4, 2, Field::Key, max_key, KEY);
    add(Command::Ext, 4, 3, Field::Value, max_value, VALUE);
    add(Command::Optimize, 1, 0, Field::Params, MAX_TEXT, PARAMS);
    add(Command::Copy, 1, 0, Field::Path, MAX_TEXT, PATH);
    add(Command::Restore, 4, 0, Field::Path, MAX_TEXT, PATH);
    add(Command::SetMst, 5, 0, Field::Host, MAX_TEXT, HOST);
    add(Command::SetMst, 5, 1, Field::Port, MOST, ANY);
    add(Command::Misc, 3, 0, Field::Name, MAX_NAME, NAME);
    add(Command::Misc, 3, 2, Field::Count, MAX_ITEMS, ITEMS);
    cases
}

/// What comes of a header with one number set and all others zero.
fn outcome(case: &Case, limits: Limits, number: u32) -> Result<Option<usize>, Reason> {
    let mut header = vec![0; case.header];
    header[case.at] = number;
    let wire = message(case.command.id(), &header, &[]);
    match Decoder::new(limits).decode(&wire) {
        Ok(Step::Incomplete { at_least }) => Ok(Some(at_least - wire.len())),
        Ok(Step::Request { used, .. }) => {
            assert_eq!(used, wire.len());
            Ok(None)
        }
        Err(Reject { command, reason }) => {
            assert_eq!(command, Some(case.command), "the refused command is counted");
            Err(reason)
        }
    }
}

#[test]
fn every_limit_is_exact() {
    let tight = Limits { max_key: 3, max_value: 5 };
    let none = Limits { max_key: 0, max_value: 0 };
    for limits in [Limits::default(), tight, none] {
        for case in cases(limits) {
            let Case { command, field, limit, .. } = case;
            let more = match field {
                Field::Width | Field::Port => None,
                Field::Count => Some(4),
                _ => Some(limit as usize).filter(|&size| size > 0),
            };
            let at_limit = outcome(&case, limits, limit);
            assert_eq!(at_limit, Ok(more), "{} {field:?}", command.name());
            assert_eq!(outcome(&case, limits, 0), Ok(None), "{} {field:?}", command.name());
            if let Some(reason) = (case.beyond)(limit + 1, limit) {
                let beyond = outcome(&case, limits, limit + 1);
                assert_eq!(beyond, Err(reason), "{} {field:?}", command.name());
                let reason = (case.beyond)(MOST, limit).unwrap();
                assert_eq!(outcome(&case, limits, MOST), Err(reason));
            }
            for value in [-1, i32::MIN] {
                let negative = outcome(&case, limits, value.cast_unsigned());
                assert_eq!(negative, Err(Reason::Negative { field, value }));
            }
        }
    }
}

#[test]
fn the_default_is_the_limit_of_the_original() {
    let Limits { max_key, max_value } = Limits::default();
    assert_eq!((max_key, max_value), (268_435_456, 268_435_456));
}

/// What comes of one `mget` or `misc` with one good item and one of this size.
fn second_item(id: u8, size: u32, limits: Limits) -> Result<Step<'static>, Reject> {
    let header: &[u32] = if id == Command::MGet.id() { &[2] } else { &[0, 0, 2] };
    let wire = message(id, header, &[&1u32.to_be_bytes(), b"a", &size.to_be_bytes()]);
    match Decoder::new(limits).decode(&wire) {
        Ok(Step::Incomplete { at_least }) => Ok(Step::Incomplete { at_least: at_least - wire.len() }),
        Ok(Step::Request { .. }) => panic!("a request out of half of one"),
        Err(reject) => Err(reject),
    }
}

#[test]
fn items_are_limited_one_by_one() {
    let limits = Limits { max_key: 30, max_value: 50 };
    let (mget, misc) = (Command::MGet.id(), Command::Misc.id());
    let more = |at_least| Ok(Step::Incomplete { at_least });
    let refused = |command, reason| Err(Reject { command: Some(command), reason });

    assert_eq!(second_item(mget, 30, limits), more(30));
    let reason = Reason::KeyTooLong { size: 31, limit: 30 };
    assert_eq!(second_item(mget, 31, limits), refused(Command::MGet, reason));
    let reason = Reason::Negative { field: Field::Key, value: -1 };
    assert_eq!(second_item(mget, u32::MAX, limits), refused(Command::MGet, reason));

    // An argument may be a key or a value: the larger limit is the one.
    let swapped = Limits { max_key: 50, max_value: 30 };
    for limits in [limits, swapped] {
        assert_eq!(second_item(misc, 50, limits), more(50));
        let reason = Reason::ArgumentTooLong { size: 51, limit: 50 };
        assert_eq!(second_item(misc, 51, limits), refused(Command::Misc, reason));
    }
    let reason = Reason::Negative { field: Field::Argument, value: i32::MIN };
    assert_eq!(second_item(misc, 1 << 31, limits), refused(Command::Misc, reason));
}

#[test]
fn a_replica_needs_a_time_stamp_and_an_id() {
    for (ts, sid) in [(0, 0), (0, 1), (1, 0), (1 << 32, 0)] {
        let wire = message(0xA0, &[(ts >> 32) as u32, ts as u32, sid], &[]);
        let reject = Decoder::default().decode(&wire).unwrap_err();
        assert_eq!(reject.command, Some(Command::Repl));
        assert_eq!(reject.reason, Reason::BadReplication { ts, sid });
    }
    let wire = message(0xA0, &[1, 0, 1], &[]);
    let request = Request::Repl { ts: 1 << 32, sid: 1 };
    let step = Step::Request { request, used: wire.len() };
    assert_eq!(Decoder::default().decode(&wire), Ok(step));
}

#[test]
fn every_other_first_or_second_byte_is_refused() {
    for byte in (0..=255).filter(|&byte| byte != 0xC8) {
        let reason = Reason::NotBinary(byte);
        let reject = Reject { command: None, reason };
        assert_eq!(Decoder::default().decode(&[byte]), Err(reject));
        assert_eq!(Decoder::default().decode(&[byte, 0x30, 0]), Err(reject));
    }
    for id in (0..=255).filter(|&id| Command::from_id(id).is_none() && id != FOLLOW) {
        let reason = Reason::UnknownCommand(id);
        let reject = Reject { command: None, reason };
        assert_eq!(Decoder::default().decode(&[0xC8, id]), Err(reject));
    }
}
