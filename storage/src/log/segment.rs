//! A segment: one file of the log. Byte map in `FORMAT.md`, section 2.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::log::address::{Address, Position};
use crate::log::record::{self, At, Record};
use crate::medium::{Medium, Region};
use crate::meta::DatabaseId;

/// The first bytes of every segment file.
pub const MAGIC: [u8; 8] = *b"LCNODLOG";
/// The format of segments written now, and the newest that is read.
pub const VERSION: u32 = 1;
/// Bytes before the first record.
pub const HEADER: usize = 64;
/// The folder of the segments.
pub const FOLDER: &str = "log";

/// Bits of the number of live records: more than a segment of the largest size can have.
const COUNT_BITS: u32 = 28;

/// The largest number of a segment: positions hold it in 32 bits.
pub const MAX_NUMBER: u64 = u32::MAX as u64;

/// The name of a segment's file below the database directory.
pub fn file_name(number: u64) -> String {
    format!("{FOLDER}/{number:010}.seg")
}

/// The number in a file name of the log folder; none for other files.
pub fn number_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".seg")?;
    if digits.len() != 10 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|number| (1..=MAX_NUMBER).contains(number))
}

/// Expiries later than this many seconds count as this many, so that sums of them stay in bounds.
const LAST_SECOND: u64 = 1 << 35;

/// What is counted of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Live records and their bytes: see [`Segment::live_word`].
    pub live: u64,
    /// Bytes of live tombstones.
    pub tombstones: u64,
    /// Its records that end some time.
    pub expiring: Expiring,
}

/// Records of a segment that end some time, live or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expiring {
    /// Their bytes.
    pub bytes: u64,
    /// Their number.
    pub records: u64,
    /// The sum of their expiries, in seconds since the Unix epoch, rounded up.
    pub seconds: u64,
    /// The latest of these.
    pub latest: u64,
}

/// One segment and what is known of it.
#[derive(Debug)]
pub struct Segment {
    number: u64,
    region: Arc<Region>,
    /// Records that the table points at, and their bytes: see [`Segment::live_word`].
    live: AtomicU64,
    /// Bytes of those that are tombstones.
    tombstones: AtomicU64,
    /// The numbers of [`Expiring`].
    expiring: [AtomicU64; 4],
    sealed: AtomicBool,
    /// A record in it could not be read, so that it cannot be rewritten.
    damaged: AtomicBool,
}

impl Segment {
    /// A new segment: allocates its file and writes the header.
    pub fn create(
        medium: &dyn Medium,
        id: DatabaseId,
        number: u64,
        capacity: usize,
    ) -> Result<(Self, crate::medium::Appender)> {
        let name = file_name(number);
        let region = medium.create(&name, capacity).map_err(Error::io("allocate", medium.describe(&name)))?;
        let region = Arc::new(region);
        let Some(mut appender) = region.appender() else {
            return Err(Error::Failed(format!("{name} has two writers")));
        };
        appender.append(&[&header(id, number, capacity as u64)]);
        Ok((Self::new(number, region), appender))
    }

    /// An existing one whose region's written bytes are all its own.
    pub fn new(number: u64, region: Arc<Region>) -> Self {
        Self {
            number,
            region,
            live: AtomicU64::new(0),
            tombstones: AtomicU64::new(0),
            expiring: Default::default(),
            sealed: AtomicBool::new(false),
            damaged: AtomicBool::new(false),
        }
    }

    /// Its number, from 1, rising through the log.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its bytes.
    #[inline]
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// Bytes of live records, tombstones included. Where a damaged record was overwritten its length may
    /// have been wrong, and so is this then.
    pub fn live(&self) -> u64 {
        (self.live_word() >> COUNT_BITS).min(self.written())
    }

    /// Whether the table points at none of its records. Unlike the bytes this does not depend on lengths
    /// that may be damaged.
    pub fn is_dead(&self) -> bool {
        live_count(self.live_word()) == 0
    }

    /// The number of live records in the lowest bits, and above them their bytes.
    pub fn live_word(&self) -> u64 {
        self.live.load(Ordering::Relaxed)
    }

    /// Bytes of live tombstones.
    pub fn tombstones(&self) -> u64 {
        self.tombstones.load(Ordering::Relaxed).min(self.live())
    }

    /// A record of `bytes` became live.
    #[inline]
    pub fn add_live(&self, bytes: usize, tombstone: bool) {
        self.live.fetch_add(((bytes as u64) << COUNT_BITS) + 1, Ordering::Relaxed);
        if tombstone {
            self.tombstones.fetch_add(bytes as u64, Ordering::Relaxed);
        }
    }

