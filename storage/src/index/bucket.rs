//! A bucket of the table: one cache line of eight words. Word map in `FORMAT.md`, section 5.
//!
//! Words 0 to 6 are entries, word 7 is the link. An entry is an address in 48 bits, a bit that says
//! whether the record is a tombstone, and a tag in 15; an empty entry is 0. The tag is the next bits
//! of the hash after those that chose the bucket, below a marker bit that says how many there are: a
//! split takes one bit off and needs no look at the record, until few are left.

use crate::log::address::{ADDRESS_BITS, Address};

/// Words of a bucket.
pub const WORDS: usize = 8;
/// Entries of a bucket.
pub const ENTRIES: usize = 7;
/// The word of a bucket that is its link.
pub const LINK: usize = 7;

const ADDRESS_MASK: u64 = (1 << ADDRESS_BITS) - 1;
const TOMBSTONE: u64 = 1 << ADDRESS_BITS;
/// Where the tag begins.
const TAG_SHIFT: u32 = ADDRESS_BITS + 1;
/// Bits of a new tag below its marker.
const TAG_BITS: u32 = 63 - TAG_SHIFT;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
/// A tag no longer than this is read anew from the record at the next split.
const SHORTEST_TAG: u32 = 7;

/// An entry that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry(pub u64);

impl Entry {
    /// An entry for a record, in a bucket chosen by the low `level` bits of its hash.
    #[inline]
    pub fn new(target: Target, hash: u64, level: u32) -> Self {
        let tag = 1 << TAG_BITS | (hash >> level) & TAG_MASK;
        Self(tag << TAG_SHIFT | target.word())
    }

    /// Where its record is.
    #[inline]
    pub fn address(self) -> Address {
        Address(self.0 & ADDRESS_MASK)
    }

    /// Whether its record is a tombstone.
    #[inline]
    pub fn is_tombstone(self) -> bool {
        self.0 & TOMBSTONE != 0
    }

    /// The same tag, another record of the same key.
    #[inline]
    pub fn moved_to(self, target: Target) -> Self {
        Self(self.0 & !(ADDRESS_MASK | TOMBSTONE) | target.word())
    }

    /// Bits of the tag below its marker. An entry that is not empty always has the marker.
    #[inline]
    fn tag_bits(self) -> u32 {
        TAG_BITS.saturating_sub(self.0.leading_zeros())
    }

    /// Whether the record may have this hash; `rest` is the hash without the bits that chose the bucket.
    #[inline]
    pub fn may_be(self, rest: u64) -> bool {
        // All but few tags have at least so many bits: most entries are told apart by them alone.
        let tag = self.0 >> TAG_SHIFT;
        if tag >> SHORTEST_TAG != 0 && (tag ^ rest) & ((1 << SHORTEST_TAG) - 1) != 0 {
            return false;
        }
        let mask = (1 << self.tag_bits()) - 1;
        (self.0 >> TAG_SHIFT ^ rest) & mask == 0
    }

    /// The entry after its bucket was split, and whether it goes to the new bucket. `None` where
    /// the tag is too short and the hash must be had from the record.
    #[inline]
    pub fn split(self) -> Option<(Self, bool)> {
        if self.tag_bits() <= SHORTEST_TAG {
            return None;
        }
        let tag = self.0 >> TAG_SHIFT;
        Some((Self(tag >> 1 << TAG_SHIFT | self.0 & (ADDRESS_MASK | TOMBSTONE)), tag & 1 == 1))
    }

    /// The entry as it was before its bucket was split `count` times: the low bits of `bits` are those of
    /// the hash that chose among the buckets since.
    pub fn joined(self, bits: u64, count: u32) -> Self {
        let mask = |bits: u32| (1 << bits) - 1;
        let count = count.min(32);
        let hash = (self.0 >> TAG_SHIFT & mask(self.tag_bits())) << count | bits & mask(count);
        let known = (self.tag_bits() + count).min(TAG_BITS);
        let tag = 1 << known | hash & mask(known);
        Self(tag << TAG_SHIFT | self.0 & (ADDRESS_MASK | TOMBSTONE))
    }

