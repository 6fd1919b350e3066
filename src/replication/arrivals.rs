//! Records of a leader, from bytes into the store.

use lcnode_storage::{Arrival, Kind, Position, Received, Store};

use super::ended::Ended;
use super::peers::Peers;

/// Records that are given to the store at once.
const BATCH: usize = 512;

/// How the records of one leader are taken over.
#[derive(Debug, Default)]
pub struct Arrivals {
    via: u16,
    own: u16,
    /// What was made here between these times a crash may have taken.
    lost: (u64, u64),
    /// Records that came.
    count: u64,
}

impl Arrivals {
    /// From the leader `via`.
    #[must_use]
    pub fn new(store: &Store, peers: &Peers, via: u16) -> Self {
        Self { via, own: store.origin(), lost: (store.opened().last_ts, peers.started()), count: 0 }
    }

    /// Records that came.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes over the records of a frame that leads to `next`, none later than the time `until`. Says how many were
    /// news. What had been here and is unknown now was deleted here, and stays so.
    pub fn apply(
        &mut self,
        store: &Store,
        peers: &Peers,
        mut bytes: &[u8],
        until: u64,
        next: Position,
    ) -> Result<usize, Ended> {
        let all = bytes.len();
        // Deletions up to this time may have been forgotten here.
        let collected = peers.collected(store);
        let mut batch = Vec::with_capacity(BATCH.min(all / 20 + 1));
        let mut buried = 0;
        let mut news = 0;
        while !bytes.is_empty() {
            let (record, len) = Received::read(bytes).map_err(|why| Ended::Record {
                why,
                at: all - bytes.len(),
                before: next,
            })?;
            let stamp = record.stamp();
            if stamp.ts > until {
                let seconds = (stamp.ts - until) / 1_000_000;
                return Err(Ended::Skew { what: "a record, beyond what is allowed,", seconds });
            }
            let limit = if collected == 0 { 0 } else { collected.min(self.had(peers, record)) };
            if batch.len() == BATCH || limit != buried {
                news += self.flush(store, &mut batch, buried)?;
                buried = limit;
            }
            batch.push(record);
            bytes = bytes.get(len..).unwrap_or_default();
        }
        Ok(news + self.flush(store, &mut batch, buried)?)
    }

    fn flush(&mut self, store: &Store, batch: &mut Vec<Received<'_>>, buried: u64) -> Result<usize, Ended> {
        if batch.is_empty() {
            return Ok(0);
        }
        let news = store.apply(batch, Arrival { via: self.via, buried }).map_err(Ended::Storage)?;
        self.count += batch.len() as u64;
        batch.clear();
        Ok(news)
    }

    /// Up to when all changes that were made where this one was had been here. Of servers other than this node and those
    /// it follows nothing is known.
    fn had(&self, peers: &Peers, record: Received<'_>) -> u64 {
        let stamp = record.stamp();
        match stamp.origin == self.own {
            _ if record.kind() == Kind::Vanish => 0,
            true if (self.lost.0 + 1..self.lost.1).contains(&stamp.ts) => 0,
            true => u64::MAX,
            false => peers.had(stamp.origin),
        }
    }

    /// Deletes by tombstones made here; says how many changed anything.
    pub fn bury(&self, store: &Store, tombstones: &[Vec<u8>]) -> Result<usize, Ended> {
        let mut count = 0;
        for bytes in tombstones {
            let before = Position::default();
            let (record, _) = Received::read(bytes).map_err(|why| Ended::Record { why, at: 0, before })?;
            count += store.apply(&[record], Arrival { via: self.own, buried: 0 }).map_err(Ended::Storage)?;
        }
        Ok(count)
    }
}
