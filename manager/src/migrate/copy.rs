//! The copy: all records of the source go to the target.

use std::time::Duration;

use tokio::time::Instant;

use super::progress::{Progress, say};
use super::state::Place;
use super::walk::Walk;
use super::{Ended, Migration};
use crate::context::Failure;

/// Between two notes of how far it is.
const SAVED: Duration = Duration::from_secs(1);

impl Migration {
    /// Copies all records, from where the state says.
    pub(super) async fn copy(&mut self) -> Result<Ended, Failure> {
        let before = self.source.server.rnum().await?;
        let (ended, is_by_iterator) = self.pass(before).await?;
        if ended == Ended::Stopped {
            return Ok(ended);
        }
        let there = before.min(self.source.server.rnum().await?);
        if is_by_iterator && self.state.records < there {
            say(&format!(
                "the iterator met {} of {there} records: another client may have moved it; copying once more",
                self.state.records
            ));
            (self.state.place, self.state.records) = (Place::Start, 0);
            if let (Ended::Stopped, _) = self.pass(there).await? {
                return Ok(Ended::Stopped);
            }
            if self.state.records < there {
                say(&format!(
                    "the iterator met {} of {there} records again: unless that many were removed meanwhile, see \
                     that no other client iterates over {}, and run it again from the beginning",
                    self.state.records, self.state.from
                ));
            }
        }
        (self.state.is_copied, self.state.place) = (true, Place::Start);
        self.save()?;
        Ok(ended)
    }

    async fn pass(&mut self, total: u64) -> Result<(Ended, bool), Failure> {
        let mut progress = Progress::of_copy(total);
        let mut walk = Walk::start(&self.source, &self.state.place).await?;
        let is_by_iterator = walk.is_by_iterator();
        let mut saved = Instant::now();
        let mut stop = self.stop.clone();
        loop {
            let records = tokio::select! {
                () = stop.wanted() => None,
                records = walk.next() => Some(records?),
            };
            let Some(records) = records else {
                self.save()?;
                return Ok((Ended::Stopped, is_by_iterator));
            };
            let Some(records) = records else { return Ok((Ended::CaughtUp, is_by_iterator)) };
            self.target.put(&records).await?;
            self.state.records += records.len() as u64;
            self.state.place = walk.place();
            progress.copied(self.state.records, total);
            if saved.elapsed() >= SAVED {
                self.save()?;
                saved = Instant::now();
            }
        }
    }
}
