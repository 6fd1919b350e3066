//! One record: header, key, value. Byte map in `FORMAT.md`, section 3.
//!
//! What is always true: a record is written once and never changed; its CRC covers every byte but
//! itself; a header of twenty zero bytes is no record but the unwritten end of a segment.

use crc32fast::Hasher;

/// Bytes of the header before its optional fields.
pub const HEADER: usize = 20;
/// Bytes of the largest header: fixed part, key length, expiry, flags, via.
pub const HEADER_MAX: usize = HEADER + 4 + 8 + 4 + 2;
/// Bytes of a seal record: a header and nothing else.
pub const SEAL: usize = HEADER;

const KIND: u8 = 0x0f;
const HAS_EXPIRY: u8 = 0x10;
const HAS_FLAGS: u8 = 0x20;
pub(super) const IS_MOVED: u8 = 0x40;
const HAS_VIA: u8 = 0x80;
const LONG_KEY: u8 = 255;

/// What a record says about its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The key has this value.
    Put = 1,
    /// The key has been deleted: a tombstone.
    Delete = 2,
    /// Everything before this record is deleted. No key.
    Vanish = 3,
    /// Nothing follows in this segment; the log goes on in the next one. No key.
    Seal = 4,
    /// Which segments the log consists of. No key.
    Manifest = 5,
    /// The key has a number that several servers count: see `FORMAT.md`, section 3.
    Counter = 6,
    /// What the node remembers beside records: see `FORMAT.md`, section 3. No key.
    Memo = 7,
}

impl Kind {
    /// Whether it says that the key has a value.
    #[inline]
    pub fn has_value(self) -> bool {
        matches!(self, Self::Put | Self::Counter)
    }

    /// Whether it speaks of one key, so that the table may point at it.
    #[inline]
    pub fn has_key(self) -> bool {
        matches!(self, Self::Put | Self::Counter | Self::Delete)
    }

    fn of(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Put),
            2 => Some(Self::Delete),
            3 => Some(Self::Vanish),
            4 => Some(Self::Seal),
            5 => Some(Self::Manifest),
            6 => Some(Self::Counter),
            7 => Some(Self::Memo),
            _ => None,
        }
    }
}

/// When and where a change was made. The larger of two wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Stamp {
    /// Microseconds since the Unix epoch, raised where needed so that it rises within a log.
    pub ts: u64,
    /// Id of the server where the change was made; 0 where it has none.
    pub origin: u16,
}

impl Stamp {
    /// That of a deletion right after this, which no server makes otherwise.
    #[must_use]
    pub fn buried(self) -> Self {
        match self.origin {
            // Should a server have the largest id.
            u16::MAX => Self { ts: self.ts + 1, ..self },
            _ => Self { origin: u16::MAX, ..self },
        }
    }
}

/// What a record may have beside key and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// When the record ends, in milliseconds since the Unix epoch: from then on it is hidden.
    pub expiry: Option<u64>,
    /// memcached's opaque flags, 0 where none were given.
    pub flags: u32,
}

/// A record as it lies in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it says.
    pub kind: Kind,
    /// When and where.
    pub stamp: Stamp,
    /// Id of the server it was received from, where that is not the one where it was made; else 0.
    pub via: u16,
    /// Whether an older copy was before it in the log: compaction wrote this one.
    pub moved: bool,
    /// Expiry and flags.
    pub attributes: Attributes,
    /// The key, empty for all kinds but `Put`, `Counter` and `Delete`.
    pub key: &'a [u8],
    /// The value, empty for all kinds but `Put`, `Counter`, `Manifest` and `Memo`. Of a counter what a client sees.
    pub value: &'a [u8],
    /// How a counter came to its value; empty for all other kinds.
    pub state: &'a [u8],
    /// Bytes of the whole record.
    pub len: usize,
}

impl Record<'_> {
    /// Whether it has ended, given milliseconds since the Unix epoch, which are asked for only where the record
    /// has an end.
    #[inline]
    pub fn has_expired(&self, now: impl FnOnce() -> u64) -> bool {
        self.attributes.expiry.is_some_and(|expiry| expiry <= now())
    }

    /// See [`Current::unique`](crate::Current::unique). Of the same record it is the same on all nodes, and in each copy
    /// that compaction makes.
    #[inline]
    pub fn unique(&self) -> u64 {
        // Microseconds need 51 bits until 2041, and 52 until 2112.
        let origin = u32::from(self.stamp.origin).wrapping_mul(0x9e37_79b1) >> 20;
        let id = self.stamp.ts << 12 | u64::from(origin);
        // A counter that was merged has the stamp of one of its parts.
        if self.state.is_empty() { id } else { id ^ u64::from(crc32fast::hash(self.state)) }
    }
}

