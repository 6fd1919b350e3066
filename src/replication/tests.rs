//! Feed and pull against each other, without a network: bytes are carried by hand.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use lcnode_protocol::Limits;
use lcnode_protocol::binary::{Decoder, Step as Request};
use lcnode_protocol::peer::{FollowerFrame, FollowerHello, Step};
use lcnode_storage::{Arrival, Hold, Options, Place, Received, Stamp, Store, SyncMode, tombstone};

use super::digest;
use super::ended::Ended;
use super::feed::Feed;
use super::memos::COLLECTED;
use super::peers::{Bounds, Peers};
use super::pull::{Master, Pull};
use super::status::Agrees;

/// A node of which only replication runs.
struct Node {
    options: Options,
    store: Store,
    peers: Peers,
}

impl Node {
    fn new(origin: u16) -> Self {
        Self::at(origin, Place::Memory)
    }

    fn at(origin: u16, place: Place) -> Self {
        let sync = SyncMode::Every(Duration::from_millis(1));
        Self::open(
            Options { origin, segment_size: 64 << 10, buckets: 64, sync, ..Options::new(place) },
            u64::from(origin) << 8,
        )
    }

    fn open(options: Options, epoch: u64) -> Self {
        let store = Store::open(options.clone()).unwrap();
        let bounds = Bounds { bytes: 1 << 20, age: Duration::from_secs(60) };
        let peers = Peers::open(&store, bounds, epoch, 0).unwrap();
        Self { options, store, peers }
    }

    fn put(&self, key: &str, value: &str) {
        self.store.put(key.as_bytes(), value.as_bytes()).unwrap();
    }

    fn get(&self, key: &str) -> Option<String> {
        self.store.get(key.as_bytes(), |value| String::from_utf8_lossy(value).into_owned()).unwrap()
    }

    /// Closes it and opens it again.
    fn reopen(self) -> Self {
        let epoch = self.peers.epoch() + 1;
        self.store.close().unwrap();
        Self::open(self.options, epoch)
    }
}

/// A connection: who follows whom is told at each step.
struct Link {
    feed: Feed,
    pull: Pull,
    /// Bytes of records that the leader sent.
    sent: usize,
}

fn master() -> Master {
    Master { sid: None, mine: true, max_skew: 10_000_000, limits: Limits::default() }
}

impl Link {
    /// Connects. Where the leader turns out to be known, twice.
    fn new(leader: &Node, follower: &Node, mut master: Master) -> Result<Self, Ended> {
        for _ in 0..2 {
            let (mut pull, hello) = Pull::start(&follower.store, master);
            let hello = hello_of(&hello);
            let (feed, answer) =
                Feed::start(&leader.store, &leader.peers, &hello).map_err(|refusal| refusal.why)?;
            match pull.take(&follower.store, &follower.peers, &answer, &mut Vec::new()) {
                Ok(_) => return Ok(Self { feed, pull, sent: 0 }),
                Err(Ended::Again) => master = pull.master(),
                Err(ended) => return Err(ended),
            }
        }
        Err(Ended::Again)
    }

    /// Carries what the leader's log has to the follower, and nothing else.
    fn stream(&mut self, leader: &Node, follower: &Node) -> Result<(), Ended> {
        let mut out = Vec::new();
        while self.feed.fill(&leader.store, &mut out)? {}
        self.sent += out.len();
        let (used, _) = self.pull.take(&follower.store, &follower.peers, &out, &mut Vec::new())?;
        assert_eq!(used, out.len());
        Ok(())
    }

    /// Carries frames both ways until none are left.
    fn run(&mut self, leader: &Node, follower: &Node) -> Result<(), Ended> {
        let stop = AtomicBool::new(false);
        for _ in 0..50 {
            let mut out = Vec::new();
            while self.feed.fill(&leader.store, &mut out)? {}
            self.sent += out.len();
            self.feed.beat(&leader.store, &mut out);
            if let Some(job) = self.feed.job() {
                let outcome = job.run(&leader.store, &stop).unwrap();
                self.feed.done(&leader.store, &leader.peers, outcome, &mut out);
            }
            let mut back = Vec::new();
            let (used, _) = self.pull.take(&follower.store, &follower.peers, &out, &mut back)?;
            assert_eq!(used, out.len());
            self.pull.tick(&follower.store, &follower.peers, &mut back)?;
            if let Some(job) = self.pull.job(&follower.store, &follower.peers) {
                let outcome = job.run(&follower.store, &stop).unwrap();
                self.pull.done(&follower.store, outcome, &mut back)?;
            }
            let mut rest = &back[..];
            while let Step::Whole { item, used } = FollowerFrame::decode(rest, Limits::default())? {
                self.feed.take(&leader.store, &leader.peers, &item)?;
                rest = &rest[used..];
            }
        }
        Ok(())
    }

