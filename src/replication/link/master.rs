//! Following one master: connect, follow until it ends, wait, again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::session::{Event, SILENCE, Session};
use super::socket::Stream;
use super::{Shared, block_on, original};
use crate::replication::ended::Ended;
use crate::replication::memos;
use crate::replication::original::link::Kind;
use crate::replication::original::position::Slot;
use crate::replication::pull::{self, Pull};
use crate::replication::status::{Agrees, Role, Shown, State};

/// A connection must be there within this.
const CONNECT: Duration = Duration::from_secs(2);
/// Waits between attempts.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// A connection that lasted so long was a good one: the next wait is short again.
const GOOD: Duration = Duration::from_secs(5);
/// Looks at what is due.
const TICK: Duration = Duration::from_millis(50);
/// Between lines of the log on a full sync.
const TELL: Duration = Duration::from_secs(5);
/// The same reason is logged so often.
const REPEAT: Duration = Duration::from_secs(60);
/// A master that was not met yet and does not answer the hello for so long is asked what it is: an original server
/// takes the hello for the beginning of something longer.
const DOUBT: Duration = Duration::from_secs(1);

/// A master to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Master {
    /// Name or address, resolved at each attempt; an IPv6 one without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What the position is remembered under, should it be an original server.
    pub slot: Slot,
    /// The time stamp where to begin with an original server, in microseconds, where there is no position.
    pub begin: u64,
    /// Whether an entry of an original server with another outcome here ends the following of it.
    pub check: bool,
}

impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What is known of the attempts so far.
struct Attempts {
    kept: pull::Master,
    /// What the master is; unclear where it did not answer the hello. None at first.
    kind: Option<Kind>,
    wait: Duration,
    told: Option<(String, Instant)>,
}

/// Follows a master until it is told to stop.
pub(super) fn run(shared: &Arc<Shared>, master: &Master, shown: &Shown, stop: watch::Receiver<bool>) {
    let settings = &shared.settings;
    let kept = pull::Master {
        sid: known_sid(shared, master),
        mine: shared.mine,
        max_skew: u64::try_from(settings.max_skew.as_micros()).unwrap_or(u64::MAX),
        limits: settings.limits,
    };
    let mut attempts = Attempts { kept, kind: None, wait: FIRST_WAIT, told: None };
    block_on(async {
        loop {
            let begun = Instant::now();
            let ended = attempt(shared, master, shown, &stop, &mut attempts).await;
            if *stop.borrow() {
                return;
            }
            match ended {
                Ended::Again => {}
                ended => attempts.tell(master, shown, &ended.to_string()),
            }
            if begun.elapsed() > GOOD {
                attempts.wait = FIRST_WAIT;
            }
            // Nodes that lost the same peer don't all come at once.
            let wait = attempts.wait.mul_f64(0.75 + fastrand::f64() / 2.0);
            attempts.wait = (attempts.wait * 2).min(LONGEST_WAIT);
            let mut stop = stop.clone();
            if timeout(wait, stop.wait_for(|stop| *stop)).await.is_ok() {
                return;
            }
        }
    });
}

impl Attempts {
    /// Notes why a connection ended; the log says the same again only now and then.
    fn tell(&mut self, master: &Master, shown: &Shown, why: &str) {
        {
            let mut status = shown.lock();
            (status.state, status.agrees, status.full_sync) = (State::Waiting, Agrees::Unknown, None);
            why.clone_into(&mut status.error);
        }
        let is_old = |(text, at): &(String, Instant)| text != why || at.elapsed() > REPEAT;
        if self.told.as_ref().is_none_or(is_old) {
            tracing::error!("do_slave: {master}: {why}");
            self.told = Some((why.to_owned(), Instant::now()));
        }
    }
}

/// The id of the server that was there the last time, which is to be told how far its log came.
fn known_sid(shared: &Shared, master: &Master) -> Option<u16> {
    let value = shared.store.memo(&memos::address_key(&master.to_string())?)?;
    Some(u16::from_be_bytes(value.try_into().ok()?))
}

/// Remembers it. Where that fails it is asked for again.
fn remember_sid(shared: &Shared, master: &Master, sid: u16) {
    if known_sid(shared, master) != Some(sid)
        && let Some(key) = memos::address_key(&master.to_string())
        && let Err(error) = shared.store.set_memo(&key, &sid.to_be_bytes())
    {
        tracing::debug!("do_slave: {master}: {error}");
    }
}

/// A connection to the first of the master's addresses that takes one.
async fn connect(master: &Master) -> Result<TcpStream, Ended> {
    let addresses = timeout(CONNECT, tokio::net::lookup_host((master.host.as_str(), master.port)));
    let late = || std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer within 2 s");
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in addresses.await.map_err(|_| late())?? {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = late(),
        }
    }
    Err(Ended::Io(last))
}

