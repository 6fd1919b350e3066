//! `flush_all` with a delay.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use lcnode_storage::{Error, Scope};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::dispatch::Node;

/// The longest that the timer is told to wait at once: it has a limit.
const NAP: Duration = Duration::from_secs(24 * 60 * 60);

/// When all records are to go, if any time is set. It ends with the process.
#[derive(Debug)]
pub struct DelayedFlush {
    at: watch::Sender<Option<Instant>>,
}

impl DelayedFlush {
    /// None.
    pub fn new() -> Self {
        Self { at: watch::Sender::new(None) }
    }

    /// In so long, and no longer at the time that was set before.
    pub(super) fn set(&self, wait: Duration) {
        self.at.send_replace(Instant::now().checked_add(wait));
    }

    /// Not any more.
    pub(super) fn cancel(&self) {
        self.at.send_replace(None);
    }

    /// Removes all records of the node whenever the time has come. Dropping it ends it, but for a removal that is under way.
    pub async fn carry_out(node: Arc<Node>) -> Infallible {
        let mut times = node.delayed_flush.at.subscribe();
        loop {
            let at = *times.borrow_and_update();
            let is_due = async {
                match at {
                    Some(at) => sleep_until(at.min(Instant::now() + NAP)).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                // The node that keeps the other end is kept here.
                _ = times.changed() => {}
                () = is_due => {
                    let is_time = at.is_some_and(|at| at <= Instant::now());
                    if is_time && node.delayed_flush.take(at) {
                        vanish(&node).await;
                    }
                }
            }
        }
    }

    /// Takes this time away; false where another was set meanwhile.
    fn take(&self, at: Option<Instant>) -> bool {
        self.at.send_if_modified(|set| *set == at && set.take().is_some())
    }
}

/// Removes all records, once nobody has any of them reserved.
async fn vanish(node: &Arc<Node>) {
    tracing::info!("doing the flush_all that was delayed");
    loop {
        let theirs = Arc::clone(node);
        let vanished = tokio::task::spawn_blocking(move || {
            *theirs.iterator.lock() = None;
            theirs.store.vanish()
        });
        match vanished.await {
            Ok(Ok(())) => return,
            Ok(Err(Error::Reserved)) => {
                let turn = node.store.queue_for(Scope::ALL);
                poll_fn(|context| turn.poll(context)).await;
            }
            Ok(Err(error)) => return tracing::error!("flush_all, delayed: operation failed: {error}"),
            Err(error) => return tracing::error!("flush_all, delayed: {error}"),
        }
    }
}
