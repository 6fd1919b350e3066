//! The end of the log: stamps are given and records appended here, one at a time.
//!
//! What is always true:
//! - Stamps rise in the order of the log, whatever the clock does.
//! - Room for a seal is kept in the active segment, so that it can always be closed.
//! - Segments are allocated by one thread, in the order of their numbers, and used in that order: a
//!   segment without records has none with records behind it.
//! - While a spare segment cannot be allocated, ordinary writes are refused: what is left is for
//!   deletes and compaction, which give space back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crc32fast::Hasher;
use parking_lot::{Condvar, MutexGuard};

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
    /// A segment for one record that is larger than others can hold.
    pub own: Option<Active>,
    /// Bytes that such a segment should have; 0 where none is waited for.
    pub wanted: usize,
    /// Why the last segment of that kind could not be had.
    pub refused: Option<String>,
    /// Whether the last try to allocate a spare found no space, and what was said.
    pub full: Option<String>,
    /// The last stamp given, in microseconds.
    pub last_ts: u64,
}

/// What every segment of a log shares.
#[derive(Debug)]
pub struct Kit {
    /// Where the files are.
    pub medium: Arc<dyn Medium>,
    /// Whose they are.
    pub id: DatabaseId,
    /// Bytes of a segment.
    pub segment_size: usize,
    /// Id of this server in the stamps it gives.
    pub origin: u16,
    /// The number of the next segment to be made.
    pub next_number: AtomicU64,
    /// Told when a segment was allocated, or could not be.
    pub provided: Condvar,
}

/// The store behind the log.
pub trait Host {
    /// A segment becomes the active one; nothing has been appended to it yet.
    fn adopt(&self, active: &Active);
    /// Has the allocating thread look at what the tail lacks.
    fn request_segment(&self);
}

impl Kit {
    /// A new segment, allocated in full.
    pub fn segment(&self, capacity: usize) -> Result<Active> {
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
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

    #[inline]
    fn place(&mut self, parts: &[&[u8]], len: usize, kind: Kind) -> Result<Placed> {
        let Some(offset) = self.active.appender.append(parts) else {
            return Err(Error::Failed(format!("{} ran out of room", self.active.segment.region().name())));
        };
        if matches!(kind, Kind::Put | Kind::Delete) {
            self.active.segment.add_live(len, kind == Kind::Delete);
        }
        Ok(Placed { address: Address::new(self.active.segment.number(), offset), len })
    }

    #[inline]
    fn has_room(&self, len: usize) -> bool {
        let region = self.active.appender.region();
        region.capacity() - region.written() >= len + SEAL
    }

    fn go_on_to(&mut self, next: Active, host: &impl Host) {
        host.adopt(&next);
        let mut old = std::mem::replace(&mut self.active, next);
        seal(&mut old, self.last_ts);
    }
}

/// The locked tail.
pub type TailGuard<'a> = MutexGuard<'a, Tail>;

/// Appends a record with a new stamp. `body` has been fed key and value.
#[inline]
pub fn append(
    tail: &mut TailGuard<'_>,
    kit: &Kit,
    host: &impl Host,
    draft: &Draft<'_>,
    body: Hasher,
    urgency: Urgency,
) -> Result<Placed> {
    let value_len = draft.value[0].len() + draft.value[1].len();
    let mut head = Head::new(draft.kind, draft.key.len(), value_len);
    let len = head.len() + draft.key.len() + value_len;
    make_room(tail, kit, host, len, urgency)?;
    let ts = now().max(tail.last_ts + 1).max(draft.after + 1);
    let head = head.finish(Stamp { ts, origin: kit.origin }, body);
    let placed = tail.place(&[head, draft.key, draft.value[0], draft.value[1]], len, draft.kind)?;
    tail.last_ts = ts;
    Ok(placed)
}

/// Appends a whole record as it is: one that compaction moves.
pub fn append_copy(
    tail: &mut TailGuard<'_>,
    kit: &Kit,
    host: &impl Host,
    record: &[u8],
    kind: Kind,
) -> Result<Placed> {
    make_room(tail, kit, host, record.len(), Urgency::FreesSpace)?;
    tail.place(&[record], record.len(), kind)
}

/// Goes on to the next segment where `len` bytes and a seal don't fit in the active one.
#[inline]
fn make_room(
    tail: &mut TailGuard<'_>,
    kit: &Kit,
    host: &impl Host,
    len: usize,
    urgency: Urgency,
) -> Result<()> {
    if let (Urgency::Ordinary, Some(why)) = (urgency, &tail.full) {
        return Err(Error::Full(why.clone()));
    }
    if tail.has_room(len) { Ok(()) } else { rotate(tail, kit, host, len) }
}

/// Seals the active segment and makes one the active one that has room for `len` bytes. Waits for
/// the allocating thread where it is behind, letting go of the tail meanwhile.
#[cold]
pub fn rotate(tail: &mut TailGuard<'_>, kit: &Kit, host: &impl Host, len: usize) -> Result<()> {
    if len as u64 > MAX_RECORD {
        return Err(Error::TooLarge { bytes: len as u64, limit: MAX_RECORD });
    }
    let before = tail.active.segment.number();
    let needed = HEADER + len + SEAL;
    loop {
        let number = tail.active.segment.number();
        if number != before && tail.has_room(len) {
            // Somebody else went on while we waited.
            return Ok(());
        }
        if needed <= kit.segment_size {
            if let Some(next) = tail.spare.take() {
                tail.go_on_to(next, host);
                return Ok(());
            }
        } else if tail.own.as_ref().is_some_and(|own| own.appender.region().capacity() >= needed) {
            // Segments are used in the order of their numbers; the spare's is lower, or is the next.
            let (own, spare) = (tail.own.take(), tail.spare.take());
            let mut waiting: Vec<Active> = own.into_iter().chain(spare).collect();
            waiting.sort_by_key(|active| active.segment.number());
            while waiting.last().is_some_and(|last| last.appender.region().capacity() < needed) {
                tail.spare = waiting.pop();
            }
            for next in waiting {
                tail.go_on_to(next, host);
            }
            tail.wanted = 0;
            return Ok(());
        } else {
            tail.wanted = tail.wanted.max(needed);
        }
        if let Some(why) = tail.refused.take().or_else(|| tail.full.clone()) {
            tail.wanted = 0;
            return Err(Error::Full(why));
        }
        host.request_segment();
        kit.provided.wait(tail);
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
