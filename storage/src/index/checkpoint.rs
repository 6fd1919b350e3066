//! A checkpoint: the table as of a position of the log, in one file. Byte map in `FORMAT.md`,
//! section 4.
//!
//! It is only ever a shortcut: it is used whole or not at all, and without it the table is rebuilt
//! from the log.

use std::io::{self, SeekFrom};

use crate::error::{Error, Result};
use crate::index::bucket::{ENTRIES, Entry, Link, WORDS};
use crate::index::buckets::Buckets;
use crate::index::table::{STRIPES, Table};
use crate::log::address::Position;
use crate::medium::{Medium, Words, WriteSeek};
use crate::meta::DatabaseId;

/// The file's name below the database directory.
pub const NAME: &str = "index/checkpoint";
/// The folder of checkpoints.
pub const FOLDER: &str = "index";
/// The first bytes of the file.
pub const MAGIC: [u8; 8] = *b"LCNODIDX";
/// The format written now, and the newest that is read.
pub const VERSION: u32 = 1;
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
    /// Live records, tombstones included, and their bytes: see [`crate::log::segment::Segment::live_word`].
    pub live: u64,
    /// Bytes of live tombstones.
    pub tombstones: u64,
}

/// Bytes of a segment's state in the tail.
const SEGMENT: usize = 32;

/// What a checkpoint says beside the table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// All records before this position are in the table.
    pub position: Position,
    /// Records that a client sees.
    pub records: u64,
    /// The last stamp given, in microseconds.
    pub last_ts: u64,
    /// The segments of the log, oldest first.
    pub segments: Vec<SegmentState>,
}

/// The numbers of a header, in file order from byte 32.
#[derive(Debug, PartialEq, Eq)]
struct Numbers {
    segment: u64,
    offset: u64,
    size: u64,
    base: u64,
    overflow: u64,
    overflow_base: u64,
    entries: u64,
    records: u64,
    last_ts: u64,
    segments: u64,
    tail_crc: u64,
}

impl Numbers {
    const COUNT: usize = 11;

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
        }
    }

    fn overflow_offset(&self) -> u64 {
        HEADER as u64 + ((BUCKET as u64) << self.base)
    }

    fn tail_offset(&self) -> u64 {
        self.overflow_offset() + ((BUCKET as u64) << self.overflow_base)
    }

    /// Bytes of the tail: the segments, then a CRC for each block of buckets.
    fn tail_len(&self) -> usize {
        let blocks = |buckets: u64| (buckets as usize * BUCKET).div_ceil(BLOCK);
        self.segments as usize * SEGMENT + (blocks(self.size) + blocks(self.overflow)) * 4
    }

    /// Whether they can be those of a file of `len` bytes, so that nothing absurd is allocated.
    fn fit(&self, len: u64) -> bool {
        self.base <= 40
            && self.overflow_base <= 32
            && (STRIPES as u64..=1 << self.base).contains(&self.size)
            && (1..=1 << self.overflow_base).contains(&self.overflow)
            && self.segments <= len / SEGMENT as u64
            && self.tail_offset().checked_add(self.tail_len() as u64) == Some(len)
    }
}

/// Writes words and sums them up in blocks.
struct Blocks {
    bytes: Vec<u8>,
    crcs: Vec<u32>,
}

impl Blocks {
    fn new() -> Self {
        Self { bytes: Vec::with_capacity(BLOCK), crcs: Vec::new() }
    }

