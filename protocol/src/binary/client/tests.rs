use super::*;
use crate::binary::{Decoder, Encoder};
use crate::command::Command;
use crate::limits::Limits;
use crate::reply::Reply;
use crate::request::{Items, Request};

fn requests() -> Vec<Request<'static>> {
    let items = Items::from_wire(b"\0\0\0\x01a\0\0\0\0\0\0\0\x03xyz").unwrap();
    let (key, value) = (&b"key"[..], &b"some value"[..]);
    vec![
        Request::Put { key, value },
        Request::PutKeep { key, value },
        Request::PutCat { key, value },
        Request::PutShl { key, value, width: 5 },
        Request::PutNr { key, value },
        Request::Out { key },
        Request::Get { key: b"" },
        Request::MGet { keys: items },
        Request::Vsiz { key },
        Request::IterInit,
        Request::IterNext,
        Request::FwmKeys { prefix: b"k", max: None },
        Request::FwmKeys { prefix: b"", max: Some(7) },
        Request::AddInt { key, num: -3 },
        Request::AddDouble { key, num: -1.75 },
        Request::Ext { name: b"incr", options: 1, key, value },
        Request::Sync,
        Request::Optimize { params: b"bnum=1" },
        Request::Vanish,
        Request::Copy { path: b"/backup" },
        Request::Restore { path: b"/logs", ts: 12, options: 1 },
        Request::SetMst { host: b"other", port: 1978, ts: 5, options: 0 },
        Request::Rnum,
        Request::Size,
        Request::Stat,
        Request::Misc { name: b"put", options: 1, args: items },
        Request::Repl { ts: 1, sid: 2 },
    ]
}

#[test]
fn what_is_encoded_is_decoded_as_the_same() {
    for request in requests() {
        let mut bytes = b"before".to_vec();
        encode(&request, &mut bytes).unwrap();
        let step = Decoder::new(Limits::default()).decode(&bytes[6..]).unwrap();
        let crate::binary::Step::Request { request: again, used } = step else { panic!("{step:?}") };
        assert_eq!((again, used), (request, bytes.len() - 6));
    }
}

#[test]
fn what_no_server_takes_is_not_written() {
    let name = vec![b'n'; 1024];
    let text = vec![b't'; 65_537];
    let mut bytes = b"before".to_vec();
    for request in [
        Request::Ext { name: &name, options: 0, key: b"", value: b"" },
        Request::Copy { path: &text },
        Request::PutShl { key: b"k", value: b"v", width: u32::MAX },
    ] {
        assert!(encode(&request, &mut bytes).is_err(), "{request:?}");
        assert_eq!(bytes, b"before");
    }
}

/// Replies as the server writes them, with what they say.
fn replies() -> Vec<(Command, Vec<u8>, String)> {
    let mut all = Vec::new();
    let mut add = |command, says: &str, write: &dyn Fn(&mut Encoder<'_>)| {
        let mut bytes = Vec::new();
        write(&mut Encoder::new(&mut bytes, command));
        all.push((command, bytes, says.to_owned()));
    };
    add(Command::Put, "Success", &|reply| reply.success());
    add(Command::Put, "Failure", &|reply| reply.failure());
    add(Command::Get, "Value([118])", &|reply| reply.value(b"v"));
    add(Command::Get, "Value([])", &|reply| reply.value(b""));
    add(Command::Get, "Failure", &|reply| reply.failure());
    add(Command::AddInt, "Int(-7)", &|reply| reply.int(-7));
    add(Command::Vsiz, "Int(7)", &|reply| reply.int(7));
    add(Command::AddDouble, "Double(-1.75)", &|reply| reply.double(-1.75));
    add(Command::Rnum, "Count(18446744073709551615)", &|reply| reply.count(u64::MAX));
    add(Command::Misc, "Failure", &|reply| reply.failure());
    add(Command::FwmKeys, "[[97], [], [98, 99]]", &|reply| {
        reply.begin_list();
        for item in [&b"a"[..], b"", b"bc"] {
            reply.item(item);
        }
        reply.end_list();
    });
    add(Command::MGet, "[([97], [98, 99]), ([], [])]", &|reply| {
        reply.begin_list();
        reply.record(b"a", b"bc");
        reply.record(b"", b"");
        reply.end_list();
    });
    add(Command::MGet, "[]", &|reply| reply.success());
    all
}

fn says(answer: Answer<'_>) -> String {
    match answer {
        Answer::List(list) => format!("{:?}", list.iter().collect::<Vec<_>>()),
        Answer::Records(records) => {
            assert_eq!(records.len(), records.iter().count());
            format!("{:?}", records.iter().collect::<Vec<_>>())
        }
        other => format!("{other:?}"),
    }
}

#[test]
fn replies_are_read_at_once_and_byte_by_byte() {
    for (command, bytes, expected) in replies() {
        let mut behind = bytes.clone();
        behind.extend_from_slice(b"more");
        let mut decoder = ReplyDecoder::new(command);
        for len in 0..bytes.len() {
            let step = decoder.decode(&bytes[..len]).unwrap();
            let Step::Incomplete(least) = step else { panic!("{command:?} {step:?}") };
            assert!(len < least && least <= bytes.len(), "{command:?} {len} {least}");
        }
        for mut decoder in [decoder, ReplyDecoder::new(command)] {
            let Ok(Step::Complete(answer, len)) = decoder.decode(&behind) else { panic!("{command:?}") };
            assert_eq!((says(answer), len), (expected.clone(), bytes.len()));
        }
    }
}

#[test]
fn what_is_no_reply_is_an_error() {
    for (command, bytes) in [
        (Command::Put, &b"\x02"[..]),
        (Command::Get, b"\0\xff\xff\xff\xff"),
        (Command::MGet, b"\0\x80\0\0\0"),
        (Command::MGet, b"\0\0\0\0\x01\0\0\0\x01\xff\0\0\0a"),
        (Command::Misc, b"\0\0\0\0\x01\xff\0\0\0a"),
        (Command::Rnum, b"ERROR\r\n"),
    ] {
        assert!(ReplyDecoder::new(command).decode(bytes).is_err(), "{command:?} {bytes:?}");
    }
}
