//! Where a record stands in the log.

/// Bits of an address for the offset within a segment.
const OFFSET_BITS: u32 = 28;
/// Bits for the segment's number, which wraps.
const SEGMENT_BITS: u32 = 20;
const OFFSET_MASK: u64 = (1 << OFFSET_BITS) - 1;
const SEGMENT_MASK: u64 = (1 << SEGMENT_BITS) - 1;

/// Segments that a log may span from its oldest to its newest, so that wrapped numbers are unique.
pub const MAX_SPAN: u64 = 1 << SEGMENT_BITS;
/// The largest offset at which a record may begin.
pub const MAX_OFFSET: u64 = OFFSET_MASK;
/// Bits of an address.
pub const ADDRESS_BITS: u32 = OFFSET_BITS + SEGMENT_BITS;

/// Where a record is, in 48 bits, as the table keeps it: the low bits of the segment's number and
/// an offset in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address(pub u64);

impl Address {
    /// The address of a record. `offset` is at most [`MAX_OFFSET`].
    #[inline]
    pub fn new(segment: u64, offset: usize) -> Self {
        Self((segment & SEGMENT_MASK) << OFFSET_BITS | offset as u64 & OFFSET_MASK)
    }

    /// How many segments after segment `base` it lies, for a log that spans fewer than [`MAX_SPAN`].
    #[inline]
    pub fn segments_after(self, base: u64) -> usize {
        ((self.0 >> OFFSET_BITS).wrapping_sub(base) & SEGMENT_MASK) as usize
    }

    /// Offset of the record within its segment, in bytes.
    #[inline]
    pub fn offset(self) -> usize {
        (self.0 & OFFSET_MASK) as usize
    }
}

/// A point in the log; later is larger. Unlike an address in the table it never repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Position {
    /// Number of the segment, from 1; 0 is before the log.
    pub segment: u64,
    /// Offset within it, in bytes.
    pub offset: u64,
}

impl Position {
    /// Behind every log.
    pub const MAX: Self = Self { segment: u64::MAX, offset: u64::MAX };

    /// As one ordered word, for an atomic. Holds offsets below 4 GiB and 2^32 segments.
    pub(crate) fn to_word(self) -> u64 {
        self.segment << 32 | self.offset & 0xffff_ffff
    }

    /// The inverse of [`Position::to_word`].
    pub(crate) fn from_word(word: u64) -> Self {
        Self { segment: word >> 32, offset: word & 0xffff_ffff }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_wrap_with_the_segments() {
        let base = MAX_SPAN * 3 - 2;
        for ahead in [0, 1, 2, 1000, MAX_SPAN - 1] {
            let address = Address::new(base + ahead, 12_345_678);
            assert_eq!((address.segments_after(base), address.offset()), (ahead as usize, 12_345_678));
            assert!(address.0 < 1 << ADDRESS_BITS);
        }
    }
}
