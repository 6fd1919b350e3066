//! Entries in files: `00000001.ulog` and on, each nothing but entries one behind the other.

use super::{ENTRY, Reason, Step, block_size};
use crate::limits::Limits;
use crate::step::Fields;

/// Bytes of an entry in a file before its command block.
pub const ENTRY_HEADER: usize = 17;

/// What the names of the files end with.
const SUFFIX: &str = ".ulog";

/// One entry of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// When it was logged, in microseconds since the Unix epoch. May repeat and fall.
    pub ts: u64,
    /// Server where the change was made.
    pub sid: u16,
    /// Master that it was received from; 0 for a change by a client.
    pub mid: u16,
    /// The change: see [`Logged`](super::Logged).
    pub block: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Writes the entry behind what `out` holds.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(ENTRY);
        out.extend_from_slice(&self.ts.to_be_bytes());
        out.extend_from_slice(&self.sid.to_be_bytes());
        out.extend_from_slice(&self.mid.to_be_bytes());
        out.extend_from_slice(&u32::try_from(self.block.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(self.block);
    }

    /// Decodes the entry that `input` begins with. A file that ends within one was cut short: the original
    /// passes over it there.
    ///
    /// # Errors
    ///
    /// A [`Reason`] if the bytes cannot become an entry, however many follow.
    pub fn decode(input: &'a [u8], limits: Limits) -> Result<Step<Self>, Reason> {
        let mut fields = Fields(input);
        match fields.u8() {
            None => return Ok(Step::Incomplete { at_least: 1 }),
            Some(ENTRY) => {}
            Some(other) => return Err(Reason::Magic(other)),
        }
        let (Some(ts), Some(sid), Some(mid), Some(size)) =
            (fields.u64(), fields.u16(), fields.u16(), fields.u32())
        else {
            return Ok(Step::Incomplete { at_least: ENTRY_HEADER });
        };
        let used = ENTRY_HEADER + block_size(size, limits)?;
        Ok(match fields.bytes(used - ENTRY_HEADER) {
            Some(block) => Step::Whole { item: Self { ts, sid, mid, block }, used },
            None => Step::Incomplete { at_least: used },
        })
    }
}

/// The name of the file with this number: at least eight digits.
#[must_use]
pub fn file_name(number: u32) -> String {
    format!("{number:08}{SUFFIX}")
}

/// The number of a file by its name; `None` for what is not named as the original names them.
#[must_use]
pub fn file_number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(SUFFIX)?.parse().ok()?;
    (number > 0 && file_name(number) == name).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_numbers_of_eight_digits_or_more() {
        for (number, name) in
            [(1, "00000001.ulog"), (99_999_999, "99999999.ulog"), (100_000_000, "100000000.ulog")]
        {
            assert_eq!(file_name(number), name);
            assert_eq!(file_number(name), Some(number));
        }
        for name in [
            "1.ulog",
            "00000000.ulog",
            "00000001.ulog.bak",
            "+0000001.ulog",
            "0000000a.ulog",
            ".ulog",
            "00000001",
        ] {
            assert_eq!(file_number(name), None, "{name}");
        }
    }
}