    fn close(mut self, leader: &Node, follower: &Node) -> Master {
        self.pull.close(&follower.store).unwrap();
        self.feed.close(&leader.store, &leader.peers).unwrap();
        self.pull.master()
    }
}

fn hello_of(bytes: &[u8]) -> FollowerHello {
    match Decoder::new(Limits::default()).decode(bytes) {
        Ok(Request::Request { request: lcnode_protocol::Request::Follow(hello), .. }) => hello,
        other => panic!("{other:?}"),
    }
}

fn same(a: &Node, b: &Node) -> bool {
    digest::whole(&a.store).unwrap() == digest::whole(&b.store).unwrap()
}

#[test]
fn a_follower_goes_on_where_it_was_also_after_restarts_of_either() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let place = |number: usize| Place::Directory(folders[number].path().join("a.tch"));
    let (mut a, mut b) = (Node::at(1, place(0)), Node::at(2, place(1)));
    for number in 0..5000 {
        a.put(&format!("k{number}"), "v");
    }
    let mut link = Link::new(&a, &b, master()).unwrap();
    assert!(link.pull.is_refill());
    link.run(&a, &b).unwrap();
    assert!(same(&a, &b));
    link.close(&a, &b);
    a.put("later", "v");
    (a, b) = (a.reopen(), b.reopen());
    a.put("latest", "v");
    let mut link = Link::new(&a, &b, master()).unwrap();
    assert!(!link.pull.is_refill());
    link.run(&a, &b).unwrap();
    assert!(same(&a, &b) && b.get("latest").is_some());
    assert!(link.sent < 1000, "{} bytes for two records", link.sent);
}

/// What a third node made earlier may reach the leader later: a follower goes on from a place of the log, not from a time.
#[test]
fn what_reaches_the_leader_late_is_passed_on() {
    let (a, b, c) = (Node::new(1), Node::new(2), Node::new(3));
    c.put("early", "v");
    while a.store.now() <= c.store.last_change() {}
    a.put("k", "v");
    let mut link = Link::new(&a, &b, master()).unwrap();
    link.run(&a, &b).unwrap();
    let kept = link.close(&a, &b);
    assert!(a.peers.known(2).is_some_and(|known| known.last_change > c.store.last_change()));
    Link::new(&c, &a, master()).unwrap().stream(&c, &a).unwrap();
    let mut link = Link::new(&a, &b, kept).unwrap();
    assert!(!link.pull.is_refill());
    link.stream(&a, &b).unwrap();
    assert_eq!(b.get("early").as_deref(), Some("v"));
}

#[test]
fn nothing_goes_back_to_where_it_came_from() {
    let (a, b) = (Node::new(1), Node::new(2));
    let mut master_b = master();
    master_b.mine = false;
    let mut to_b = Link::new(&a, &b, master_b).unwrap();
    let mut to_a = Link::new(&b, &a, master_b).unwrap();
    for number in 0..1000 {
        a.put(&format!("k{number}"), "value");
    }
    for _ in 0..3 {
        to_b.run(&a, &b).unwrap();
        to_a.run(&b, &a).unwrap();
    }
    assert!(same(&a, &b));
    // Places of the logs, but no records; and these end.
    assert!(to_a.sent < 10_000, "{} bytes came back", to_a.sent);
    let appended = (a.store.appended(), b.store.appended());
    to_b.run(&a, &b).unwrap();
    to_a.run(&b, &a).unwrap();
    assert_eq!((a.store.appended(), b.store.appended()), appended, "two idle nodes write nothing");
}

/// A counter that was merged has the stamp of one of its servers, which does not have all of it for that.
#[test]
fn a_merged_counter_is_sent_also_to_the_server_of_its_last_addition() {
    let (a, b) = (Node::new(1), Node::new(2));
    for (node, num) in [(&a, 7), (&b, 3)] {
        while node.store.now() <= a.store.last_change() {}
        node.store.set_counting().unwrap();
        node.store.add_int(b"n", num).unwrap();
    }
    for (leader, follower) in [(&b, &a), (&a, &b), (&b, &a)] {
        let before = leader.store.appended();
        let mut link = Link::new(leader, follower, Master { mine: false, ..master() }).unwrap();
        link.stream(leader, follower).unwrap();
        assert!(leader.store.appended() <= before + 2, "two memos, and no echo");
        assert_eq!(follower.store.get(b"n", <[u8]>::to_vec).unwrap(), Some(10_i32.to_le_bytes().to_vec()));
    }
    assert!(same(&a, &b));
}

