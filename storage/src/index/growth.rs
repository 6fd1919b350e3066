//! The table grows a bucket at a time: the bucket after the last is filled from the one it is
//! split off, and no other is touched.

use std::io;
use std::sync::atomic::{Ordering, fence};

use smallvec::SmallVec;

use crate::index::bucket::{ENTRIES, Entry, LINK, Link};
use crate::index::buckets::Bucket;
use crate::index::table::{STRIPES, Table};

/// Entries of a chain: seldom more than two buckets' worth.
type Entries = SmallVec<[Entry; 2 * ENTRIES]>;

impl Table {
    /// Splits the next bucket, where nobody else is growing the table. `lock` takes a stripe;
    /// `hash_of` tells the hash of an entry's record, if that can be read.
    pub fn grow<L>(
        &self,
        lock: impl FnOnce(usize) -> L,
        mut hash_of: impl FnMut(Entry) -> Option<u64>,
    ) -> io::Result<()> {
        let Some(_growing) = self.growing.try_lock() else { return Ok(()) };
        let size = self.size();
        let level = size.ilog2();
        let source = size - (1 << level);
        self.primary.reach(size)?;
        let (Some(old), Some(new)) = (self.primary.get(source), self.primary.get(size)) else {
            return Err(io::ErrorKind::OutOfMemory.into());
        };
        let _stripe = lock(source as usize & (STRIPES - 1));

        let mut entries = Entries::new();
        self.each_of(old, |entry| entries.push(entry));
        let (mut stay, mut go) = (Entries::new(), Entries::new());
        let mut unreadable = 0;
        for entry in entries {
            let split = entry.split().or_else(|| {
                let hash = hash_of(entry)?;
                Some((Entry::new(entry.target(), hash, level + 1), hash >> level & 1 == 1))
            });
            match split {
                Some((entry, true)) => go.push(entry),
                Some((entry, false)) => stay.push(entry),
                // The key of a damaged record is not known: it goes to both, so that looking it up
                // still names the damage.
                None => {
                    unreadable += 1;
                    go.push(entry.without_tag());
                    stay.push(entry.without_tag());
                }
            }
        }

        let before = Link(old[LINK].load(Ordering::Relaxed));
        let extra = self.chain(go.len().max(stay.len()).saturating_sub(ENTRIES).div_ceil(ENTRIES) * 2)?;
        let mut extra = extra.into_iter();
        let next = self.fill(new, &go, &mut extra);
        new[LINK].store(Link::new(next, level + 1, 0).0, Ordering::Release);
        let freed = self.chain_of(before);
        let changing = before.sequence() | 1;
        // What follows is not seen before this, nor after the last store: see `Table::find`.
        old[LINK].store(Link::new(before.next(), before.level(), changing).0, Ordering::Relaxed);
        fence(Ordering::Release);
        self.size.store(size + 1, Ordering::Release);
        let next = self.fill(old, &stay, &mut extra);
        old[LINK].store(Link::new(next, level + 1, changing + 1).0, Ordering::Release);

        self.entries.fetch_add(unreadable, Ordering::Relaxed);
        let mut spare = self.spare_overflow.lock();
        spare.free.extend(freed);
        spare.free.extend(extra);
        // The next split will be of the buckets beside these.
        self.primary.prefetch(size + 1);
        self.primary.prefetch(source + 2);
        if let Some(next) = self.primary.get(source + 1) {
            self.prefetch_chain(Link(next[LINK].load(Ordering::Relaxed)));
        }
        Ok(())
    }

    /// The entries that bucket `index` would have in a table of `size` buckets, from before it grew to what
    /// it is now; returns the level that the bucket had then. Takes no lock: none where a part of the bucket
    /// was split meanwhile, else an entry that is changed meanwhile is the one before or after.
    pub(super) fn collect_as_of(&self, size: u64, index: u64, entries: &mut Vec<Entry>) -> Option<u32> {
        entries.clear();
        let high = size.ilog2();
        let is_split = index < size - (1 << high) || index >= 1 << high;
        let level = high + u32::from(is_split);
        let mut parts = SmallVec::<[(&Bucket, Link); 4]>::new();
        let mut part = index;
        // Whoever sees the new size sees that the link of the bucket that was split has changed.
        while let Some(bucket) =
            (part < self.size.load(Ordering::Acquire)).then(|| self.primary.get(part)).flatten()
        {
            let from = entries.len();
            let link = Link(bucket[LINK].load(Ordering::Acquire));
            if link.is_changing() {
                return None;
            }
            parts.push((bucket, link));
            self.collect(bucket, entries);
            let more = self.level(link).saturating_sub(level);
            if more > 0 {
                entries[from..].iter_mut().for_each(|entry| *entry = entry.joined(part >> level, more));
            }
            part += 1 << level;
        }
        fence(Ordering::Acquire);
        let is_whole = parts.iter().all(|(bucket, link)| bucket[LINK].load(Ordering::Relaxed) == link.0);
        is_whole.then_some(level)
    }

    /// Takes `count` overflow buckets.
    fn chain(&self, count: usize) -> io::Result<Vec<u32>> {
        let mut taken = Vec::new();
        for _ in 0..count {
            match self.take_overflow() {
                Ok((index, _)) => taken.push(index),
                Err(error) => {
                    self.spare_overflow.lock().free.extend(taken);
                    return Err(error);
                }
            }
        }
        Ok(taken)
    }

    /// The overflow buckets after a link.
    fn chain_of(&self, mut link: Link) -> Vec<u32> {
        let mut chain = Vec::new();
        while let Some(bucket) = (link.next() > 0).then(|| self.overflow.get(link.next().into())).flatten() {
            chain.push(link.next());
            link = Link(bucket[LINK].load(Ordering::Acquire));
        }
        chain
    }

    /// Writes entries into a bucket and as many of `extra` as they need; returns the first of those.
    fn fill(&self, bucket: &Bucket, entries: &[Entry], extra: &mut impl Iterator<Item = u32>) -> u32 {
        let (own, more) = entries.split_at(entries.len().min(ENTRIES));
        let next = if more.is_empty() { 0 } else { extra.next().unwrap_or(0) };
        if let Some(further) = (next > 0).then(|| self.overflow.get(next.into())).flatten() {
            let after = self.fill(further, more, extra);
            further[LINK].store(Link::new(after, 0, 0).0, Ordering::Release);
        }
        for (i, word) in bucket[..ENTRIES].iter().enumerate() {
            word.store(own.get(i).map_or(0, |entry| entry.0), Ordering::Release);
        }
        next
    }
}
