//! An original server beside the first master: each is the slave of the other. What it does is modelled after what
//! was observed: it applies operations as they arrive and logs them by its own clock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use lcnode::replication::original::feed::Feed;
use lcnode::replication::original::position::Slot;
use lcnode::replication::original::pull::{Pull, Settings};
use lcnode_protocol::update_log::{Answer, Change, Item, Logged, Step};
use lcnode_storage::Store;

use super::connection::LIMITS;
use super::node::MAX_SKEW;
use super::oracle::Held;

/// Its server id.
const ID: u16 = 9;

/// An entry of its update log.
#[derive(Debug)]
struct Logging {
    ts: u64,
    origin: u16,
    /// The server it came from; 0 where a client made it.
    from: u16,
    block: Vec<u8>,
}

/// The server and its two connections.
#[derive(Debug, Default)]
pub struct Original {
    records: BTreeMap<Vec<u8>, Vec<u8>>,
    log: Vec<Logging>,
    /// Time stamp of the last entry it took as a slave.
    rts: u64,
    /// The lcnode's side of the stream that it takes.
    feed: Option<Feed>,
    /// What came of it and was not used; the answer comes first.
    incoming: Vec<u8>,
    is_answered: bool,
    /// Time stamp of the entry before in this stream: time stamps rise. Where all records are sent they begin anew.
    before: u64,
    /// The lcnode's side of the stream that it sends, and where in its log that is.
    pull: Option<(Pull, usize)>,
    /// What its clients added to the number that only they add to.
    sum: i32,
}

impl Original {
    /// The node has gone, or the network: both streams end.
    pub fn part(&mut self) {
        (self.feed, self.pull) = (None, None);
    }

    /// A client changes something.
    pub fn client(&mut self, now: u64, random: &mut Rng) {
        let key = [&b"org"[..], &random.u64(..10).to_be_bytes()].concat();
        let value = vec![random.u8(..); random.usize(..100)];
        // An addition of nothing makes a record that an original keeps from its slaves (observed).
        let num = random.i32(1..10) * if random.bool() { 1 } else { -1 };
        let change = match random.u8(..6) {
            0 | 1 => Change::Put { key: &key, value: &value },
            2 => Change::PutKeep { key: &key, value: &value },
            3 => Change::PutCat { key: &key, value: &value },
            4 => Change::Out { key: &key },
            _ => {
                self.sum += num;
                Change::AddInt { key: b"theirs", num }
            }
        };
        self.carry_out(change, ID, 0, now);
    }

    /// Carries out an operation and logs it.
    fn carry_out(&mut self, change: Change<'_>, origin: u16, from: u16, now: u64) {
        let records = &mut self.records;
        let worked = match change {
            Change::Put { key, value } => {
                records.insert(key.to_vec(), value.to_vec());
                true
            }
            Change::PutKeep { key, value } => {
                let is_new = !records.contains_key(key);
                records.entry(key.to_vec()).or_insert_with(|| value.to_vec());
                is_new
            }
            Change::PutCat { key, value } => {
                records.entry(key.to_vec()).or_default().extend_from_slice(value);
                true
            }
            Change::Out { key } => records.remove(key).is_some(),
            Change::AddInt { key, num } => {
                let record = records.entry(key.to_vec()).or_insert_with(|| vec![0; 4]);
                let old = i32::from_le_bytes(record[..].try_into().unwrap());
                record.copy_from_slice(&old.wrapping_add(num).to_le_bytes());
                true
            }
            other => panic!("{other:?}"),
        };
        let mut block = Vec::new();
        Logged { change, worked }.encode(&mut block);
        let ts = self.log.last().map_or(now, |last| now.max(last.ts + 1));
        self.log.push(Logging { ts, origin, from, block });
    }

