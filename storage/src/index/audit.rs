//! Looking at a table that cannot be trusted: one that came from a file whose CRCs hold, but which
//! may have been made by somebody else. No chain, however it is linked, keeps a walk from ending.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::index::bucket::{ENTRIES, Entry, LINK, Link};
use crate::index::table::Table;

/// The shape of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Entries met.
    pub entries: u64,
    /// Overflow buckets that are part of a chain.
    pub overflow: u64,
    /// Buckets of the longest chain.
    pub longest: u64,
}

/// Overflow buckets that were met, a bit each.
struct Met(Vec<AtomicU64>);

impl Met {
    fn none(buckets: u64) -> Self {
        Self((0..buckets.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Whether bucket `index` is one, and is met for the first time.
    fn first_time(&self, index: u64) -> bool {
        let bit = 1 << (index % 64);
        let word = self.0.get((index / 64) as usize);
        word.is_some_and(|word| word.fetch_or(bit, Ordering::Relaxed) & bit == 0)
    }
}

impl Table {
    /// Hands every entry to `visit`, with the number of its primary bucket and that bucket's level, or
    /// says why the table would lead look-ups astray. Before the table is shared.
    pub fn audit(&self, visit: impl FnMut(u64, u32, Entry)) -> std::result::Result<Shape, &'static str> {
        self.audit_buckets(0..self.size(), &Met::none(self.set_aside()), visit)
    }

    /// The same without looking at the entries, on all cores. An error also where they are not as many as
    /// the table counts: the count says when it grows, and one far too large would let it grow for ever.
    pub fn audit_counted(&self) -> std::result::Result<(), &'static str> {
        let met = Met::none(self.set_aside());
        let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
        let share = self.size().div_ceil(threads).max(1);
        let audit = |from: u64| {
            let to = (from + share).min(self.size());
            self.audit_buckets(from..to, &met, |_, _, _| ()).map(|shape| shape.entries)
        };
        let entries = std::thread::scope(|scope| {
            let from = (0..self.size()).step_by(share as usize);
            let shares: Vec<_> = from.map(|from| scope.spawn(move || audit(from))).collect();
            shares.into_iter().try_fold(0, |sum, share| {
                let counted = share.join().unwrap_or(Err("looking at it failed"))?;
                Ok::<u64, &'static str>(sum + counted)
            })
        })?;
        if entries == self.entries() { Ok(()) } else { Err("it does not count its entries right") }
    }

    /// Overflow buckets that were ever used.
    fn set_aside(&self) -> u64 {
        self.spare_overflow.lock().next.into()
    }

    fn audit_buckets(
        &self,
        buckets: Range<u64>,
        met: &Met,
        mut visit: impl FnMut(u64, u32, Entry),
    ) -> std::result::Result<Shape, &'static str> {
        let mut shape = Shape::default();
        let set_aside = self.set_aside();
        for index in buckets {
            let mut bucket = self.primary.get(index).ok_or("it lacks a bucket")?;
            let first = Link(bucket[LINK].load(Ordering::Relaxed));
            let level = self.level(first);
            if level != Self::level_of(index, self.size()) {
                return Err("a bucket has a level that does not fit its place");
            }
            if first.is_changing() {
                return Err("a bucket is marked as being changed");
            }
            let mut length = 1;
            loop {
                let words = bucket[..ENTRIES].iter().map(|word| word.load(Ordering::Relaxed));
                for word in words.filter(|&word| word != 0) {
                    shape.entries += 1;
                    visit(index, level, Entry(word));
                }
                let next = u64::from(Link(bucket[LINK].load(Ordering::Relaxed)).next());
                if next == 0 {
                    break;
                }
                shape.overflow += 1;
                length += 1;
                bucket = match next < set_aside {
                    true => self.overflow.get(next).ok_or("a chain leads out of the table")?,
                    false => return Err("a chain leads out of the table"),
                };
                // A ring; or a bucket that two chains would give back, and two others then share.
                if !met.first_time(next) {
                    return Err("a bucket is met twice in its chains");
                }
            }
            shape.longest = shape.longest.max(length);
        }
        Ok(shape)
    }

    /// How many low bits of a hash choose bucket `index` of `size`.
    fn level_of(index: u64, size: u64) -> u32 {
        let level = size.ilog2();
        let whole = 1 << level;
        if index >= whole || index < size - whole { level + 1 } else { level }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::KeyHasher;
    use crate::index::bucket::Target;
    use crate::log::address::Address;

    fn hash_of(number: u64) -> u64 {
        KeyHasher::new([7; 16]).hash(&number.to_le_bytes())
    }

    fn table(records: u64) -> Table {
        let table = Table::new(64).unwrap();
        for number in 1..=records {
            let hash = hash_of(number);
            let target = Target { address: Address::new(1, number as usize), tombstone: false };
            let slot = table.slot(hash, |_| false).unwrap();
            table.point(slot, hash, target).unwrap();
            while table.is_loaded() {
                let of_entry = |entry: Entry| Some(hash_of(entry.address().offset() as u64));
                table.grow(|_| (), of_entry).unwrap();
            }
        }
        table
    }

    #[test]
    fn a_sound_table_is_walked_in_full() {
        for records in [0, 1, 200, 5_000] {
            let mut met = Vec::new();
            let shape =
                table(records).audit(|_, _, entry| met.push(entry.address().offset() as u64)).unwrap();
            met.sort_unstable();
            assert!(met.into_iter().eq(1..=records));
            assert_eq!(shape.entries, records);
            table(records).audit_counted().unwrap();
        }
    }

    #[test]
    fn chains_that_lead_astray_are_refused() {
        let patched = |change: &dyn Fn(&Table)| {
            let table = table(5_000);
            assert!(table.audit(|_, _, _| ()).unwrap().longest > 1, "there are chains");
            table.audit_counted().unwrap();
            change(&table);
            table.audit_counted().is_err()
        };
        let link = |table: &Table, index, link: Link| {
            table.primary.get(index).unwrap()[LINK].store(link.0, Ordering::Relaxed);
        };
        let level = |table: &Table, index| {
            table.level(Link(table.primary.get(index).unwrap()[LINK].load(Ordering::Relaxed)))
        };
        assert!(patched(&|table| link(table, 5, Link::new(u32::MAX, level(table, 5), 0))), "past the end");
        assert!(patched(&|table| link(table, 5, Link::new(0, level(table, 5), 1))), "for ever changing");
        assert!(patched(&|table| link(table, 5, Link::new(0, 200, 0))), "a level past all bits");
        assert!(
            patched(&|table| {
                link(table, 5, Link::new(1, level(table, 5), 0));
                table.overflow.get(1).unwrap()[LINK].store(1, Ordering::Relaxed);
            }),
            "a ring"
        );
        assert!(
            patched(&|table| {
                let chained = |&index: &u64| {
                    let bucket = table.primary.get(index).unwrap();
                    Link(bucket[LINK].load(Ordering::Relaxed)).next() > 0
                };
                let two: Vec<u64> = (0..table.size()).filter(chained).take(2).collect();
                let shared = Link(table.primary.get(two[0]).unwrap()[LINK].load(Ordering::Relaxed)).next();
                link(table, two[1], Link::new(shared, level(table, two[1]), 0));
            }),
            "two chains that share a bucket"
        );
        assert!(patched(&|table| table.count(1)), "an entry too many");
    }
}
