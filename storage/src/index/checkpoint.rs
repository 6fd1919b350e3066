//! A checkpoint: the table between two positions of the log, in one file. Byte map in `FORMAT.md`,
//! section 4.
//!
//! It is only ever a shortcut: it is used whole or not at all, and without it the table is rebuilt
//! from the log.

use std::io;

use crate::error::{Error, Result};
use crate::index::bucket::WORDS;
use crate::index::buckets::Buckets;
use crate::index::table::{STRIPES, Table};
use crate::log::address::{MAX_SPAN, Position};
use crate::log::segment::{self, Counts, Expiring};
use crate::medium::{Medium, Words};
use crate::meta::DatabaseId;

/// The file's name below the database directory.
pub const NAME: &str = "index/checkpoint";
/// What it is called while it is written. A process that was killed may have left one behind.
pub const UNFINISHED: &str = "index/checkpoint.tmp";
/// The folder of checkpoints.
pub const FOLDER: &str = "index";
/// The first bytes of the file.
pub const MAGIC: [u8; 8] = *b"LCNODIDX";
/// The format written now, and the newest that is read.
pub const VERSION: u32 = 3;
/// Bytes of the header, where the primary buckets begin.
pub const HEADER: usize = 4096;
/// Bytes of buckets that one CRC covers.
pub const BLOCK: usize = 1 << 20;

const BUCKET: usize = WORDS * 8;

/// A segment as a checkpoint knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentState {
    /// Its number.
    pub number: u64,
    /// Bytes written.
    pub written: u64,
    /// What is counted of it.
    pub counts: Counts,
}

/// Bytes of memos in the tail, at most.
const MAX_MEMOS: u64 = 1 << 20;
/// Bytes of a segment's state in the tail.
const SEGMENT: usize = 64;

/// What a checkpoint says beside the table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// All records before this position are in the table; the log is read from here on.
    pub position: Position,
    /// The table has some of the records up to here, and none after it. All that follows is as of here.
    pub counted: Position,
    /// Records that a client sees.
    pub records: u64,
    /// The last stamp given, in microseconds.
    pub last_ts: u64,
    /// The segments of the log, oldest first.
    pub segments: Vec<SegmentState>,
    /// What the node remembers, as the value of a memo record.
    pub memos: Vec<u8>,
}

impl State {
    /// The segments, first and last, without which the log cannot be read from the one position to the
    /// other; none where there is nothing in between.
    pub fn pins(&self) -> Option<(u64, u64)> {
        (self.position < self.counted).then_some((self.position.segment, self.counted.segment))
    }
}

/// The numbers of a header, in file order from byte 32.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) size: u64,
    pub(super) base: u64,
    pub(super) overflow: u64,
    pub(super) overflow_base: u64,
    pub(super) entries: u64,
    pub(super) records: u64,
    pub(super) last_ts: u64,
    pub(super) segments: u64,
    pub(super) tail_crc: u64,
    pub(super) counted_segment: u64,
    pub(super) counted_offset: u64,
    pub(super) memos: u64,
}

impl Numbers {
    const COUNT: usize = 14;

    fn to_words(&self) -> [u64; Self::COUNT] {
        [
            self.segment,
            self.offset,
            self.size,
            self.base,
            self.overflow,
            self.overflow_base,
            self.entries,
            self.records,
            self.last_ts,
            self.segments,
            self.tail_crc,
            self.counted_segment,
            self.counted_offset,
            self.memos,
        ]
    }

    fn of_words(words: [u64; Self::COUNT]) -> Self {
        let [
            segment,
            offset,
            size,
            base,
            overflow,
            overflow_base,
            entries,
            records,
            last_ts,
            segments,
            tail_crc,
            counted_segment,
            counted_offset,
            memos,
        ] = words;
        Self {
            segment,
            offset,
            size,
            base,
            overflow,
            overflow_base,
            entries,
            records,
            last_ts,
            segments,
            tail_crc,
            counted_segment,
            counted_offset,
            memos,
        }
    }

    pub(super) fn overflow_offset(&self) -> u64 {
        HEADER as u64 + ((BUCKET as u64) << self.base)
    }

    pub(super) fn tail_offset(&self) -> u64 {
        self.overflow_offset() + ((BUCKET as u64) << self.overflow_base)
    }

