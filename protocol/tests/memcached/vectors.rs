//! Each command and each mistake, to the letter.

use lcnode_protocol::dialect::{Decoder, Form, Reason, Reject, Step};
use lcnode_protocol::{Arena, Command, Limits, Request, Storing, Words, memcached};

/// The one request of the bytes, which it must take all of.
fn request<'a>(input: &'a [u8], arena: &'a Arena) -> Request<'a> {
    match Decoder::new(Limits::default()).decode(input, arena) {
        Ok(Step::Request { request, form: Form::Memcached(_), used }) => {
            assert_eq!(used, input.len(), "{input:?}");
            request
        }
        other => panic!("{:?} gave {other:?}", String::from_utf8_lossy(input)),
    }
}

fn reject(input: &[u8]) -> Reject {
    match Decoder::new(Limits::default()).decode(input, &Arena::new()) {
        Err(reject) => reject,
        other => panic!("{:?} gave {other:?}", String::from_utf8_lossy(input)),
    }
}

fn store<'a>(key: &'a [u8], value: &'a [u8], storing: Storing, flags: u32, exptime: i64) -> Request<'a> {
    Request::Store { key, value, storing, flags, exptime }
}

#[test]
fn values_are_stored() {
    for (line, expected) in [
        (&b"set k 0 0 5\r\nhello\r\n"[..], store(b"k", b"hello", Storing::Set, 0, 0)),
        (b"set k 0 0 0\n\r\n", store(b"k", b"", Storing::Set, 0, 0)),
        (b"set k 7 -1 2\r\n\r\n\r\n", store(b"k", b"\r\n", Storing::Set, 7, -1)),
        (
            b" \tset\t k  4294967295 +60 1 noreply more\r\nv\r\n",
            store(b"k", b"v", Storing::Set, u32::MAX, 60),
        ),
        (b"set k 4294967296 x 1\r\nv\r\n", store(b"k", b"v", Storing::Set, 0, 0)),
        (b"set k -1 0 -3\r\n\r\n", store(b"k", b"", Storing::Set, 0, 0)),
        (b"set k f 0 1x\r\nv\r\n", store(b"k", b"v", Storing::Set, 0, 0)),
        (b"add k 0 0 1\r\nv\r\n", store(b"k", b"v", Storing::Add, 0, 0)),
        (b"replace k 0 0 1\r\nv\r\n", store(b"k", b"v", Storing::Replace, 0, 0)),
        (b"append k 0 0 1\r\nv\r\n", store(b"k", b"v", Storing::Append, 0, 0)),
        (b"prepend k 0 0 1\r\nv\r\n", store(b"k", b"v", Storing::Prepend, 0, 0)),
        (b"cas k 1 2 1 18446744073709551615\r\nv\r\n", store(b"k", b"v", Storing::Cas(u64::MAX), 1, 2)),
        (b"cas k 1 2 1 noreply\r\nv\r\n", store(b"k", b"v", Storing::Cas(0), 1, 2)),
    ] {
        assert_eq!(request(line, &Arena::new()), expected);
    }
}

#[test]
fn keys_are_any_bytes_but_blanks() {
    let long = vec![b'k'; 300];
    for key in [&b"\x01\xff\xc8"[..], b"g\xc3\xbc", b"get", &long] {
        let line = [b"set ", key, b" 0 0 1\r\nv\r\n"].concat();
        assert_eq!(request(&line, &Arena::new()).key(), Some(key));
        let line = [b"delete ", key, b"\r\n"].concat();
        assert_eq!(request(&line, &Arena::new()), Request::Out { key });
    }
    for (line, key) in [
        (&b"delete a\rb\r\n"[..], &b"ab"[..]),
        (b"\rde\rlete \r\rab\n", b"ab"),
        (b"delete ab\0cd\r\n", b"ab"),
        (b"delete ab\0\r\n", b"ab"),
        (b"delete a\rb\0\r\n", b"ab"),
        (b"delete ab\r\r\r\n", b"ab"),
    ] {
        assert_eq!(request(line, &Arena::new()), Request::Out { key }, "{line:?}");
    }
}

