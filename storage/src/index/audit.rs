//! Looking at a table that cannot be trusted: one that came from a file whose CRCs hold, but which
//! may have been made by somebody else. No chain, however it is linked, keeps a walk from ending.

use std::sync::atomic::Ordering;

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

impl Table {
    /// Hands every entry to `visit`, with the number of its primary bucket and that bucket's level, or
    /// says why the table would lead look-ups astray. Before the table is shared.
    pub fn audit(&self, mut visit: impl FnMut(u64, u32, Entry)) -> std::result::Result<Shape, &'static str> {
        let mut shape = Shape::default();
        let set_aside = u64::from(self.spare_overflow.lock().next);
        for index in 0..self.size() {
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
                // As many links as there are buckets: one of them must have been met twice.
                if next >= set_aside || shape.overflow >= set_aside {
                    return Err("its chains of buckets do not end");
                }
                bucket = self.overflow.get(next).ok_or("a chain leads out of the table")?;
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
        }
    }

    #[test]
    fn chains_that_lead_astray_are_refused() {
        let patched = |change: &dyn Fn(&Table)| {
            let table = table(5_000);
            assert!(table.audit(|_, _, _| ()).unwrap().longest > 1, "there are chains");
            change(&table);
            table.audit(|_, _, _| ()).is_err()
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
    }
}
