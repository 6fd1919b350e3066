//! Reading the log into the table at a start, by any number of threads.
//!
//! What is always true:
//! - Of two records of a key the table keeps the one with the larger stamp, of equals the later in the
//!   log, in whatever order they come. So a record may come twice, or late.
//! - The live bytes of a segment are those of its records that the table points at, each counted once:
//!   by the checkpoint for those before its second position, else here.
//! - A vanish may be met before or after what it deletes: that is dropped at the end.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_utils::CachePadded;
use parking_lot::Mutex;
use tracing::info;

use crate::error::{Error, Result};
use crate::hash::KeyHasher;
use crate::index::checkpoint::{self, SegmentState, State};
use crate::index::{Entry, STRIPES, Table, Target};
use crate::log::address::{Address, Position};
use crate::log::memo::{self, Memos};
use crate::log::reading::{BATCH, Sink};
use crate::log::record::{At, Kind, Record, Stamp};
use crate::log::segment::{self, Counts, Segment, Segments};
use crate::log::writer::Kit;

/// How much of a record is fetched ahead, in bytes: header and key.
const AHEAD: usize = 64;

/// The table while the log is read into it.
pub(crate) struct Replay {
    pub(crate) hasher: KeyHasher,
    pub(crate) table: Table,
    buckets: u64,
    stripes: Vec<CachePadded<Mutex<()>>>,
    /// What the checkpoint says, if one is used.
    pub(crate) state: State,
    /// Records that a client sees, once all is read.
    pub(crate) records: i64,
    pub(crate) last_ts: AtomicU64,
    /// The last vanish that was met.
    vanished: Mutex<Stamp>,
    /// Its time.
    vanished_ts: AtomicU64,
    /// What the checkpoint remembers, and at the end all.
    pub(crate) memos: Memos,
    found: Mutex<memo::Found>,
    /// Where the last record was met, as a word.
    last: AtomicU64,
    /// Whether the log ends in a memo that does not count.
    pub(crate) has_torn_memo: bool,
    /// Whether segments that the checkpoint knows are gone.
    has_forgotten: bool,
}

/// What a start begins with: a checkpoint whose segments are there, or an empty table.
fn first_table(kit: &Kit, buckets: u64) -> Result<(Table, State, Vec<u64>)> {
    if kit.medium.is_durable() {
        let why = match checkpoint::load(&*kit.medium, kit.id) {
            Ok((table, state)) => {
                let gone = gone(kit, &state)?;
                match state.pins().and_then(|(first, last)| {
                    gone.iter().find(|&&number| (first..=last).contains(&number)).copied()
                }) {
                    None => return Ok((table, state, gone)),
                    Some(number) => format!("segment {number}, which it needs, is not there"),
                }
            }
            Err(why) => why,
        };
        info!(why, "no checkpoint is used: the table is built from the log");
    }
    Ok((empty_table(buckets)?, State::default(), Vec::new()))
}

fn empty_table(buckets: u64) -> Result<Table> {
    Table::new(buckets).map_err(no_memory())
}

fn no_memory() -> impl FnOnce(std::io::Error) -> Error {
    Error::io("allocate", "memory for the table")
}

/// Segments that the checkpoint knows and that are not there any more.
fn gone(kit: &Kit, state: &State) -> Result<Vec<u64>> {
    let files = kit.medium.list(segment::FOLDER);
    let files = files.map_err(Error::io("list", kit.medium.describe(segment::FOLDER)))?;
    let present: HashSet<u64> = files.iter().filter_map(|(name, _)| segment::number_of(name)).collect();
    let is_gone = |state: &&SegmentState| !present.contains(&state.number);
    Ok(state.segments.iter().filter(is_gone).map(|state| state.number).collect())
}

