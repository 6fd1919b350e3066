//! How far an original master was followed: a time stamp of its log, kept in ours together with what was
//! applied.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use lcnode_storage::{Result, Store};

/// The longest key of a memo in bytes.
const MAX_KEY: usize = 64;

/// How far an original master was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Place {
    /// Time stamp of the last entry that was applied, in microseconds by the master's clock.
    pub ts: u64,
    /// Id of the server that sent it; 0 where that is not known.
    pub sid: u16,
}

/// What a position is remembered under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot(Vec<u8>);

impl Slot {
    /// That of the one master which `-mhost` names, or `setmst`, wherever it is: as the one time stamp file of
    /// an original server.
    #[must_use]
    pub fn named() -> Self {
        Self(b"o".to_vec())
    }

    /// That of a master of `--master`, by its address as `HOST:PORT`.
    #[must_use]
    pub fn of(address: &str) -> Self {
        let address = address.as_bytes();
        let mut key = b"o".to_vec();
        match address.split_at_checked(MAX_KEY - 1 - 8) {
            Some((start, rest)) if rest.len() > 8 => {
                key.extend_from_slice(start);
                key.extend_from_slice(&fingerprint(address).to_be_bytes());
            }
            _ => key.extend_from_slice(address),
        }
        Self(key)
    }

    /// As the key of a memo.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.0
    }

    /// What is remembered; none where this master was never followed.
    #[must_use]
    pub fn load(&self, store: &Store) -> Option<Place> {
        Place::decode(&store.memo(&self.0)?)
    }

    /// Remembers a position, behind all changes made so far.
    pub fn save(&self, store: &Store, place: Place) -> Result<()> {
        store.set_memo(&self.0, &place.encode())
    }
}

impl Place {
    /// As the value of a memo: time stamp, then id, big-endian.
    #[must_use]
    pub fn encode(self) -> [u8; 10] {
        let mut value = [0; 10];
        value[..8].copy_from_slice(&self.ts.to_be_bytes());
        value[8..].copy_from_slice(&self.sid.to_be_bytes());
        value
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let (ts, sid) = value.split_first_chunk()?;
        Some(Self { ts: u64::from_be_bytes(*ts), sid: u16::from_be_bytes(sid.try_into().ok()?) })
    }
}

/// FNV-1a, which tells long names apart.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The time stamp in a file of an original server, read as it does: blanks, then digits up to anything
/// else. An empty file, or one with something else, says 0: from the beginning.
///
/// Errors: why the file cannot be read.
pub fn read_time_stamp(path: &Path) -> std::io::Result<u64> {
    let mut text = Vec::new();
    File::open(path)?.take(256).read_to_end(&mut text)?;
    let digits = text.trim_ascii_start().iter().take_while(|byte| byte.is_ascii_digit());
    Ok(digits.fold(0_u64, |ts, digit| ts.saturating_mul(10).saturating_add(u64::from(digit - b'0'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamp_files_are_read_as_the_original_reads_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rts");
        assert!(read_time_stamp(&path).is_err());
        for (text, ts) in [
            ("1795331981709068\n", 1_795_331_981_709_068),
            ("", 0),
            ("  12\n34", 12),
            ("x12", 0),
            ("-5", 0),
            ("7rest of a longer one", 7),
            ("99999999999999999999999", u64::MAX),
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read_time_stamp(&path).unwrap(), ts, "{text}");
        }
    }

    #[test]
    fn each_master_has_a_place_of_its_own() {
        let long = |end: &str| Slot::of(&format!("{}{end}:1978", "h".repeat(200)));
        let slots = [Slot::named(), Slot::of("a:1"), Slot::of("a:2"), long("a"), long("b"), long("")];
        for (at, slot) in slots.iter().enumerate() {
            assert!(slot.key().len() <= MAX_KEY, "{slot:?}");
            assert!(slots[..at].iter().all(|other| other.key() != slot.key()), "{slot:?}");
        }
        assert_eq!(Slot::of(&"h".repeat(63)).key(), format!("o{}", "h".repeat(63)).as_bytes());
        let place = Place { ts: 5, sid: 258 };
        assert_eq!(Place::decode(&place.encode()), Some(place));
        assert_eq!(Place::decode(&place.encode()[..9]), None);
        assert_eq!(Place::decode(&[0; 11]), None);
    }
}
