//! Requests that are not carried out among their batch: those that may take long, and those whose change met what
//! another has reserved, such as a script that holds a record's lock.
//!
//! The latter wait for their turn without a thread, so that any number of connections can, and are carried out anew then,
//! from the start. A list of which some has been stored already is stored again, which comes to the same.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lcnode_protocol::Arena;
use lcnode_protocol::dialect::{Decoder, Step};
use lcnode_storage::{Scope, Turn};
use tokio::sync::Semaphore;

use crate::dispatch::{Blocked, Node, Session};
use crate::server::execution;

/// How long a change waits for what another has reserved. Scripts are to end long before.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// Slow requests that are carried out at once for each event loop.
pub(super) const SLOW: usize = 16;

/// Why a request is carried out on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It may take long.
    Slow,
    /// It was carried out, and met what another has reserved, or found no virtual machine.
    Blocked(Blocked),
}

/// Carries out a request; gives the reply.
pub(super) async fn execute(
    node: &Arc<Node>,
    slow: &Semaphore,
    session: &mut Session,
    request: Vec<u8>,
    why: Why,
    patience: Duration,
) -> io::Result<Vec<u8>> {
    let request: Arc<[u8]> = request.into();
    let until = Instant::now() + patience;
    let mut turn: Option<(Scope, Turn<'_>)> = None;
    let mut blocked = match why {
        Why::Slow => None,
        Why::Blocked(blocked) => Some(blocked),
    };
    let mut is_first = why == Why::Slow;
    session.waited_for = None;
    loop {
        session.waited_for = blocked.or(session.waited_for);
        let left = until.saturating_duration_since(Instant::now());
        session.in_turn = false;
        if let Some(Blocked::Machines) = blocked {
            turn = None;
            let scripts = node.scripts();
            let free = async {
                if let Some(scripts) = &scripts {
                    scripts.until_free().await
                }
            };
            session.waits = tokio::time::timeout(left, free).await.is_ok();
        }
        if let Some(Blocked::Reserved(scope)) = blocked {
            if turn.as_ref().is_none_or(|(of, _)| *of != scope) {
                // The old place is given up before: two who kept one and wanted the other's would wait for each other.
                turn = None;
            }
            let (_, turn) = turn.get_or_insert_with(|| (scope, node.store.queue_for(scope)));
            let ready = tokio::time::timeout(left, poll_fn(|context| turn.poll(context))).await;
            // After that it is answered, and logged, as any other that is refused.
            session.waits = ready.is_ok();
            session.in_turn = true;
            if ready.is_err() {
                tracing::info!(
                    "a change has waited for {patience:?} for a key that others have locked, and is tried for the last time"
                );
            }
        }
        let output = match why {
            Why::Slow => {
                // So that threads are left for what must not wait, such as an event loop to be taken over.
                let _permit = slow.acquire().await;
                on_a_thread(node, session, &request, is_first).await?
            }
            Why::Blocked(_) => once(node, session, &request, is_first),
        };
        session.waits = true;
        session.in_turn = false;
        is_first = false;
        blocked = session.blocked.take();
        if blocked.is_none() {
            return Ok(output);
        }
    }
}

fn once(node: &Node, session: &mut Session, request: &[u8], is_first: bool) -> Vec<u8> {
    let mut output = Vec::new();
    let arena = Arena::new();
    if let Ok(Step::Request { request, form, .. }) = Decoder::new(node.limits).decode(request, &arena) {
        if let (true, Some(command)) = (is_first, form.counted(&request)) {
            node.counters.count(session.shard, form.dialect(), command);
        }
        execution::carry_out(node, session, (&request, &form), &mut output);
    }
    output
}

/// The same on a thread where it holds nobody up.
async fn on_a_thread(
    node: &Arc<Node>,
    session: &mut Session,
    request: &Arc<[u8]>,
    is_first: bool,
) -> io::Result<Vec<u8>> {
    let (node, request, mut theirs) = (Arc::clone(node), Arc::clone(request), *session);
    let slow = tokio::task::spawn_blocking(move || {
        let output = once(&node, &mut theirs, &request, is_first);
        (output, theirs)
    });
    let failed = |error| io::Error::other(format!("a command failed: {error}"));
    let (output, theirs) = slow.await.map_err(failed)?;
    *session = theirs;
    Ok(output)
}

#[cfg(test)]
mod tests;
