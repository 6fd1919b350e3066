//! Lists of numbers in frames, read where they lie.

/// 64-bit numbers one after the other: digests of ranges, or hashes of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hashes<'a>(&'a [u8]);

impl<'a> Hashes<'a> {
    /// Numbers as [`Hashes::to_wire`] writes them; `None` if the last one is cut short.
    #[must_use]
    pub fn from_wire(wire: &'a [u8]) -> Option<Self> {
        wire.len().is_multiple_of(8).then_some(Self(wire))
    }

    /// The bytes of numbers.
    #[must_use]
    pub fn to_wire(numbers: &[u64]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// The bytes.
    #[must_use]
    pub fn wire(&self) -> &'a [u8] {
        self.0
    }

    /// How many numbers there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / 8
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = u64> + use<'a> {
        self.0.as_chunks().0.iter().map(|bytes| u64::from_be_bytes(*bytes))
    }
}

/// What a node has in a range: of every record the hash of its key and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Entries<'a>(&'a [u8]);

impl<'a> Entries<'a> {
    /// Entries as [`Entries::to_wire`] writes them; `None` if the last one is cut short.
    #[must_use]
    pub fn from_wire(wire: &'a [u8]) -> Option<Self> {
        wire.len().is_multiple_of(16).then_some(Self(wire))
    }

    /// The bytes of entries, each a hash and a version.
    #[must_use]
    pub fn to_wire(entries: &[(u64, u64)]) -> Vec<u8> {
        entries
            .iter()
            .flat_map(|(hash, version)| [hash.to_be_bytes(), version.to_be_bytes()])
            .flatten()
            .collect()
    }

    /// The bytes.
    #[must_use]
    pub fn wire(&self) -> &'a [u8] {
        self.0
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / 16
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hashes and versions in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (u64, u64)> + use<'a> {
        self.0.as_chunks::<16>().0.iter().map(|bytes| {
            let both = u128::from_be_bytes(*bytes);
            ((both >> 64) as u64, both as u64)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_in_their_order() {
        let wire = Hashes::to_wire(&[1, u64::MAX, 3]);
        let hashes = Hashes::from_wire(&wire).unwrap();
        assert_eq!((hashes.len(), hashes.wire()), (3, &*wire));
        assert!(hashes.iter().eq([1, u64::MAX, 3]));
        assert_eq!(Hashes::from_wire(&wire[1..]), None);

        let wire = Entries::to_wire(&[(1, 2), (u64::MAX, 4)]);
        let entries = Entries::from_wire(&wire).unwrap();
        assert_eq!((entries.len(), entries.wire()), (2, &*wire));
        assert!(entries.iter().eq([(1, 2), (u64::MAX, 4)]));
        assert_eq!(Entries::from_wire(&wire[8..]), None);
        assert!(Entries::default().is_empty() && Hashes::default().is_empty());
    }
}