#[test]
fn commands_of_one_line() {
    let words = |text: &'static [u8]| Words::new(text);
    for (line, expected) in [
        (&b"get k\r\n"[..], Request::Fetch { keys: words(b" k"), touch: None }),
        (b"gets a  b\n", Request::Fetch { keys: words(b" a  b"), touch: None }),
        (b"gat 60 a b\r\n", Request::Fetch { keys: words(b" a b"), touch: Some(60) }),
        (b"gats -1 a\r\n", Request::Fetch { keys: words(b" a"), touch: Some(-1) }),
        (b"delete k 0\r\n", Request::Out { key: b"k" }),
        (b"incr k 5\r\n", Request::Adjust { key: b"k", by: 5 }),
        (b"incr k -3\r\n", Request::Adjust { key: b"k", by: -3 }),
        (b"decr k 5\r\n", Request::Adjust { key: b"k", by: -5 }),
        (b"decr k -9223372036854775808\r\n", Request::Adjust { key: b"k", by: i64::MIN }),
        (b"incr k 18446744073709551615\r\n", Request::Adjust { key: b"k", by: -1 }),
        (b"incr k x\r\n", Request::Adjust { key: b"k", by: 0 }),
        (b"touch k 9223372036854775808\r\n", Request::Touch { key: b"k", exptime: i64::MAX }),
        (b"flush_all\r\n", Request::Flush { delay: 0 }),
        (b"flush_all 10\r\n", Request::Flush { delay: 10 }),
        (b"flush_all noreply\r\n", Request::Flush { delay: 0 }),
        (b"flush_all -1 noreply\r\n", Request::Flush { delay: -1 }),
        (b"stats items\r\n", Request::Stats),
        (b"version x y\r\n", Request::Version),
    ] {
        assert_eq!(request(line, &Arena::new()), expected, "{line:?}");
    }
}

#[test]
fn commands_whose_answer_is_known() {
    let step = |line: &'static [u8]| {
        Decoder::new(Limits::default()).decode(line, &Arena::new()).map(|step| match step {
            Step::Answer { counted, reply, used } => {
                assert_eq!((counted, used), (None, line.len()));
                Some(reply)
            }
            Step::Quit => None,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(step(b"verbosity 1\r\n"), Ok(Some(&b"OK\r\n"[..])));
    assert_eq!(step(b"verbosity 1 noreply\r\n"), Ok(Some(&b""[..])));
    assert_eq!(step(b"quit\r\n"), Ok(None));
    assert_eq!(step(b"quit now\n"), Ok(None));
}

#[test]
fn too_few_words_close() {
    for (line, command) in [
        (&b"set\r\n"[..], Some(Command::Put)),
        (b"set k 0 0\r\n", Some(Command::Put)),
        (b"add k 0 0\r\n", Some(Command::PutKeep)),
        (b"replace k 0 0\r\n", Some(Command::Put)),
        (b"append k\r\n", Some(Command::Put)),
        (b"prepend k\r\n", Some(Command::Put)),
        (b"cas k 0 0 1\r\n", Some(Command::Put)),
        (b"get\r\n", None),
        (b"get\0 k\r\n", None),
        (b"gets \n", None),
        (b"gat\r\n", None),
        (b"gat 0\r\n", None),
        (b"gats 0 \r\n", None),
        (b"delete\r\n", Some(Command::Out)),
        (b"incr k\r\n", Some(Command::AddInt)),
        (b"decr\r\n", Some(Command::AddInt)),
        (b"touch k\r\n", Some(Command::Put)),
        (b"verbosity\r\n", None),
    ] {
        let reason = Reason::Memcached(memcached::Reason::TooFewWords);
        let expected = Reject { command, reply: b"CLIENT_ERROR error\r\n", reason };
        assert_eq!(reject(line), expected, "{line:?}");
    }
}

#[test]
fn a_value_of_another_length_closes_in_silence() {
    for input in [
        &b"set k 0 0 3\r\nabcd\r\n"[..],
        b"set k 0 0 3\r\nab\r\n\r\n",
        b"set k 0 0 3\r\nabc\n",
        b"set k 0 0 3\r\nabc\rx",
        b"set k 0 0 0\r\nx",
        b"set k 0 0 -1\r\nx",
    ] {
        let reason = Reason::Memcached(memcached::Reason::NoEndOfValue);
        assert_eq!(reject(input), Reject { command: Some(Command::Put), reply: b"", reason }, "{input:?}");
    }
}

#[test]
fn other_first_words_close_in_silence() {
    for input in [
        &b"\r\n"[..],
        b"\n",
        b" \t \r\n",
        b"\0get k\r\n",
        b"mg k\r\n",
        b"ms k 1\r\n",
        b"me k",
        b"getsx k\r\n",
        b"Get k\r\n",
        b"foo\r\n",
        b"\x80\r\n",
        b"{",
    ] {
        let expected = Reject { command: None, reply: b"", reason: Reason::NoDialect(input[0]) };
        assert_eq!(reject(input), expected, "{input:?}");
    }
}