#[test]
fn what_compaction_moves_is_not_sent_again() {
    let (a, b) = (Node::new(1), Node::new(2));
    let value = "v".repeat(1000);
    for number in 0..500 {
        a.put(&format!("k{number}"), &value);
    }
    let mut link = Link::new(&a, &b, master()).unwrap();
    link.run(&a, &b).unwrap();
    let before = (link.sent, a.store.appended());
    a.store.set_hold(Hold { keep_from: a.store.end(), ..Hold::NONE });
    for number in 0..250 {
        a.put(&format!("k{}", 2 * number), "v");
    }
    a.store.optimize().unwrap();
    let moved = a.store.appended() - before.1 - 250;
    assert!(moved > 100, "{moved} records were moved");
    link.run(&a, &b).unwrap();
    let sent = link.sent - before.0;
    assert!(sent < 50_000, "{sent} bytes for 250 small records");
    assert!(same(&a, &b));
}

#[test]
fn what_a_node_lost_of_its_own_it_gets_back() {
    let (a, b) = (Node::new(1), Node::new(2));
    a.put("k", "v");
    Link::new(&a, &b, master()).unwrap().run(&a, &b).unwrap();
    // Another of its id that has nothing: a database in memory, started again.
    let a = Node::new(1);
    Link::new(&b, &a, master()).unwrap().run(&b, &a).unwrap();
    assert_eq!(a.get("k").as_deref(), Some("v"));
}

