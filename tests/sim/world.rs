//! The cluster, what is done to it, and what goes wrong.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use lcnode::replication::ended::Ended;
use lcnode::replication::peers::Bounds;
use lcnode::replication::pull::Pull;
use lcnode_storage::{Change, Decimal, Kind, Stamp};

use super::connection::Connection;
use super::node::{Node, Up};
use super::oracle::{self, Held, Oracle};
use super::original::Original;

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3_600 * SECOND;
/// Between attempts to connect.
const RETRY: u64 = 300_000;
/// When the world begins, in microseconds since the Unix epoch.
const BEGIN: u64 = 1_800_000_000 * SECOND;
/// How long the masters may take to agree once all is healed.
const PATIENCE: u64 = 400 * SECOND;

/// What a seed makes of a run.
#[derive(Debug)]
struct Plan {
    steps: u32,
    keys: u64,
    /// Whether a crash may take the power, and with it what was not synced.
    loses_power: bool,
    /// Whether each change is synced before it is acknowledged.
    syncs: bool,
    /// Whether there is a vanish now and then.
    vanishes: bool,
    /// Whether peers may be away for so long that they are given up.
    gives_up: bool,
    /// Whether clocks jump.
    jumps: bool,
    /// Of 1,000 steps so many are a fault.
    faults: u32,
    /// Whether masters have links to their neighbours only, so that changes are passed on.
    is_chain: bool,
    /// Whether masters compare what they hold. Where they don't, nothing heals what the stream leaves out.
    compares: bool,
}

