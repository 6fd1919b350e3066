//! Digests: whether two nodes have the same records, and in which ranges of keys they differ.
//!
//! What takes a walk over all records is a [`Job`], which runs on a thread where it holds nobody up.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use lcnode_protocol::peer::{Hashes, LeaderFrame, MAX_ENTRIES, RANGES};
use lcnode_storage::{Position, Result, Store, tombstone};

use super::ended::Ended;
use super::wire;

/// Entries that a follower may send before it is answered: some 400 MiB of records' hashes is refused.
const MAX_LISTED: usize = 4 << 20;
/// Bytes of records that one comparison sends at most; what is left differs the next time.
const MAX_ANSWER: usize = 32 << 20;
/// Bytes of records in one frame, unless it is one record.
const FRAME: usize = 1 << 19;

/// The range of a key, by its hash.
#[must_use]
pub fn range_of(hash: u64) -> u16 {
    (hash >> 52) as u16
}

/// What a record adds to the digest of its range.
fn mix(hash: u64, version: u64) -> u64 {
    let mut word = hash.rotate_left(32) ^ version;
    for factor in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        word = (word ^ word >> 30).wrapping_mul(factor);
    }
    word ^ word >> 31
}

/// The digest of each range.
///
/// Errors: what reading the store gives. None where it was stopped.
pub fn ranges(store: &Store, stop: &AtomicBool) -> Result<Option<Vec<u64>>> {
    let mut ranges = vec![0; usize::from(RANGES)];
    walk(store, stop, |record| {
        if record.deleted {
            return;
        }
        ranges[usize::from(range_of(record.hash))] ^= mix(record.hash, record.version);
    })
    .map(|done| done.then_some(ranges))
}

/// One number for all records: equal on two nodes that have the same.
pub fn whole(store: &Store) -> Result<u64> {
    let ranges = ranges(store, &AtomicBool::new(false))?.unwrap_or_default();
    Ok((1u64..).zip(&ranges).fold(0, |sum, (number, range)| sum ^ mix(number, *range)))
}