/// What stands at an offset of a segment.
#[derive(Debug, PartialEq, Eq)]
pub enum At<'a> {
    /// A whole record whose CRC holds.
    Record(Record<'a>),
    /// Nothing was written here: zeros, or the end of the bytes.
    End,
    /// Something else, and why it is no record.
    Damage(&'static str),
}

/// The head of a record about to be written; its CRC awaits key and value.
#[derive(Debug)]
pub struct Head {
    bytes: [u8; HEADER_MAX],
    len: usize,
}

impl Head {
    /// The head of a record of `kind` with neither expiry nor flags.
    #[inline]
    pub fn new(kind: Kind, key_len: usize, value_len: usize) -> Self {
        Self::with(kind, key_len, value_len, Attributes::default())
    }

    /// The head of a record of `kind` made here.
    #[inline]
    pub fn with(kind: Kind, key_len: usize, value_len: usize, attributes: Attributes) -> Self {
        Self::received(kind, key_len, value_len, attributes, 0)
    }

    /// The head of a record of `kind` that was received from server `via`, where that is not its origin.
    #[inline]
    pub fn received(kind: Kind, key_len: usize, value_len: usize, attributes: Attributes, via: u16) -> Self {
        let mut bytes = [0; HEADER_MAX];
        bytes[4] = kind as u8;
        bytes[16..20].copy_from_slice(&(value_len as u32).to_le_bytes());
        let mut len = HEADER;
        if key_len < LONG_KEY as usize {
            bytes[5] = key_len as u8;
        } else {
            bytes[5] = LONG_KEY;
            bytes[HEADER..HEADER + 4].copy_from_slice(&(key_len as u32).to_le_bytes());
            len += 4;
        }
        if let Some(expiry) = attributes.expiry {
            bytes[4] |= HAS_EXPIRY;
            bytes[len..len + 8].copy_from_slice(&expiry.to_le_bytes());
            len += 8;
        }
        if attributes.flags != 0 {
            bytes[4] |= HAS_FLAGS;
            bytes[len..len + 4].copy_from_slice(&attributes.flags.to_le_bytes());
            len += 4;
        }
        if via != 0 {
            bytes[4] |= HAS_VIA;
            bytes[len..len + 2].copy_from_slice(&via.to_le_bytes());
            len += 2;
        }
        Self { bytes, len }
    }

    /// Says that an older copy of the record was before this one.
    pub fn set_moved(&mut self) {
        self.bytes[4] |= IS_MOVED;
    }

    /// Bytes of the head.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Sets stamp and CRC and gives the bytes to be written before key and value. `body` has been
    /// fed key and value.
    #[inline]
    pub fn finish(&mut self, stamp: Stamp, mut body: Hasher) -> &[u8] {
        self.bytes[6..8].copy_from_slice(&stamp.origin.to_le_bytes());
        self.bytes[8..16].copy_from_slice(&stamp.ts.to_le_bytes());
        body.update(&self.bytes[4..self.len]);
        self.bytes[..4].copy_from_slice(&body.finalize().to_le_bytes());
        &self.bytes[..self.len]
    }
}

/// A little-endian field. The caller has checked that it is there.
#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

#[inline]
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}

/// Reads the record at the start of `bytes`, which go to the end of what was written.
#[inline]
pub fn read(bytes: &[u8]) -> At<'_> {
    match parse(bytes) {
        Ok((record, head)) => match checked(bytes, &record, head) {
            true => At::Record(record),
            false => At::Damage("the CRC does not match"),
        },
        Err(None) => At::End,
        Err(Some(why)) => At::Damage(why),
    }
}

/// Reads the record at the start of `bytes` without looking at its CRC, where the caller needs no
/// more than to compare keys or count bytes.
#[inline]
pub fn peek(bytes: &[u8]) -> Option<Record<'_>> {
    parse(bytes).ok().map(|(record, _)| record)
}

/// Finds the fields; `head` is the length of the header. The CRC is not looked at.
#[inline]
pub(super) fn parse(bytes: &[u8]) -> Result<(Record<'_>, usize), Option<&'static str>> {
    if bytes.len() < HEADER {
        return Err(if bytes.iter().all(|&b| b == 0) { None } else { Some("a record is cut short") });
    }
    let bits = bytes[4];
    let Some(kind) = Kind::of(bits & KIND) else {
        let blank = bytes[..HEADER].iter().all(|&b| b == 0);
        return Err(if blank { None } else { Some("no such kind of record") });
    };
    let mut head = HEADER;
    let mut optional = |size: usize| {
        let at = head;
        head += size;
        if head <= bytes.len() { Ok(at) } else { Err(Some("a record is cut short")) }
    };
    let mut key_len = bytes[5] as usize;
    if bytes[5] == LONG_KEY {
        key_len = u32_at(bytes, optional(4)?) as usize;
    }
    let mut expiry = None;
    if bits & HAS_EXPIRY != 0 {
        expiry = Some(u64_at(bytes, optional(8)?));
    }
    let mut flags = 0;
    if bits & HAS_FLAGS != 0 {
        flags = u32_at(bytes, optional(4)?);
    }
    let mut via = 0;
    if bits & HAS_VIA != 0 {
        let at = optional(2)?;
        via = u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    }
    let value_len = u32_at(bytes, 16) as usize;
    let len = head + key_len + value_len;
    if len > bytes.len() {
        return Err(Some("a record is longer than its segment"));
    }
    let stamp = Stamp { origin: u16::from_le_bytes([bytes[6], bytes[7]]), ts: u64_at(bytes, 8) };
    let (key, value) = bytes[head..len].split_at(key_len);
    let (value, state) = match kind {
        Kind::Counter => counter_parts(value).ok_or(Some("a counter without its state"))?,
        _ => (value, &[][..]),
    };
    let attributes = Attributes { expiry, flags };
    let moved = bits & IS_MOVED != 0;
    Ok((Record { kind, stamp, via, moved, attributes, key, value, state, len }, head))
}

/// What a client sees of a counter, and its state, whose length comes last.
#[inline]
fn counter_parts(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, len) = value.split_last_chunk::<2>()?;
    rest.split_at_checked(rest.len().checked_sub(u16::from_le_bytes(*len) as usize)?)
}