    /// Both streams go on, as far as chance has it, and break now and then.
    pub fn work(&mut self, store: &Arc<Store>, now: u64, random: &mut Rng, breaks: bool) {
        if breaks && random.u16(..400) == 0 {
            self.part();
        }
        self.follow(store, now, random);
        self.lead(store, random);
    }

    /// As the slave of the node.
    fn follow(&mut self, store: &Arc<Store>, now: u64, random: &mut Rng) {
        if self.feed.is_none() {
            let feed = Feed::start(Arc::clone(store), self.rts + 1, ID.into()).unwrap().unwrap();
            (self.incoming, self.is_answered) = (Vec::new(), false);
            self.before = if feed.is_full() { 0 } else { self.rts };
            feed.answer(&mut self.incoming);
            self.feed = Some(feed);
        }
        let Some(feed) = &mut self.feed else { return };
        if feed.fill(random.usize(1..20_000), &mut self.incoming).is_err() {
            self.feed = None;
            return;
        }
        let bytes = std::mem::take(&mut self.incoming);
        // Only a part of it has come.
        let len = if random.bool() { bytes.len() } else { random.usize(..=bytes.len()) };
        let mut used = 0;
        if !self.is_answered && len >= 4 {
            assert!(matches!(Answer::decode(&bytes), Step::Whole { item: Answer { sid: 1 }, .. }));
            (used, self.is_answered) = (4, true);
        }
        while self.is_answered {
            let step = Item::decode(&bytes[used..len], LIMITS).unwrap();
            let Step::Whole { item, used: item_len } = step else { break };
            used += item_len;
            if let Item::Entry { ts, sid, block } = item {
                assert!(ts > self.before, "{ts} after {}", self.before);
                assert_ne!(sid, ID, "what it made itself comes back");
                let change = Logged::decode(block, LIMITS).unwrap().change;
                self.carry_out(change, sid, 1, now);
                (self.before, self.rts) = (ts, ts);
            }
        }
        self.incoming = bytes[used..].to_vec();
    }

    /// As the master of the node.
    fn lead(&mut self, store: &Arc<Store>, random: &mut Rng) {
        let (pull, at) = self.pull.get_or_insert_with(|| {
            let settings = Settings {
                name: "original".to_owned(),
                slot: Slot::named(),
                begin: 0,
                check: false,
                limits: LIMITS,
                max_skew: Duration::from_micros(MAX_SKEW),
            };
            let mut pull = Pull::new(Arc::clone(store), settings);
            let ts = u64::from_be_bytes(pull.hello()[2..10].try_into().unwrap());
            let mut answer = Vec::new();
            Answer { sid: ID.into() }.encode(&mut answer);
            pull.take(&answer).unwrap();
            (pull, self.log.partition_point(|entry| entry.ts < ts))
        });
        let node = store.origin();
        let mut bytes = vec![];
        for entry in self.log[*at..].iter().take(random.usize(..20)) {
            *at += 1;
            if entry.origin != node && entry.from != node {
                Item::Entry { ts: entry.ts, sid: entry.origin, block: &entry.block }.encode(&mut bytes);
            }
        }
        if random.u8(..4) == 0 {
            Item::KeepAlive.encode(&mut bytes);
        }
        for part in bytes.chunks(random.usize(1..200)) {
            pull.take(part).unwrap();
        }
    }

    /// Whether it holds what the node does.
    pub fn agrees(&self, held: &Held) -> bool {
        held.iter().map(|(key, (_, value))| (key, value)).eq(&self.records)
    }

    /// Checks that it does, and that no addition was lost or made twice.
    pub fn check(&self, held: &Held) {
        for key in held.keys().chain(self.records.keys()) {
            let found = held.get(key).map(|(_, value)| value);
            assert!(found == self.records.get(key), "{key:?} on the original server");
        }
        let sum =
            self.records.get(&b"theirs"[..]).map(|value| i32::from_le_bytes(value[..].try_into().unwrap()));
        assert_eq!(sum.unwrap_or(0), self.sum, "the sum of what its clients added");
    }
}
