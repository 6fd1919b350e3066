//! Seeded random numbers, and a check that holds for every decoder.

use lcnode_protocol::peer::Step;

/// The SplitMix64 generator.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// From `LCNODE_TEST_SEED`, so that a failure can be repeated, or from the clock.
    pub fn new() -> Self {
        let set = std::env::var("LCNODE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = set.unwrap_or_else(|| {
            std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64)
        });
        eprintln!("to repeat: LCNODE_TEST_SEED={seed}");
        Self(seed)
    }

    /// Any 64-bit number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Fewer than `bound` random bytes.
    pub fn bytes(&mut self, bound: usize) -> Vec<u8> {
        (0..self.below(bound)).map(|_| self.next() as u8).collect()
    }
}

/// What a stream of items came to: each as text with its length, and the end: the refusal, or how many
/// bytes were still wanted.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub items: Vec<(String, usize)>,
    pub end: Result<usize, String>,
}

/// Decodes a stream that becomes available up to each of the cuts in turn, the last of which is its end. A
/// patient caller waits for as many bytes as the decoder asked for.
fn feed<'a, T: std::fmt::Debug, R: std::fmt::Display>(
    stream: &'a [u8],
    cuts: &[usize],
    patient: bool,
    decode: impl Fn(&'a [u8]) -> Result<Step<T>, R>,
) -> Outcome {
    let mut items = Vec::new();
    let (mut start, mut wanted) = (0, 0);
    for &end in cuts {
        while !patient || end - start >= wanted {
            let input = &stream[start..end];
            match decode(input) {
                Ok(Step::Whole { item, used }) => {
                    assert!(used > 0 && used <= input.len() && used >= wanted);
                    items.push((format!("{item:?}"), used));
                    start += used;
                    wanted = 0;
                }
                Ok(Step::Incomplete { at_least }) => {
                    assert!(at_least > input.len(), "asks for what is there");
                    assert!(at_least >= wanted, "the lower bound went down");
                    wanted = at_least;
                    break;
                }
                Err(reason) => return Outcome { items, end: Err(reason.to_string()) },
            }
        }
    }
    Outcome { items, end: Ok(wanted) }
}

/// However a stream is cut, the same comes out.
pub fn assert_cuts_do_not_matter<'a, T: std::fmt::Debug, R: std::fmt::Display>(
    random: &mut Random,
    stream: &'a [u8],
    decode: impl Fn(&'a [u8]) -> Result<Step<T>, R>,
) -> Outcome {
    let all = stream.len();
    let whole = feed(stream, &[all], false, &decode);
    let every: Vec<usize> = (0..=all).collect();
    let mut some: Vec<usize> = (0..random.below(8)).map(|_| random.below(all + 1)).chain([all]).collect();
    some.sort_unstable();
    for cuts in [&every, &some] {
        for patient in [false, true] {
            assert_eq!(whole, feed(stream, cuts, patient, &decode));
        }
    }
    whole
}