    fn push(&mut self, words: &[u64; WORDS], out: &mut dyn WriteSeek) -> io::Result<()> {
        for word in words {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        if self.bytes.len() >= BLOCK { self.flush(out) } else { Ok(()) }
    }

    fn flush(&mut self, out: &mut dyn WriteSeek) -> io::Result<()> {
        if !self.bytes.is_empty() {
            self.crcs.push(crc32fast::hash(&self.bytes));
            out.write_all(&self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }
}

/// Writes a checkpoint of `table`. `state` holds what was true before the first bucket is read; what
/// happens to the table later is in the log after `state.position`. `lock` takes a stripe.
pub fn write<L>(
    medium: &dyn Medium,
    id: DatabaseId,
    table: &Table,
    state: &State,
    lock: impl Fn(usize) -> L,
) -> Result<()> {
    let _growing = table.growing.lock();
    let written = medium.write_whole(NAME, &mut |out| fill(out, id, table, state, &lock));
    written.map_err(Error::io("write", medium.describe(NAME)))
}

fn fill<L>(
    out: &mut dyn WriteSeek,
    id: DatabaseId,
    table: &Table,
    state: &State,
    lock: &impl Fn(usize) -> L,
) -> io::Result<()> {
    let size = table.size();
    let base = size.next_power_of_two().ilog2();
    let mut overflow: Vec<[u64; WORDS]> = vec![[0; WORDS]];
    let (mut entries, mut count) = (Vec::new(), 0);

    out.seek(SeekFrom::Start(HEADER as u64))?;
    let mut primary = Blocks::new();
    for index in 0..size {
        let Some(bucket) = table.primary.get(index) else { break };
        entries.clear();
        let level = {
            let _stripe = lock(index as usize & (STRIPES - 1));
            table.collect(bucket, &mut entries);
            table.level(Link(bucket[ENTRIES].load(std::sync::atomic::Ordering::Acquire)))
        };
        count += entries.len() as u64;
        primary.push(&chain(&entries, level, &mut overflow), out)?;
    }
    primary.flush(out)?;

    let overflow_count = overflow.len() as u64;
    let mut numbers = Numbers {
        segment: state.position.segment,
        offset: state.position.offset,
        size,
        base: base.into(),
        overflow: overflow_count,
        overflow_base: overflow_count.next_power_of_two().ilog2().max(6).into(),
        entries: count,
        records: state.records,
        last_ts: state.last_ts,
        segments: state.segments.len() as u64,
        tail_crc: 0,
    };
    out.seek(SeekFrom::Start(numbers.overflow_offset()))?;
    let mut second = Blocks::new();
    for bucket in &overflow {
        second.push(bucket, out)?;
    }
    second.flush(out)?;

    let mut tail = Vec::new();
    for segment in &state.segments {
        for number in [segment.number, segment.written, segment.live, segment.tombstones] {
            tail.extend_from_slice(&number.to_le_bytes());
        }
    }
    for crc in primary.crcs.iter().chain(&second.crcs) {
        tail.extend_from_slice(&crc.to_le_bytes());
    }
    out.seek(SeekFrom::Start(numbers.tail_offset()))?;
    out.write_all(&tail)?;
    numbers.tail_crc = crc32fast::hash(&tail).into();
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&header(id, &numbers))
}

/// The first bucket of a chain with these entries; its other buckets are added to `overflow`.
fn chain(entries: &[Entry], level: u32, overflow: &mut Vec<[u64; WORDS]>) -> [u64; WORDS] {
    let mut next = 0;
    let mut chunks = entries.chunks(ENTRIES);
    let own = chunks.next().unwrap_or_default();
    for chunk in chunks.rev() {
        overflow.push(words(chunk, Link::new(next, 0, 0)));
        next = overflow.len() as u32 - 1;
    }
    words(own, Link::new(next, level, 0))
}

fn words(entries: &[Entry], link: Link) -> [u64; WORDS] {
    let mut words = [0; WORDS];
    for (word, entry) in words.iter_mut().zip(entries) {
        *word = entry.0;
    }
    words[ENTRIES] = link.0;
    words
}

fn header(id: DatabaseId, numbers: &Numbers) -> [u8; HEADER] {
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
        return Err("its header does not check, or it belongs to another database".to_owned());
    }
    if !numbers.fit(len) {
        return Err("its numbers do not fit its length".to_owned());
    }
    let mut tail = vec![0; numbers.tail_len()];
    medium.read_at(NAME, numbers.tail_offset(), &mut tail).map_err(failed)?;
    if u64::from(crc32fast::hash(&tail)) != numbers.tail_crc {
        return Err("the CRC of its tail does not match".to_owned());
    }
    let (segments, crcs) = tail.split_at(numbers.segments as usize * SEGMENT);
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
        records: numbers.records,
        last_ts: numbers.last_ts,
        segments: segments.chunks_exact(SEGMENT).map(segment_state).collect(),
    };
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
    Ok((table, state))
}

fn segment_state(bytes: &[u8]) -> SegmentState {
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    SegmentState { number: word(0), written: word(8), live: word(16), tombstones: word(24) }
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
