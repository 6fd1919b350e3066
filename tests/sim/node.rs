//! A master: a disk that outlives it, a clock of its own, and what is only there while it is up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use lcnode::replication::peers::{self, Bounds, Peers};
use lcnode::replication::pull::Master;
use lcnode_storage::medium::Simulated;
use lcnode_storage::{Clock, Hold, Options, Place, Store, SyncMode};

use super::connection::LIMITS;

/// How far a peer's clock may be ahead, in microseconds.
pub const MAX_SKEW: u64 = 10_000_000;

/// A master.
#[derive(Debug)]
pub struct Node {
    pub id: u16,
    pub disk: Simulated,
    /// What its clock is ahead of the world's, in microseconds.
    pub ahead: Arc<AtomicI64>,
    world: Arc<AtomicU64>,
    bounds: Bounds,
    pub up: Option<Up>,
}

/// What is there while a node is up.
#[derive(Debug)]
pub struct Up {
    pub store: Arc<Store>,
    pub peers: Peers,
    /// What is known of each leader, and when it is tried next.
    pub leaders: BTreeMap<usize, (Master, u64)>,
}

impl Node {
    pub fn new(id: u16, world: Arc<AtomicU64>, bounds: Bounds) -> Self {
        let disk = Simulated::new().unwrap();
        Self { id, disk, ahead: Arc::default(), world, bounds, up: None }
    }

    fn options(&self, seed: u64) -> Options {
        let (world, ahead) = (Arc::clone(&self.world), Arc::clone(&self.ahead));
        let clock =
            move || world.load(Ordering::Relaxed).saturating_add_signed(ahead.load(Ordering::Relaxed));
        Options {
            segment_size: 1 << 16,
            buckets: 64,
            sync: SyncMode::Every(Duration::from_millis(100)),
            origin: self.id,
            clock: Clock::Given(Arc::new(clock)),
            background: false,
            hold: Hold::ALL,
            seed: Some(seed),
            ..Options::new(Place::Directory("simulated".into()))
        }
    }

    /// Starts it, following the nodes of these numbers; its epoch has this id.
    pub fn start(&mut self, leaders: Vec<usize>, epoch: u64) {
        let store = Arc::new(Store::on(Arc::new(self.disk.clone()), self.options(epoch), None).unwrap());
        let mine = !store.opened().clean || peers::is_copy(&store);
        let peers = Peers::open(&store, self.bounds, epoch, leaders.len()).unwrap();
        store.set_counting().unwrap();
        let master = Master { sid: None, mine, max_skew: MAX_SKEW, limits: LIMITS };
        let leaders = leaders.into_iter().map(|leader| (leader, (master, 0))).collect();
        self.up = Some(Up { store, peers, leaders });
    }
}
