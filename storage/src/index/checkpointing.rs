//! Writing a checkpoint while the table is in use.
//!
//! Buckets are copied one at a time, without a lock: whoever holds one may lose its processor, and then
//! writers wait for as long. The table may grow meanwhile: what a bucket gave away to buckets that came
//! after the copy began is put together again, so that the copy is one of the table's first size.

use std::io::{self, SeekFrom};

use crate::error::{Error, Result};
use crate::index::bucket::{ENTRIES, Entry, Link, WORDS};
use crate::index::checkpoint::{BLOCK, HEADER, NAME, Numbers, State, bases, header, segment_words};
use crate::index::table::{STRIPES, Table};
use crate::medium::{Medium, WriteSeek};
use crate::meta::DatabaseId;

/// What a checkpoint is made of.
pub struct Source<'a> {
    /// Whose it is.
    pub id: DatabaseId,
    /// The table.
    pub table: &'a Table,
    /// Waits until whoever changes buckets of a stripe is done.
    pub wait: &'a dyn Fn(usize),
    /// Called after every block of buckets: may wait, or break off with an error.
    pub pause: &'a dyn Fn() -> io::Result<()>,
    /// Called after the last bucket: the counts as of then, once everything before is durable.
    pub state: &'a dyn Fn() -> Result<State>,
}

/// Writes a checkpoint; returns its state. Where it fails, nothing is left behind.
pub fn write(medium: &dyn Medium, source: &Source<'_>) -> Result<State> {
    let mut state = None;
    let written = medium.write_whole(NAME, &mut |out| {
        state = Some(fill(out, source)?);
        Ok(())
    });
    written.map_err(Error::io("write", medium.describe(NAME)))?;
    state.ok_or_else(|| Error::Failed(format!("{} was not written", medium.describe(NAME))))
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

    /// Takes a bucket; says whether it filled a block, which was written.
    fn push(&mut self, words: &[u64; WORDS], out: &mut dyn WriteSeek) -> io::Result<bool> {
        for word in words {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        let is_full = self.bytes.len() >= BLOCK;
        if is_full {
            self.flush(out)?;
        }
        Ok(is_full)
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

fn fill(out: &mut dyn WriteSeek, source: &Source<'_>) -> io::Result<State> {
    let table = source.table;
    let size = table.size();
    let mut overflow: Vec<[u64; WORDS]> = vec![[0; WORDS]];
    let (mut entries, mut count) = (Vec::new(), 0);

    out.seek(SeekFrom::Start(HEADER as u64))?;
    let mut primary = Blocks::new();
    for index in 0..size {
        let level = loop {
            match table.collect_as_of(size, index, &mut entries) {
                Some(level) => break level,
                None => (source.wait)(index as usize & (STRIPES - 1)),
            }
        };
        count += entries.len() as u64;
        if primary.push(&chain(&entries, level, &mut overflow), out)? {
            (source.pause)()?;
        }
    }
    primary.flush(out)?;
    let state = (source.state)().map_err(io::Error::other)?;

    let overflow_count = overflow.len() as u64;
    let (base, overflow_base) = bases(size, overflow_count);
    let mut numbers = Numbers {
        segment: state.position.segment,
        offset: state.position.offset,
        size,
        base,
        overflow: overflow_count,
        overflow_base,
        entries: count,
        records: state.records,
        last_ts: state.last_ts,
        segments: state.segments.len() as u64,
        tail_crc: 0,
        counted_segment: state.counted.segment,
        counted_offset: state.counted.offset,
        memos: state.memos.len() as u64,
    };
    out.seek(SeekFrom::Start(numbers.overflow_offset()))?;
    let mut second = Blocks::new();
    for bucket in &overflow {
        if second.push(bucket, out)? {
            (source.pause)()?;
        }
    }
    second.flush(out)?;

    let mut tail = Vec::new();
    for segment in &state.segments {
        for number in segment_words(segment) {
            tail.extend_from_slice(&number.to_le_bytes());
        }
    }
    for crc in primary.crcs.iter().chain(&second.crcs) {
        tail.extend_from_slice(&crc.to_le_bytes());
    }
    tail.extend_from_slice(&state.memos);
    out.seek(SeekFrom::Start(numbers.tail_offset()))?;
    out.write_all(&tail)?;
    numbers.tail_crc = crc32fast::hash(&tail).into();
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&header(source.id, &numbers))?;
    Ok(state)
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
