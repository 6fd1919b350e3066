//! The bytes of every kind of reply.

use crate::wire::hex;
use lcnode_protocol::binary::Encoder;
use lcnode_protocol::{Command, Reply};

/// The bytes that a command's answer becomes.
fn reply(command: Command, answer: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
    let mut out = b"before".to_vec();
    let mut encoder = Encoder::new(&mut out, command);
    assert!(encoder.is_empty());
    answer(&mut encoder);
    let len = encoder.len();
    let reply = out.strip_prefix(b"before").expect("earlier replies are kept").to_vec();
    assert_eq!(reply.len(), len);
    reply
}

fn has_no_reply(command: Command) -> bool {
    matches!(command, Command::PutNr | Command::Repl)
}

#[test]
fn success_and_failure_of_every_command() {
    for command in Command::ALL {
        let success = match command {
            Command::PutNr | Command::Repl => "",
            Command::MGet | Command::FwmKeys | Command::Misc => "00 00000000",
            _ => "00",
        };
        let failure = match command {
            Command::PutNr | Command::Repl => "",
            Command::Misc => "01 00000000",
            _ => "01",
        };
        assert_eq!(reply(command, |r| r.success()), hex(success), "{command:?}");
        assert_eq!(reply(command, |r| r.failure()), hex(failure), "{command:?}");
    }
}

#[test]
fn commands_without_a_reply_write_nothing_whatever_is_said() {
    for command in Command::ALL.into_iter().filter(|&c| has_no_reply(c)) {
        let out = reply(command, |r| {
            r.success();
            r.failure();
            r.value(b"value");
            r.int(1);
            r.double(1.0);
            r.count(1);
            r.begin_list();
            r.item(b"item");
            r.record(b"key", b"value");
            r.end_list();
            r.begin_list();
            r.abandon_list();
        });
        assert_eq!(out, b"");
    }
}

#[test]
fn values() {
    let of = |command, value: &[u8]| reply(command, |r| r.value(value));
    assert_eq!(of(Command::Get, b"abc"), hex("00 00000003 616263"));
    assert_eq!(of(Command::Get, b""), hex("00 00000000"));
    assert_eq!(of(Command::IterNext, b"\0"), hex("00 00000001 00"));
    assert_eq!(of(Command::Ext, b"ok"), hex("00 00000002 6F6B"));
    assert_eq!(of(Command::Stat, b"pid\t1\n"), hex("00 00000006 706964093 10A"));
    assert_eq!(of(Command::Misc, b"abc"), hex("00 00000001 00000003 616263"));
}

#[test]
fn numbers() {
    let int = |number| reply(Command::AddInt, |r| r.int(number));
    assert_eq!(int(-2), hex("00 FFFFFFFE"));
    assert_eq!(int(i32::MAX), hex("00 7FFFFFFF"));
    assert_eq!(reply(Command::Vsiz, |r| r.int(3)), hex("00 00000003"));
    assert_eq!(reply(Command::Size, |r| r.count(u64::MAX)), hex("00 FFFFFFFFFFFFFFFF"));
    assert_eq!(reply(Command::Rnum, |r| r.count(0)), hex("00 0000000000000000"));

    let double = |number| reply(Command::AddDouble, |r| r.double(number));
    assert_eq!(double(1.5), hex("00 0000000000000001 000000746A528800"));
    assert_eq!(double(-1.75), hex("00 FFFFFFFFFFFFFFFF FFFFFF5160843400"));
    assert_eq!(double(f64::INFINITY), hex("00 7FFFFFFFFFFFFFFF 0000000000000000"));
    assert_eq!(double(-1e30), hex("00 8000000000000000 0000000000000000"));
    assert_eq!(double(f64::NAN), hex("00 8000000000000000 8000000000000000"));
}

#[test]
fn lists() {
    let keys = reply(Command::FwmKeys, |r| {
        r.begin_list();
        assert_eq!(r.len(), 5);
        r.item(b"ab");
        assert_eq!(r.len(), 11);
        r.item(b"");
        r.end_list();
    });
    assert_eq!(keys, hex("00 00000002 00000002 6162 00000000"));

    let records = reply(Command::MGet, |r| {
        r.begin_list();
        r.record(b"a", b"abc");
        r.record(b"", b"");
        r.end_list();
    });
    assert_eq!(records, hex("00 00000002 00000001 00000003 61 616263 00000000 00000000"));
}

#[test]
fn a_list_that_is_abandoned_leaves_only_a_failure() {
    let abandoned = |command| {
        reply(command, |r| {
            r.begin_list();
            r.item(b"item");
            r.record(b"key", b"value");
            r.abandon_list();
        })
    };
    assert_eq!(abandoned(Command::FwmKeys), hex("01"));
    assert_eq!(abandoned(Command::MGet), hex("01"));
    assert_eq!(abandoned(Command::Misc), hex("01 00000000"));
    assert_eq!(reply(Command::Misc, |r| r.abandon_list()), hex("01 00000000"));
}

#[test]
fn calls_out_of_order_do_no_harm() {
    let stray = reply(Command::Misc, |r| {
        r.item(b"stray");
        r.record(b"stray", b"stray");
        r.end_list();
    });
    assert_eq!(stray, b"");
    let twice = reply(Command::Misc, |r| {
        r.begin_list();
        r.item(b"lost");
        r.begin_list();
        r.item(b"kept");
        r.end_list();
        r.end_list();
    });
    assert_eq!(twice, hex("00 00000001 00000004 6B657074"));
}

#[test]
fn what_the_wire_cannot_express_becomes_a_failure() {
    // Zeroed memory that is never touched costs address space only.
    let huge = vec![0u8; 1 << 31];
    assert_eq!(reply(Command::Get, |r| r.value(&huge)), hex("01"));
    assert_eq!(reply(Command::Misc, |r| r.value(&huge)), hex("01 00000000"));
    let list = reply(Command::MGet, |r| {
        r.begin_list();
        r.record(b"a", b"b");
        r.record(b"key", &huge);
        r.record(b"c", b"d");
        r.end_list();
    });
    assert_eq!(list, hex("01"));
}
