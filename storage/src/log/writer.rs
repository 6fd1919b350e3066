//! The end of the log: stamps are given and records appended here, one at a time.
//!
//! What is always true:
//! - A stamp given here is no earlier than all that are in the log, whatever the clock does, and later than that of
//!   the key's last record. Two changes of different keys may have the same: more than a million a second come
//!   about, and times must not run away from the clock.
//! - `order` is no less than the time that a reader of the log comes to who counts one up for each record, and goes
//!   on with a record's own time where that is later. Each segment but the first begins with a memo of that time.
//! - Room for a seal is kept in the active segment, so that it can always be closed.
//! - Segments are allocated by one thread at a time, in the order of their numbers, and used in that order; a
//!   number is used up only when its segment was made. A sealed segment always has a successor.
//! - The last waiting segment is for compaction alone, which gives a whole segment back for it.
//!   Ordinary writes also leave deletes some room in the active segment. So on a full disk records can
//!   be deleted, and their space comes back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crc32fast::Hasher;
use parking_lot::{Condvar, MutexGuard};

use crate::error::{Error, Result};
use crate::log::address::{Address, MAX_OFFSET, Position};
use crate::log::memo::Memos;
use crate::log::record::{self, Attributes, Head, Kind, SEAL, Stamp};
use crate::log::segment::{HEADER, Segment};
use crate::medium::{Appender, Medium};
use crate::meta::DatabaseId;

/// Bytes of the largest record.
pub const MAX_RECORD: u64 = 1 << 29;
/// The least size of a segment, in bytes.
pub const MIN_SEGMENT: usize = 1 << 16;
/// The largest size of a segment, but for one that holds a single larger record.
pub const MAX_SEGMENT: usize = MAX_OFFSET as usize + 1;

/// Bytes that deletes leave compaction beside what it moves: for a manifest and memos.
const KEPT: usize = 1 << 12;
/// Bytes of the record that a segment begins with.
const START: usize = record::HEADER;

/// Who is writing, when space is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Goes on to the next segment only where two wait, and else leaves a quarter of a segment free.
    Ordinary,
    /// A delete or a vanish, which frees space later: may use the active segment but for what
    /// compaction needs there.
    Delete,
    /// Compaction, which frees space at once: may use the last segment.
    Compaction,
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
    /// What is written next, in the order of numbers. One may be larger than usual, made for a record
    /// that others cannot hold.
    pub waiting: VecDeque<Active>,
    /// Bytes that compaction still has to append before the segment it rewrites can be removed; none
    /// where it is not at work, nor a segment about to be made in the space it gave back.
    pub owed: Option<usize>,
    /// Whether somebody waits for a second one.
    pub starved: bool,
    /// Bytes that such a larger segment should have; 0 where none is waited for.
    pub wanted: usize,
    /// Bytes of the last segment of that kind that could not be had, and why.
    pub refused: Option<(usize, String)>,
    /// Whether compaction, on a full disk, found no segment whose live records fit in what is left.
    pub cramped: bool,
    /// Whether the last try to allocate ahead found no space, and what was said.
    pub full: Option<String>,
    /// The latest stamp in the log, in microseconds: the next one is no earlier.
    pub last_ts: u64,
    /// Microseconds: see above. For followers that know a position only as a time.
    pub order: u64,
    /// What the node remembers.
    pub memos: Memos,
    /// All that is older has been deleted at once.
    pub vanished: Stamp,
    /// Records appended since the log was opened, manifests not counted.
    pub appended: u64,
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
    /// Waits until it was seen to what the tail lacks, letting go of the tail meanwhile. May return early.
    fn await_segment(&self, tail: &mut TailGuard<'_>);
}

impl Kit {
    /// A new segment, allocated in full. Only one thread makes segments at a time.
    pub fn segment(&self, capacity: usize) -> Result<Active> {
        let number = self.next_number.load(Ordering::Relaxed);
        let (segment, appender) = Segment::create(&*self.medium, self.id, number, capacity)?;
        self.next_number.store(number + 1, Ordering::Relaxed);
        Ok(Active { segment: Arc::new(segment), appender })
    }

