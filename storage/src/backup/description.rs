//! The file `backup`: what a copy is of. Described in `FORMAT.md`, section 6.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::ops::RangeInclusive;
use std::path::Path;

use crate::backup::transfer::write_new;
use crate::error::{Error, Result};
use crate::log::address::Position;
use crate::log::segment::{HEADER, MAX_NUMBER};

/// The file's name below the directory of the copy.
pub const NAME: &str = "backup";
/// The format written now, and the newest that is read.
const VERSION: u32 = 1;
/// Bytes that the file has at most.
const MAX_LEN: u64 = 4096;
/// Where a log may end in a segment.
const OFFSETS: RangeInclusive<u64> = HEADER as u64..=u32::MAX as u64;

/// What a backup is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// The database's id.
    pub id: [u8; 16],
    /// The backup holds all changes before this position of the log, and none behind it.
    pub position: Position,
    /// Time of the last change in it, in microseconds since the Unix epoch; 0 where there was none.
    pub last_change: u64,
    /// When it was taken, in microseconds since the Unix epoch.
    pub taken: u64,
}

impl Backup {
    /// Text of the file.
    fn encode(&self) -> String {
        let id: String = self.id.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!(
            "format = {VERSION}\nid = {id}\nsegment = {}\noffset = {}\nlast change = {}\ntaken = {}\n",
            self.position.segment, self.position.offset, self.last_change, self.taken
        );
        format!("{text}crc = {:08x}\n", crc32fast::hash(text.as_bytes()))
    }

    /// Reads the text of the file at `path`.
    fn decode(path: &str, bytes: &[u8]) -> Result<Self> {
        let damaged = |why| Error::Damaged { path: path.to_owned(), offset: 0, why };
        let text = str::from_utf8(bytes).map_err(|_| damaged("it is no text"))?;
        let lines = || text.lines().filter_map(|line| line.split_once(" = "));
        let value = |name: &str| lines().find(|line| line.0 == name).map(|line| line.1);
        let number = |name: &str| value(name).and_then(|text| text.parse::<u64>().ok());
        let found = number("format").ok_or_else(|| damaged("it does not begin with its format"))?;
        if found > u64::from(VERSION) {
            let found = u32::try_from(found).unwrap_or(u32::MAX);
            return Err(Error::Newer { path: path.to_owned(), found, supported: VERSION });
        }
        let lacks = || damaged("a line is missing or not as it was written");
        let id = value("id").and_then(id_of).ok_or_else(lacks)?;
        let [segment, offset, last_change, taken] =
            ["segment", "offset", "last change", "taken"].map(|name| number(name).ok_or_else(lacks));
        let position = Position { segment: segment?, offset: offset? };
        if !(1..=MAX_NUMBER).contains(&position.segment) || !OFFSETS.contains(&position.offset) {
            return Err(damaged("its position can be in no log"));
        }
        let backup = Self { id, position, last_change: last_change?, taken: taken? };
        // Holds the CRC too: one text only stands for each backup.
        if backup.encode() != text {
            return Err(damaged("its CRC does not match: it was not written whole, or changed"));
        }
        Ok(backup)
    }

    /// Reads what the backup in `folder` says of itself.
    ///
    /// Errors: it is no backup, its file `backup` is damaged or of a newer format, or cannot be read.
    pub fn load(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let shown = path.display().to_string();
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Error::Unusable {
                    path: folder.display().to_string(),
                    why: "it has no file `backup`, so it was not made by the copy command; \
                          name the directory of a copy"
                        .to_owned(),
                });
            }
            Err(source) => return Err(Error::Io { what: "open", path: shown, source }),
        };
        let mut bytes = Vec::new();
        file.take(MAX_LEN).read_to_end(&mut bytes).map_err(Error::io("read", &shown))?;
        Self::decode(&shown, &bytes)
    }

    /// Writes the file into `folder`, durably.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        let path = folder.join(NAME);
        let written = write_new(&path, &[self.encode().as_bytes()], &mut |_| ());
        written.map_err(Error::io("write", path.display().to_string()))
    }
}

/// An id as 32 digits of base 16.
fn id_of(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.is_ascii() {
        return None;
    }
    let mut id = [0; 16];
    for (at, byte) in id.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> Backup {
        Backup {
            id: std::array::from_fn(|at| at as u8 * 17),
            position: Position { segment: 12, offset: 3_456_789 },
            last_change: 1_790_000_000_000_000,
            taken: 1_790_000_000_123_456,
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = backup().encode();
        assert_eq!(Backup::decode("backup", text.as_bytes()).unwrap(), backup());
    }

    #[test]
    fn every_cut_and_every_flipped_bit_is_noticed() {
        let text = backup().encode();
        for len in 0..text.len() {
            assert!(Backup::decode("backup", &text.as_bytes()[..len]).is_err(), "{len} bytes");
        }
        for bit in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Backup::decode("backup", &bytes).is_err(), "bit {bit}");
        }
        assert!(Backup::decode("backup", format!("{text}\n").as_bytes()).is_err());
    }

    #[test]
    fn a_newer_format_is_named() {
        let newer = Backup::decode("backup", b"format = 2\nshape = round\n");
        assert!(matches!(newer, Err(Error::Newer { found: 2, supported: 1, .. })), "{newer:?}");
    }
}
