//! Replication over connections: a thread with an event loop of its own for each master that is followed and for each
//! follower, so that work in the store holds up nobody else.

mod follower;
mod master;
mod original;
mod session;
mod socket;

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use lcnode_protocol::Limits;
use lcnode_protocol::peer::{FollowerHello, LeaderHello};
use lcnode_storage::{Result, Store};
use parking_lot::Mutex;
use tokio::sync::watch;

pub use self::master::Master;
pub use self::socket::Socket;
use super::ended::Ended;
use super::peers::{self, Bounds, Peers};
use super::status::{Role, Shown, Status};

/// Followers at a time.
const MAX_FOLLOWERS: usize = 64;
/// Between looks at how much log is kept.
const KEEPER: Duration = Duration::from_secs(1);

/// What replication is told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The masters to follow.
    pub masters: Vec<Master>,
    /// The master that may be replaced at run time.
    pub named: Option<Master>,
    /// The largest keys and values.
    pub limits: Limits,
    /// How far a master's clock may be ahead.
    pub max_skew: Duration,
    /// How much log is kept for followers.
    pub bounds: Bounds,
}

/// What the links share.
#[derive(Debug)]
struct Shared {
    store: Arc<Store>,
    peers: Peers,
    settings: Settings,
    /// Whether what this node made itself may be missing: it is asked for again.
    mine: bool,
    stopping: AtomicBool,
    /// Followers that were given up so far.
    given_up: AtomicU64,
}

/// A link's thread.
#[derive(Debug)]
struct Link {
    shown: Shown,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

/// All that replicates to and from a node.
#[derive(Debug)]
pub struct Replication {
    shared: Arc<Shared>,
    masters: Mutex<Vec<Link>>,
    named: Mutex<Option<Link>>,
    followers: Mutex<Vec<Link>>,
    keeper: Mutex<Option<(watch::Sender<bool>, JoinHandle<()>)>>,
}

impl Replication {
    /// Begins to follow the masters. Followers are handed over with [`Replication::lead`].
    ///
    /// Errors: what writing to the log gives; threads that cannot be started.
    pub fn start(store: Arc<Store>, settings: Settings) -> Result<Self> {
        let opened = store.opened();
        let mine = !opened.clean || peers::is_copy(&store);
        let epoch = fastrand::u64(1..);
        let count = settings.masters.len() + usize::from(settings.named.is_some());
        let peers = Peers::open(&store, settings.bounds, epoch, count)?;
        let stopping = AtomicBool::new(false);
        let given_up = AtomicU64::new(0);
        let shared = Arc::new(Shared { store, peers, settings, mine, stopping, given_up });
        let masters = shared.settings.masters.iter().filter_map(|master| shared.follow(master.clone()));
        let replication = Self {
            masters: Mutex::new(masters.collect()),
            named: Mutex::new(shared.settings.named.clone().and_then(|master| shared.follow(master))),
            followers: Mutex::new(Vec::new()),
            keeper: Mutex::new(keeper(&shared)),
            shared,
        };
        Ok(replication)
    }

    /// Follows another master than the one named so far, or none.
    pub fn set_named(&self, master: Option<Master>) {
        let mut named = self.named.lock();
        if let Some(link) = named.take() {
            link.end();
        }
        let count = self.shared.settings.masters.len() + usize::from(master.is_some());
        self.shared.peers.set_masters(&self.shared.store, count);
        if !self.shared.stopping.load(Ordering::Relaxed) {
            *named = master.and_then(|master| self.shared.follow(master));
        }
    }

    /// Leads an lcnode whose hello was read, on a thread of its own. `peer` is its address.
    pub fn lead(&self, socket: Socket, hello: FollowerHello, peer: String) {
        self.spawn_follower(socket, peer, Role::Follower, move |shared, link, socket, stop| {
            follower::run(&shared, socket, &hello, &link, stop);
        });
    }

    /// Leads an original server, or a reader of its dialect, whose request was read.
    pub fn lead_original(&self, socket: Socket, ts: u64, sid: u32, peer: String) {
        self.spawn_follower(socket, peer, Role::OriginalFollower, move |shared, link, socket, stop| {
            original::lead(&shared, socket, ts, sid, &link, stop);
        });
    }

    fn spawn_follower(
        &self,
        mut socket: Socket,
        peer: String,
        role: Role,
        run: impl FnOnce(Arc<Shared>, Shown, Socket, watch::Receiver<bool>) + Send + 'static,
    ) {
        let mut followers = self.followers.lock();
        followers.retain(|link| !link.thread.is_finished());
        if followers.len() >= MAX_FOLLOWERS || self.shared.stopping.load(Ordering::Relaxed) {
            let why = Ended::TooMany(followers.len());
            tracing::error!("do_repl: {peer}: {why}");
            if role == Role::Follower {
                let mut answer = Vec::new();
                let (sid, now) = (self.shared.store.origin(), self.shared.store.now());
                LeaderHello::refusal(sid, now, &why.to_string()).encode(&mut answer);
                socket.send_last(&answer);
            }
            return;
        }
        let shown = Arc::new(Mutex::new(Status::new(peer, role)));
        let shared = Arc::clone(&self.shared);
        followers.extend(link("feed", shown, move |shown, stop| run(shared, shown, socket, stop)));
    }

