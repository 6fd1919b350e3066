//! A run of length-prefixed fields inside a request.

use std::iter::FusedIterator;

/// A run of fields, each one a 32-bit big-endian size and that many bytes: the
/// keys of `mget`, the arguments of `misc`.
///
/// The sizes were checked when the run was made, so that walking it cannot fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Items<'a> {
    wire: &'a [u8],
    count: u32,
}

impl<'a> Items<'a> {
    /// No fields at all.
    pub const EMPTY: Self = Self { wire: &[], count: 0 };

    /// Checks that `wire` is a run of fields and nothing else; `None` if a size
    /// is negative as a signed number, if the last field is cut short, or if
    /// there are more than 4294967295 fields.
    #[must_use]
    pub fn from_wire(wire: &'a [u8]) -> Option<Self> {
        let mut rest = wire;
        let mut count = 0u32;
        while !rest.is_empty() {
            let (size, body) = rest.split_first_chunk::<4>()?;
            let size = usize::try_from(i32::from_be_bytes(*size)).ok()?;
            (_, rest) = body.split_at_checked(size)?;
            count = count.checked_add(1)?;
        }
        Some(Self { wire, count })
    }

    /// A run that the caller has checked already: `wire` holds exactly `count`
    /// fields. Were it not so, the iterator would only end early.
    #[inline]
    pub(crate) fn checked(wire: &'a [u8], count: u32) -> Self {
        Self { wire, count }
    }

    /// The bytes of the run, sizes and fields.
    #[inline]
    #[must_use]
    pub fn wire(&self) -> &'a [u8] {
        self.wire
    }

    /// How many fields there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are no fields.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The fields in their order.
    #[inline]
    #[must_use]
    pub fn iter(&self) -> ItemsIter<'a> {
        ItemsIter { rest: self.wire, left: self.count }
    }
}

impl<'a> IntoIterator for Items<'a> {
    type Item = &'a [u8];
    type IntoIter = ItemsIter<'a>;

    #[inline]
    fn into_iter(self) -> ItemsIter<'a> {
        self.iter()
    }
}

impl<'a> IntoIterator for &Items<'a> {
    type Item = &'a [u8];
    type IntoIter = ItemsIter<'a>;

    #[inline]
    fn into_iter(self) -> ItemsIter<'a> {
        self.iter()
    }
}

/// The fields of [`Items`], one after the other.
#[derive(Debug, Clone)]
pub struct ItemsIter<'a> {
    rest: &'a [u8],
    left: u32,
}

impl<'a> Iterator for ItemsIter<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let (size, body) = self.rest.split_first_chunk::<4>()?;
        let (item, rest) = body.split_at_checked(u32::from_be_bytes(*size) as usize)?;
        self.rest = rest;
        Some(item)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
    }
}

impl ExactSizeIterator for ItemsIter<'_> {}
impl FusedIterator for ItemsIter<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_gives_its_fields_in_order() {
        let wire = b"\0\0\0\x03abc\0\0\0\0\0\0\0\x01z";
        let items = Items::from_wire(wire).unwrap();
        assert_eq!(items.len(), 3);
        assert!(!items.is_empty());
        let fields: Vec<&[u8]> = items.iter().collect();
        assert_eq!(fields, [&b"abc"[..], b"", b"z"]);
        assert_eq!(items.iter().len(), 3);
        assert_eq!(items.into_iter().last(), Some(&b"z"[..]));
    }

    #[test]
    fn no_bytes_are_no_fields() {
        let none = Items::from_wire(b"").unwrap();
        assert!(none.is_empty());
        assert_eq!(none, Items::default());
        assert_eq!(none.iter().next(), None);
    }

    #[test]
    fn what_is_not_a_run_is_refused() {
        for wire in
            [&b"\0"[..], b"\0\0\0", b"\0\0\0\x01", b"\0\0\0\x01ab", b"\xff\xff\xff\xff", b"\x80\0\0\0"]
        {
            assert_eq!(Items::from_wire(wire), None, "{wire:02x?}");
        }
    }

    #[test]
    fn an_unchecked_run_ends_early_and_stays_ended() {
        let mut fields = Items::checked(b"\0\0\0\x01a\0\0\0\x09b", 5).iter();
        assert_eq!(fields.next(), Some(&b"a"[..]));
        assert_eq!(fields.next(), None);
        assert_eq!(fields.next(), None);
    }
}