    /// A record of `bytes` died.
    #[inline]
    pub fn sub_live(&self, bytes: usize, tombstone: bool) {
        // The number is in the lower bits, so that bytes that were wrong leave it alone.
        self.live.fetch_sub(((bytes as u64) << COUNT_BITS) + 1, Ordering::Relaxed);
        if tombstone {
            self.tombstones.fetch_sub(bytes as u64, Ordering::Relaxed);
        }
    }

    /// A record of `bytes` that ends at `expiry` was written, live or not.
    #[cold]
    pub fn add_expiring(&self, bytes: usize, expiry: u64) {
        let seconds = expiry.div_ceil(1000).min(LAST_SECOND);
        let [total, count, sum, latest] = &self.expiring;
        total.fetch_add(bytes as u64, Ordering::Relaxed);
        count.fetch_add(1, Ordering::Relaxed);
        sum.fetch_add(seconds, Ordering::Relaxed);
        latest.fetch_max(seconds, Ordering::Relaxed);
    }

    /// What is counted of it.
    pub fn counts(&self) -> Counts {
        let [bytes, records, seconds, latest] = &self.expiring;
        let [bytes, records, seconds, latest] =
            [bytes, records, seconds, latest].map(|number| number.load(Ordering::Relaxed));
        let expiring = Expiring { bytes, records, seconds, latest };
        Counts { live: self.live_word(), tombstones: self.tombstones(), expiring }
    }

    /// Sets what is counted: nothing at a vanish, what the checkpoint says at a start.
    pub fn set_counts(&self, counts: &Counts) {
        let Counts { live, tombstones, expiring } = counts;
        self.live.store(*live, Ordering::Relaxed);
        self.tombstones.store(*tombstones, Ordering::Relaxed);
        let numbers = [expiring.bytes, expiring.records, expiring.seconds, expiring.latest];
        for (counter, number) in self.expiring.iter().zip(numbers) {
            counter.store(number, Ordering::Relaxed);
        }
    }

    /// About how many live bytes have expired by `now`, in milliseconds since the Unix epoch: all of those
    /// that ever will where the latest expiry is past, half where their mean is.
    pub fn expired(&self, now: u64) -> u64 {
        let Expiring { bytes, records, seconds, latest } = self.counts().expiring;
        let now = now / 1000;
        let expired = match seconds.checked_div(records) {
            Some(_) if latest <= now => bytes,
            Some(mean) if mean <= now => bytes / 2,
            _ => 0,
        };
        // Of the live bytes as large a part as of all.
        let part = u128::from(self.live()) * u128::from(expired) / u128::from(self.written().max(1));
        part.min(self.live().into()) as u64
    }

    /// Whether nothing more is appended.
    pub fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    /// Nothing more is appended from here on.
    pub fn set_sealed(&self) {
        self.sealed.store(true, Ordering::Release);
    }

    /// Whether it was found to be damaged.
    pub fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// A record in it cannot be read.
    pub fn set_damaged(&self) {
        self.damaged.store(true, Ordering::Relaxed);
    }

    /// Bytes written, header and seal included.
    pub fn written(&self) -> u64 {
        self.region.written() as u64
    }

    /// Where it ends now.
    pub fn end(&self) -> Position {
        Position { segment: self.number, offset: self.written() }
    }

    /// What stands at an offset.
    #[inline]
    pub fn at(&self, offset: usize) -> At<'_> {
        match self.region.bytes().get(offset..) {
            Some(bytes) => record::read(bytes),
            None => At::Damage("an address points past the end"),
        }
    }
}

impl Segment {
    /// What stands at an offset, its CRC unseen.
    #[inline]
    pub fn peek(&self, offset: usize) -> Option<Record<'_>> {
        record::peek(self.region.bytes().get(offset..)?)
    }
}

/// The number of records in a [`Segment::live_word`].
pub fn live_count(word: u64) -> u64 {
    word & ((1 << COUNT_BITS) - 1)
}

/// The header of segment `number`.
pub fn header(id: DatabaseId, number: u64, capacity: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[16..32].copy_from_slice(&id.0);
    bytes[32..40].copy_from_slice(&number.to_le_bytes());
    bytes[40..48].copy_from_slice(&capacity.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..60]);
    bytes[60..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What a segment's header says of it.
#[derive(Debug, PartialEq, Eq)]
pub enum Header {
    /// It belongs here; bytes that its file was allocated with.
    Ours(u64),
    /// Zeros: allocated, never used.
    Blank,
    /// Written by a newer program.
    Newer(u32),
    /// Something else.
    Bad(&'static str),
}

/// Checks the header of a file that should be segment `number` of database `id`.
pub fn check_header(bytes: &[u8], id: DatabaseId, number: u64) -> Header {
    let Some(head) = bytes.get(..HEADER) else {
        return if bytes.iter().all(|&b| b == 0) {
            Header::Blank
        } else {
            Header::Bad("shorter than its header")
        };
    };
    if head.iter().all(|&b| b == 0) {
        return Header::Blank;
    }
    let field = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| head[at + i]));
    if head[..8] != MAGIC {
        return Header::Bad("not a segment of a log");
    }
    let version = field(8) as u32;
    if version > VERSION {
        return Header::Newer(version);
    }
    if crc32fast::hash(&head[..60]) != (field(56) >> 32) as u32 {
        return Header::Bad("the CRC of its header does not match");
    }
    if head[16..32] != id.0 {
        return Header::Bad("it belongs to another database");
    }
    if field(32) != number {
        return Header::Bad("its number is not that of its name");
    }
    Header::Ours(field(40))
}

