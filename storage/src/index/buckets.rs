//! Growing arrays of buckets that never move: the medium under the table.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use crate::index::bucket::WORDS;
use crate::medium::Words;

/// One bucket.
pub type Bucket = [AtomicU64];

/// Chunks of buckets: the first holds 2^base of them, each further one as many as all before it, so
/// that a bucket is found by its index's highest bit.
#[derive(Debug)]
pub struct Buckets {
    base: u32,
    chunks: [OnceLock<Words>; 48],
}

impl Buckets {
    /// Room for `1 << base` buckets in `first`, or in zeroed memory where there is none.
    pub fn new(base: u32, first: Option<Words>) -> io::Result<Self> {
        let buckets = Self { base, chunks: [const { OnceLock::new() }; 48] };
        let first = match first {
            Some(words) => words,
            None => Words::anonymous(WORDS << base)?,
        };
        let _ = buckets.chunks[0].set(first);
        Ok(buckets)
    }

    /// Makes sure that bucket `index` exists. Fails where memory cannot be had.
    pub fn reach(&self, index: u64) -> io::Result<()> {
        let (chunk, _) = self.place(index);
        let Some(slot) = self.chunks.get(chunk) else {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory));
        };
        if slot.get().is_none() {
            // A chunk made twice at once is dropped the second time.
            let _ = slot.set(Words::anonymous(WORDS << (self.base as usize + chunk - 1))?);
        }
        Ok(())
    }

    /// Chunk and index within it.
    #[inline]
    fn place(&self, index: u64) -> (usize, usize) {
        let high = index >> self.base;
        if high == 0 {
            return (0, index as usize);
        }
        let chunk = 64 - high.leading_zeros();
        (chunk as usize, (index - (1 << (self.base + chunk - 1))) as usize)
    }

    /// A bucket that exists; none past the end.
    #[inline]
    pub fn get(&self, index: u64) -> Option<&Bucket> {
        let (chunk, at) = self.place(index);
        self.chunks.get(chunk)?.get()?.get().get(at * WORDS..(at + 1) * WORDS)
    }

    /// Makes the pages of buckets `from..to`, which exist, ready for writing.
    pub fn populate(&self, from: u64, to: u64) {
        let mut at = from;
        while at < to {
            let (chunk, first) = self.place(at);
            let Some(words) = self.chunks.get(chunk).and_then(OnceLock::get) else { return };
            let in_chunk = words.get().len() / WORDS - first;
            let count = in_chunk.min((to - at) as usize);
            words.populate(first * WORDS, count * WORDS);
            at += count as u64;
        }
    }

    /// Has a bucket fetched from memory. A hint.
    #[inline]
    pub fn prefetch(&self, index: u64) {
        let (chunk, at) = self.place(index);
        if let Some(words) = self.chunks.get(chunk).and_then(OnceLock::get) {
            words.prefetch(at * WORDS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn every_bucket_has_its_own_place() {
        let buckets = Buckets::new(2, None).unwrap();
        for index in 0..1000 {
            buckets.reach(index).unwrap();
            buckets.get(index).unwrap()[3].store(index + 1, Ordering::Relaxed);
        }
        for index in 0..1000 {
            assert_eq!(buckets.get(index).unwrap()[3].load(Ordering::Relaxed), index + 1);
        }
        assert!(buckets.get(1 << 20).is_none());
    }
}