/// The same, unless replication stops meanwhile.
async fn connect_or_stop(master: &Master, stop: &watch::Receiver<bool>) -> Result<TcpStream, Ended> {
    let mut stop = stop.clone();
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => Err(Ended::Stopping),
        stream = connect(master) => stream,
    }
}

async fn attempt(
    shared: &Arc<Shared>,
    master: &Master,
    shown: &Shown,
    stop: &watch::Receiver<bool>,
    attempts: &mut Attempts,
) -> Ended {
    let mut stream = match connect_or_stop(master, stop).await {
        Ok(stream) => stream,
        Err(ended) => return ended,
    };
    shown.lock().state = State::Connecting;
    if matches!(attempts.kind, Some(Kind::Original | Kind::Unclear)) {
        let mut stop = stop.clone();
        let kind = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ended::Stopping,
            kind = original::ask_kind(&mut stream) => kind,
        };
        match kind {
            Err(ended) => return ended,
            Ok(Kind::Lcnode) => attempts.kind = Some(Kind::Lcnode),
            Ok(kind) => {
                attempts.kind = Some(kind);
                let why = original::follow(shared, master, stream, shown, &stop).await;
                return why.map_or(Ended::Stopping, Ended::Original);
            }
        }
    }
    let (mut pull, hello) = Pull::start(&shared.store, attempts.kept);
    let session = Session::new(Stream::Tcp(stream), hello, stop.clone());
    let patience = if attempts.kind == Some(Kind::Lcnode) { SILENCE } else { DOUBT };
    let Err(ended) = follow(shared, &mut pull, session, master, shown, patience).await;
    let before = attempts.kept.sid;
    attempts.kept = pull.master();
    if let Err(error) = pull.close(&shared.store) {
        tracing::warn!("do_slave: {master}: the place in its log cannot be remembered: {error}");
    }
    match ended {
        // What it is, is asked on a connection of its own: at once where it is not known.
        ended @ (Ended::NoAnswer | Ended::Closed | Ended::Silent(_)) if pull.is_unanswered() => {
            match attempts.kind.replace(Kind::Unclear) {
                None => Ended::Again,
                Some(_) => ended,
            }
        }
        // Once is enough.
        Ended::Again if before == attempts.kept.sid => Ended::Closed,
        ended => ended,
    }
}

async fn follow(
    shared: &Arc<Shared>,
    pull: &mut Pull,
    mut session: Session,
    master: &Master,
    shown: &Shown,
    patience: Duration,
) -> Result<std::convert::Infallible, Ended> {
    let (store, peers) = (&shared.store, &shared.peers);
    let mut needed = 1;
    let mut tick = Instant::now() + TICK;
    let mut tell = Instant::now();
    let mut was_open = false;
    let found_before = shown.lock().found;
    let late = Instant::now() + patience;
    loop {
        let event = session.next(sleep_until(tick)).await?;
        if pull.is_unanswered() && Instant::now() >= late {
            return Err(Ended::NoAnswer);
        }
        session.touch();
        match event {
            Event::Read if session.input.len() >= needed => {
                let (used, more) = pull.take(store, peers, &session.input, &mut session.output)?;
                session.used(used);
                needed = more;
            }
            Event::Done(outcome) => pull.done(store, outcome, &mut session.output)?,
            Event::Read | Event::Written | Event::Other => {}
        }
        let now = Instant::now();
        if now < tick && was_open {
            continue;
        }
        tick = now + TICK;
        pull.tick(store, peers, &mut session.output)?;
        if !session.has_job()
            && let Some(job) = pull.job(store, peers)
        {
            session.begin(store, job);
        }
        let view = pull.view(store);
        if !was_open && !pull.is_unanswered() {
            was_open = true;
            let what = if pull.is_refill() { "everything" } else { "what changed" };
            tracing::info!("replicating from sid={} ({master}): {what}", view.sid);
            shown.lock().error.clear();
            remember_sid(shared, master, view.sid);
        }
        if let Some(sync) = view.full_sync.filter(|_| now >= tell + TELL) {
            tell = now;
            tracing::info!("full sync from {master}: {:.0} percent, {} records", sync.percent, sync.records);
        }
        let mut status = shown.lock();
        status.role = Role::Master;
        (status.sid, status.state, status.agrees) = (view.sid, view.state, view.agrees);
        (status.lag_bytes, status.lag_entries) = (view.lag_bytes, view.lag_entries);
        (status.lag_seconds, status.full_sync) = (view.lag_seconds, view.full_sync);
        status.found.differences = found_before.differences + view.found.differences;
        status.found.healed = found_before.healed + view.found.healed;
    }
}