    /// Gives the last segment made back, unused.
    pub fn discard(&self, active: Active) {
        self.next_number.store(active.segment.number(), Ordering::Relaxed);
        // What cannot be removed is replaced when the number comes again.
        let _ = self.medium.remove(active.segment.region().name());
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

    /// Bytes that records may still take up in the active segment, room for its seal put aside.
    #[inline]
    pub fn room(&self) -> usize {
        let region = self.active.appender.region();
        let written = region.written();
        // A segment of its own for a large record may go on past where addresses end.
        if written > MAX_OFFSET as usize { 0 } else { region.capacity().saturating_sub(written + SEAL) }
    }

    /// Whether a second segment should be waiting, and none is: from the middle of the active one on.
    pub fn is_short(&self, kit: &Kit) -> bool {
        self.waiting.len() < 2 && self.room() < kit.segment_size / 2
    }

    /// Whether `len` bytes may be appended now.
    #[inline]
    fn fits(&self, len: usize, urgency: Urgency, segment_size: usize) -> bool {
        let ahead = self.waiting.len();
        let kept = match urgency {
            // A large record has a segment made for it, with room behind it for deletes.
            Urgency::Ordinary if ahead == 1 && len < segment_size => segment_size / 4,
            Urgency::Ordinary if ahead == 0 => return false,
            // Without a spare only what compaction leaves over: it could not go on otherwise.
            Urgency::Delete if ahead == 0 => match self.owed {
                Some(owed) => owed + KEPT,
                None => return false,
            },
            _ => 0,
        };
        len + kept <= self.room()
    }

    #[inline]
    pub(super) fn place(&mut self, parts: &[&[u8]], len: usize, kind: Kind, ts: u64) -> Result<Address> {
        // Counted before it is written: a locked instruction after that would wait for the writes.
        if kind.has_key() {
            self.active.segment.add_live(len, kind == Kind::Delete);
        }
        self.order = ts.max(self.order + 1);
        let Some(offset) = self.active.appender.append(parts) else {
            return Err(Error::Failed(format!("{} ran out of room", self.active.segment.region().name())));
        };
        self.appended += u64::from(kind != Kind::Manifest);
        Ok(Address::new(self.active.segment.number(), offset))
    }

    /// Whether a segment of `capacity` bytes is waiting.
    pub fn awaits(&self, capacity: usize) -> bool {
        self.waiting.iter().any(|active| active.appender.region().capacity() >= capacity)
    }

    /// Seals the active segment and goes on to the next one; says whether there was one for this
    /// writer.
    fn go_on(&mut self, urgency: Urgency, host: &impl Host) -> bool {
        if urgency != Urgency::Compaction && self.waiting.len() < 2 {
            return false;
        }
        let Some(next) = self.waiting.pop_front() else { return false };
        host.adopt(&next);
        let mut old = std::mem::replace(&mut self.active, next);
        old.appender.append(&[
            Head::new(Kind::Seal, 0, 0).finish(Stamp { ts: self.last_ts, origin: 0 }, Hasher::new())
        ]);
        old.segment.set_sealed();
        // An empty segment has room for it.
        self.place_memo(&[]).is_ok()
    }

    /// The time of the next change, which is later than `after` and than all that was deleted at once.
    #[inline]
    pub(super) fn next_ts(&self, time: u64, after: u64) -> u64 {
        time.max(self.last_ts).max(after.max(self.vanished.ts).saturating_add(1))
    }

    pub(super) fn note_expiry(&self, len: usize, attributes: Attributes) {
        if let Some(expiry) = attributes.expiry {
            self.active.segment.add_expiring(len, expiry);
        }
    }

    /// Places a record that says `value` of what the node remembers; there is room for it.
    pub(super) fn place_memo(&mut self, value: &[u8]) -> Result<()> {
        let mut body = Hasher::new();
        body.update(value);
        let mut head = Head::new(Kind::Memo, 0, value.len());
        let len = head.len() + value.len();
        let head = head.finish(Stamp { ts: self.order, origin: 0 }, body);
        self.place(&[head, value], len, Kind::Memo, 0)?;
        self.memos.take(value, self.active.segment.number());
        Ok(())
    }
}

/// The locked tail.
pub type TailGuard<'a> = MutexGuard<'a, Tail>;

/// Sees to it that the active segment has room for `len` bytes.
#[inline]
pub(super) fn make_room(
    tail: &mut TailGuard<'_>,
    kit: &Kit,
    host: &impl Host,
    len: usize,
    urgency: Urgency,
) -> Result<()> {
    if let (Urgency::Ordinary, Some(why)) = (urgency, &tail.full) {
        return Err(Error::Full(why.clone()));
    }
    if tail.fits(len, urgency, kit.segment_size) {
        Ok(())
    } else {
        wait_for_room(tail, kit, host, len, urgency)
    }
}

/// Goes on to further segments until one has room for `len` bytes. Waits for the allocating thread
/// where it is behind, letting go of the tail meanwhile.
#[cold]
fn wait_for_room(
    tail: &mut TailGuard<'_>,
    kit: &Kit,
    host: &impl Host,
    len: usize,
    urgency: Urgency,
) -> Result<()> {
    if len as u64 > MAX_RECORD {
        return Err(Error::TooLarge { bytes: len as u64, limit: MAX_RECORD });
    }
    let needed = HEADER + START + len + SEAL;
    let large = needed > kit.segment_size;
    if large {
        // Of an earlier try; whoever still waits for the answer asks again.
        tail.refused = None;
    }
    let capacity = needed + kit.segment_size / 4;
    while !tail.fits(len, urgency, kit.segment_size) {
        let lacks_room = tail.room() < len;
        if lacks_room && tail.awaits(needed) && tail.go_on(urgency, host) {
            continue;
        }
        // A refusal of more than is needed here is somebody else's.
        if let Some((_, why)) = tail.refused.take_if(|(refused, _)| large && *refused <= capacity) {
            return Err(Error::Full(why));
        }
        if let Some(why) = tail.full.clone() {
            return Err(Error::Full(why));
        }
        if lacks_room && large {
            tail.wanted = tail.wanted.max(capacity);
        }
        tail.starved = true;
        host.await_segment(tail);
    }
    Ok(())
}

/// Seals the active segment and goes on to the next one.
pub fn rotate(tail: &mut TailGuard<'_>, host: &impl Host) -> Result<()> {
    let before = tail.active.segment.number();
    while tail.active.segment.number() == before && !tail.go_on(Urgency::Ordinary, host) {
        if let Some(why) = tail.full.clone() {
            return Err(Error::Full(why));
        }
        tail.starved = true;
        host.await_segment(tail);
    }
    Ok(())
}

/// Whether an error says that the disk, or the quota, is full.
pub fn is_no_space(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, OutOfMemory, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge | OutOfMemory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::segment::file_name;
    use crate::medium::Region;

    fn active(number: u64, capacity: usize, written: usize) -> Active {
        let mut region = Region::anonymous(file_name(number), capacity).unwrap();
        region.set_written(written);
        let segment = Arc::new(Segment::new(number, Arc::new(region)));
        let appender = segment.region().appender().unwrap();
        Active { segment, appender }
    }

    fn tail(active: Active) -> Tail {
        Tail {
            active,
            waiting: VecDeque::new(),
            owed: None,
            starved: false,
            wanted: 0,
            refused: None,
            cramped: false,
            full: None,
            last_ts: 0,
            order: 0,
            memos: Memos::default(),
            vanished: Stamp::default(),
            appended: 0,
        }
    }

    #[test]
    fn no_record_begins_where_addresses_do_not_reach() {
        let last = MAX_OFFSET as usize;
        assert!(tail(active(1, 300 << 20, last)).room() > 0);
        assert_eq!(tail(active(1, 300 << 20, last + 1)).room(), 0);
    }

    #[test]
    fn room_is_kept_for_those_who_free_space() {
        use Urgency::{Compaction, Delete, Ordinary};
        let (size, header) = (1 << 16, HEADER + SEAL);
        let mut tail = tail(active(1, size, HEADER));
        let all = size - header;
        let fits = |tail: &Tail, len| [Ordinary, Delete, Compaction].map(|who| tail.fits(len, who, size));
        // Nothing waits: compaction may have all, deletes what it does not need.
        assert_eq!(fits(&tail, all), [false, false, true]);
        assert_eq!(fits(&tail, 20), [false, false, true]);
        tail.owed = Some(0);
        assert_eq!(fits(&tail, all - KEPT), [false, true, true]);
        tail.owed = Some(1000);
        assert_eq!(fits(&tail, all - KEPT), [false, false, true]);
        tail.owed = None;
        tail.waiting.push_back(active(2, size, HEADER));
        assert_eq!(fits(&tail, all), [false, true, true]);
        assert_eq!(fits(&tail, all - size / 4), [true, true, true]);
        tail.waiting.push_back(active(3, size, HEADER));
        assert_eq!(fits(&tail, all), [true, true, true]);
        assert_eq!(fits(&tail, all + 1), [false, false, false]);
    }
}