#[inline]
fn checked(bytes: &[u8], record: &Record<'_>, head: usize) -> bool {
    let mut hasher = Hasher::new();
    hasher.update(&bytes[head..record.len]);
    hasher.update(&bytes[4..head]);
    hasher.finalize() == u32_at(bytes, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(kind: Kind, stamp: Stamp, key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut body = Hasher::new();
        body.update(key);
        body.update(value);
        let mut head = Head::new(kind, key.len(), value.len());
        let mut bytes = head.finish(stamp, body).to_vec();
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        bytes
    }

    #[test]
    fn what_is_written_is_read_back() {
        let stamp = Stamp { ts: 1_790_000_000_000_000, origin: 7 };
        for (key_len, value_len) in [(0, 0), (1, 0), (16, 32), (254, 3), (255, 3), (70_000, 100_000)] {
            let (key, value) = (vec![1; key_len], vec![2; value_len]);
            let bytes = write(Kind::Put, stamp, &key, &value);
            let At::Record(record) = read(&bytes) else {
                panic!("{key_len}/{value_len}: {:?}", read(&bytes))
            };
            assert_eq!((record.kind, record.stamp, record.len), (Kind::Put, stamp, bytes.len()));
            assert_eq!((record.key, record.value), (&key[..], &value[..]));
        }
    }

    #[test]
    fn attributes_are_read_back() {
        for (expiry, flags) in [(None, 7), (Some(1), 0), (Some(u64::MAX), u32::MAX), (Some(0), 1)] {
            let attributes = Attributes { expiry, flags };
            for key in [&b"key"[..], &[b'k'; 300]] {
                let mut body = Hasher::new();
                body.update(key);
                let mut head = Head::with(Kind::Put, key.len(), 0, attributes);
                let bytes = [head.finish(Stamp { ts: 1, origin: 2 }, body), key].concat();
                let At::Record(record) = read(&bytes) else { panic!("{:?}", read(&bytes)) };
                assert_eq!((record.via, record.moved), (0, false));
                assert_eq!((record.attributes, record.key, record.len), (attributes, key, bytes.len()));
                assert_eq!(record.has_expired(|| 1), expiry.is_some_and(|expiry| expiry < 2));
            }
        }
    }

    #[test]
    fn where_it_came_from_is_read_back() {
        let attributes = Attributes { expiry: Some(u64::MAX), flags: 9 };
        for moved in [false, true] {
            let mut head = Head::received(Kind::Delete, 300, 0, attributes, 0x1234);
            if moved {
                head.set_moved();
            }
            let mut body = Hasher::new();
            body.update(&[7; 300]);
            let bytes = [head.finish(Stamp { ts: 1, origin: 2 }, body), &[7; 300]].concat();
            let At::Record(record) = read(&bytes) else { panic!("{:?}", read(&bytes)) };
            assert_eq!((record.via, record.moved, record.attributes), (0x1234, moved, attributes));
            assert_eq!((record.key, record.len), (&[7; 300][..], bytes.len()));
        }
    }

    #[test]
    fn a_counter_is_value_and_state() {
        for (value, parts) in [
            (&b"5678state\x05\x00"[..], Some((&b"5678"[..], &b"state"[..]))),
            (b"\x00\x00", Some((b"", b""))),
            (b"abc\x04\x00", None),
            (b"\x00", None),
        ] {
            let bytes = write(Kind::Counter, Stamp::default(), b"key", value);
            match (read(&bytes), parts) {
                (At::Record(record), Some(parts)) => assert_eq!((record.value, record.state), parts),
                (At::Damage(_), None) => {}
                (read, _) => panic!("{value:?}: {read:?}"),
            }
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = write(Kind::Put, Stamp { ts: 5, origin: 1 }, b"key", b"some value");
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(matches!(read(&bad), At::Damage(_)), "bit {bit}");
        }
        for len in 1..bytes.len() {
            assert!(matches!(read(&bytes[..len]), At::Damage(_)), "length {len}");
        }
    }

    #[test]
    fn zeros_are_the_end() {
        assert_eq!(read(&[]), At::End);
        assert_eq!(read(&[0; 7]), At::End);
        assert_eq!(read(&[0; 64]), At::End);
    }
}
