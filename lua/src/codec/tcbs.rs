//! `tcbs`, the block sorting compression of Tokyo Cabinet: its format, as it can be seen from outside.
//!
//! The data is cut into blocks of 8192 bytes. Each is sorted by Burrows and Wheeler's transform and stands as two bytes (the
//! place of the block among its sorted rotations, upper byte first) and the last column of these rotations.
//! Over all of them goes move-to-front coding, once; a rank r becomes Elias's gamma code of r + 1, the
//! bits of which are written from the lowest bit of each byte on. The first three bits of
//! the result are the number of all bits (these three too) modulo 8, the lowest first; where that is 0, a byte 0 follows.

use super::CodecError;
use crate::meter::{LimitReached, Meter};

const BLOCK: usize = 8192;
/// The place of a block before its bytes.
const HEAD: usize = 2;
/// What the codes begin after: bits.
const COUNT_BITS: usize = 3;

pub(super) fn encode(data: &[u8], limit: usize, meter: &dyn Meter) -> Result<Vec<u8>, CodecError> {
    let mut bits = Bits { bytes: vec![0], used: COUNT_BITS };
    let mut ranks = Ranks::new();
    for block in data.chunks(BLOCK) {
        let (place, last_column) = transform(block, meter)?;
        for byte in place.to_be_bytes().into_iter().chain(last_column) {
            bits.push_gamma(u32::from(ranks.rank_of(byte)) + 1);
        }
        if bits.bytes.len() > limit {
            return Err(CodecError::TooLong(limit));
        }
    }
    bits.bytes[0] |= bits.used as u8;
    Ok(bits.bytes)
}

/// None for data that is none of this format.
pub(super) fn decode(data: &[u8], limit: usize, meter: &dyn Meter) -> Result<Option<Vec<u8>>, CodecError> {
    let Some((first, rest)) = data.split_first() else { return Ok(Some(vec![])) };
    let end = rest.len() * 8 + usize::from(first & 7);
    let mut reader = Reader { bytes: data, at: COUNT_BITS, end };
    let mut ranks = Ranks::new();
    let (mut out, mut block) = (vec![], Vec::with_capacity(HEAD + BLOCK));
    while reader.at < end {
        let byte =
            reader.gamma().and_then(|code| u8::try_from(code - 1).ok()).map(|rank| ranks.byte_at(rank));
        let Some(byte) = byte else { return Ok(None) };
        block.push(byte);
        if block.len() < HEAD + BLOCK && reader.at < end {
            continue;
        }
        meter.work(BLOCK as u64 * 100)?;
        let Some((head, last_column)) = block.split_first_chunk::<HEAD>() else { return Ok(None) };
        let Some(text) = restore(usize::from(u16::from_be_bytes(*head)), last_column) else {
            return Ok(None);
        };
        if text.len() > limit.saturating_sub(out.len()) {
            return Err(CodecError::TooLong(limit));
        }
        out.extend(text);
        block.clear();
    }
    Ok(Some(out))
}

/// The place of a block among its rotations, and the last column of those.
fn transform(block: &[u8], meter: &dyn Meter) -> Result<(u16, Vec<u8>), LimitReached> {
    let length = block.len();
    // Sorted by their first byte, then two, four and so on; each time by the classes of both halves.
    let mut classes: Vec<u16> = block.iter().copied().map(u16::from).collect();
    let mut rotations: Vec<u16> = (0..=u16::MAX).take(length).collect();
    let mut compared = 1;
    let key = |classes: &[u16], rotation: u16, compared: usize| {
        let first = usize::from(rotation);
        u32::from(classes[first]) << 16 | u32::from(classes[(first + compared) % length])
    };
    loop {
        meter.work(BLOCK as u64 * 100)?;
        // The order of equal ones does not matter for reading, but is to be the same each time.
        rotations.sort_by_cached_key(|rotation| (key(&classes, *rotation, compared), *rotation));
        let mut refined = vec![0; length];
        let mut distinct = 0;
        for two in rotations.windows(2) {
            distinct += u16::from(key(&classes, two[0], compared) != key(&classes, two[1], compared));
            refined[usize::from(two[1])] = distinct;
        }
        classes = refined;
        compared *= 2;
        if compared >= length || usize::from(distinct) + 1 == length {
            break;
        }
    }
    let place = rotations.iter().position(|rotation| *rotation == 0).unwrap_or(0);
    let last = |rotation: &u16| block[(usize::from(*rotation) + length - 1) % length];
    Ok((u16::try_from(place).unwrap_or(0), rotations.iter().map(last).collect()))
}

/// The block of which this is the last column; None where it has no such place.
fn restore(place: usize, last_column: &[u8]) -> Option<Vec<u8>> {
    if place >= last_column.len() {
        return None;
    }
    let mut starts = [0; 256];
    for byte in last_column {
        starts[usize::from(*byte)] += 1;
    }
    let mut sum = 0;
    for start in &mut starts {
        (sum, *start) = (sum + *start, sum);
    }
    // The n-th of a byte in the last column is the n-th of it in the first.
    let mut next = vec![0; last_column.len()];
    for (row, byte) in last_column.iter().enumerate() {
        next[starts[usize::from(*byte)]] = row;
        starts[usize::from(*byte)] += 1;
    }
    let mut row = place;
    let text = last_column.iter().map(|_| {
        row = next[row];
        last_column[row]
    });
    Some(text.collect())
}

/// Bytes in the order of their last use.
struct Ranks([u8; 256]);

impl Ranks {
    fn new() -> Self {
        Self(std::array::from_fn(|byte| byte as u8))
    }

    fn rank_of(&mut self, byte: u8) -> u8 {
        let rank = self.0.iter().position(|other| *other == byte).unwrap_or(0);
        self.0[..=rank].rotate_right(1);
        rank as u8
    }

    fn byte_at(&mut self, rank: u8) -> u8 {
        self.0[..=usize::from(rank)].rotate_right(1);
        self.0[0]
    }
}

/// Bits, each byte from its lowest on. There is always a byte with room.
struct Bits {
    bytes: Vec<u8>,
    /// Of the last byte, 0 to 7.
    used: usize,
}

impl Bits {
    /// As many zeros as the number has bits after its first, then its bits, the highest first.
    fn push_gamma(&mut self, number: u32) {
        let length = 32 - number.leading_zeros();
        for bit in (0..2 * length - 1).rev() {
            self.push(number >> bit & 1 == 1 && bit < length);
        }
    }

    fn push(&mut self, bit: bool) {
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit) << self.used;
        }
        self.used = (self.used + 1) % 8;
        if self.used == 0 {
            self.bytes.push(0);
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

impl Reader<'_> {
    fn bit(&mut self) -> Option<u32> {
        let bit = self.bytes.get(self.at / 8)? >> (self.at % 8) & 1;
        self.at += 1;
        (self.at <= self.end).then_some(u32::from(bit))
    }

    /// A number of up to 9 bits.
    fn gamma(&mut self) -> Option<u32> {
        let mut more = 0;
        while self.bit()? == 0 {
            more += 1;
            if more > 8 {
                return None;
            }
        }
        (0..more).try_fold(1, |number, _| Some(number << 1 | self.bit()?))
    }
}
