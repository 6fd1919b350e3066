//! How long lines, keys and values may be.

use lcnode_protocol::dialect::{Decoder, Reason, Reject, Step};
use lcnode_protocol::memcached::{self, MAX_LINE};
use lcnode_protocol::{Arena, Command, Limits, Request};

use crate::feed::{Caller, End, Outcome, feed};

const TIGHT: Limits = Limits { max_key: 8, max_value: 16 };

fn under(limits: Limits, input: &[u8]) -> Outcome {
    feed(input, &[input.len()], limits, Caller::Eager)
}

fn rejected(command: Option<Command>, reply: &'static [u8], reason: memcached::Reason) -> End {
    End::Rejected(Reject { command, reply, reason: Reason::Memcached(reason) })
}

#[test]
fn keys_have_a_limit() {
    let bad = |command| {
        rejected(command, b"CLIENT_ERROR error\r\n", memcached::Reason::KeyTooLong { size: 9, limit: 8 })
    };
    for (input, command) in [
        (&b"set 123456789 0 0 1\r\n"[..], Some(Command::Put)),
        (b"get 123456789\r\n", None),
        (b"get a 12345678 123456789 b\r\n", None),
        (b"gats 0 a 123456789\r\n", None),
        (b"delete 123456789\r\n", Some(Command::Out)),
        (b"incr 123456789 1\r\n", Some(Command::AddInt)),
        (b"touch 123456789 1\r\n", Some(Command::Put)),
    ] {
        assert_eq!(under(TIGHT, input).end, bad(command), "{input:?}");
    }
    for input in
        [&b"set 12345678 0 0 1\r\nv\r\n"[..], b"get 12345678 12345678\r\n", b"gat 100000000 12345678\r\n"]
    {
        assert_eq!(under(TIGHT, input).end, End::Short(1), "{input:?}");
    }
}

/// It is refused as soon as its line is there.
#[test]
fn values_have_a_limit() {
    let bad = |size, limit| {
        let reply = b"SERVER_ERROR object too large for cache\r\n";
        rejected(Some(Command::Put), reply, memcached::Reason::ValueTooLong { size, limit })
    };
    assert_eq!(under(TIGHT, b"set k 0 0 17 noreply\r\n").end, bad(17, 16));
    assert_eq!(under(TIGHT, b"set k 0 0 16\r\n").end, End::Short(14 + 16 + 1));
    assert_eq!(under(TIGHT, b"set k 0 0 16\r\n0123456789012345\r\n").end, End::Short(1));
    let largest = Limits { max_key: u32::MAX, max_value: u32::MAX };
    let limit = u32::MAX;
    assert_eq!(under(largest, b"set k 0 0 2147483648\r\n").end, bad(1 << 31, limit));
    assert_eq!(under(largest, b"set k 0 0 4294967299\r\n").end, bad((1 << 32) + 3, limit));
    assert_eq!(under(largest, b"set k 0 0 99999999999999999999\r\n").end, bad(i64::MAX, limit));
    assert_eq!(under(largest, b"set k 0 0 2147483647\r\n").end, End::Short(22 + 2_147_483_647 + 1));
}

fn line(len: usize) -> Vec<u8> {
    let mut line = b"get ".to_vec();
    line.resize(len, b'k');
    line
}

#[test]
fn lines_have_a_limit() {
    let bad = rejected(None, b"CLIENT_ERROR line too long\r\n", memcached::Reason::LineTooLong);
    let longest = [line(MAX_LINE), b"\n".to_vec()].concat();
    let arena = Arena::new();
    let step = Decoder::new(Limits::default()).decode(&longest, &arena);
    assert!(
        matches!(step, Ok(Step::Request { request: Request::Fetch { .. }, used, .. }) if used == longest.len())
    );
    assert_eq!(under(Limits::default(), &line(MAX_LINE)).end, End::Short(MAX_LINE + 1));
    let longer = [line(MAX_LINE + 1), b"\n".to_vec()].concat();
    let cuts = [MAX_LINE - 1, MAX_LINE, MAX_LINE + 1, MAX_LINE + 2];
    for input in [longer.clone(), [line(MAX_LINE), b"\r\n".to_vec()].concat(), line(MAX_LINE + 1)] {
        assert_eq!(under(Limits::default(), &input).end, bad);
        let cuts = cuts.map(|cut| cut.min(input.len()));
        assert_eq!(feed(&input, &cuts, Limits::default(), Caller::Eager).end, bad);
    }
    // With bytes that are left out, too.
    let mut dirty = longer;
    dirty[100] = b'\r';
    dirty[200] = 0;
    assert_eq!(under(Limits::default(), &dirty).end, bad);
    assert_eq!(feed(&dirty, &cuts, Limits::default(), Caller::Eager).end, bad);
}

/// All that was searched for the end of a line is made one then: if it were looked at again there would be a line.
#[test]
fn a_dribbled_line_is_searched_once() {
    for middle in [b'k', b'\r', 0] {
        let mut wire = line(1 << 16);
        wire[1 << 10] = middle;
        let mut decoder = Decoder::new(Limits::default());
        let arena = Arena::new();
        for end in (12..wire.len()).step_by(4) {
            let step = decoder.decode(&wire[..end], &arena);
            assert_eq!(step, Ok(Step::Incomplete { at_least: end + 1, interim: b"" }));
            // The first word is, and so is a CR that may be right before the end.
            wire[8..end - 1].fill(b'\n');
        }
    }
}

/// Blanks in front of a first word are not searched for ever either.
#[test]
fn blanks_without_a_word_close() {
    let blanks = vec![b' '; 1 << 20];
    let outcome = under(Limits::default(), &blanks);
    assert!(
        matches!(outcome.end, End::Rejected(Reject { reason: Reason::NoDialect(b' '), .. })),
        "{outcome:?}"
    );
}
