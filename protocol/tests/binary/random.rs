//! Seeded random numbers and request streams.

use crate::wire::{encode, message, run};
use lcnode_protocol::peer::{Epoch, FollowerHello, Position, VERSION};
use lcnode_protocol::{Command, Items, Request};

/// The SplitMix64 generator.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// From a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Any 64-bit number.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Fewer than `bound` random bytes.
    pub(crate) fn bytes(&mut self, bound: usize) -> Vec<u8> {
        (0..self.below(bound)).map(|_| self.next() as u8).collect()
    }

    /// A size as an attacker would choose it: mostly small, now and then at a
    /// boundary.
    fn size(&mut self) -> u32 {
        match self.below(12) {
            0 => u32::MAX,
            1 => 1 << 31,
            2 => [1023, 1024, 65_536, 65_537][self.below(4)],
            3 => [268_435_456, 268_435_457, 1_048_576, 1_048_577][self.below(4)],
            _ => self.below(9) as u32,
        }
    }
}

/// The bytes of one valid request of any command.
pub(crate) fn valid(random: &mut Random) -> Vec<u8> {
    let (key, value) = (&random.bytes(9)[..], &random.bytes(20)[..]);
    let items: Vec<Vec<u8>> = (0..random.below(6)).map(|_| random.bytes(7)).collect();
    let run = run(&items.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let items = Items::from_wire(&run).unwrap();
    let number = random.next() as u32;
    let natural = number >> 1;
    let options = number;
    let ts = random.next() | 1;
    encode(&match Command::ALL[random.below(Command::COUNT)] {
        Command::Put => Request::Put { key, value },
        Command::PutKeep => Request::PutKeep { key, value },
        Command::PutCat => Request::PutCat { key, value },
        Command::PutShl => Request::PutShl { key, value, width: natural },
        Command::PutNr => Request::PutNr { key, value },
        Command::Out => Request::Out { key },
        Command::Get => Request::Get { key },
        Command::MGet => Request::MGet { keys: items },
        Command::Vsiz => Request::Vsiz { key },
        Command::IterInit => Request::IterInit,
        Command::IterNext => Request::IterNext,
        Command::FwmKeys => {
            let max = (number & 1 == 0).then_some(natural);
            Request::FwmKeys { prefix: key, max }
        }
        Command::AddInt => Request::AddInt { key, num: number.cast_signed() },
        Command::AddDouble => {
            let num = [f64::NAN, f64::INFINITY, -0.125, 1e300, f64::from(number)];
            Request::AddDouble { key, num: num[random.below(5)] }
        }
        Command::Ext => Request::Ext { name: key, options, key, value },
        Command::Sync => Request::Sync,
        Command::Optimize => Request::Optimize { params: value },
        Command::Vanish => Request::Vanish,
        Command::Copy => Request::Copy { path: value },
        Command::Restore => Request::Restore { path: value, ts, options },
        Command::SetMst => Request::SetMst { host: value, port: natural, ts, options },
        Command::Rnum => Request::Rnum,
        Command::Size => Request::Size,
        Command::Stat => Request::Stat,
        Command::Misc => Request::Misc { name: key, options, args: items },
        Command::Repl if number & 1 == 0 => Request::Follow(hello(random)),
        Command::Repl => Request::Repl { ts, sid: number | 1 },
    })
}

/// The hello of a follower.
fn hello(random: &mut Random) -> FollowerHello {
    let mut position = || Position { segment: random.next() >> 32, offset: random.next() >> 32 };
    let position = Epoch { id: 7, position: position() };
    let number = random.next();
    FollowerHello {
        version: VERSION,
        sid: number as u16,
        identity: random.next(),
        clock: random.next(),
        position: (number & 1 << 20 != 0).then_some(position),
        mine: number & 1 << 21 != 0,
    }
}

/// Bytes that are nearly a request, or nothing like it.
fn garbage(random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        // A valid request with one byte changed.
        0 => {
            let mut wire = valid(random);
            let at = random.below(wire.len());
            wire[at] = random.next() as u8;
            wire
        }
        // A valid request without its end.
        1 => {
            let mut wire = valid(random);
            wire.truncate(random.below(wire.len()));
            wire
        }
        // A known command with a header out of the blue.
        2 => {
            let id = Command::ALL[random.below(Command::COUNT)].id();
            let header: Vec<u32> = (0..random.below(7)).map(|_| random.size()).collect();
            let body = random.bytes(60);
            message(id, &header, &[&body])
        }
        _ => random.bytes(30),
    }
}

/// A stream of requests, of which roughly one in ten is garbage.
pub(crate) fn stream(random: &mut Random) -> Vec<u8> {
    let mut stream = Vec::new();
    for _ in 0..random.below(12) {
        let request = if random.below(10) == 0 { garbage(random) } else { valid(random) };
        stream.extend(request);
    }
    stream
}