impl Replay {
    /// Begins with the checkpoint, or with nothing.
    pub(crate) fn start(kit: &Kit, hasher: KeyHasher, buckets: u64) -> Result<Self> {
        let (table, state, gone) = first_table(kit, buckets)?;
        if !gone.is_empty() {
            // Segments that compaction removed after the checkpoint are no loss: what was live in them was
            // written again later.
            info!(segments = gone.len(), "forgetting entries of segments that were compacted away");
            let gone: HashSet<usize> =
                gone.iter().map(|&number| Address::new(number, 0).segments_after(0)).collect();
            table.retain(|entry| !gone.contains(&entry.address().segments_after(0)));
        }
        Ok(Self {
            hasher,
            table,
            buckets,
            stripes: (0..STRIPES).map(|_| Mutex::default().into()).collect(),
            records: state.records as i64,
            last_ts: AtomicU64::new(state.last_ts),
            memos: {
                let mut memos = Memos::default();
                memos.take(&state.memos, 0);
                memos
            },
            state,
            vanished: Mutex::default(),
            vanished_ts: AtomicU64::new(0),
            found: Mutex::default(),
            last: AtomicU64::new(0),
            has_torn_memo: false,
            has_forgotten: !gone.is_empty(),
        })
    }

    /// Drops what a vanish deleted, and counts the records, once all is read.
    pub(crate) fn finish(&mut self, kit: &Kit, segments: &Segments, has_read: bool) -> Result<()> {
        let found = std::mem::take(self.found.get_mut());
        self.has_torn_memo = found.finish(&mut self.memos, Position::from_word(*self.last.get_mut()));
        let vanished = *self.vanished.get_mut();
        if vanished != Stamp::default() {
            self.drop_older(kit, segments, vanished)?;
        }
        // Threads that were in each other's way may have left some of it to do.
        while self.table.is_loaded() {
            self.grow(segments)?;
        }
        if has_read || self.has_forgotten {
            self.records = self.table.records() as i64;
        }
        Ok(())
    }

    /// Drops the entries of all records up to a vanish, and counts what is left anew.
    fn drop_older(&mut self, kit: &Kit, segments: &Segments, vanished: Stamp) -> Result<()> {
        let record = |entry: Entry| {
            let address = entry.address();
            segments.at(address).and_then(|segment| segment.peek(address.offset()))
        };
        let is_left = |entry: Entry| record(entry).is_none_or(|record| record.stamp > vanished);
        let rest = self.table.entries_where(is_left);
        segments.iter().for_each(|segment| segment.set_counts(&Counts::default()));
        let small = (rest.len() as u64) < self.table.entries() / 2;
        if small {
            // So that it takes up no more memory than it would have, had nothing been deleted.
            self.table = empty_table(self.buckets)?;
        } else {
            self.table.retain(is_left);
        }
        for entry in rest {
            let address = entry.address();
            let Some(segment) = segments.at(address) else { continue };
            let record = match segment.at(address.offset()) {
                At::Record(record) => record,
                // It was whole a moment ago, or damaged since the checkpoint.
                At::End | At::Damage(_) => {
                    return Err(Error::Damaged {
                        path: kit.medium.describe(segment.region().name()),
                        offset: address.offset() as u64,
                        why: "this record, which the table points at, does not check",
                    });
                }
            };
            count(segment, &record);
            if small {
                let hash = self.hasher.hash(record.key);
                if let Some(slot) = self.table.slot(hash, |_| false) {
                    self.table.point(slot, hash, entry.target()).map_err(no_memory())?;
                }
                self.grow(segments)?;
            }
        }
        Ok(())
    }

    /// Takes note of a vanish; none that is older than the last.
    fn note_vanish(&self, stamp: Stamp) {
        let mut vanished = self.vanished.lock();
        if stamp > *vanished {
            *vanished = stamp;
            self.vanished_ts.store(stamp.ts, Ordering::Relaxed);
        }
    }

    /// Takes in what a record remembers; what the checkpoint counts it remembers as well.
    fn note_memo(&self, value: &[u8], at: Position) {
        if at < self.state.counted {
            return;
        }
        self.found.lock().take(value, at);
        for (_, value) in memo::items(value).filter(|(key, _)| *key == memo::VANISHED) {
            self.note_vanish(memo::decode_stamp(value));
        }
    }

