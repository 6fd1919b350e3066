//! The file `meta`: what makes a directory a database. Byte map in `FORMAT.md`, section 1.

use crate::error::{Error, Result};
use crate::medium::Medium;

/// The file's name.
pub const NAME: &str = "meta";
/// The first bytes of the file.
pub const MAGIC: [u8; 8] = *b"LCNODEDB";
/// The format written now, and the newest that is read.
pub const VERSION: u32 = 1;
/// Bytes of the file.
pub const LEN: usize = 64;

/// Tells databases apart; random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseId(pub [u8; 16]);

/// What a database is born with and keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Whether its first segment has been made. Until then nothing else in the directory counts.
    pub complete: bool,
    /// Its identity, found in every segment.
    pub id: DatabaseId,
    /// The secret key of the table's hash, so that nobody can choose keys that collide.
    pub hash_key: [u8; 16],
}

impl Meta {
    /// A new identity and hash key from the system's random source, of a database to be made.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::io("read", "the system's random source")(std::io::Error::other(error.to_string()))
        })?;
        let (mut id, mut hash_key) = ([0; 16], [0; 16]);
        id.copy_from_slice(&bytes[..16]);
        hash_key.copy_from_slice(&bytes[16..]);
        Ok(Self { complete: false, id: DatabaseId(id), hash_key })
    }

    /// The file's bytes.
    pub fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&u32::from(self.complete).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.id.0);
        bytes[32..48].copy_from_slice(&self.hash_key);
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads the file; none where it is not there.
    pub fn load(medium: &dyn Medium) -> Result<Option<Self>> {
        let path = medium.describe(NAME);
        let files = medium.list("").map_err(Error::io("list", medium.describe("")))?;
        let Some((_, len)) = files.into_iter().find(|(name, _)| name == NAME) else { return Ok(None) };
        let mut bytes = [0; LEN];
        if len < LEN as u64 {
            return Err(Error::Damaged { path, offset: len, why: "the meta file is cut short" });
        }
        medium.read_at(NAME, 0, &mut bytes).map_err(Error::io("read", &path))?;
        if bytes[..8] != MAGIC {
            return Err(Error::Foreign { path, why: "its meta file has another beginning".to_owned() });
        }
        let word = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        if word(8) > VERSION {
            return Err(Error::Newer { path, found: word(8), supported: VERSION });
        }
        if crc32fast::hash(&bytes[..60]) != word(60) || word(8) != VERSION {
            return Err(Error::Damaged { path, offset: 0, why: "the CRC of the meta file does not match" });
        }
        Ok(Some(Self {
            complete: word(12) != 0,
            id: DatabaseId(std::array::from_fn(|i| bytes[16 + i])),
            hash_key: std::array::from_fn(|i| bytes[32 + i]),
        }))
    }

    /// Writes the file, durably.
    pub fn save(&self, medium: &dyn Medium) -> Result<()> {
        let bytes = self.encode();
        medium
            .write_whole(NAME, &mut |file| file.write_all(&bytes))
            .map_err(Error::io("write", medium.describe(NAME)))
    }
}
