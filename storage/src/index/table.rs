//! The table: from the hash of a key to the address of its record, by linear hashing.
//!
//! What is always true:
//! - A reader takes no lock. It may see a bucket before or after any change, never between: a link
//!   word that changed while it looked makes it look again.
//! - Whoever changes a bucket holds the stripe of its keys: with at least [`STRIPES`] buckets, all
//!   keys of a bucket share the low bits of their hash, and so the stripe.
//! - The table holds addresses and a few bits of each hash, no keys: whoever looks up compares the
//!   key in the record.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use crate::index::bucket::{ENTRIES, Entry, LINK, Link, Target, WORDS};
use crate::index::buckets::{Bucket, Buckets};

/// Bits of the hash that choose a stripe.
pub const STRIPE_BITS: u32 = 6;
/// Stripes: locks over the keys, and the least number of buckets (one page).
pub const STRIPES: usize = 1 << STRIPE_BITS;
/// Entries for each 8 buckets above which the table grows: 4.625 a bucket, 13.8 bytes a key before
/// overflow buckets.
const LOAD_PER_8: u64 = 37;
/// Buckets whose pages are made ready ahead of the last: two of the larger pages.
const READY: u64 = (4 << 20) / (WORDS as u64 * 8);
/// Buckets of the overflow array at first.
const OVERFLOW_BASE: u32 = 6;

/// The table of one database.
#[derive(Debug)]
pub struct Table {
    pub(super) primary: Buckets,
    pub(super) overflow: Buckets,
    /// Level of buckets whose link says 0.
    pub(super) first_level: u32,
    /// Primary buckets in use.
    pub(super) size: AtomicU64,
    /// On a line of its own: it changes with every new key, what is around it seldom.
    pub(super) entries: CachePadded<AtomicU64>,
    pub(super) spare_overflow: Mutex<SpareOverflow>,
    pub(super) growing: Mutex<()>,
    /// Primary buckets whose pages are ready for writing, or were there from the start.
    ready: AtomicU64,
}

/// Overflow buckets not in use.
#[derive(Debug)]
pub(super) struct SpareOverflow {
    pub(super) free: Vec<u32>,
    /// The lowest index never used; 0 is none.
    pub(super) next: u32,
}

