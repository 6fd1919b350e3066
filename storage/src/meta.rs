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
    /// Tells this directory from copies of it, which have the same id; 0 where it was made before there was
    /// any.
    pub identity: u64,
    /// Id of this server, chosen at random for where nobody gives one: 1 to 65534, or 0 as above.
    pub origin: u16,
    /// Whether it was closed in order, with all of its log durable, and nobody has written to it since.
    pub closed: bool,
}

impl Meta {
    /// The meta of a database to be made. What is random in it comes from the system's random source, or
    /// follows from a seed.
    pub fn random(seed: Option<u64>) -> Result<Self> {
        let bytes: [u8; 32] = random_bytes(seed)?;
        let part = |from: usize| std::array::from_fn(|i| bytes[from + i]);
        let meta = Self {
            complete: false,
            id: DatabaseId(part(0)),
            hash_key: part(16),
            identity: 0,
            origin: 0,
            closed: false,
        };
        meta.with_identity(seed)
    }

    /// The same database in a directory of its own, which another server may open: with another identity, and
    /// not closed.
    pub fn of_copy(self) -> Result<Self> {
        Self { identity: 0, origin: 0, closed: false, ..self }.with_identity(None)
    }

    /// With an identity and an id for the server, where it lacks them.
    pub fn with_identity(self, seed: Option<u64>) -> Result<Self> {
        if self.identity != 0 && self.origin != 0 {
            return Ok(self);
        }
        let bytes: [u8; 10] = random_bytes(seed.map(|seed| !seed))?;
        let identity = u64::from_le_bytes(std::array::from_fn(|i| bytes[i])).max(1);
        let origin = u16::from_le_bytes([bytes[8], bytes[9]]) % (u16::MAX - 1) + 1;
        let identity = if self.identity == 0 { identity } else { self.identity };
        let origin = if self.origin == 0 { origin } else { self.origin };
        Ok(Self { identity, origin, ..self })
    }

    /// The file's bytes.
    pub fn encode(&self) -> [u8; LEN] {
        let mut bytes = [0; LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&u32::from(self.complete).to_le_bytes());
        bytes[16..32].copy_from_slice(&self.id.0);
        bytes[32..48].copy_from_slice(&self.hash_key);
        bytes[48..56].copy_from_slice(&self.identity.to_le_bytes());
        bytes[56..58].copy_from_slice(&self.origin.to_le_bytes());
        bytes[58] = u8::from(self.closed);
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
            identity: u64::from_le_bytes(std::array::from_fn(|i| bytes[48 + i])),
            origin: u16::from_le_bytes([bytes[56], bytes[57]]),
            closed: bytes[58] != 0,
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

/// Bytes from the system's random source, or that follow from a seed.
fn random_bytes<const N: usize>(seed: Option<u64>) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    let Some(mut state) = seed else {
        getrandom::fill(&mut bytes).map_err(|error| {
            Error::io("read", "the system's random source")(std::io::Error::other(error.to_string()))
        })?;
        return Ok(bytes);
    };
    for chunk in bytes.chunks_mut(8) {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        chunk.copy_from_slice(&(mixed ^ mixed >> 31).to_le_bytes()[..chunk.len()]);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_chosen_and_what_is_there_is_kept() {
        let made = Meta::random(None).unwrap();
        assert!(made.identity != 0 && (1..u16::MAX).contains(&made.origin));
        assert_eq!(made.with_identity(None).unwrap(), made);
        assert_eq!(Meta { origin: 0, ..made }.with_identity(None).unwrap().identity, made.identity);
        let copy = Meta { closed: true, ..made }.of_copy().unwrap();
        assert_eq!((copy.id, copy.hash_key, copy.closed), (made.id, made.hash_key, false));
        assert_ne!(copy.identity, made.identity);
    }

    #[test]
    fn what_follows_from_a_seed_follows_from_it() {
        let made = Meta::random(Some(7)).unwrap();
        assert_eq!(made, Meta::random(Some(7)).unwrap());
        assert_ne!(made.id, Meta::random(Some(8)).unwrap().id);
        assert!((1..1000).all(|seed| (1..u16::MAX).contains(&Meta::random(Some(seed)).unwrap().origin)));
    }
}
