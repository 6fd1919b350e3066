//! Walking a segment that may be damaged: every whole record in it, and what lies between them.
//!
//! What is always true:
//! - Every byte up to the last that is not zero is in a record or in a gap.
//! - The time is bounded by the size, whatever the bytes are: see [`Sums`].

use crc32fast::Hasher;

use crate::log::address::MAX_OFFSET;
use crate::log::reading::used;
use crate::log::record::{self, At, Kind, Record};
use crate::log::writer::MAX_RECORD;

/// Bytes of a key that are kept for messages.
const SHOWN_KEY: usize = 64;

/// Bytes that are no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Where it begins in the file, in bytes.
    pub offset: usize,
    /// Bytes up to the next whole record, or to the last byte that is not zero.
    pub len: usize,
    /// What does not hold where it begins.
    pub why: &'static str,
    /// The key that the damaged record seems to have, its first 64 bytes.
    pub key: Option<Vec<u8>>,
}

/// A part of a segment.
#[derive(Debug)]
pub enum Piece<'a> {
    /// A whole record at an offset.
    Record(usize, Record<'a>),
    /// Something else.
    Gap(Gap),
}

/// Hands the records and gaps of a segment to `visit`, in order, from `start` on, until it fails.
pub fn walk<'a, E>(
    bytes: &'a [u8],
    start: usize,
    mut visit: impl FnMut(Piece<'a>) -> Result<(), E>,
) -> Result<(), E> {
    let end = used(bytes);
    let mut sums = None;
    let mut last_ts = 0;
    let mut offset = start;
    while offset < end {
        let why = match read(bytes, offset, sums.as_ref()) {
            Ok(record) => {
                last_ts = record.stamp.ts;
                offset += record.len;
                visit(Piece::Record(offset - record.len, record))?;
                continue;
            }
            Err(why) => why,
        };
        let sums = sums.get_or_insert_with(|| Sums::of(bytes));
        let next = next_record(sums, offset, end, last_ts).unwrap_or(end);
        visit(Piece::Gap(Gap { offset, len: next - offset, why, key: key_at(bytes, offset) }))?;
        offset = next;
    }
    Ok(())
}

/// The record at an offset, or why there is none. With `sums` in a time that its length does not matter to.
fn read<'a>(bytes: &'a [u8], offset: usize, sums: Option<&Sums<'_>>) -> Result<Record<'a>, &'static str> {
    if offset as u64 > MAX_OFFSET {
        return Err("no record can begin so far into a segment");
    }
    let rest = bytes.get(offset..).unwrap_or_default();
    if let (Some(sums), Some(record)) = (sums, record::peek(rest)) {
        return if sums.match_record(offset, &record) { Ok(record) } else { Err("the CRC does not match") };
    }
    match record::read(rest) {
        At::Record(record) => Ok(record),
        At::End => Err("zeros where a record should begin"),
        At::Damage(why) => Err(why),
    }
}

/// Where the next whole record after a damage begins, looked for byte by byte, as records are not aligned.
///
/// A value may hold what looks like records, say a copy of a log. So where the lengths of the damaged record
/// lead to a whole one, only what has a stamp between its neighbours' is taken for a record inside of it.
fn next_record(sums: &Sums<'_>, damage: usize, end: usize, last_ts: u64) -> Option<usize> {
    let behind = record::peek(&sums.bytes[damage..])
        .map(|record| damage + record.len)
        .and_then(|behind| Some((behind, read(sums.bytes, behind, Some(sums)).ok()?.stamp.ts)));
    (damage + 1..end.min(MAX_OFFSET as usize + 1)).find(|&at| {
        let Some(record) = candidate(sums.bytes, at).filter(|record| sums.match_record(at, record)) else {
            return false;
        };
        match behind {
            Some((behind, ts)) if at < behind => (last_ts..=ts).contains(&record.stamp.ts),
            _ => true,
        }
    })
}

/// What might be a record at `at`, its CRC unseen. Stricter than the reader of a log: what no writer writes
/// would only raise the odds that random bytes pass.
fn candidate(bytes: &[u8], at: usize) -> Option<Record<'_>> {
    if !matches!(bytes.get(at + 4)? & 0x0f, 1..=7) {
        return None;
    }
    let record = record::peek(&bytes[at..])?;
    let fits = match record.kind {
        Kind::Put | Kind::Counter => true,
        Kind::Delete => record.value.is_empty(),
        Kind::Manifest | Kind::Memo => record.key.is_empty(),
        Kind::Vanish | Kind::Seal => record.key.is_empty() && record.value.is_empty(),
    };
    (fits && record.len as u64 <= MAX_RECORD).then_some(record)
}

fn key_at(bytes: &[u8], offset: usize) -> Option<Vec<u8>> {
    let record = candidate(bytes, offset)?;
    let key = &record.key[..record.key.len().min(SHOWN_KEY)];
    (!key.is_empty()).then(|| key.to_vec())
}

/// CRCs of the beginnings of a segment, so that the CRC of any part of it is had at once: else random bytes,
/// in which a long record seems to begin every few hundred bytes, would take days to search.
struct Sums<'a> {
    bytes: &'a [u8],
    /// CRC of the first `i * STEP` bytes.
    sums: Vec<u32>,
}