/// Where a key is, or would go: found under the key's stripe and valid until the stripe is let go.
#[derive(Debug)]
pub enum Slot<'a> {
    /// Its entry.
    Found(&'a AtomicU64, Entry),
    /// An empty entry of its chain.
    Empty(&'a AtomicU64, u32),
    /// The chain is full; its last bucket's link.
    Full(&'a AtomicU64, u32),
}

impl Table {
    /// An empty table of at least `buckets` buckets, rounded up to a power of two.
    pub fn new(buckets: u64) -> io::Result<Self> {
        let buckets = buckets.clamp(STRIPES as u64, 1 << 32).next_power_of_two();
        let level = buckets.ilog2();
        let overflow = Buckets::new(OVERFLOW_BASE, None)?;
        Ok(Self::of_parts(Buckets::new(level, None)?, overflow, level, buckets, 0, 1))
    }

    /// A table of buckets that exist already.
    pub(super) fn of_parts(
        primary: Buckets,
        overflow: Buckets,
        first_level: u32,
        size: u64,
        entries: u64,
        next_overflow: u32,
    ) -> Self {
        Self {
            primary,
            overflow,
            first_level,
            size: AtomicU64::new(size),
            entries: AtomicU64::new(entries).into(),
            spare_overflow: Mutex::new(SpareOverflow { free: Vec::new(), next: next_overflow }),
            growing: Mutex::new(()),
            ready: AtomicU64::new(1 << first_level),
        }
    }

    /// Whether the pages of the buckets that come next should be made ready: see [`Table::make_ready`].
    #[inline]
    pub fn is_nearly_out_of_pages(&self) -> bool {
        self.size() + READY / 2 > self.ready.load(Ordering::Relaxed)
    }

    /// Makes the pages of the buckets that come next ready for writing, so that no split waits for the
    /// system to clear them. Best effort.
    pub fn make_ready(&self) {
        let (from, to) = (self.ready.load(Ordering::Relaxed).max(self.size()), self.size() + READY);
        if self.is_nearly_out_of_pages() && self.primary.reach(to).is_ok() {
            self.primary.populate(from, to);
            self.ready.store(to, Ordering::Relaxed);
        }
    }

    /// Entries: keys, and tombstones that are still needed.
    pub fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Entries that are no tombstones, counted one by one, while nothing changes.
    pub fn records(&self) -> u64 {
        let mut entries = Vec::new();
        let mut count = 0;
        for bucket in (0..self.size()).map_while(|index| self.primary.get(index)) {
            entries.clear();
            self.collect(bucket, &mut entries);
            count += entries.iter().filter(|entry| !entry.is_tombstone()).count() as u64;
        }
        count
    }

    /// Primary buckets in use.
    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Relaxed)
    }

    /// Bytes of the buckets in use. More is set aside, but not touched.
    pub fn bytes(&self) -> u64 {
        (self.size() + u64::from(self.spare_overflow.lock().next)) * (WORDS as u64 * 8)
    }

    /// The bucket of a hash in a table of `size` buckets.
    #[inline]
    fn index(hash: u64, size: u64) -> u64 {
        let level = size.ilog2();
        let low = hash & ((1 << level) - 1);
        if low < size - (1 << level) { hash & ((2 << level) - 1) } else { low }
    }

    #[inline]
    pub(super) fn level(&self, link: Link) -> u32 {
        match link.level() {
            0 => self.first_level,
            level => level,
        }
    }

    /// Looks for the record that `is_it` knows among those whose hash may be `hash`. Takes no lock.
    #[inline]
    pub fn find<T>(&self, hash: u64, mut is_it: impl FnMut(Entry) -> Option<T>) -> Option<T> {
        loop {
            let size = self.size.load(Ordering::Acquire);
            let first = self.primary.get(Self::index(hash, size))?;
            let link = Link(first[LINK].load(Ordering::Acquire));
            if link.is_changing() {
                std::hint::spin_loop();
                continue;
            }
            let rest = hash >> self.level(link);
            let mut bucket = first;
            let mut next = link;
            loop {
                for word in &bucket[..ENTRIES] {
                    let entry = Entry(word.load(Ordering::Acquire));
                    if entry.0 != 0
                        && entry.may_be(rest)
                        && let Some(found) = is_it(entry)
                    {
                        return Some(found);
                    }
                }
                let Some(more) = self.next_of(next) else { break };
                bucket = more;
                next = Link(bucket[LINK].load(Ordering::Acquire));
            }
            fence(Ordering::Acquire);
            if first[LINK].load(Ordering::Relaxed) == link.0 && self.size.load(Ordering::Relaxed) == size {
                return None;
            }
        }
    }

    /// Has the bucket of a hash fetched from memory. A hint.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        self.primary.prefetch(Self::index(hash, self.size.load(Ordering::Acquire)));
    }

    /// Hands the addresses that a look-up of `hash` would look at first to `visit`. A hint: what changes
    /// meanwhile may be missed.
    #[inline]
    pub fn candidates(&self, hash: u64, visit: impl FnMut(Entry)) {
        // Nobody changes anything on the strength of it, so no stripe is needed.
        let _ = self.vacancy(hash, visit);
    }

    /// Has the bucket after a link fetched from memory, if there is one. A hint.
    #[inline]
    pub(super) fn prefetch_chain(&self, link: Link) {
        if link.next() > 0 {
            self.overflow.prefetch(link.next().into());
        }
    }

    /// An empty entry for a hash whose bucket has none that may be it, and no bucket after it: most new keys.
    /// Otherwise hands the entries that may be it to `visit`, has the next bucket fetched, and returns none.
    /// The caller holds the stripe.
    #[inline]
    pub fn vacancy(&self, hash: u64, mut visit: impl FnMut(Entry)) -> Option<Slot<'_>> {
        let first = self.primary.get(Self::index(hash, self.size.load(Ordering::Acquire)))?;
        let link = Link(first[LINK].load(Ordering::Relaxed));
        self.prefetch_chain(link);
        let level = self.level(link);
        let (mut empty, mut is_new) = (None, link.next() == 0);
        for word in &first[..ENTRIES] {
            let entry = Entry(word.load(Ordering::Relaxed));
            if entry.0 == 0 {
                empty = empty.or(Some(word));
            } else if entry.may_be(hash >> level) {
                visit(entry);
                is_new = false;
            }
        }
        empty.filter(|_| is_new).map(|word| Slot::Empty(word, level))
    }

    #[inline]
    fn next_of(&self, link: Link) -> Option<&Bucket> {
        match link.next() {
            0 => None,
            next => self.overflow.get(u64::from(next)),
        }
    }

    /// The entry of the record that `is_it` knows, or where it goes. The caller holds the stripe.
    #[inline]
    pub fn slot(&self, hash: u64, mut is_it: impl FnMut(Entry) -> bool) -> Option<Slot<'_>> {
        let first = self.primary.get(Self::index(hash, self.size.load(Ordering::Acquire)))?;
        let mut link = Link(first[LINK].load(Ordering::Acquire));
        let level = self.level(link);
        let rest = hash >> level;
        let mut empty = None;
        let mut bucket = first;
        loop {
            for word in &bucket[..ENTRIES] {
                let entry = Entry(word.load(Ordering::Acquire));
                if entry.0 == 0 {
                    empty = empty.or(Some(word));
                } else if entry.may_be(rest) && is_it(entry) {
                    return Some(Slot::Found(word, entry));
                }
            }
            match self.next_of(link) {
                Some(more) => bucket = more,
                None => break,
            }
            link = Link(bucket[LINK].load(Ordering::Acquire));
        }
        Some(match empty {
            Some(word) => Slot::Empty(word, level),
            None => Slot::Full(&bucket[LINK], level),
        })
    }

    /// Points a slot at a record. The caller holds the stripe. Fails where a further bucket is
    /// needed and there is no memory for it.
    #[inline]
    pub fn point(&self, slot: Slot<'_>, hash: u64, target: Target) -> io::Result<()> {
        let added = self.point_uncounted(slot, hash, target)?;
        self.count(added.into());
        Ok(())
    }

    /// The same, without counting the entry. Says whether it is a new one.
    #[inline]
    pub fn point_uncounted(&self, slot: Slot<'_>, hash: u64, target: Target) -> io::Result<bool> {
        match slot {
            Slot::Found(word, entry) => {
                word.store(entry.moved_to(target).0, Ordering::Release);
                return Ok(false);
            }
            Slot::Empty(word, level) => self.point_vacant(word, level, hash, target),
            Slot::Full(last, level) => {
                let (index, bucket) = self.take_overflow()?;
                bucket[0].store(Entry::new(target, hash, level).0, Ordering::Release);
                let link = Link(last.load(Ordering::Relaxed));
                last.store(link.with_next(index).0, Ordering::Release);
            }
        }
        Ok(true)
    }

    /// Points an empty entry at a record. The caller holds the stripe.
    #[inline]
    pub fn point_vacant(&self, word: &AtomicU64, level: u32, hash: u64, target: Target) {
        word.store(Entry::new(target, hash, level).0, Ordering::Release);
    }

    /// Counts entries that were added.
    #[inline]
    pub fn count(&self, added: u64) {
        self.entries.fetch_add(added, Ordering::Relaxed);
    }

    /// Forgets a record. The caller holds the stripe.
    pub fn clear(&self, word: &AtomicU64) {
        word.store(0, Ordering::Release);
        self.entries.fetch_sub(1, Ordering::Relaxed);
    }

    /// An overflow bucket, empty.
    pub(super) fn take_overflow(&self) -> io::Result<(u32, &Bucket)> {
        let mut spare = self.spare_overflow.lock();
        let index = match spare.free.pop() {
            Some(index) => index,
            None => {
                self.overflow.reach(u64::from(spare.next))?;
                spare.next = spare.next.checked_add(1).ok_or(io::ErrorKind::OutOfMemory)?;
                spare.next - 1
            }
        };
        drop(spare);
        let bucket = self.overflow.get(u64::from(index)).ok_or(io::ErrorKind::OutOfMemory)?;
        for word in bucket {
            word.store(0, Ordering::Release);
        }
        Ok((index, bucket))
    }

    /// Whether the table should grow by a bucket.
    #[inline]
    pub fn is_loaded(&self) -> bool {
        self.entries() * 8 > self.size() * LOAD_PER_8
    }

    /// Copies the entries of the bucket that `hash` belongs to; returns the bucket's level: its keys
    /// are those that share that many low bits with `hash`. Takes no lock.
    pub fn bucket_of(&self, hash: u64, entries: &mut Vec<Entry>) -> u32 {
        loop {
            entries.clear();
            let size = self.size.load(Ordering::Acquire);
            let Some(first) = self.primary.get(Self::index(hash, size)) else { return self.first_level };
            let link = Link(first[LINK].load(Ordering::Acquire));
            if link.is_changing() {
                std::hint::spin_loop();
                continue;
            }
            self.collect(first, entries);
            fence(Ordering::Acquire);
            if first[LINK].load(Ordering::Relaxed) == link.0 && self.size.load(Ordering::Relaxed) == size {
                return self.level(link);
            }
        }
    }

    /// The entries that `wanted` accepts, bucket by bucket. Takes no lock: an entry that is there all the
    /// time is found once or twice, since a bucket that splits moves entries only to buckets that are
    /// yet to come.
    pub fn entries_where(&self, wanted: impl Fn(Entry) -> bool) -> Vec<Entry> {
        let (mut found, mut entries) = (Vec::new(), Vec::new());
        let mut index = 0;
        while let Some(first) = (index < self.size()).then(|| self.primary.get(index)).flatten() {
            entries.clear();
            let before = Link(first[LINK].load(Ordering::Acquire));
            self.collect(first, &mut entries);
            fence(Ordering::Acquire);
            if before.is_changing() || first[LINK].load(Ordering::Relaxed) != before.0 {
                std::hint::spin_loop();
                continue;
            }
            found.extend(entries.iter().copied().filter(|&entry| wanted(entry)));
            index += 1;
        }
        found
    }

    /// The entries of a chain, as they are now.
    pub(super) fn collect(&self, first: &Bucket, entries: &mut Vec<Entry>) {
        self.each_of(first, |entry| entries.push(entry));
    }

    /// Hands the entries of a chain, as they are now, to `take`.
    #[inline]
    pub(super) fn each_of(&self, first: &Bucket, mut take: impl FnMut(Entry)) {
        let mut bucket = first;
        loop {
            let words = bucket[..ENTRIES].iter().map(|word| word.load(Ordering::Acquire));
            words.filter(|&word| word != 0).map(Entry).for_each(&mut take);
            match self.next_of(Link(bucket[LINK].load(Ordering::Acquire))) {
                Some(more) => bucket = more,
                None => return,
            }
        }
    }

    /// Forgets all entries that `keep` does not want, before the table is shared.
    pub fn retain(&self, mut keep: impl FnMut(Entry) -> bool) {
        for index in 0..self.size() {
            let mut bucket = self.primary.get(index);
            while let Some(words) = bucket {
                for word in &words[..ENTRIES] {
                    let entry = Entry(word.load(Ordering::Relaxed));
                    if entry.0 != 0 && !keep(entry) {
                        self.clear(word);
                    }
                }
                bucket = self.next_of(Link(words[LINK].load(Ordering::Relaxed)));
            }
        }
    }
}
