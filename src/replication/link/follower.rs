//! Leading one follower over its connection.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use lcnode_protocol::peer::{FollowerFrame, FollowerHello, Step};
use tokio::sync::watch;
use tokio::time::Instant;

use super::session::{Event, Session};
use super::socket::Socket;
use super::{Shared, block_on};
use crate::replication::ended::Ended;
use crate::replication::feed::Feed;
use crate::replication::status::{Shown, State};

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);
/// The same while the follower is behind.
const BUSY_BEAT: Duration = Duration::from_millis(100);
/// After a frame that was worth it the log is left alone for so long: many small changes go over together, and
/// those who make them need not wake this thread each time.
const PACE: Duration = Duration::from_millis(4);
/// Bytes of a frame that is worth it.
const WORTH: usize = 2048;
/// The same after a smaller frame: changes that are made one after the other, each acknowledged before the next, cost
/// half as much than if each woke both nodes.
const SHORT_PACE: Duration = Duration::from_millis(1);
/// Bytes that are made ready to be sent while none are taken.
const AHEAD: usize = 512 << 10;

/// Leads a follower until the connection ends.
pub(super) fn run(
    shared: &Arc<Shared>,
    mut socket: Socket,
    hello: &FollowerHello,
    shown: &Shown,
    stop: watch::Receiver<bool>,
) {
    let host = shown.lock().host.clone();
    shown.lock().sid = hello.sid;
    let (mut feed, answer) = match Feed::start(&shared.store, &shared.peers, hello) {
        Ok(started) => started,
        Err(refusal) => {
            tracing::error!("do_repl: server {} at {host} is refused: {}", hello.sid, refusal.why);
            return socket.send_last(&refusal.hello);
        }
    };
    let (sid, what) = (feed.sid(), if feed.is_full() { "everything" } else { "what changed" });
    tracing::info!("replicating to sid={sid} ({host}): {what}");
    block_on(async {
        let ended = match socket.into_stream() {
            Ok(stream) => lead(shared, &mut feed, Session::new(stream, answer, stop), shown).await,
            Err(error) => Ended::Io(error),
        };
        if let Err(error) = feed.close(&shared.store, &shared.peers) {
            tracing::warn!("server {sid}: its place cannot be remembered: {error}");
        }
        match ended {
            Ended::Stopping | Ended::Closed | Ended::Replaced => {
                tracing::info!("replication to sid={sid} ({host}) finished: {ended}");
            }
            ended => tracing::error!("replication to sid={sid} ({host}) ended: {ended}"),
        }
    });
}

async fn lead(shared: &Arc<Shared>, feed: &mut Feed, mut session: Session, shown: &Shown) -> Ended {
    match work(shared, feed, &mut session, shown).await {
        Ok(()) => Ended::Closed,
        Err(ended) => ended,
    }
}

async fn work(
    shared: &Arc<Shared>,
    feed: &mut Feed,
    session: &mut Session,
    shown: &Shown,
) -> Result<(), Ended> {
    let (store, peers) = (&shared.store, &shared.peers);
    let (mut beat, mut last_beat) = (Instant::now(), Instant::now());
    let mut again = Instant::now();
    let mut more = true;
    loop {
        let now = Instant::now();
        if now >= beat {
            if !feed.is_current(peers) {
                return Err(Ended::Replaced);
            }
            session.touch();
            feed.beat(store, &mut session.output);
            beat = now + if more { BUSY_BEAT } else { BEAT };
            let lag = shown.lock().lag_seconds + (now - last_beat).as_secs_f64();
            last_beat = now;
            show(shared, feed, shown);
            let mut status = shown.lock();
            status.lag_seconds = if status.lag_bytes < AHEAD as u64 { 0.0 } else { lag };
        }
        if session.output.len() < AHEAD && (more || now >= again) {
            let before = session.output.len();
            session.touch();
            let was_full = feed.is_full();
            more = feed.fill(store, &mut session.output)?;
            if was_full && !feed.is_full() {
                show(shared, feed, shown);
            }
            again = match session.output.len() - before {
                0 => again,
                WORTH.. => now + PACE,
                _ => now + SHORT_PACE,
            };
        }
        if !session.has_job()
            && let Some(job) = feed.job()
        {
            session.begin(store, job);
        }
        let (at, is_idle, waits_for_room) = (feed.at(), session.is_idle(), session.output.len() >= AHEAD);
        let event = session
            .next(async {
                if more && !waits_for_room {
                    // What can be sent at once is, and what came is looked at; then it goes on.
                    return tokio::task::yield_now().await;
                }
                let appended = async {
                    tokio::time::sleep_until(again).await;
                    poll_fn(|context| store.poll_appended(at, context)).await;
                };
                tokio::select! {
                    () = tokio::time::sleep_until(beat) => {}
                    () = appended, if is_idle => {}
                }
            })
            .await?;
        match event {
            Event::Read => take(shared, feed, session)?,
            Event::Done(outcome) => {
                session.touch();
                feed.done(store, peers, outcome, &mut session.output);
            }
            Event::Written | Event::Other => {}
        }
    }
}

/// Takes the frames that came.
fn take(shared: &Shared, feed: &mut Feed, session: &mut Session) -> Result<(), Ended> {
    let mut used = 0;
    while let Step::Whole { item, used: len } =
        FollowerFrame::decode(&session.input[used..], shared.settings.limits)?
    {
        feed.take(&shared.store, &shared.peers, &item)?;
        used += len;
    }
    session.used(used);
    Ok(())
}

fn show(shared: &Shared, feed: &Feed, shown: &Shown) {
    let lag = feed.lag(&shared.store);
    let mut status = shown.lock();
    let was_in_step = lag.bytes < AHEAD as u64;
    status.state = match (feed.is_full(), was_in_step) {
        (true, _) => State::FullSync,
        (false, true) => State::Live,
        (false, false) => State::CatchingUp,
    };
    (status.lag_bytes, status.lag_entries) = (lag.bytes, lag.records);
}