/// Looks at every live record and every tombstone; false where it was stopped.
fn walk(
    store: &Store,
    stop: &AtomicBool,
    mut take: impl FnMut(&lcnode_storage::Visited<'_>),
) -> Result<bool> {
    let mut is_stopped = false;
    store.visit(|record| {
        is_stopped = stop.load(Ordering::Relaxed);
        if is_stopped {
            return ControlFlow::Break(());
        }
        take(record);
        ControlFlow::Continue(())
    })?;
    Ok(!is_stopped)
}

/// Hash and version of each record of a range.
pub type List = Vec<(u64, u64)>;

/// What is to be found out in the store.
#[derive(Debug)]
pub enum Job {
    /// The digest of each range, for the question of this number.
    Ranges(u64),
    /// What is in some ranges.
    Lists(BTreeSet<u16>),
    /// What differs from what a follower has in ranges, for the question of this number.
    Compare(u64, BTreeMap<u16, HashMap<u64, u64>>),
    /// Tombstones for records of these hashes that were made by one of these servers and are no later than its time.
    Bury(HashSet<u64>, [(u16, u64); 2]),
}

/// What a job found.
#[derive(Debug)]
pub enum Outcome {
    /// Digests, and where the log ended before they were taken.
    Ranges(u64, Position, Vec<u64>),
    /// What is in each range.
    Lists(BTreeMap<u16, List>),
    /// What differs in each range.
    Compared(u64, BTreeMap<u16, Differing>),
    /// Tombstones, as bytes.
    Bury(Vec<Vec<u8>>),
    /// It was stopped.
    Stopped,
}

/// What differs in a range.
#[derive(Debug, Default)]
pub struct Differing {
    /// Hashes that the follower has and of which the leader knows nothing.
    unknown: Vec<u64>,
    /// Records that the follower lacks or has otherwise, and tombstones of those that it has.
    records: Vec<Vec<u8>>,
}

impl Job {
    /// Carries it out.
    pub fn run(self, store: &Store, stop: &AtomicBool) -> Result<Outcome> {
        let outcome = match self {
            Self::Ranges(id) => {
                let end = store.end();
                ranges(store, stop)?.map(|ranges| Outcome::Ranges(id, end, ranges))
            }
            Self::Lists(wanted) => {
                let mut lists: BTreeMap<u16, List> =
                    wanted.iter().map(|range| (*range, List::new())).collect();
                let done = walk(store, stop, |record| {
                    if let (false, Some(list)) = (record.deleted, lists.get_mut(&range_of(record.hash))) {
                        list.push((record.hash, record.version));
                    }
                })?;
                done.then_some(Outcome::Lists(lists))
            }
            Self::Compare(id, theirs) => {
                compare(store, stop, theirs)?.map(|found| Outcome::Compared(id, found))
            }
            Self::Bury(hashes, until) => {
                let mut tombstones = Vec::new();
                let done = walk(store, stop, |record| {
                    let is_old = |(origin, ts)| record.stamp.origin == origin && record.stamp.ts <= ts;
                    if !record.deleted && hashes.contains(&record.hash) && until.into_iter().any(is_old) {
                        tombstones.push(tombstone(record.key, record.stamp.buried()));
                    }
                })?;
                done.then_some(Outcome::Bury(tombstones))
            }
        };
        Ok(outcome.unwrap_or(Outcome::Stopped))
    }
}

fn compare(
    store: &Store,
    stop: &AtomicBool,
    mut theirs: BTreeMap<u16, HashMap<u64, u64>>,
) -> Result<Option<BTreeMap<u16, Differing>>> {
    let mut found: BTreeMap<u16, Differing> =
        theirs.keys().map(|range| (*range, Differing::default())).collect();
    let mut room = MAX_ANSWER;
    let done = walk(store, stop, |record| {
        let range = range_of(record.hash);
        let Some(list) = theirs.get_mut(&range) else { return };
        let theirs = list.remove(&record.hash);
        // A tombstone is of use to those who have the record; it may have come here too late to be sent on.
        let is_same = if record.deleted { theirs.is_none() } else { theirs == Some(record.version) };
        if let (false, Some(differing)) = (is_same, found.get_mut(&range))
            && room > 0
        {
            room = room.saturating_sub(record.bytes.len());
            differing.records.push(record.bytes.to_vec());
        }
    })?;
    for (range, list) in theirs {
        if let Some(differing) = found.get_mut(&range) {
            differing.unknown = list.into_keys().collect();
            differing.unknown.sort_unstable();
        }
    }
    Ok(done.then_some(found))
}

/// What a leader is asked, until it is answered.
#[derive(Debug, Default)]
pub struct Answers {
    digest: Option<u64>,
    id: u64,
    open: BTreeMap<u16, HashMap<u64, u64>>,
    whole: BTreeMap<u16, HashMap<u64, u64>>,
    listed: usize,
    is_busy: bool,
}

impl Answers {
    /// A digest is asked for.
    pub fn ask(&mut self, id: u64) {
        self.digest = Some(id);
    }

    /// Part of what a follower has in a range.
    pub fn compare(
        &mut self,
        id: u64,
        range: u16,
        last: bool,
        entries: impl ExactSizeIterator<Item = (u64, u64)>,
    ) -> std::result::Result<(), Ended> {
        if id != self.id {
            (self.id, self.listed) = (id, 0);
            self.open.clear();
            self.whole.clear();
        }
        self.listed += entries.len() + 1;
        if self.listed > MAX_LISTED {
            return Err(Ended::TooMuch);
        }
        self.open.entry(range).or_default().extend(entries);
        if let (true, Some(list)) = (last, self.open.remove(&range)) {
            self.whole.insert(range, list);
        }
        Ok(())
    }

    /// What is to be found out next.
    pub fn job(&mut self) -> Option<Job> {
        if self.is_busy {
            return None;
        }
        let job = match self.digest.take() {
            Some(id) => Job::Ranges(id),
            None if self.whole.is_empty() => return None,
            None => {
                let whole = std::mem::take(&mut self.whole);
                self.listed -= whole.values().map(|list| list.len() + 1).sum::<usize>().min(self.listed);
                Job::Compare(self.id, whole)
            }
        };
        self.is_busy = true;
        Some(job)
    }

    /// Writes what a job found.
    pub fn done(&mut self, collected: u64, outcome: Outcome, out: &mut Vec<u8>) {
        self.is_busy = false;
        match outcome {
            Outcome::Ranges(id, end, ranges) => {
                let ranges = Hashes::to_wire(&ranges);
                let ranges = Hashes::from_wire(&ranges).unwrap_or_default();
                LeaderFrame::Digest { id, collected, end: wire(end), ranges }.encode(out);
            }
            Outcome::Compared(id, found) => {
                for (range, differing) in found {
                    differing.write(id, range, out);
                }
            }
            Outcome::Lists(_) | Outcome::Bury(_) | Outcome::Stopped => {}
        }
    }
}

impl Differing {
    /// Writes frames of bounded size, the last one marked.
    fn write(self, id: u64, range: u16, out: &mut Vec<u8>) {
        for unknown in self.unknown.chunks(MAX_ENTRIES) {
            frame(id, range, false, unknown, &[], out);
        }
        let mut records = Vec::new();
        for record in self.records {
            if !records.is_empty() && records.len() + record.len() > FRAME {
                frame(id, range, false, &[], &records, out);
                records.clear();
            }
            records.extend(record);
        }
        frame(id, range, true, &[], &records, out);
    }
}

fn frame(id: u64, range: u16, last: bool, unknown: &[u64], records: &[u8], out: &mut Vec<u8>) {
    let unknown = Hashes::to_wire(unknown);
    let unknown = Hashes::from_wire(&unknown).unwrap_or_default();
    LeaderFrame::Compared { id, range, last, unknown, records }.encode(out);
}
