//! Random input, from the alphabet of HTTP and edited from good requests; and callers that break the contract.

use lcnode_protocol::dialect::Decoder;
use lcnode_protocol::{Arena, Limits};

use crate::feed::{Caller, End, assert_same, feed};

/// The SplitMix64 generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }
}

/// From the environment, so that a failure can be repeated, or from the clock.
fn seed() -> u64 {
    let set = std::env::var("LCNODE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = set.unwrap_or_else(|| {
        std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64)
    });
    eprintln!("to repeat: LCNODE_TEST_SEED={seed}");
    seed
}

/// A request that is often a good one.
fn request(random: &mut Random) -> String {
    let method = random.one(&[
        "GET", "GET", "HEAD", "PUT", "PUT", "POST", "POST", "DELETE", "OPTIONS", "GET", "PUT", "DELETE",
        "PATCH",
    ]);
    let target = random.one(&[
        "/k",
        "/",
        "/a%20b",
        "/a+b",
        "http://h/k",
        "/",
        "*",
        "/%41",
        "/%zz",
        "/kkkkkkkkkkkkkkkkkkkkkkk",
    ]);
    let version = random.one(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2"]);
    let mut head = format!("{method} {target} {version}\r\n");
    for _ in 0..random.below(5) {
        head += random.one(&[
            "Host: x\r\n",
            "Connection: close\r\n",
            "Expect: 100-continue\r\n",
            "X-TT-XNAME: f\r\n",
            "X-TT-MNAME: m\r\n",
            "X-TT-PDMODE: 1\r\n",
            "Range: bytes=1-2\r\n",
            "Content-Type: multipart/x; boundary=b\r\n",
            "\n",
            "A\r\n",
        ]);
    }
    head + random.one(&[
        "\r\n",
        "\r\n",
        "\n",
        "Content-Length: 3\r\n\r\na=b",
        "Content-Length: 12\r\n\r\na=%31&b;a=%32",
        "Content-Length: 19\r\n\r\n--b\r\n\r\nabc\r\n--b--\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nT: x\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc",
    ])
}

fn stream(random: &mut Random) -> Vec<u8> {
    let mut stream: Vec<u8> = Vec::new();
    for _ in 0..1 + random.below(3) {
        stream.extend(request(random).bytes());
        if random.below(8) == 0 {
            stream.extend(b"\xC8\x30\0\0\0\x01k");
        }
    }
    for _ in 0..random.below(2) {
        let at = random.below(stream.len());
        match random.below(3) {
            0 => stream[at] = random.one(&["\r", "\n", " ", ":", "0", "9", "%", "\0"]).as_bytes()[0],
            1 => _ = stream.remove(at),
            _ => stream.insert(at, random.next() as u8),
        }
    }
    stream
}

#[test]
fn a_split_stream_equals_the_whole() {
    let mut random = Random(seed());
    let tight = Limits { max_key: 16, max_value: 16 };
    let (mut steps, mut rejects, mut shorts) = (0, 0, 0);
    for _ in 0..20_000 {
        let stream = stream(&mut random);
        let all = stream.len();
        let limits = if random.below(2) == 0 { Limits::default() } else { tight };
        let whole = feed(&stream, &[all], limits, Caller::Eager);
        steps += whole.steps.len();
        match whole.end {
            End::Rejected(_) => rejects += 1,
            End::Short(_) => shorts += 1,
        }
        let every: Vec<usize> = (0..=all).collect();
        let mut some: Vec<usize> = (0..random.below(8)).map(|_| random.below(all + 1)).chain([all]).collect();
        some.sort_unstable();
        for cuts in [&every, &some] {
            for caller in [Caller::Patient, Caller::Eager] {
                let shown = format!("{}", String::from_utf8_lossy(&stream));
                assert_same(&whole, &feed(&stream, cuts, limits, caller), &shown);
            }
        }
    }
    // The generator must reach all of them, or the test shows nothing.
    assert!(steps > 5_000 && rejects > 1_000 && shorts > 1_000, "{steps}, {rejects} and {shorts}");
}

#[test]
fn a_caller_that_breaks_the_contract_gets_no_panic() {
    let mut random = Random(seed());
    let arena = Arena::new();
    for _ in 0..20_000 {
        let mut decoder = Decoder::new(Limits { max_key: 16, max_value: 64 });
        for _ in 0..4 {
            let stream = stream(&mut random);
            _ = decoder.decode(&stream[..random.below(stream.len() + 1)], &arena);
        }
    }
}