    /// Bytes of the tail: the segments, then a CRC for each block of buckets, then the memos.
    fn tail_len(&self) -> usize {
        let blocks = |buckets: u64| (buckets as usize * BUCKET).div_ceil(BLOCK);
        let crcs = (blocks(self.size) + blocks(self.overflow)) * 4;
        self.segments as usize * SEGMENT + crcs + self.memos as usize
    }

    /// Whether they can be those of a file of `len` bytes, so that nothing absurd is allocated.
    fn fit(&self, len: u64) -> bool {
        // What a position has room for: see `Position::to_word`.
        let bound = 1 << 32;
        self.counted_segment < bound
            && self.offset < bound
            && self.counted_offset < bound
            && (STRIPES as u64..=1 << 40).contains(&self.size)
            && (1..=u64::from(u32::MAX)).contains(&self.overflow)
            && (self.base, self.overflow_base) == bases(self.size, self.overflow)
            && self.segments <= MAX_SPAN
            && self.memos <= MAX_MEMOS
            && (self.segment, self.offset) <= (self.counted_segment, self.counted_offset)
            && self.tail_offset().checked_add(self.tail_len() as u64) == Some(len)
    }
}

/// The powers of two of what is allotted to so many primary and overflow buckets.
pub(super) fn bases(size: u64, overflow: u64) -> (u64, u64) {
    let base = |buckets: u64| u64::from(buckets.next_power_of_two().ilog2());
    (base(size), base(overflow).max(6))
}

