use super::*;
use crate::meter::Unlimited;

const LIMIT: usize = 1 << 20;

fn run(mode: &str, data: &[u8]) -> Option<Vec<u8>> {
    codec(mode.as_bytes(), data, LIMIT, &Unlimited).unwrap()
}

fn check(mode: &str, cases: &[(&[u8], &[u8])]) {
    for (data, expected) in cases {
        assert_eq!(run(mode, data).as_deref(), Some(*expected), "{mode} {data:?}");
    }
}

#[test]
fn modes_are_found_as_observed() {
    for mode in ["", "foo", "~", "~~url", " url", "5", "gz"] {
        assert_eq!(run(mode, b"a"), None, "{mode}");
    }
    check("URL", &[(b"a b", b"a%20b")]);
    check("~Url", &[(b"a%20", b"a ")]);
}

#[test]
fn url_is_as_observed() {
    check(
        "url",
        &[
            (b"", b""),
            (
                b"a b+c/d\0e\xff'()*-._~!\"#$%&,:;<=>?@[\\]^`{|}",
                b"a%20b%2Bc%2Fd%00e%FF'()*-._~!%22%23%24%25%26%2C%3A%3B%3C%3D%3E%3F%40%5B%5C%5D%5E%60%7B%7C%7D",
            ),
        ],
    );
    check(
        "~url",
        &[
            (b"a%20b+c%2Fd%00e%ff%FF", b"a b c/d\0e\xff\xff"),
            (b"%", b""),
            (b"a%2", b"a"),
            (b"%2z5", b""),
            (b"a%zzb", b"a"),
            (b"a%%20", b"a"),
            (b"a\0b%20", b"a"),
            (b"%0041", b"\x0041"),
            (b"%25%32%30", b"%20"),
        ],
    );
}

#[test]
fn base_is_as_observed() {
    check(
        "base",
        &[(b"", b""), (b"a", b"YQ=="), (b"ab", b"YWI="), (b"abc", b"YWJj"), (b"\xfb\xff\xfe", b"+//+")],
    );
    check(
        "~base",
        &[
            (b"", b""),
            (b"YQ==", b"a"),
            (b"YQ=", b"\x01\x84"),
            (b"YQ", b"\0\x06\x10"),
            (b"Y", b"\0\0\x18"),
            (b"YWI=", b"ab"),
            (b"YWI", b"\x01\x85\x88"),
            (b"Y W\nJj", b"abc"),
            (b"YWJj!YWJj", b"abcabc"),
            (b"!!!!", b""),
            (b"YQ==YQ==", b"a"),
            (b"Y-J_", b"\0\x06\x09"),
            (b"YWJj\0YWJj", b"abc"),
            (b"=YWJj", b"\x01\x85"),
            (b"Y=WJj", b"`\x05"),
            (b"YW=Jj", b"a`"),
            (b"YWJ=j", b"ab"),
            (b"====", b""),
            (b"===", b""),
            (b"=", b"\0\0"),
            (b"==", b"\0"),
            (b"Y==", b"\x01"),
            (b"Y===", b""),
            (b"YWJj====YWJj", b"abc"),
            (b"YWJjYW", b"abc\0\x06\x16"),
        ],
    );
}

#[test]
fn quote_is_as_observed() {
    check(
        "quote",
        &[(b"a=b", b"a=3Db"), (b"a b\tc\nd\re ", b"a b\tc\nd\re "), (b"\0\xff\x7f~!", b"=00=FF=7F~!")],
    );
    check(
        "~quote",
        &[
            (b"a=3Db=e9=E9", b"a=b\xe9\xe9"),
            (b"a=\nb=\r\nc=\rd", b"abcd"),
            (b"b=\n\nc", b"b\nc"),
            (b"a=\r\r\nb", b"a\r\nb"),
            (b"a=", b"a"),
            (b"a=4", b"a"),
            (b"a=zz", b"aS"),
            (b"a=4z", b"ac"),
            (b"a=z4", b"a4"),
            (b"==41", b"\xd41"),
            (b"a= b", b"a\x0b"),
            (b"a=4\nb", b"a\x1ab"),
            (b"a=[[", b"a\xdb"),
            (b"=0\x01=0/=0@=0`=0\x80=0\xff", b"\xd1\xff\x10\x30\x50\xcf"),
            (b"a\0b=41", b"a"),
        ],
    );
}

#[test]
fn hex_is_as_observed() {
    check("hex", &[(b"", b""), (b"a\0\xffz", b"6100ff7a")]);
    check(
        "~hex",
        &[
            (b"6100ff7A", b"a\0\xffz"),
            (b"6", b""),
            (b"612", b"a"),
            (b"6z", b"\x06"),
            (b"z6", b"\x06"),
            (b"61zz62", b"a\0b"),
            (b"61 62", b"ab"),
            (b"61\x0062", b"a"),
            (b"6 1 6 2", b"\x06\x01\x06"),
            (b"0x6162", b"\0ab"),
            (b"61-62:63", b"a\x06\x02c"),
            (b"\t\x01 61  62\n63 ", b"abc"),
            (b"\x7f61", b"\x06"),
            (b"[1g2", b"\x01\x02"),
        ],
    );
}

