//! The end of an archive: a frame that zstd skips.
//!
//! | bytes | field |
//! |---|---|
//! | 4 | magic number of such a frame, 184D2A5C |
//! | 4 | bytes behind this field: 56 |
//! | 8 | `LCBACKUP` |
//! | 8 | offset of the frame with the manifest |
//! | 8 | bytes of that frame |
//! | 32 | SHA-256 of all before this field |
//!
//! Numbers are little-endian.

const MAGIC: u32 = 0x184D_2A5C;
const NAME: &[u8; 8] = b"LCBACKUP";
/// Bytes before the hash.
const HEAD: usize = 32;
/// Bytes of a trailer.
pub const LEN: u64 = 64;

/// Where things are in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Offset of the frame with the manifest.
    pub manifest: u64,
    /// Its bytes.
    pub manifest_len: u64,
}

impl Trailer {
    /// All but the hash.
    pub fn head(self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        let rest = LEN as u32 - 8;
        let fields = MAGIC.to_le_bytes().into_iter().chain(rest.to_le_bytes()).chain(*NAME);
        let fields = fields.chain(self.manifest.to_le_bytes()).chain(self.manifest_len.to_le_bytes());
        head.iter_mut().zip(fields).for_each(|(to, from)| *to = from);
        head
    }

    /// Reads the end of an archive of `len` bytes. The hash is for the reader to compare.
    pub fn parse(bytes: &[u8; LEN as usize], len: u64) -> Option<(Self, [u8; 32])> {
        let (head, hash) = bytes.split_first_chunk::<HEAD>()?;
        let number = |at: usize| Some(u64::from_le_bytes(*head.get(at..)?.first_chunk()?));
        let found = Self { manifest: number(16)?, manifest_len: number(24)? };
        let is_inside = found.manifest.checked_add(found.manifest_len) == len.checked_sub(LEN);
        (found.head() == *head && is_inside).then_some((found, *hash.first_chunk()?))
    }
}
