//! What compaction makes of a record that it moves.

use crc32fast::Hasher;

use crate::log::record::{HEADER_MAX, IS_MOVED, Record, parse};

/// A record as compaction writes it: marked as moved, else as it was.
#[derive(Debug)]
pub struct Moved<'a> {
    head: [u8; HEADER_MAX],
    /// Bytes of the head; 0 where the record was marked already and is taken as it is.
    len: usize,
    rest: &'a [u8],
}

impl<'a> Moved<'a> {
    /// The record whose bytes these are.
    pub fn of(bytes: &'a [u8], record: &Record<'_>) -> Self {
        let mut head = [0; HEADER_MAX];
        let len = match parse(bytes) {
            Ok((_, len)) if !record.moved => len,
            _ => return Self { head, len: 0, rest: bytes },
        };
        let (before, rest) = bytes.split_at(len);
        head[..len].copy_from_slice(before);
        head[4] |= IS_MOVED;
        let mut crc = Hasher::new();
        crc.update(rest);
        crc.update(&head[4..len]);
        head[..4].copy_from_slice(&crc.finalize().to_le_bytes());
        Self { head, len, rest }
    }

    /// What is to be written, in order.
    pub fn parts(&self) -> [&[u8]; 2] {
        [&self.head[..self.len], self.rest]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::record::{At, Attributes, Head, Kind, Stamp, read};

    #[test]
    fn what_is_moved_is_the_same_but_for_the_mark() {
        let stamp = Stamp { ts: 7, origin: 3 };
        for key in [&b"key"[..], &[b'k'; 300]] {
            let mut body = Hasher::new();
            body.update(key);
            body.update(b"value");
            let mut head =
                Head::received(Kind::Put, key.len(), 5, Attributes { expiry: Some(5), flags: 6 }, 77);
            let bytes = [head.finish(stamp, body), key, b"value"].concat();
            let At::Record(record) = read(&bytes) else { panic!("{:?}", read(&bytes)) };
            let moved = Moved::of(&bytes, &record).parts().concat();
            assert_eq!(read(&moved), At::Record(Record { moved: true, ..record }));
            let At::Record(record) = read(&moved) else { unreachable!() };
            assert_eq!(Moved::of(&moved, &record).parts().concat(), moved, "a second time");
        }
    }
}