#[test]
fn xml_is_as_observed() {
    check(
        "xml",
        &[(b"<a x=\"1\">&'</a>\x01\x7f\xe9", b"&lt;a x=&quot;1&quot;&gt;&amp;'&lt;/a&gt;\x01\x7f\xe9")],
    );
    check("xml", &[(b"a\0b", b"a")]);
    check(
        "~xml",
        &[
            (b"&lt;&gt;&amp;&quot;&apos;&#39;&#x41;", b"<>&\"&apos;&#39;&#x41;"),
            (b"&foo;&&lt&LT;", b"&foo;&&lt&LT;"),
            (b"a&nbsp;b&amp;amp;", b"a&nbsp;b&amp;"),
            (b"a\0&lt;", b"a"),
            (b"&amp &lt;", b"&amp <"),
            (b"&&lt;", b"&<"),
        ],
    );
}

#[test]
fn pack_is_as_observed() {
    let (many, alternating) = (vec![b'a'; 300], b"ab".repeat(100));
    let halves = [b"\x81".as_slice(), &alternating[..127], b"\xb7", &alternating[127..]].concat();
    let cases: &[(&[u8], &[u8])] = &[
        (b"", b""),
        (b"a", b"\x01a"),
        (b"ab", b"\xfeab"),
        (b"abc", b"\xfdabc"),
        (b"aaa", b"\x03a"),
        (b"aab", b"\x02a\x01b"),
        (b"abb", b"\x01a\x02b"),
        (b"abbc", b"\x01a\x02b\x01c"),
        (b"aabbcc", b"\x02a\x02b\x02c"),
        (b"abcaaadef", b"\xfdabc\x03a\xfddef"),
        (b"abaaab", b"\xfeab\x03a\x01b"),
        (&many[..127], b"\x7fa"),
        (&many[..128], b"\x7fa\x01a"),
        (&many, b"\x7fa\x7fa.a"),
        (&alternating, &halves),
    ];
    for (data, packed) in cases {
        assert_eq!(run("pack", data).as_deref(), Some(*packed), "{data:?}");
        assert_eq!(run("~pack", packed).as_deref(), Some(*data), "{data:?}");
    }
    let tails = [(b"ab".repeat(63), b'b'), (b"ab".repeat(63), b'c')];
    for (mut data, tail) in tails {
        data.extend([tail, tail]);
        let packed = run("pack", &data).unwrap();
        assert_eq!(packed[packed.len() - 2..], [if tail == b'b' { 3 } else { 2 }, tail]);
        assert_eq!(run("~pack", &packed).unwrap(), data);
    }
    check(
        "~pack",
        &[
            (b"\x01", b"\0"),
            (b"\x05a\x03", b"aaaaa\0\0\0"),
            (b"\0", b""),
            (b"\0a\x01b", b"b"),
            (b"\x80a", b"a"),
            (b"\xff", b""),
            (b"\xfdab", b"ab"),
        ],
    );
}

#[test]
fn tcbs_reads_what_the_original_wrote() {
    let run_of_ones = |head: &str, tail: &str, length: usize| {
        hex::decode(format!("{head}{}{tail}", "f".repeat(2 * length - head.len() - tail.len()))).unwrap()
    };
    let many = run_of_ones("0101e01f18", "09b0f1ffffffffffffffffffffffffff01", 1046);
    for (written, data) in [
        (hex::decode("03").unwrap(), b"".to_vec()),
        (hex::decode("1a1801").unwrap(), b"a".to_vec()),
        (hex::decode("1818fd00").unwrap(), b"a".repeat(7)),
        (hex::decode("4a8003b003d6c00238032b1a78705000").unwrap(), b"hello world".to_vec()),
        (hex::decode("6ae00ccc808981990fcc02").unwrap(), b"abracadabra".to_vec()),
        (hex::decode("1910000804084000").unwrap(), b"\0\xff\x80\x7f".to_vec()),
        (many, b"a".repeat(8300)),
    ] {
        assert_eq!(run("~tcbs", &written).as_deref(), Some(data.as_slice()), "{data:?}");
        let own = run("tcbs", &data).unwrap();
        assert_eq!(run("~tcbs", &own).as_deref(), Some(data.as_slice()));
        // The same where there is one place only that the block can have.
        if data.len() < 60 {
            assert_eq!(own, written, "{data:?}");
        }
    }
}

#[test]
fn tcbs_refuses_what_it_did_not_write() {
    let written = run("tcbs", b"hello world").unwrap();
    for bad in [&written[..written.len() - 1], b"\x1a\x18", b"\xff\0\0\0\0\0\0", b"\x0a\x0b", b"\xff\xff\xff"]
    {
        let decoded = run("~tcbs", bad);
        assert!(decoded.is_none() || bad == b"\xff\xff\xff", "{bad:?} {decoded:?}");
    }
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..2000 {
        let mut bytes = written.clone();
        let at = random.usize(..bytes.len());
        bytes[at] ^= 1 << random.u32(..8);
        run("~tcbs", &bytes);
        let noise: Vec<u8> = (0..random.usize(..40)).map(|_| random.u8(..)).collect();
        run("~tcbs", &noise);
        run("~gzip", &noise);
        run("~deflate", &noise);
        run("~bzip", &noise);
    }
}

