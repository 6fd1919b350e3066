//! Reading the log into the table at a start.

use std::sync::Arc;

use tracing::info;

use crate::error::{Error, Result};
use crate::hash::KeyHasher;
use crate::index::checkpoint::{self, SegmentState, State};
use crate::index::{Entry, Slot, Table, Target};
use crate::log::address::Address;
use crate::log::record::{At, Kind, Record, Stamp};
use crate::log::segment::{self, Segment, Segments};
use crate::log::writer::Kit;

/// The table while the log is read into it.
pub(crate) struct Replay {
    pub(crate) hasher: KeyHasher,
    pub(crate) table: Table,
    buckets: u64,
    /// What the checkpoint says, if one is used.
    pub(crate) state: State,
    pub(crate) records: i64,
    pub(crate) last_ts: u64,
}

impl Replay {
    /// Begins with the checkpoint, or with nothing.
    pub(crate) fn start(kit: &Kit, hasher: KeyHasher, buckets: u64) -> Result<Self> {
        let no_memory = Error::io("allocate", "memory for the table");
        let (table, state) = match kit.medium.is_durable().then(|| checkpoint::load(&*kit.medium, kit.id)) {
            Some(Ok((table, state))) => (table, state),
            Some(Err(why)) => {
                info!(why, "no checkpoint is used: the table is built from the log");
                (Table::new(buckets).map_err(no_memory)?, State::default())
            }
            None => (Table::new(buckets).map_err(no_memory)?, State::default()),
        };
        let mut replay =
            Self { hasher, table, buckets, records: state.records as i64, last_ts: state.last_ts, state };
        replay.forget_missing(kit)?;
        Ok(replay)
    }

    /// Segments that compaction removed after the checkpoint are no loss: what was live in them was
    /// written again later. Their entries go.
    fn forget_missing(&mut self, kit: &Kit) -> Result<()> {
        if self.state.segments.is_empty() {
            return Ok(());
        }
        let files = kit.medium.list(segment::FOLDER);
        let files = files.map_err(Error::io("list", kit.medium.describe(segment::FOLDER)))?;
        let present: Vec<u64> = files.iter().filter_map(|(name, _)| segment::number_of(name)).collect();
        let is_gone = |state: &SegmentState| !present.contains(&state.number);
        let gone: Vec<u64> = self.state.segments.iter().filter(|s| is_gone(s)).map(|s| s.number).collect();
        if gone.is_empty() {
            return Ok(());
        }
        info!(segments = gone.len(), "forgetting entries of segments that were compacted away");
        let records = &mut self.records;
        self.table.retain(|entry| {
            let missing = gone.iter().any(|&number| entry.address().segments_after(number) == 0);
            if missing && !entry.is_tombstone() {
                *records -= 1;
            }
            !missing
        });
        Ok(())
    }

    /// Takes a record of the log into the table, unless the table has a newer one.
    pub(crate) fn apply(
        &mut self,
        segments: &Segments,
        segment: &Arc<Segment>,
        offset: usize,
        record: &Record<'_>,
    ) -> Result<()> {
        self.last_ts = self.last_ts.max(record.stamp.ts);
        match record.kind {
            Kind::Put | Kind::Delete => {}
            Kind::Seal | Kind::Manifest => return Ok(()),
            Kind::Vanish => {
                let empty = Table::new(self.buckets);
                self.table = empty.map_err(Error::io("allocate", "memory for the table"))?;
                self.records = 0;
                segments.iter().for_each(|segment| segment.set_live(0, 0));
                return Ok(());
            }
        }
        let hash = self.hasher.hash(record.key);
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
        if old.is_some_and(|(stamp, ..)| stamp > record.stamp) {
            return Ok(());
        }
        let tombstone = record.kind == Kind::Delete;
        let target = Target { address: Address::new(segment.number(), offset), tombstone };
        let Some(slot) = slot else { return Ok(()) };
        let was_there = match (&slot, old) {
            (Slot::Found(..), Some((_, len, target))) => {
                if let Some(segment) = segments.at(target.address) {
                    segment.sub_live(len, target.tombstone);
                }
                !target.tombstone
            }
            _ => false,
        };
        self.table.point(slot, hash, target).map_err(Error::io("allocate", "memory for the table"))?;
        segment.add_live(record.len, tombstone);
        self.records += i64::from(!tombstone) - i64::from(was_there);
        while self.table.is_loaded() {
            let hash_of = |entry: Entry| {
                let address = entry.address();
                match segments.at(address)?.at(address.offset()) {
                    At::Record(record) => Some(self.hasher.hash(record.key)),
                    _ => None,
                }
            };
            self.table.grow(|_| (), hash_of).map_err(Error::io("allocate", "memory for the table"))?;
        }
        Ok(())
    }
}
