//! Random streams: requests, good ones and bad.

/// A small generator that can be repeated.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn pick<'a>(&mut self, of: &[&'a [u8]]) -> &'a [u8] {
        of[self.below(of.len())]
    }
}

/// From the environment, so that a failure can be repeated, or from the clock.
pub(crate) fn seed() -> u64 {
    let set = std::env::var("LCNODE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = set.unwrap_or_else(|| {
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed();
        now.map_or(1, |since| since.as_nanos() as u64)
    });
    eprintln!("to repeat: LCNODE_TEST_SEED={seed}");
    seed
}

const KEYS: [&[u8]; 6] = [b"k", b"key", b"a\rb", b"\x01\xff", b"a\0b", b"a_longer_key"];
const NUMBERS: [&[u8]; 8] =
    [b"0", b"1", b"-1", b"+7x", b"x", b"99999999999999999999", b"2592001", b"4294967299"];
const ENDS: [&[u8]; 4] = [b"\r\n", b"\r\n", b"\n", b"\r\r\n"];

/// A stream of some requests, some of them bad.
pub(crate) fn stream(random: &mut Random) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..random.below(8) {
        request(random, &mut stream);
    }
    if random.one_in(4) {
        let at = random.below(stream.len() + 1);
        stream.truncate(at);
    }
    if random.one_in(4) && !stream.is_empty() {
        let at = random.below(stream.len());
        stream[at] = random.pick(&[b"\0", b"\n", b"\r", b" ", b"g", b"\xc8", b"\xff"])[0];
    }
    stream
}

fn request(random: &mut Random, stream: &mut Vec<u8>) {
    let blank: &[u8] = random.pick(&[b" ", b" ", b" ", b"\t", b"  "]);
    let key = random.pick(&KEYS);
    let verb = random.pick(&[
        b"set",
        b"add",
        b"replace",
        b"append",
        b"prepend",
        b"cas",
        b"get",
        b"gets",
        b"gat",
        b"gats",
        b"delete",
        b"incr",
        b"decr",
        b"touch",
        b"flush_all",
        b"stats",
        b"version",
        b"verbosity",
        b"quit",
        b"other",
        b"",
    ]);
    let mut words = vec![verb];
    let value: Vec<u8> =
        (0..random.below(20)).map(|_| random.pick(&[b"v", b"\r", b"\n", b"\0"])[0]).collect();
    let size = value.len().to_string().into_bytes();
    let stores = matches!(verb, b"set" | b"add" | b"replace" | b"append" | b"prepend" | b"cas");
    match verb {
        _ if stores => words.extend([key, random.pick(&NUMBERS), random.pick(&NUMBERS), &size]),
        b"gat" | b"gats" => words.extend([random.pick(&NUMBERS), key]),
        b"incr" | b"decr" | b"touch" => words.extend([key, random.pick(&NUMBERS)]),
        _ => words.push(key),
    }
    if verb == b"cas" {
        words.push(random.pick(&NUMBERS));
    }
    if random.one_in(3) {
        words.push(b"noreply");
    }
    if random.one_in(20) {
        words.pop();
    }
    stream.extend(words.join(blank));
    stream.extend(random.pick(&ENDS));
    if stores {
        stream.extend(&value);
        stream.extend(if random.one_in(20) { &b"x\n"[..] } else { b"\r\n" });
    }
}