/// All there is.
pub struct World {
    random: Rng,
    now: Arc<AtomicU64>,
    plan: Plan,
    nodes: Vec<Node>,
    connections: Vec<Connection>,
    /// Directions in which nothing comes through: from, to.
    cut: BTreeSet<(usize, usize)>,
    oracle: Oracle,
    /// Beside the first node, where nothing can be lost.
    original: Option<Original>,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let syncs = random.u8(..3) == 0;
        let mut plan = Plan {
            steps: random.u32(300..2_000),
            keys: random.u64(1..60),
            loses_power: random.bool(),
            syncs,
            vanishes: random.u8(..4) == 0,
            gives_up: random.u8(..5) == 0,
            jumps: random.u8(..4) == 0,
            faults: [0, 10, 30, 80][random.usize(..4)],
            is_chain: random.bool(),
            compares: random.bool(),
        };
        // What was deleted and forgotten is found by comparing alone.
        plan.compares |= plan.gives_up;
        let bounds = match plan.gives_up {
            true => Bounds { bytes: random.u64(1..200) << 10, age: Duration::from_secs(random.u64(20..600)) },
            false => Bounds { bytes: u64::MAX, age: Duration::from_secs(u64::from(u32::MAX)) },
        };
        let now = Arc::new(AtomicU64::new(BEGIN));
        let count = random.usize(2..4);
        let nodes = (1..=count as u16).map(|id| Node::new(id, Arc::clone(&now), bounds)).collect();
        let (connections, cut, oracle) = (Vec::new(), BTreeSet::new(), Oracle::default());
        let is_mild = !(plan.loses_power || plan.gives_up || plan.jumps || plan.vanishes);
        let original = (is_mild && random.bool()).then(Original::default);
        let mut world = Self { random, now, plan, nodes, connections, cut, oracle, original };
        for number in 0..count {
            world.start(number);
        }
        world
    }

    fn now(&self) -> u64 {
        self.now.load(Ordering::Relaxed)
    }

    fn pass(&self, time: u64) {
        self.now.fetch_add(time, Ordering::Relaxed);
    }

    fn start(&mut self, number: usize) {
        let leaders = self.leaders(number);
        let epoch = self.random.u64(1..);
        self.nodes[number].start(leaders, epoch);
    }

    /// Those whom a node follows.
    fn leaders(&self, number: usize) -> Vec<usize> {
        let is_near = |other: usize| !self.plan.is_chain || other.abs_diff(number) == 1;
        (0..self.nodes.len()).filter(|other| *other != number && is_near(*other)).collect()
    }

    /// Lives through all of it; gives what the disks hold in the end.
    pub fn run(mut self) -> Vec<Vec<(String, Vec<u8>)>> {
        for _ in 0..self.plan.steps {
            self.step();
        }
        self.heal();
        self.settle();
        let held: Vec<Held> = self.nodes.iter().map(|node| oracle::held(&up(node).store)).collect();
        self.agree(&held);
        if let Some(original) = &self.original {
            original.check(&held[0]);
        }
        if self.plan.syncs || !self.plan.loses_power {
            self.oracle.check(&held, self.plan.gives_up, &self.plan);
        }
        self.nodes.iter().map(|node| node.disk.files().unwrap().into_iter().collect()).collect()
    }

    fn agree(&self, held: &[Held]) {
        for (number, other) in held.iter().enumerate().skip(1) {
            for key in held[0].keys().chain(other.keys()) {
                let stamps: Vec<_> =
                    self.nodes.iter().map(|node| up(node).store.stamp_of(key).unwrap()).collect();
                let (first, other) = (held[0].get(key), other.get(key));
                assert_eq!(first, other, "{key:?} on nodes 0 and {number}: {stamps:?}, {:?}", self.plan);
            }
        }
    }

    fn step(&mut self) {
        match self.random.u32(..1_000) {
            chance if chance < self.plan.faults => self.fail(),
            chance if chance < 500 => self.client(),
            _ => {
                let time = self.random.u64(..20_000);
                self.pass(time);
                self.work();
            }
        }
    }

    /// A client changes something somewhere.
    fn client(&mut self) {
        let number = self.random.usize(..self.nodes.len());
        let key = [&b"key"[..], &self.random.u64(..self.plan.keys).to_be_bytes()].concat();
        let sum = [&b"sum"[..], &self.random.u64(..4).to_be_bytes()].concat();
        let (action, len, num) =
            (self.random.u32(..100), self.random.usize(..2_000), self.random.i32(-9..10));
        if let Some(original) = &mut self.original
            && action % 5 == 4
        {
            return original.client(self.now.load(Ordering::Relaxed), &mut self.random);
        }
        let Some(up) = &self.nodes[number].up else { return };
        let store = &up.store;
        match action {
            0 if self.plan.vanishes => {
                let from = store.end();
                store.vanish().unwrap();
                let mut stamp = Stamp::default();
                let read = store.read_log(from, 1 << 20, |record| {
                    if record.kind == Kind::Vanish {
                        stamp = record.stamp;
                    }
                });
                read.unwrap();
                self.oracle.vanished(stamp);
            }
            0..45 => {
                let value = vec![num as u8; len];
                store.put(&key, &value).unwrap();
                self.oracle.wrote(store, &key);
            }
            45..60 => {
                if store.delete(&key).unwrap() {
                    self.oracle.wrote(store, &key);
                }
            }
            60..70 => {
                let changed = store.update(&key, |old| match old {
                    Some(old) => Change::Put { kept: &old[..old.len().min(50)], new: b"more" },
                    None => Change::Keep,
                });
                if changed.unwrap() {
                    self.oracle.wrote(store, &key);
                }
            }
            // Sums are not put out of reach by a vanish.
            _ if self.plan.vanishes => {}
            70..80 => {
                let (amount, halves) = match len % 2 {
                    0 => (Decimal::Int(num.into()), 2 * num),
                    _ => (Decimal::Real(f64::from(num) / 2.0), num),
                };
                let text = [&b"text"[..], &sum[3..]].concat();
                store.add_decimal(&text, amount, |_| None).unwrap().unwrap();
                self.oracle.added_in_text(&text, halves);
            }
            _ => {
                store.add_int(&sum, num).unwrap().unwrap();
                self.oracle.added(&sum, num);
            }
        }
        if self.plan.syncs {
            store.sync().unwrap();
        }
    }

    /// Something goes wrong, or right again.
    fn fail(&mut self) {
        let count = self.nodes.len();
        let (one, other) = (self.random.usize(..count), self.random.usize(..count));
        let (short, long) = (self.random.u64(..10 * SECOND), self.random.u64(..600 * SECOND));
        match self.random.u32(..14) {
            0..3 => _ = self.cut.insert((one, other)),
            3 => self.cut.extend([(one, other), (other, one)]),
            4..7 => self.cut.clear(),
            7 if !self.connections.is_empty() => {
                let broken = self.random.usize(..self.connections.len());
                self.connections.swap_remove(broken);
            }
            8 | 9 => self.crash(one),
            10 | 11 => {
                if self.nodes[one].up.is_none() {
                    self.start(one);
                }
            }
            12 if self.plan.jumps => {
                let hours = [-1, 0, 1][self.random.usize(..3)];
                self.nodes[one].ahead.store(hours * HOUR as i64, Ordering::Relaxed);
            }
            13 if self.plan.gives_up => self.pass(long),
            _ => self.pass(short),
        }
    }

    fn crash(&mut self, number: usize) {
        let (kill, seed) = (!self.plan.loses_power || self.random.bool(), self.random.u64(..));
        let node = &mut self.nodes[number];
        if node.up.is_none() {
            return;
        }
        let after = if kill { node.disk.kill() } else { node.disk.power_loss(seed) };
        node.disk = after.unwrap();
        node.up = None;
        if let (0, Some(original)) = (number, &mut self.original) {
            original.part();
        }
        for connection in &mut self.connections {
            connection.at_follower.is_open &= connection.follower != number;
            connection.at_leader.is_open &= connection.leader != number;
        }
    }

    /// Everything works again.
    fn heal(&mut self) {
        self.cut.clear();
        for number in 0..self.nodes.len() {
            self.nodes[number].ahead.store(0, Ordering::Relaxed);
            if self.nodes[number].up.is_none() {
                self.start(number);
            }
        }
        // What was stamped by a clock that was ahead is of the past then.
        self.pass(2 * HOUR);
    }

    /// Lets the masters come to an agreement.
    fn settle(&mut self) {
        let end = self.now() + PATIENCE;
        let mut quiet = 0;
        while quiet < 3 {
            for _ in 0..50 {
                self.pass(20_000);
                self.work();
            }
            let held: Vec<_> = self.nodes.iter().map(|node| oracle::held(&up(node).store)).collect();
            let is_followed = self.original.as_ref().is_none_or(|original| original.agrees(&held[0]));
            let are_equal = is_followed && held.windows(2).all(|pair| pair[0] == pair[1]);
            if self.now() > end {
                self.agree(&held);
                break;
            }
            quiet = if are_equal { quiet + 1 } else { 0 };
        }
    }

    /// All that is due on nodes and connections, in an order of chance.
    fn work(&mut self) {
        let now = self.now();
        for number in 0..self.nodes.len() {
            for leader in self.leaders(number) {
                self.connect(number, leader);
            }
            if let Some(up) = &self.nodes[number].up
                && self.random.u8(..8) == 0
            {
                up.store.work().unwrap();
                up.peers.enforce(&up.store).unwrap();
            }
        }
        if let (Some(original), Some(up)) = (&mut self.original, &self.nodes[0].up) {
            original.work(&up.store, now, &mut self.random, self.plan.faults > 0);
        }
        self.random.shuffle(&mut self.connections);
        for at in 0..self.connections.len() {
            self.serve(at, now);
        }
        self.connections.retain(|connection| connection.at_follower.is_open || connection.at_leader.is_open);
    }

    /// A follower that has no connection to a leader tries for one.
    fn connect(&mut self, follower: usize, leader: usize) {
        let now = self.now();
        let is_it = |connection: &Connection| {
            connection.at_follower.is_open && (connection.follower, connection.leader) == (follower, leader)
        };
        if self.connections.iter().any(is_it) {
            return;
        }
        let is_cut = self.cut.contains(&(follower, leader)) || self.cut.contains(&(leader, follower));
        let is_down = self.nodes[leader].up.is_none();
        let retry = now + RETRY + self.random.u64(..RETRY);
        let Some(up) = &mut self.nodes[follower].up else { return };
        let Some((master, next)) = up.leaders.get_mut(&leader) else { return };
        if *next > now {
            return;
        }
        *next = retry;
        if is_cut || is_down {
            return;
        }
        let (pull, hello) = Pull::start(&up.store, *master);
        self.connections.push(Connection::new((follower, leader), pull, hello, now, self.plan.compares));
    }

    /// Both sides of a connection work.
    fn serve(&mut self, at: usize, now: u64) {
        let connection = &mut self.connections[at];
        let (follower, leader) = (connection.follower, connection.leader);
        let nodes = &mut self.nodes;
        let is_cut = |from, to| self.cut.contains(&(from, to));
        let mut out = Vec::new();
        if connection.at_follower.is_open
            && let Some(up) = &nodes[follower].up
            && !(is_cut(leader, follower) && is_cut(follower, leader) && self.random.bool())
        {
            if is_cut(leader, follower) {
                delay(&mut connection.at_follower.incoming, now);
            }
            let ended = connection.follow(up, now, &mut out).err();
            let arrival = now + self.random.u64(..30_000);
            send(&mut connection.at_leader.incoming, &out, arrival, &mut self.random);
            if let Some(ended) = ended {
                connection.at_follower.is_open = false;
                connection.at_leader.incoming.push_back((arrival, Vec::new()));
                let master = connection.pull.master();
                let closed = connection.pull.close(&up.store);
                closed.unwrap();
                if let Some(up) = &mut nodes[follower].up
                    && let Some(kept) = up.leaders.get_mut(&leader)
                {
                    kept.0 = master;
                    if matches!(ended, Ended::Again) {
                        kept.1 = 0;
                    }
                }
            }
        }
        out.clear();
        if connection.at_leader.is_open
            && let Some(up) = &nodes[leader].up
        {
            if is_cut(follower, leader) {
                delay(&mut connection.at_leader.incoming, now);
            }
            let frames = self.random.u32(..4);
            let ended = connection.lead(up, now, frames, &mut out).err();
            let arrival = now + self.random.u64(..30_000);
            send(&mut connection.at_follower.incoming, &out, arrival, &mut self.random);
            if ended.is_some() {
                connection.at_leader.is_open = false;
                connection.at_follower.incoming.push_back((arrival, Vec::new()));
                if let Some(feed) = &connection.feed {
                    feed.close(&up.store, &up.peers).unwrap();
                }
            }
        }
    }
}

/// What is up.
fn up(node: &Node) -> &Up {
    node.up.as_ref().expect("all nodes are up in the end")
}

/// Nothing of it comes through yet.
fn delay(pipe: &mut super::connection::Pipe, now: u64) {
    for (at, _) in pipe {
        *at = (*at).max(now + 1);
    }
}

/// Sends bytes in pieces.
fn send(pipe: &mut super::connection::Pipe, bytes: &[u8], arrival: u64, random: &mut Rng) {
    let mut rest = bytes;
    let mut arrival = arrival.max(pipe.back().map_or(0, |(at, _)| *at));
    while !rest.is_empty() {
        let len = if random.u8(..4) == 0 { random.usize(1..=rest.len()) } else { rest.len() };
        pipe.push_back((arrival, rest[..len].to_vec()));
        rest = &rest[len..];
        arrival += random.u64(..2_000);
    }
}