#[test]
fn streams_of_the_original_are_read() {
    let data = b"abracadabra ".repeat(20);
    for (mode, head, written) in [
        ("deflate", 2, "789c4b4c2a4a4c4e4c4904520a8923800d000ba25911"),
        ("gzip", 10, "1f8b08000000000000034b4c2a4a4c4e4c4904520a8923800d0010683e80f0000000"),
        (
            "bzip",
            4,
            "425a6839314159265359ccfbec92000027918040003c001000200030c00295467a9f13131384fc989d0984f0bb9229c2848667df6490",
        ),
    ] {
        let written = hex::decode(written).unwrap();
        let decode = format!("~{mode}");
        assert_eq!(run(&decode, &written).as_ref(), Some(&data), "{mode}");
        let own = run(mode, &data).unwrap();
        assert_eq!(own[..head], written[..head], "{mode}");
        assert_eq!(run(&decode, &own).as_ref(), Some(&data), "{mode}");
        assert_eq!(run(&decode, &run(mode, b"").unwrap()).as_deref(), Some(b"".as_slice()), "{mode}");
        // What follows is ignored; what is cut or damaged is refused.
        assert_eq!(run(&decode, &[&written[..], b"junk"].concat()).as_ref(), Some(&data), "{mode}");
        assert_eq!(run(&decode, &written.repeat(2)).as_ref(), Some(&data), "{mode}");
        for length in 0..written.len() {
            assert_eq!(run(&decode, &written[..length]), None, "{mode} {length}");
        }
        let mut damaged = written.clone();
        let last = damaged.len() - 6;
        damaged[last] ^= 1;
        assert_eq!(run(&decode, &damaged), None, "{mode}");
        assert_eq!(run(&decode, b"x"), None, "{mode}");
    }
    assert_eq!(run("~deflate", &run("gzip", b"hello").unwrap()), None);
    assert_eq!(run("~gzip", &run("deflate", b"hello").unwrap()), None);
    assert_eq!(run("~deflate", b"\xcb\x48\xcd\xc9\xc9\x07\0"), None, "a stream without zlib's head");
}

#[test]
fn every_mode_gives_back_what_it_was_given() {
    let seed = std::env::var("LCNODE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("LCNODE_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..60 {
        let letters = [1, 2, 5, 255][round % 4];
        let length = [0, 1, 2, 100, 8191, 8192, 8193, 20_000][random.usize(..8)];
        // Not a NUL, at which text ends.
        let data: Vec<u8> = (0..length).map(|_| random.u8(1..=letters)).collect();
        for mode in ["url", "base", "quote", "hex", "xml", "pack", "tcbs", "deflate", "gzip", "bzip"] {
            let encoded = run(mode, &data).unwrap();
            assert_eq!(run(&format!("~{mode}"), &encoded).as_ref(), Some(&data), "{mode}");
        }
    }
}

#[test]
fn no_result_is_longer_than_the_limit() {
    let zeros = vec![0; 100_000];
    let mut random = fastrand::Rng::with_seed(1);
    for mode in ["pack", "tcbs", "deflate", "gzip", "bzip"] {
        let bomb = run(mode, &zeros).unwrap();
        let decode = format!("~{mode}");
        let refused = codec(decode.as_bytes(), &bomb, zeros.len() - 1, &Unlimited);
        assert!(matches!(refused, Err(CodecError::TooLong(99_999))), "{mode}");
        assert_eq!(codec(decode.as_bytes(), &bomb, zeros.len(), &Unlimited).unwrap().as_ref(), Some(&zeros));
    }
    for mode in ["url", "base", "quote", "hex", "pack", "tcbs", "deflate", "gzip", "bzip"] {
        let noise: Vec<u8> = (0..2000).map(|_| random.u8(128..)).collect();
        let refused = codec(mode.as_bytes(), &noise, 1000, &Unlimited);
        assert!(
            matches!(refused, Err(CodecError::TooLong(1000))),
            "{mode} {:?}",
            refused.map(|r| r.map(|r| r.len()))
        );
    }
    assert!(matches!(codec(b"xml", &[b'"'; 200], 1000, &Unlimited), Err(CodecError::TooLong(1000))));
}

/// No work at all.
struct Nothing;

impl Meter for Nothing {
    fn work(&self, _steps: u64) -> Result<(), LimitReached> {
        Err(LimitReached)
    }
}

#[test]
fn every_mode_asks_the_meter() {
    for mode in ["url", "base", "quote", "hex", "xml", "pack", "tcbs", "deflate", "gzip", "bzip"] {
        for mode in [mode.to_owned(), format!("~{mode}")] {
            let refused = codec(mode.as_bytes(), b"abc", LIMIT, &Nothing);
            assert!(matches!(refused, Err(CodecError::LimitReached(_))), "{mode}");
        }
    }
}
