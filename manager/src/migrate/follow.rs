//! Following: the source's changes go to the target as they come.

use std::time::Duration;

use bytes::Bytes;
use lightcloud::tyrant::ReplStream;
use tokio::time::{Instant, sleep};

use super::changes::{Action, Changes};
use super::in_step::InStep;
use super::progress::Progress;
use super::source::OVERLAP;
use super::target::Target;
use super::{Ended, Migration};
use crate::clock;
use crate::context::Failure;

/// Entries and bytes of them that are carried out at once.
const ENTRIES: u64 = 10_000;
const BYTES: usize = 16 << 20;
/// Keys whose values are asked of the source, or are stored, at once.
const KEYS: usize = 256;
/// A source or target that is away is tried again for so long.
const PATIENCE: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_secs(1);

/// What came of one connection to the source.
enum Outcome {
    Ended(Ended),
    /// It broke off.
    Broken(Failure),
}

impl Migration {
    /// Follows the source until that is enough, over as many connections as it takes.
    pub(super) async fn follow(&mut self, until_caught_up: bool) -> Result<Ended, Failure> {
        let mut progress = Progress::of_following();
        let mut since_success = Instant::now();
        loop {
            let before = self.followed;
            let broken = match self.follow_once(until_caught_up, &mut progress).await? {
                Outcome::Ended(ended) => return Ok(ended),
                Outcome::Broken(failure) => failure,
            };
            if self.followed > before {
                since_success = Instant::now();
            }
            if since_success.elapsed() > PATIENCE {
                return Err(broken);
            }
            progress.say(&format!("{broken}; trying again"));
            let mut stop = self.stop.clone();
            tokio::select! {
                () = stop.wanted() => return Ok(Ended::Stopped),
                () = sleep(AGAIN) => {}
            }
        }
    }

    async fn follow_once(
        &mut self,
        until_caught_up: bool,
        progress: &mut Progress,
    ) -> Result<Outcome, Failure> {
        let resumed = self.state.position.max(self.state.began);
        let mut stream = match self.source.follow(resumed).await {
            Ok(stream) => stream,
            Err(error) if error.kind.is_of_transport() => return Ok(Outcome::Broken(error.into())),
            Err(error) => return Err(error.into()),
        };
        let mut in_step = match InStep::search(&self.source).await {
            Ok(in_step) => in_step,
            Err(failure) => return Ok(Outcome::Broken(failure)),
        };
        let mut saved = Instant::now();
        let mut stop = self.stop.clone();
        loop {
            let mut changes = Changes::default();
            let read = tokio::select! {
                () = stop.wanted() => {
                    self.save()?;
                    return Ok(Outcome::Ended(Ended::Stopped));
                }
                read = gather(&mut stream, &mut changes) => read,
            };
            // What came before it broke off is good.
            if let Err(broken) = self.carry_out(&changes, resumed).await? {
                return Ok(Outcome::Broken(broken));
            }
            self.note(&changes, progress);
            if changes.earliest < resumed.saturating_sub(OVERLAP) && !self.has_gap {
                self.has_gap = true;
                progress.say(&format!(
                    "the log of {} does not go back to where the copy began, or to where this was interrupted: all \
                     its records come again, but what was removed there since may have stayed on {}",
                    self.state.from, self.state.to
                ));
            }
            if let Err(error) = read {
                self.save()?;
                return Ok(Outcome::Broken(error));
            }
            if changes.entries == 0 {
                in_step.was_quiet();
            } else {
                in_step.saw(&changes);
            }
            if saved.elapsed() >= AGAIN {
                self.save()?;
                saved = Instant::now();
            }
            progress.following(|| self.lag(&in_step));
            if until_caught_up && in_step.is_reached() {
                self.save()?;
                return Ok(Outcome::Ended(Ended::CaughtUp));
            }
            if until_caught_up && in_step.is_stale() {
                in_step = match InStep::search(&self.source).await {
                    Ok(in_step) => in_step,
                    Err(failure) => return Ok(Outcome::Broken(failure)),
                };
            }
        }
    }

    /// Carries changes out; inside is what another attempt may do better.
    async fn carry_out(&self, changes: &Changes, resumed: u64) -> Result<Result<(), Failure>, Failure> {
        // One of before the copy, or that was carried out already, has nothing left to do.
        if changes.vanish.is_some_and(|ts| ts > resumed) {
            match (self.target.vanish().await, &self.target) {
                (Ok(()), _) => {}
                (Err(failure), Target::Server(_)) => return Ok(Err(failure)),
                (Err(failure), Target::Cluster(_)) => return Err(failure),
            }
        }
        let all: Vec<_> = changes.actions.iter().collect();
        for some in all.chunks(KEYS) {
            if let Err(failure) = self.carry_out_some(some).await {
                return Ok(Err(failure));
            }
        }
        Ok(Ok(()))
    }

    async fn carry_out_some(&self, actions: &[(&Bytes, &Action)]) -> Result<(), Failure> {
        let (mut puts, mut deletes, mut refreshes) = (Vec::new(), Vec::new(), Vec::new());
        for (key, action) in actions {
            let key = Bytes::clone(key);
            match action {
                Action::Put(value) => puts.push((key, value.clone())),
                Action::Delete => deletes.push(key),
                Action::Refresh => refreshes.push(key),
            }
        }
        let values = if refreshes.is_empty() { Vec::new() } else { self.source.values(&refreshes).await? };
        for (key, value) in refreshes.into_iter().zip(values) {
            match value {
                Some(value) => puts.push((key, value)),
                None => deletes.push(key),
            }
        }
        if !puts.is_empty() {
            self.target.put(&puts).await?;
        }
        if !deletes.is_empty() {
            self.target.delete(&deletes).await?;
        }
        Ok(())
    }

    /// Remembers what was carried out.
    fn note(&mut self, changes: &Changes, progress: &Progress) {
        // What was asked for is the sign that `in_step` looks for.
        self.followed += changes.entries.saturating_sub(changes.asked_for.len() as u64);
        self.state.position = self.state.position.max(changes.latest);
        for name in &changes.unknown {
            if self.unknown.insert(name.clone()) {
                progress.say(&format!(
                    "the source was called with misc {name}, of which nobody here knows what it changes: compare \
                     the records that it is for"
                ));
            }
        }
    }

    /// How far behind it is.
    fn lag(&self, in_step: &InStep) -> String {
        let followed = self.followed;
        if in_step.is_quiet() {
            return format!("following: {followed} changes, in step; Ctrl-C ends it");
        }
        if followed == 0 {
            return "following; Ctrl-C ends it".to_owned();
        }
        let now = clock::now().saturating_add_signed(self.clock_offset);
        let lag = Duration::from_micros(now.saturating_sub(self.state.position));
        format!("following: {followed} changes, {:.1} s behind; Ctrl-C ends it", lag.as_secs_f64())
    }
}

/// Takes what has come, or else waits for something: an entry, or a sign of life.
async fn gather(stream: &mut ReplStream, changes: &mut Changes) -> Result<(), Failure> {
    loop {
        if let Some(entry) = stream.next().await?
            && let Err(bad) = changes.add(&entry)
        {
            // It would be lost where it is passed over.
            let address = stream.address();
            return Err(format!(
                "{address}: the entry of {} in its update log makes no sense: {bad}",
                entry.ts
            )
            .into());
        }
        if !stream.has_more() || changes.entries >= ENTRIES || changes.bytes >= BYTES {
            return Ok(());
        }
    }
}
