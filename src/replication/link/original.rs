//! Where links meet the dialect of original servers.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;

use super::master::Master;
use super::session::SILENCE;
use super::socket::Socket;
use super::{Shared, block_on};
use crate::replication::ended::Ended;
use crate::replication::original::feed::Feed;
use crate::replication::original::link::{self, Kind};
use crate::replication::original::pull::{End, Pull, Settings};
use crate::replication::status::{Role, Shown, State};

/// Asks the server at the other end of a connection what it is; an error where it does not answer in time.
pub(super) async fn ask_kind(stream: &mut TcpStream) -> Result<Kind, Ended> {
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, "it does not say what it is");
    Ok(timeout(SILENCE, link::ask_kind(stream)).await.map_err(|_| late())??)
}

/// Follows an original server; says why that ended, nothing where this node stops.
pub(super) async fn follow(
    shared: &Arc<Shared>,
    master: &Master,
    stream: TcpStream,
    shown: &Shown,
    stop: &watch::Receiver<bool>,
) -> Option<String> {
    let settings = Settings {
        name: master.to_string(),
        slot: master.slot.clone(),
        begin: master.begin,
        check: master.check,
        limits: shared.settings.limits,
        max_skew: shared.settings.max_skew,
    };
    let mut pull = Pull::new(Arc::clone(&shared.store), settings);
    shown.lock().role = Role::OriginalMaster;
    let told = |pull: &Pull| {
        let figures = pull.figures();
        let mut status = shown.lock();
        if status.state != State::Live && figures.sid != 0 {
            status.error.clear();
            status.state = State::Live;
        }
        status.sid = figures.sid;
    };
    let mut stopped = stop.clone();
    let end = tokio::select! {
        _ = stopped.wait_for(|stop| *stop) => return None,
        end = link::follow(stream, &mut pull, told) => end,
    };
    drop(pull);
    match end {
        End::Failed(why) => Some(why),
        End::Stopped(why) => {
            {
                let mut status = shown.lock();
                status.state = State::Stopped;
                why.clone_into(&mut status.error);
            }
            // Until it is replaced, or the node ends.
            let _ = stopped.wait_for(|stop| *stop).await;
            None
        }
    }
}

/// Leads an original server, or a reader of its dialect, until the connection ends.
pub(super) fn lead(
    shared: &Arc<Shared>,
    socket: Socket,
    ts: u64,
    sid: u32,
    shown: &Shown,
    mut stop: watch::Receiver<bool>,
) {
    let host = shown.lock().host.clone();
    let mut feed = match Feed::start(Arc::clone(&shared.store), ts, sid) {
        Ok(Ok(feed)) => feed,
        Ok(Err(refusal)) => return tracing::info!("do_repl: {host}: rejected: {refusal:?}"),
        Err(error) => return tracing::error!("do_repl: {host}: {error}"),
    };
    // Tools have larger ids, and are not waited for.
    let server = u16::try_from(sid).ok();
    let connection = server.and_then(|sid| {
        let attached = shared.peers.attach(&shared.store, sid, 0, feed.position());
        attached.map_err(|error| tracing::error!("do_repl: {host}: {error}")).ok()
    });
    {
        let mut status = shown.lock();
        (status.sid, status.state) = (server.unwrap_or(0), State::Live);
    }
    let passed = |position| {
        if let Some(sid) = server {
            shared.peers.seen(&shared.store, sid, position);
        }
    };
    block_on(async {
        let stream = match socket.into_stream() {
            Ok(stream) => stream,
            Err(error) => return tracing::error!("do_repl: {host}: {error}"),
        };
        let why = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => "this node is being stopped".to_owned(),
            why = link::lead(stream, &mut feed, &shared.store, passed) => why,
        };
        tracing::info!("replication to sid={sid} ({host}) finished: {why}");
    });
    if let Some((sid, connection)) = server.zip(connection)
        && let Err(error) = shared.peers.detach(&shared.store, sid, connection)
    {
        tracing::warn!("server {sid}: its place cannot be remembered: {error}");
    }
}
