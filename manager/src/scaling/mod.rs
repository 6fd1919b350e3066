//! More nodes, and fewer, while everybody goes on.
//!
//! `add` extends a ring: no key moves, none is lost, as lookup records say where keys are. `rebalance` brings lookup
//! records and keys to where the rings have them. `remove` takes a node off its ring and then moves all away from it.
//! What was interrupted is simply run again.

pub mod add;
mod progress;
pub mod rebalance;
pub mod remove;

use std::time::Duration;

use lightcloud::{Error, Moved, System};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep};

use crate::context::Failure;
use progress::Progress;

/// How keys are moved.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Keys that are moved together; whoever wants to change one of them waits for less than a second.
    pub(crate) batch: usize,
    /// Keys that are moved in a second, at most; 0 for as many as can be.
    pub(crate) limit: u32,
}

/// The wish of the operator to stop.
pub(crate) struct Interrupt {
    signals: [Signal; 2],
}

/// What was done, or that it was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended<T> {
    Done(T),
    Interrupted(T),
}

impl Interrupt {
    /// From now on Ctrl-C ends the work between two steps.
    pub(crate) fn new() -> Result<Self, Failure> {
        Ok(Self { signals: [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?] })
    }

    /// Waits, if that long, for the operator.
    async fn within(&mut self, time: Duration) -> bool {
        let [interrupt, terminate] = &mut self.signals;
        tokio::select! {
            biased;
            _ = interrupt.recv() => true,
            _ = terminate.recv() => true,
            () = sleep(time) => false,
        }
    }
}

/// Brings the records of some lookup nodes to where they belong; says how many.
pub(crate) async fn sweep(
    system: &System,
    nodes: &[String],
    keep: bool,
    interrupt: &mut Interrupt,
) -> Result<Ended<u64>, Failure> {
    let mut brought = 0;
    for node in nodes {
        let progress = Progress::new(&format!("lookup records of {node}"), None);
        let mut sweeper = system.sweeper(node, keep)?;
        while let Some(step) = sweeper.step().await? {
            brought += step.brought;
            progress.add(step.seen, &format!("{brought} brought to where they belong"));
            if interrupt.within(Duration::ZERO).await {
                return Ok(Ended::Interrupted(brought));
            }
        }
    }
    Ok(Ended::Done(brought))
}

/// Moves the keys of some storage nodes to where they belong.
pub(crate) async fn move_keys(
    system: &System,
    nodes: &[String],
    records: impl Fn(&str) -> Option<u64>,
    adopt: bool,
    pace: Pace,
    interrupt: &mut Interrupt,
) -> Result<Ended<Moved>, Failure> {
    let mut done = Moved::default();
    for node in nodes {
        let progress = Progress::new(&format!("keys of {node}"), records(node));
        let mut mover = system.mover(node, adopt)?;
        let (mut batch, mut waited) = (pace.batch, false);
        loop {
            let start = Instant::now();
            let step = match mover.step(batch).await {
                Err(Error::OtherMover(left)) if !waited => {
                    progress.say(&format!(
                        "keys are being moved by somebody else, or were by one that died: waiting {} s",
                        left.as_secs() + 1
                    ));
                    waited = true;
                    if interrupt.within(left + Duration::from_secs(1)).await {
                        return Ok(Ended::Interrupted(done));
                    }
                    continue;
                }
                Err(Error::TooSlow(_)) if batch > 1 => {
                    batch /= 2;
                    continue;
                }
                step => step?,
            };
            let Some(step) = step else { break };
            done += step;
            progress.add(step.seen, &format!("{} moved", done.moved));
            let pause = match pace.limit {
                0 => Duration::ZERO,
                limit => Duration::from_secs_f64(step.moved as f64 / f64::from(limit)),
            };
            let rest = (start + pause).saturating_duration_since(Instant::now());
            if interrupt.within(rest).await {
                mover.unlock().await?;
                return Ok(Ended::Interrupted(done));
            }
        }
        mover.unlock().await?;
    }
    Ok(Ended::Done(done))
}