    /// The same target under a tag that any hash matches.
    pub fn without_tag(self) -> Self {
        Self(self.target().word() | 1 << TAG_SHIFT)
    }

    /// What it points at.
    #[inline]
    pub fn target(self) -> Target {
        Target { address: self.address(), tombstone: self.is_tombstone() }
    }
}

/// What an entry points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// Where the record is.
    pub address: Address,
    /// Whether it says that the key was deleted.
    pub tombstone: bool,
}

impl Target {
    #[inline]
    fn word(self) -> u64 {
        self.address.0 | if self.tombstone { TOMBSTONE } else { 0 }
    }
}

/// The last word of a bucket. In the first bucket of a chain it also tells the bucket's level and
/// counts its changes, odd while one is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link(pub u64);

impl Link {
    /// A link after which entries may have moved.
    pub fn new(next: u32, level: u32, sequence: u64) -> Self {
        Self(u64::from(next) | u64::from(level & 0xff) << 32 | sequence << 40)
    }

    /// Index of the next bucket of the chain among the overflow buckets, from 1; 0 is none.
    #[inline]
    pub fn next(self) -> u32 {
        self.0 as u32
    }

    /// How many low bits of the hash choose this bucket; 0 where it was never set: as many as when
    /// the table was made.
    #[inline]
    pub fn level(self) -> u32 {
        (self.0 >> 32) as u32 & 0xff
    }

    /// The count of changes.
    #[inline]
    pub fn sequence(self) -> u64 {
        self.0 >> 40
    }

    /// Whether entries are being moved.
    #[inline]
    pub fn is_changing(self) -> bool {
        self.sequence() & 1 == 1
    }

    /// The same with another next bucket.
    pub fn with_next(self, next: u32) -> Self {
        Self(self.0 & !0xffff_ffff | u64::from(next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_follow_the_hash_through_splits() {
        let hash = 0xfedc_ba98_7654_3210;
        let address = Address::new(77, 4096);
        let mut entry = Entry::new(Target { address, tombstone: true }, hash, 6);
        for level in 6..30 {
            assert!(entry.may_be(hash >> level), "level {level}");
            assert_eq!(entry.target(), Target { address, tombstone: true });
            match entry.split() {
                Some((next, moves)) => {
                    assert!(!entry.may_be((hash >> level) ^ 1), "level {level}");
                    assert_eq!(moves, hash >> level & 1 == 1);
                    entry = next;
                }
                None => {
                    assert_eq!(level, 6 + TAG_BITS - SHORTEST_TAG);
                    return;
                }
            }
        }
        panic!("the tag never ran out");
    }

    #[test]
    fn joining_undoes_splits() {
        let hash = 0xfedc_ba98_7654_3210;
        let target = Target { address: Address::new(77, 4096), tombstone: true };
        let first = Entry::new(target, hash, 6);
        let mut entry = first;
        for splits in 1..=7 {
            entry = entry.split().unwrap().0;
            assert_eq!(entry.joined(hash >> 6, splits), first, "after {splits} splits");
        }
        // A tag read anew in between has more bits than there is room for.
        assert_eq!(Entry::new(target, hash, 16).joined(hash >> 6, 10), first);
        // One that any hash matches is known by its bucket alone.
        let lost = entry.without_tag().joined(hash >> 6, 3);
        assert_eq!(lost.target(), target);
        assert!(lost.may_be(hash >> 6) && !lost.may_be(hash >> 6 ^ 4) && lost.may_be(hash >> 6 ^ 8));
    }

    #[test]
    fn few_other_hashes_match_a_tag() {
        let entry = Entry::new(Target { address: Address::new(1, 64), tombstone: false }, 0, 6);
        let matching = (0..1u64 << 20).filter(|&rest| entry.may_be(rest)).count();
        assert_eq!(matching, 1 << 6);
    }

    #[test]
    fn links_hold_their_fields() {
        let link = Link::new(u32::MAX, 63, 12345);
        assert_eq!((link.next(), link.level(), link.sequence()), (u32::MAX, 63, 12345));
        assert!(link.is_changing());
        assert_eq!(link.with_next(3), Link::new(3, 63, 12345));
    }
}