/// Whose segment a header says it is, and which, where the header itself is whole.
pub fn claim(bytes: &[u8]) -> Option<(DatabaseId, u64)> {
    let head = bytes.get(..HEADER)?;
    let id = DatabaseId(std::array::from_fn(|i| head[16 + i]));
    let number = u64::from_le_bytes(std::array::from_fn(|i| head[32 + i]));
    matches!(check_header(bytes, id, number), Header::Ours(_)).then_some((id, number))
}

/// The segments of a log, found by number or address.
#[derive(Debug, Clone, Default)]
pub struct Segments {
    base: u64,
    list: Vec<Option<Arc<Segment>>>,
}

impl Segments {
    /// Adds a segment newer than all others.
    pub fn push(&mut self, segment: Arc<Segment>) {
        if self.list.is_empty() {
            self.base = segment.number;
        }
        let index = segment.number.saturating_sub(self.base) as usize;
        self.list.resize(index, None);
        self.list.push(Some(segment));
    }

    /// Puts a segment in the place of the one with its number.
    pub fn replace(&mut self, segment: &Arc<Segment>) {
        if let Some(slot) = self.list.get_mut(segment.number.wrapping_sub(self.base) as usize) {
            *slot = Some(Arc::clone(segment));
        }
    }

    /// Forgets a segment.
    pub fn remove(&mut self, number: u64) {
        if let Some(slot) = self.list.get_mut(number.wrapping_sub(self.base) as usize) {
            *slot = None;
        }
        let gone = self.list.iter().take_while(|slot| slot.is_none()).count();
        self.list.drain(..gone);
        self.base += gone as u64;
    }

    /// The segment that an address points into.
    #[inline]
    pub fn at(&self, address: Address) -> Option<&Arc<Segment>> {
        self.list.get(address.segments_after(self.base))?.as_ref()
    }

    /// All, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Segment>> {
        self.list.iter().flatten()
    }

    /// The oldest.
    pub fn oldest(&self) -> Option<&Arc<Segment>> {
        self.iter().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: u64) -> Arc<Segment> {
        let region = Region::anonymous(file_name(number), 4096).unwrap();
        Arc::new(Segment::new(number, Arc::new(region)))
    }

    #[test]
    fn segments_are_found_while_others_come_and_go() {
        let mut segments = Segments::default();
        for number in 5..12 {
            segments.push(segment(number));
        }
        for gone in [7, 5, 6] {
            segments.remove(gone);
        }
        segments.push(segment(14));
        let numbers: Vec<u64> = segments.iter().map(|s| s.number()).collect();
        assert_eq!(numbers, [8, 9, 10, 11, 14]);
        for number in 1..20 {
            let found = segments.at(Address::new(number, 64)).map(|s| s.number());
            assert_eq!(found, numbers.contains(&number).then_some(number));
        }
        assert_eq!(segments.oldest().map(|s| s.number()), Some(8));
    }

    #[test]
    fn headers_are_told_apart() {
        let id = DatabaseId([3; 16]);
        let good = header(id, 9, 1 << 20);
        assert_eq!(check_header(&good, id, 9), Header::Ours(1 << 20));
        assert_eq!(check_header(&[0; 100], id, 9), Header::Blank);
        assert_eq!((claim(&good), claim(&[0; 100])), (Some((id, 9)), None));
        assert!(matches!(check_header(&good, id, 8), Header::Bad(_)));
        assert!(matches!(check_header(&good, DatabaseId([4; 16]), 9), Header::Bad(_)));
        assert!(matches!(check_header(&good[..63], id, 9), Header::Bad(_)));
        for byte in 0..HEADER {
            let mut bad = good;
            bad[byte] ^= 0x40;
            assert!(!matches!(check_header(&bad, id, 9), Header::Ours(_)), "byte {byte}");
            assert_eq!(claim(&bad), None, "byte {byte}");
        }
    }

    #[test]
    fn file_names_carry_the_number() {
        assert_eq!(file_name(42), "log/0000000042.seg");
        assert_eq!(number_of("0000000042.seg"), Some(42));
        assert_eq!(number_of("4294967295.seg"), Some(MAX_NUMBER));
        for other in ["42.seg", "0000000000.seg", "0000000042.tmp", "00000000x2.seg", "4294967296.seg"] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