pub(super) fn header(id: DatabaseId, numbers: &Numbers) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..32].copy_from_slice(&id.0);
    for (i, word) in numbers.to_words().iter().enumerate() {
        bytes[32 + i * 8..40 + i * 8].copy_from_slice(&word.to_le_bytes());
    }
    let crc = crc32fast::hash(&bytes[..HEADER - 4]);
    bytes[HEADER - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Removes the checkpoint, if there is one.
pub fn remove(medium: &dyn Medium) -> Result<()> {
    medium.remove(NAME).map_err(Error::io("remove", medium.describe(NAME)))
}

/// Removes what a process that was killed while it wrote a checkpoint may have left: it takes up space.
pub fn remove_unfinished(medium: &dyn Medium) -> Result<()> {
    let files = medium.list(FOLDER).map_err(Error::io("list", medium.describe(FOLDER)))?;
    match files.iter().any(|(name, _)| format!("{FOLDER}/{name}") == UNFINISHED) {
        true => medium.remove(UNFINISHED).map_err(Error::io("remove", medium.describe(UNFINISHED))),
        false => Ok(()),
    }
}

/// Loads the checkpoint, if there is one that is whole and belongs to database `id`; else says why not.
pub fn load(medium: &dyn Medium, id: DatabaseId) -> std::result::Result<(Table, State), String> {
    let files = medium.list(FOLDER).map_err(|error| error.to_string())?;
    let Some((_, len)) = files.into_iter().find(|(name, _)| format!("{FOLDER}/{name}") == NAME) else {
        return Err("there is none".to_owned());
    };
    let failed = |error: io::Error| format!("cannot read {}: {error}", medium.describe(NAME));
    if len < HEADER as u64 {
        return Err("it is shorter than its header".to_owned());
    }
    let mut head = [0; HEADER];
    medium.read_at(NAME, 0, &mut head).map_err(failed)?;
    let numbers = Numbers::of_words(std::array::from_fn(|i| {
        u64::from_le_bytes(std::array::from_fn(|byte| head[32 + i * 8 + byte]))
    }));
    if head[..] != header(id, &numbers)[..] {
        let why = "its header does not check, or it is of another format or database";
        return Err(why.to_owned());
    }
    if !numbers.fit(len) {
        return Err("its numbers do not fit its length".to_owned());
    }
    // Where the folder cannot be listed the log is not opened either, which says so.
    let log = medium.list(segment::FOLDER).unwrap_or_default();
    let log = log.iter().fold(0_u64, |sum, (_, len)| sum.saturating_add(*len));
    if (numbers.size + numbers.overflow).saturating_mul(BUCKET as u64) > most(log) {
        return Err("it is far larger than a table of the log can be".to_owned());
    }
    let mut tail = vec![0; numbers.tail_len()];
    medium.read_at(NAME, numbers.tail_offset(), &mut tail).map_err(failed)?;
    if u64::from(crc32fast::hash(&tail)) != numbers.tail_crc {
        return Err("the CRC of its tail does not match".to_owned());
    }
    let (rest, memos) = tail.split_at(tail.len() - numbers.memos as usize);
    let (segments, crcs) = rest.split_at(numbers.segments as usize * SEGMENT);
    let crcs: Vec<u32> =
        crcs.chunks_exact(4).map(|crc| u32::from_le_bytes(std::array::from_fn(|i| crc[i]))).collect();

    let mut primary = Words::anonymous(WORDS << numbers.base).map_err(failed)?;
    let mut overflow = Words::anonymous(WORDS << numbers.overflow_base).map_err(failed)?;
    // Only what is used: the rest stays untouched, and takes up no memory.
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (words, used, offset) in [
        (&mut primary, numbers.size, HEADER as u64),
        (&mut overflow, numbers.overflow, numbers.overflow_offset()),
    ] {
        let used = &mut words.as_bytes_mut()[..used as usize * BUCKET];
        let offsets = (offset..).step_by(BLOCK);
        let checked = used.chunks_mut(BLOCK).zip(offsets).zip(&crcs[blocks.len()..]);
        blocks.extend(checked.map(|((bytes, offset), &crc)| Block { bytes, offset, crc }));
    }
    if !read_blocks(medium, &mut blocks).map_err(failed)? {
        return Err("the CRC of a block of buckets does not match".to_owned());
    }

    let state = State {
        position: Position { segment: numbers.segment, offset: numbers.offset },
        counted: Position { segment: numbers.counted_segment, offset: numbers.counted_offset },
        records: numbers.records,
        last_ts: numbers.last_ts,
        segments: segments.chunks_exact(SEGMENT).map(segment_state).collect(),
        memos: memos.to_vec(),
    };
    if !state.segments.is_sorted_by(|one, next| one.number < next.number) {
        return Err("its segments are not in order".to_owned());
    }
    let primary = Buckets::new(numbers.base as u32, Some(primary)).map_err(failed)?;
    let overflow_buckets = Buckets::new(numbers.overflow_base as u32, Some(overflow)).map_err(failed)?;
    let base = numbers.base as u32;
    let table = Table::of_parts(
        primary,
        overflow_buckets,
        base,
        numbers.size,
        numbers.entries,
        numbers.overflow as u32,
    );
    // CRCs can be had by anybody who writes files: nothing may be looked up before this.
    table.audit_counted().map_err(str::to_owned)?;
    Ok((table, state))
}

/// The numbers of a segment's state, in file order.
pub(super) fn segment_words(state: &SegmentState) -> [u64; SEGMENT / 8] {
    let Counts { live, tombstones, expiring } = state.counts;
    let Expiring { bytes, records, seconds, latest } = expiring;
    [state.number, state.written, live, tombstones, bytes, records, seconds, latest]
}

/// Bytes that the buckets of a checkpoint may take up beside a log of `log` bytes: more than growing ever
/// gives, with so many records as small as can be, and what an operator may ask for at the start.
///
/// A larger one was made for keys that are gone, or by somebody else (holes in a file cost nothing): a table
/// built from the log is smaller, and as soon done.
fn most(log: u64) -> u64 {
    (1 << 30) + log.saturating_mul(4)
}

fn segment_state(bytes: &[u8]) -> SegmentState {
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    let [bytes, records, seconds, latest] = [32, 40, 48, 56].map(word);
    let expiring = Expiring { bytes, records, seconds, latest };
    let counts = Counts { live: word(16), tombstones: word(24), expiring };
    SegmentState { number: word(0), written: word(8), counts }
}

/// A part of the file that has a CRC of its own, and where it goes.
struct Block<'a> {
    bytes: &'a mut [u8],
    offset: u64,
    crc: u32,
}

/// Reads all blocks, on all cores; says whether their CRCs match.
fn read_blocks(medium: &dyn Medium, blocks: &mut [Block<'_>]) -> io::Result<bool> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = blocks.len().div_ceil(threads).max(1);
    let read = |blocks: &mut [Block<'_>]| {
        blocks.iter_mut().try_fold(true, |all, block| {
            medium.read_at(NAME, block.offset, block.bytes)?;
            Ok(all && crc32fast::hash(block.bytes) == block.crc)
        })
    };
    std::thread::scope(|scope| {
        let shares: Vec<_> = blocks.chunks_mut(share).map(|part| scope.spawn(move || read(part))).collect();
        shares.into_iter().try_fold(true, |all, share| {
            let matched = share.join().unwrap_or_else(|_| Err(io::Error::other("a thread panicked")));
            Ok(all && matched?)
        })
    })
}
