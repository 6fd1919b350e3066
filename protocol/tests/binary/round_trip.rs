//! Every command to bytes and back.

use crate::wire::{encode, run};
use lcnode_protocol::binary::{Decoder, Step};
use lcnode_protocol::{Command, Items, Request};

/// Encodes a request, decodes it and expects the same, whole and cut short.
fn goes_round(request: Request<'_>) {
    let mut wire = encode(&request);
    let used = wire.len();
    for cut in 0..used {
        let step = Decoder::default().decode(&wire[..cut]).unwrap();
        let Step::Incomplete { at_least } = step else {
            panic!("{cut} of {used} bytes gave {step:?}");
        };
        assert!(cut < at_least && at_least <= used, "{at_least} at {cut} of {used}");
    }
    let whole = Step::Request { request, used };
    assert_eq!(Decoder::default().decode(&wire), Ok(whole));
    // What follows is none of its business.
    wire.extend(b"\xC8\xFF and more");
    assert_eq!(Decoder::default().decode(&wire), Ok(whole));
}

#[test]
fn every_command() {
    let run = run(&[b"one", b"", b"three"]);
    let items = Items::from_wire(&run).unwrap();
    let requests = [
        Request::Put { key: b"key", value: b"value" },
        Request::PutKeep { key: b"key", value: b"value" },
        Request::PutCat { key: b"key", value: b"value" },
        Request::PutShl { key: b"key", value: b"value", width: 3 },
        Request::PutNr { key: b"key", value: b"value" },
        Request::Out { key: b"key" },
        Request::Get { key: b"key" },
        Request::MGet { keys: items },
        Request::Vsiz { key: b"key" },
        Request::IterInit,
        Request::IterNext,
        Request::FwmKeys { prefix: b"pre", max: Some(7) },
        Request::AddInt { key: b"key", num: -5 },
        Request::AddDouble { key: b"key", num: -1.75 },
        Request::Ext { name: b"name", options: 3, key: b"key", value: b"value" },
        Request::Sync,
        Request::Optimize { params: b"bnum=10" },
        Request::Vanish,
        Request::Copy { path: b"@prog" },
        Request::Restore { path: b"ulog", ts: 1 << 40 | 9, options: 1 },
        Request::SetMst { host: b"host", port: 1978, ts: 1 << 50 | 3, options: 1 },
        Request::Rnum,
        Request::Size,
        Request::Stat,
        Request::Misc { name: b"getlist", options: 1, args: items },
        Request::Repl { ts: 1 << 33 | 1, sid: 4_000_000_000 },
    ];
    let commands: Vec<Command> = requests.iter().map(Request::command).collect();
    assert_eq!(commands, Command::ALL);
    requests.into_iter().for_each(goes_round);
}

#[test]
fn empty_fields_are_legal_everywhere() {
    let (key, value, none) = (b"", b"", Items::EMPTY);
    for request in [
        Request::Put { key, value },
        Request::PutKeep { key, value },
        Request::PutCat { key, value },
        Request::PutShl { key, value, width: 0 },
        Request::PutNr { key, value },
        Request::Out { key },
        Request::Get { key },
        Request::MGet { keys: none },
        Request::Vsiz { key },
        Request::FwmKeys { prefix: b"", max: None },
        Request::AddInt { key, num: 0 },
        Request::AddDouble { key, num: 0.0 },
        Request::Ext { name: b"", options: 0, key, value },
        Request::Optimize { params: b"" },
        Request::Copy { path: b"" },
        Request::Restore { path: b"", ts: 0, options: 0 },
        Request::SetMst { host: b"", port: 0, ts: 0, options: 0 },
        Request::Misc { name: b"", options: 0, args: none },
    ] {
        goes_round(request);
    }
}

#[test]
fn the_extremes_of_plain_numbers() {
    let most = u32::MAX >> 1;
    for request in [
        Request::PutShl { key: b"k", value: b"v", width: most },
        Request::FwmKeys { prefix: b"p", max: Some(0) },
        Request::FwmKeys { prefix: b"p", max: Some(most) },
        Request::AddInt { key: b"k", num: i32::MIN },
        Request::AddInt { key: b"k", num: i32::MAX },
        Request::AddDouble { key: b"k", num: f64::INFINITY },
        Request::AddDouble { key: b"k", num: f64::NEG_INFINITY },
        Request::Ext { name: b"f", options: u32::MAX, key: b"k", value: b"v" },
        Request::Restore { path: b"p", ts: u64::MAX, options: u32::MAX },
        Request::SetMst { host: b"h", port: most, ts: u64::MAX, options: u32::MAX },
        Request::Misc { name: b"f", options: u32::MAX, args: Items::EMPTY },
        Request::Repl { ts: 1, sid: 1 },
        Request::Repl { ts: u64::MAX, sid: u32::MAX },
    ] {
        goes_round(request);
    }
}

#[test]
fn a_number_that_is_none_stays_none() {
    let wire = encode(&Request::AddDouble { key: b"k", num: f64::NAN });
    let step = Decoder::default().decode(&wire).unwrap();
    let Step::Request { request: Request::AddDouble { num, .. }, .. } = step else {
        panic!("{step:?}");
    };
    assert!(num.is_nan());
}

#[test]
fn any_negative_maximum_of_fwmkeys_is_none() {
    for max in [u32::MAX, 1 << 31, 0xC000_0000] {
        let wire = crate::wire::message(0x58, &[1, max], &[b"p"]);
        let step = Decoder::default().decode(&wire).unwrap();
        let request = Request::FwmKeys { prefix: b"p", max: None };
        assert_eq!(step, Step::Request { request, used: wire.len() });
    }
}