impl<'a> Sums<'a> {
    const STEP: usize = 4096;

    fn of(bytes: &'a [u8]) -> Self {
        let mut hasher = Hasher::new();
        let mut sums = vec![0];
        for step in bytes.chunks_exact(Self::STEP) {
            hasher.update(step);
            sums.push(hasher.clone().finalize());
        }
        Self { bytes, sums }
    }

    /// CRC of the first `end` bytes.
    fn up_to(&self, end: usize) -> u32 {
        let step = end / Self::STEP;
        let mut hasher = Hasher::new_with_initial(self.sums[step]);
        hasher.update(&self.bytes[step * Self::STEP..end]);
        hasher.finalize()
    }

    /// CRC of bytes `from..to`.
    fn between(&self, from: usize, to: usize) -> u32 {
        if to - from <= Self::STEP {
            return crc32fast::hash(&self.bytes[from..to]);
        }
        let mut before = Hasher::new_with_initial(self.up_to(from));
        before.combine(&Hasher::new_with_initial_len(0, (to - from) as u64));
        before.finalize() ^ self.up_to(to)
    }

    /// Whether the CRC of a record at `offset` holds.
    fn match_record(&self, offset: usize, record: &Record<'_>) -> bool {
        let end = offset + record.len;
        let body = end - record.key.len() - record.value.len();
        let mut hasher = Hasher::new_with_initial(self.between(body, end));
        hasher.update(&self.bytes[offset + 4..body]);
        self.bytes[offset..offset + 4] == hasher.finalize().to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::{Head, Stamp};
    use std::convert::Infallible;

    fn record(ts: u64, key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut body = Hasher::new();
        body.update(key);
        body.update(value);
        let mut head = Head::new(Kind::Put, key.len(), value.len());
        let stamp = Stamp { ts, origin: 0 };
        [head.finish(stamp, body), key, value].concat()
    }

    /// Keys of the records, and offset and length of the gaps.
    fn pieces(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<(usize, usize)>) {
        let (mut keys, mut gaps) = (Vec::new(), Vec::new());
        let walked: Result<(), Infallible> = walk(bytes, 0, |piece| {
            match piece {
                Piece::Record(_, record) => keys.push(record.key.to_vec()),
                Piece::Gap(gap) => gaps.push((gap.offset, gap.len)),
            }
            Ok(())
        });
        walked.unwrap();
        (keys, gaps)
    }

    #[test]
    fn each_damaged_record_is_a_gap_and_all_others_are_found() {
        let records: Vec<Vec<u8>> =
            (0..20).map(|i| record(100 + i, &[b'k', i as u8], &vec![7; 10 + 900 * i as usize])).collect();
        let bytes = [records.concat(), vec![0; 5000]].concat();
        assert_eq!(pieces(&bytes).0.len(), 20);
        let mut start = 0;
        for (damaged, one) in records.iter().enumerate() {
            for at in (0..30.min(one.len())).chain([one.len() - 1]) {
                let mut bad = bytes.clone();
                bad[start + at] ^= 0x11;
                let (keys, gaps) = pieces(&bad);
                assert_eq!(gaps, [(start, one.len())], "record {damaged}, byte {at}");
                assert_eq!(keys.len(), 19, "record {damaged}, byte {at}");
            }
            start += one.len();
        }
    }

    #[test]
    fn a_damaged_length_that_leads_to_a_later_record_hides_none() {
        let mut bytes: Vec<u8> = (0..8).flat_map(|i| record(100 + i, &[i as u8], &[9; 43])).collect();
        // Records of 64 bytes: four records more fit exactly.
        bytes[64 + 17] = 1;
        let (keys, gaps) = pieces(&bytes);
        assert_eq!((keys.len(), gaps), (7, vec![(64, 64)]));
    }

    #[test]
    fn records_inside_of_a_damaged_value_are_none_of_the_log() {
        let inner = [record(5, b"fake", b"old"), record(6, b"fake", b"older")].concat();
        let outer = record(101, b"outer", &[&[1; 30], &inner[..]].concat());
        let mut bytes = [record(100, b"first", b""), outer.clone(), record(102, b"last", b"")].concat();
        bytes[60] ^= 1;
        let (keys, gaps) = pieces(&bytes);
        assert_eq!(keys, [b"first".to_vec(), b"last".to_vec()]);
        assert_eq!(gaps, [(25, outer.len())]);
    }

    /// Each header promises a record of half the bytes: summing each up anew would take hours.
    #[test]
    fn headers_that_all_promise_much_are_searched_quickly() {
        let size: usize = 4 << 20;
        let mut bytes = vec![0; size];
        for at in (0..size / 2).step_by(20) {
            bytes[at + 4] = 1;
            bytes[at + 16..at + 20].copy_from_slice(&(size as u32 / 2).to_le_bytes());
        }
        let whole = record(1, b"whole", b"value");
        bytes[size - 1000..size - 1000 + whole.len()].copy_from_slice(&whole);
        let since = std::time::Instant::now();
        let (keys, gaps) = pieces(&bytes);
        assert_eq!((keys, gaps), (vec![b"whole".to_vec()], vec![(0, size - 1000)]));
        assert!(since.elapsed().as_secs() < 30, "{:?}", since.elapsed());
    }
}