#[test]
fn a_difference_is_found_and_healed() {
    let (a, b) = (Node::new(1), Node::new(2));
    for number in 0..500 {
        a.put(&format!("k{number}"), "v");
    }
    let mut link = Link::new(&a, &b, Master { mine: false, ..master() }).unwrap();
    link.run(&a, &b).unwrap();
    assert_eq!(link.pull.view(&b.store).agrees, Agrees::Yes);
    let kept = link.close(&a, &b);
    // The leader has it from the follower, so it thinks, and does not send it.
    let c = Node::new(3);
    c.put("k7", "of another");
    let mut bytes = Vec::new();
    c.store
        .visit(|record| {
            bytes = record.bytes.to_vec();
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    a.store.apply(&[Received::read(&bytes).unwrap().0], Arrival { via: 2, buried: 0 }).unwrap();
    assert!(!same(&a, &b));
    let mut link = Link::new(&a, &b, kept).unwrap();
    link.run(&a, &b).unwrap();
    assert!(same(&a, &b), "{:?}", link.pull.view(&b.store));
    assert_eq!(b.get("k7").as_deref(), Some("of another"));
}

#[test]
fn the_log_is_kept_for_a_follower_until_it_costs_too_much() {
    let (a, b) = (Node::new(1), Node::new(2));
    a.put("k", "v");
    let mut link = Link::new(&a, &b, master()).unwrap();
    link.run(&a, &b).unwrap();
    let kept = link.close(&a, &b);
    assert_eq!(kept.sid, Some(1));
    assert!(a.store.delete(b"k").unwrap());
    let value = "v".repeat(1000);
    for number in 0..500 {
        a.put(&format!("k{}", number % 10), &value);
    }
    a.store.optimize().unwrap();
    assert_eq!(a.peers.enforce(&a.store).unwrap(), []);
    assert_eq!(a.peers.collected(&a.store), 0);
    let mut link = Link::new(&a, &b, kept).unwrap();
    assert!(!link.pull.is_refill());
    link.run(&a, &b).unwrap();
    assert!(same(&a, &b) && b.get("k").is_none());
    let kept = link.close(&a, &b);
    b.put("own", "v");
    assert!(a.store.delete(b"k1").unwrap());
    for number in 0..3000 {
        a.put(&format!("k{}", 2 + number % 8), &value);
    }
    let given_up = a.peers.enforce(&a.store).unwrap();
    assert_eq!(given_up.iter().map(|(sid, _)| *sid).collect::<Vec<_>>(), [2]);
    assert!(a.peers.collected(&a.store) > 0);
    assert!(a.store.memo(COLLECTED).is_some(), "known after a crash as well");
    a.store.optimize().unwrap();
    // It comes back: everything is sent again, and the deletion that was forgotten is made up for.
    let mut link = Link::new(&a, &b, kept).unwrap();
    link.run(&a, &b).unwrap();
    assert!(b.get("k9").is_some() && b.get("own").is_some());
    assert!(a.peers.known(2).is_some_and(|known| !known.given_up));
}

#[test]
fn whoever_is_forgotten_in_favour_of_others_may_have_missed_deletions() {
    let a = Node::new(1);
    for sid in 2..=129 {
        let connection = a.peers.attach(&a.store, sid, 7, a.store.end()).unwrap();
        a.peers.detach(&a.store, sid, connection).unwrap();
    }
    assert!(a.peers.known(2).is_some());
    assert_eq!(a.peers.collected(&a.store), 0);
    a.peers.attach(&a.store, 130, 7, a.store.end()).unwrap();
    assert!(a.peers.known(2).is_none());
    assert!(a.peers.collected(&a.store) > 0);
}

#[test]
fn one_id_on_both_sides_and_clocks_that_are_ahead_are_refused() {
    let (a, b) = (Node::new(1), Node::new(1));
    let refused = Link::new(&a, &b, master()).err();
    assert!(matches!(refused, Some(Ended::SameId { sid: 1, itself: false })), "{refused:?}");
    let refused = Link::new(&a, &a, master()).err();
    assert!(matches!(refused, Some(Ended::SameId { sid: 1, itself: true })), "{refused:?}");
    let b = Node::new(2);
    let future = Stamp { ts: a.store.now() + 3_600_000_000, origin: 1 };
    let bytes = tombstone(b"k", future);
    a.store.apply(&[Received::read(&bytes).unwrap().0], Arrival { via: 3, buried: 0 }).unwrap();
    let mut link = Link::new(&a, &b, master()).unwrap();
    let ended = link.run(&a, &b).err();
    assert!(matches!(ended, Some(Ended::Skew { .. })), "{ended:?}");
    assert_eq!(b.store.stamp_of(b"k").unwrap(), None);
}

#[test]
fn a_newer_connection_takes_the_place_of_an_older() {
    let (a, b) = (Node::new(1), Node::new(2));
    let old = Link::new(&a, &b, master()).unwrap();
    assert!(old.feed.is_current(&a.peers));
    let new = Link::new(&a, &b, master()).unwrap();
    assert!(!old.feed.is_current(&a.peers) && new.feed.is_current(&a.peers));
    old.close(&a, &b);
    assert!(new.feed.is_current(&a.peers));
    // But not that of another server.
    let other = Node::new(2);
    let refused = Link::new(&a, &other, master()).err();
    assert!(matches!(refused, Some(Ended::Taken(2))), "{refused:?}");
    assert!(new.feed.is_current(&a.peers));
    new.close(&a, &b);
    assert!(Link::new(&a, &other, master()).is_ok(), "once that one has gone");
}

/// Puts so much that most of it is dead, which is then removed, and with it what a follower would have to see.
fn leave_a_gap(node: &Node) {
    for _ in 0..3000 {
        node.put("again", &"x".repeat(1000));
    }
    node.put("last", "of all");
    // Compaction is told that it may go on within a second.
    for _ in 0..100 {
        node.peers.enforce(&node.store).unwrap();
        node.store.optimize().unwrap();
        let numbers: Vec<u64> = node.store.segments().iter().map(|segment| segment.number).collect();
        if numbers.len() < 20 {
            assert!(numbers[numbers.len() - 1] - numbers[0] > 40, "no gap: {numbers:?}");
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("nothing was removed");
}

#[test]
fn a_log_with_segments_missing_in_between_is_sent_whole() {
    let [a, b] = [Node::new(1), Node::new(2)];
    let fill = |from: u32| {
        for number in from..from + 100 {
            a.put(&format!("k{number}"), &"v".repeat(1000));
        }
    };
    fill(0);
    leave_a_gap(&a);
    let mut link = Link::new(&a, &b, master()).unwrap();
    assert!(link.feed.is_full());
    link.run(&a, &b).unwrap();
    assert!(same(&a, &b));
    let kept = link.close(&a, &b);
    fill(100);
    let mut link = Link::new(&a, &b, kept).unwrap();
    assert!(!link.feed.is_full());
    link.run(&a, &b).unwrap();
    let kept = link.close(&a, &b);
    // Where the follower was is still there, but not all behind it, as it fell too far behind.
    fill(200);
    leave_a_gap(&a);
    let mut link = Link::new(&a, &b, kept).unwrap();
    assert!(link.feed.is_full());
    link.run(&a, &b).unwrap();
    assert!(same(&a, &b));
}