    fn lock(&self, stripe: usize) -> impl Drop + use<'_> {
        self.stripes[stripe & (STRIPES - 1)].lock()
    }

    fn grow(&self, segments: &Segments) -> Result<()> {
        if !self.table.is_loaded() {
            return Ok(());
        }
        let hash_of = |entry: Entry| {
            let address = entry.address();
            match segments.at(address)?.at(address.offset()) {
                At::Record(record) => Some(self.hasher.hash(record.key)),
                _ => None,
            }
        };
        self.table.grow(|stripe| self.lock(stripe), hash_of).map_err(no_memory())
    }

    /// Takes a record into the table, unless the table has a newer one. Says whether it is to be counted
    /// as live.
    fn apply(
        &self,
        segments: &Segments,
        segment: &Segment,
        offset: usize,
        record: &Record<'_>,
        hash: u64,
    ) -> Result<bool> {
        let is_counted = Position { segment: segment.number(), offset: offset as u64 } >= self.state.counted;
        let tombstone = record.kind == Kind::Delete;
        let target = Target { address: Address::new(segment.number(), offset), tombstone };
        let _stripe = self.lock(hash as usize);
        let mut old: Option<(Stamp, usize, Target)> = None;
        let slot = self.table.slot(hash, |entry| {
            let address = entry.address();
            match segments.at(address).and_then(|segment| segment.peek(address.offset())) {
                Some(found) if found.key == record.key => {
                    old = Some((found.stamp, found.len, entry.target()));
                    true
                }
                _ => false,
            }
        });
        if let Some((stamp, _, old)) = old
            && (stamp, place(segments, old.address)) >= (record.stamp, place(segments, target.address))
        {
            return Ok(false);
        }
        let Some(slot) = slot else { return Ok(false) };
        if let (true, Some((_, len, old))) = (is_counted, old)
            && let Some(segment) = segments.at(old.address)
        {
            segment.sub_live(len, old.tombstone);
        }
        self.table.point(slot, hash, target).map_err(no_memory())?;
        Ok(is_counted)
    }
}

/// Counts a record that the table points at.
fn count(segment: &Segment, record: &Record<'_>) {
    segment.add_live(record.len, record.kind == Kind::Delete);
    if let Some(expiry) = record.attributes.expiry {
        segment.add_expiring(record.len, expiry);
    }
}

/// Where a record is, in the order of the log.
fn place(segments: &Segments, address: Address) -> (usize, usize) {
    let oldest = segments.oldest().map_or(0, |oldest| oldest.number());
    (address.segments_after(oldest), address.offset())
}

impl Sink for Replay {
    fn take(
        &self,
        segments: &Segments,
        segment: &Arc<Segment>,
        records: &[(usize, Record<'_>)],
    ) -> Result<()> {
        let position = |offset: usize| Position { segment: segment.number(), offset: offset as u64 };
        let mut hashes = [0; BATCH];
        for (hash, (offset, record)) in hashes.iter_mut().zip(records) {
            match record.kind {
                Kind::Put | Kind::Counter | Kind::Delete => {
                    *hash = self.hasher.hash(record.key);
                    self.table.prefetch(*hash);
                }
                Kind::Vanish => {
                    let memo = memo::encode_vanish(record.stamp);
                    self.note_vanish(record.stamp);
                    self.note_memo(&memo, position(*offset));
                }
                Kind::Memo => self.note_memo(record.value, position(*offset)),
                Kind::Seal | Kind::Manifest => {}
            }
        }
        // What is older than a vanish is dropped at the end anyway.
        let vanished = self.vanished_ts.load(Ordering::Relaxed);
        let is_wanted = |record: &Record<'_>| record.kind.has_key() && record.stamp.ts >= vanished;
        let wanted = hashes.iter().zip(records).filter(|(_, (_, record))| is_wanted(record));
        for (&hash, _) in wanted.clone() {
            self.table.candidates(hash, |entry| {
                if let Some(segment) = segments.at(entry.address()) {
                    segment.region().prefetch(entry.address().offset(), AHEAD);
                }
            });
        }
        for (&hash, (offset, record)) in wanted {
            if self.apply(segments, segment, *offset, record, hash)? {
                count(segment, record);
            }
        }
        for _ in 0..BATCH / 2 {
            self.grow(segments)?;
        }
        let stamped = records.iter().filter(|(_, record)| record.kind != Kind::Memo);
        let last = stamped.map(|(_, record)| record.stamp.ts).max().unwrap_or(0);
        self.last_ts.fetch_max(last, Ordering::Relaxed);
        if let Some((offset, _)) = records.last() {
            self.last.fetch_max(position(*offset).to_word(), Ordering::Relaxed);
        }
        Ok(())
    }
}
