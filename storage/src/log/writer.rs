//! The end of the log: stamps are given and records appended here, one at a time.
//!
//! What is always true:
//! - Stamps rise in the order of the log, whatever the clock does.
//! - Room for a seal is kept in the active segment, so that it can always be closed.
//! - While a spare segment cannot be allocated, ordinary writes are refused: what is left is for
//!   deletes and compaction, which give space back.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crc32fast::Hasher;

use crate::error::{Error, Result};
use crate::log::address::{Address, MAX_OFFSET, Position};
use crate::log::record::{Head, Kind, SEAL, Stamp};
use crate::log::segment::{HEADER, Segment};
use crate::medium::{Appender, Medium};
use crate::meta::DatabaseId;

/// Bytes of the largest record.
pub const MAX_RECORD: u64 = 1 << 29;
/// The least size of a segment, in bytes.
pub const MIN_SEGMENT: usize = 1 << 16;
/// The largest size of a segment, but for one that holds a single larger record.
pub const MAX_SEGMENT: usize = MAX_OFFSET as usize + 1;

/// Who is writing, when space is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Refused while there is no spare segment.
    Ordinary,
    /// May use the last segment: a delete, a vanish or compaction.
    FreesSpace,
}

/// What is about to be appended.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// What it says.
    pub kind: Kind,
    /// Its key.
    pub key: &'a [u8],
    /// Its value, in two parts.
    pub value: [&'a [u8]; 2],
    /// Its stamp is later than this.
    pub after: u64,
}

/// Where something was appended.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    /// Where the record is.
    pub address: Address,
    /// Its bytes.
    pub len: usize,
}

/// A segment that is written.
#[derive(Debug)]
pub struct Active {
    /// The segment.
    pub segment: Arc<Segment>,
    /// The right to write it.
    pub appender: Appender,
}

/// The end of the log, under one lock.
#[derive(Debug)]
pub struct Tail {
    /// What is written now.
    pub active: Active,
    /// What is written next.
    pub spare: Option<Active>,
    /// Whether the last try to allocate a spare found no space, and what was said.
    pub full: Option<String>,
    /// The last stamp given, in microseconds.
    pub last_ts: u64,
}

/// What every segment of a log shares.
#[derive(Debug, Clone)]
pub struct Kit {
    /// Where the files are.
    pub medium: Arc<dyn Medium>,
    /// Whose they are.
    pub id: DatabaseId,
    /// Bytes of a segment.
    pub segment_size: usize,
    /// Id of this server in the stamps it gives.
    pub origin: u16,
}

impl Kit {
    /// A new segment, allocated in full.
    pub fn segment(&self, number: u64, capacity: usize) -> Result<Active> {
        let (segment, appender) = Segment::create(&*self.medium, self.id, number, capacity)?;
        Ok(Active { segment: Arc::new(segment), appender })
    }
}

/// Microseconds since the Unix epoch.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}

impl Tail {
    /// Where the log ends.
    #[inline]
    pub fn end(&self) -> Position {
        self.active.segment.end()
    }

    /// Appends a record with a new stamp. `adopt` is told of a new active segment before anything
    /// is appended to it.
    #[inline]
    pub fn append(
        &mut self,
        kit: &Kit,
        draft: &Draft<'_>,
        body: Hasher,
        urgency: Urgency,
        adopt: impl FnMut(&Active),
    ) -> Result<Placed> {
        let value_len = draft.value[0].len() + draft.value[1].len();
        let mut head = Head::new(draft.kind, draft.key.len(), value_len);
        let len = head.len() + draft.key.len() + value_len;
        self.make_room(kit, len, urgency, adopt)?;
        let ts = now().max(self.last_ts + 1).max(draft.after + 1);
        let head = head.finish(Stamp { ts, origin: kit.origin }, body);
        let placed = self.place(&[head, draft.key, draft.value[0], draft.value[1]], len, draft.kind)?;
        self.last_ts = ts;
        Ok(placed)
    }

    /// Appends a whole record as it is: one that compaction moves.
    pub fn append_copy(
        &mut self,
        kit: &Kit,
        record: &[u8],
        kind: Kind,
        adopt: impl FnMut(&Active),
    ) -> Result<Placed> {
        self.make_room(kit, record.len(), Urgency::FreesSpace, adopt)?;
        self.place(&[record], record.len(), kind)
    }

    #[inline]
    fn place(&mut self, parts: &[&[u8]], len: usize, kind: Kind) -> Result<Placed> {
        let Some(offset) = self.active.appender.append(parts) else {
            return Err(Error::Failed(format!("{} ran out of room", self.active.segment.region().name())));
        };
        self.active.segment.add_live(len, kind == Kind::Delete);
        Ok(Placed { address: Address::new(self.active.segment.number(), offset), len })
    }

    /// Goes on to the next segment where `len` bytes and a seal don't fit in the active one.
    #[inline]
    fn make_room(
        &mut self,
        kit: &Kit,
        len: usize,
        urgency: Urgency,
        adopt: impl FnMut(&Active),
    ) -> Result<()> {
        if let (Urgency::Ordinary, Some(why)) = (urgency, &self.full) {
            return Err(Error::Full(why.clone()));
        }
        let region = self.active.appender.region();
        if region.capacity() - region.written() >= len + SEAL {
            return Ok(());
        }
        self.rotate(kit, len, adopt)
    }

    /// Seals the active segment and makes one the active one that has room for `len` bytes.
    #[cold]
    pub fn rotate(&mut self, kit: &Kit, len: usize, mut adopt: impl FnMut(&Active)) -> Result<()> {
        if len as u64 > MAX_RECORD {
            return Err(Error::TooLarge { bytes: len as u64, limit: MAX_RECORD });
        }
        let needed = HEADER + len + SEAL;
        let next_number = self.active.segment.number() + 1;
        if needed <= kit.segment_size {
            let next = match self.spare.take() {
                Some(next) => next,
                None => self.allocate(kit, next_number, kit.segment_size)?,
            };
            self.go_on_to(next, &mut adopt);
            return Ok(());
        }
        // A record larger than a segment gets one of its own, behind the spare, which has a number already.
        let after_spare = next_number + u64::from(self.spare.is_some());
        let own = self.allocate(kit, after_spare, needed)?;
        if let Some(spare) = self.spare.take() {
            self.go_on_to(spare, &mut adopt);
        }
        self.go_on_to(own, &mut adopt);
        Ok(())
    }

    fn allocate(&mut self, kit: &Kit, number: u64, capacity: usize) -> Result<Active> {
        kit.segment(number, capacity).map_err(|error| match error {
            Error::Io { ref source, .. } if is_no_space(source) => Error::Full(error.to_string()),
            other => other,
        })
    }

    fn go_on_to(&mut self, next: Active, adopt: &mut impl FnMut(&Active)) {
        adopt(&next);
        let mut old = std::mem::replace(&mut self.active, next);
        seal(&mut old, self.last_ts);
    }
}

/// Writes the seal, for which room was kept, and closes the segment.
pub fn seal(active: &mut Active, ts: u64) {
    let mut head = Head::new(Kind::Seal, 0, 0);
    active.appender.append(&[head.finish(Stamp { ts, origin: 0 }, Hasher::new())]);
    active.segment.set_sealed();
}

/// Whether an error says that the disk, or the quota, is full.
pub fn is_no_space(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, OutOfMemory, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | OutOfMemory)
}