    /// How all peers are, masters first.
    #[must_use]
    pub fn statuses(&self) -> Vec<Status> {
        let mut all: Vec<Status> = Vec::new();
        for links in [&self.masters, &self.followers] {
            let links = links.lock();
            all.extend(
                links.iter().filter(|link| !link.thread.is_finished()).map(|link| link.shown.lock().clone()),
            );
        }
        all.extend(self.named.lock().as_ref().map(|link| link.shown.lock().clone()));
        all.sort_by_key(|status| !matches!(status.role, Role::Master | Role::OriginalMaster));
        all
    }

    /// How often a follower was given up since the start, because keeping log for it cost too much.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.shared.given_up.load(Ordering::Relaxed)
    }

    /// Adds the lines of all peers to the text of `stat`.
    pub fn stat(&self, text: &mut String) {
        let all = self.statuses();
        let follows = |status: &&Status| status.role == Role::Master;
        if let Some((status, sync)) =
            all.iter().find(follows).and_then(|status| Some((status, status.full_sync?)))
        {
            // Writing to a string cannot fail.
            _ = writeln!(
                text,
                "repl_full_sync\t{:.1} percent, {} records from {}",
                sync.percent, sync.records, status.host
            );
        }
        for (number, status) in (1..).zip(&all) {
            status.write(number, text);
        }
    }

    /// What is known of the master that can be replaced.
    #[must_use]
    pub fn named(&self) -> Option<Status> {
        self.named.lock().as_ref().map(|link| link.shown.lock().clone())
    }

    /// Who follows, and what is kept for them.
    #[must_use]
    pub fn peers(&self) -> &Peers {
        &self.shared.peers
    }

    /// Ends all links, and waits for that. What was applied is remembered.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        // A link may be waiting for a script that holds a lock.
        self.shared.store.end_waiting();
        let mut links: Vec<Link> = self.masters.lock().drain(..).collect();
        links.extend(self.named.lock().take());
        links.extend(self.followers.lock().drain(..));
        for link in &links {
            // One that has ended already needs no telling.
            let _ = link.stop.send(true);
        }
        links.into_iter().for_each(Link::end);
        if let Some((stop, thread)) = self.keeper.lock().take() {
            let _ = stop.send(true);
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Link {
    fn end(self) {
        let _ = self.stop.send(true);
        // A thread that panicked has said so.
        let _ = self.thread.join();
    }
}

impl Shared {
    fn follow(self: &Arc<Self>, master: Master) -> Option<Link> {
        if let Err(error) = self.store.set_counting() {
            tracing::error!("{master} is not followed: {error}");
            return None;
        }
        let shown = Arc::new(Mutex::new(Status::new(master.to_string(), Role::Master)));
        let shared = Arc::clone(self);
        link("pull", shown, move |shown, stop| master::run(&shared, &master, &shown, stop))
    }
}

/// Starts a thread for a link.
fn link(
    name: &str,
    shown: Shown,
    run: impl FnOnce(Shown, watch::Receiver<bool>) + Send + 'static,
) -> Option<Link> {
    let (stop, stopped) = watch::channel(false);
    let theirs = Arc::clone(&shown);
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(theirs, stopped));
    match thread {
        Ok(thread) => Some(Link { shown, stop, thread }),
        Err(error) => {
            tracing::error!("cannot start a thread for replication: {error}");
            None
        }
    }
}

/// Runs an event loop on this thread until `work` is done. Names that are still being resolved then are left alone.
fn block_on(work: impl Future<Output = ()>) {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            runtime.block_on(work);
            runtime.shutdown_background();
        }
        Err(error) => tracing::error!("cannot start an event loop for replication: {error}"),
    }
}

/// The thread that lets go of log that is kept for too long.
fn keeper(shared: &Arc<Shared>) -> Option<(watch::Sender<bool>, JoinHandle<()>)> {
    let (stop, mut stopped) = watch::channel(false);
    let shared = Arc::clone(shared);
    let run = move || {
        block_on(async {
            while tokio::time::timeout(KEEPER, stopped.wait_for(|stop| *stop)).await.is_err() {
                match shared.peers.enforce(&shared.store) {
                    Ok(given_up) => given_up.iter().for_each(|(sid, why)| {
                        shared.given_up.fetch_add(1, Ordering::Relaxed);
                        tracing::warn!("server {sid}: {why}: when it comes again it is sent everything");
                    }),
                    Err(error) => tracing::debug!("followers cannot be given up: {error}"),
                }
            }
        });
    };
    let thread = std::thread::Builder::new().name("peers".to_owned()).spawn(run);
    thread
        .map_err(|error| tracing::error!("cannot start a thread for replication: {error}"))
        .ok()
        .map(|thread| (stop, thread))
}
