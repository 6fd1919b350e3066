//! Who follows this node, how far each has its log, and so what compaction must leave alone.
//!
//! What is always true:
//! - A tombstone is dropped only once every known follower has it, and has nothing left to send here that is older
//!   (so far as this node follows it too); and not before every master has come as a follower once, or long enough
//!   was waited for that.
//! - Whoever is given up because keeping log for it cost too much is told so when it comes again: from then on
//!   deletions up to that time count as forgotten.

use std::collections::BTreeMap;
use std::time::Duration;

use lcnode_storage::{Error, Hold, Position, Result, Store};
use parking_lot::Mutex;

use super::memos::{self, COLLECTED, EPOCHS, Epochs, Known, Progress};

/// A follower's place is written down at most so often.
const WRITE_EVERY: u64 = 1_000_000;
/// Compaction is told at most so often that less is held.
const TELL_EVERY: u64 = 1_000_000;
/// That a follower was seen is written down so often at least.
const SEEN_EVERY: u64 = 3_600_000_000;
/// Followers that are remembered, as memos have little room; the ones seen longest ago are forgotten first.
const MAX_KNOWN: usize = 128;

/// How much log is kept for followers.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Bytes beyond what a follower has.
    pub bytes: u64,
    /// How long after it was seen last.
    pub age: Duration,
}

/// Where a follower is at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Ack {
    /// It has this node's log up to here, durably.
    pub applied: Position,
    /// Our last change as of there, in microseconds; 0 where it is not known.
    pub last_change: u64,
    /// The follower's own epoch.
    pub epoch: u64,
    /// Where its own log ends.
    pub end: Position,
    /// Changes up to `applied` that are worth remembering: without them the place is not written down.
    pub changes: u64,
}

/// What is known of followers and leaders.
#[derive(Debug)]
pub struct Peers {
    bounds: Bounds,
    identity: u64,
    started: u64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    epochs: Epochs,
    collected: u64,
    followers: BTreeMap<u16, Follower>,
    /// How far the logs of leaders were applied here.
    passed: BTreeMap<u16, Progress>,
    /// Masters that are followed, whoever they are: each may have records that were deleted here.
    masters: usize,
    /// Whether those of them that never followed this node have been waited for long enough.
    is_tired: bool,
    /// What compaction was told last, and when.
    hold: (Hold, u64),
}

#[derive(Debug)]
struct Follower {
    known: Known,
    /// Changes up to the acknowledged place when it was written down last.
    changes: u64,
    /// When it was written down last, in microseconds.
    written: u64,
    /// What it had when it had nothing more to send that is older.
    safe: Position,
    /// It had this when its log, of this epoch, ended there.
    candidate: Option<(Position, u64, Position)>,
    /// Connections of it: a newer one takes the place of an older.
    connection: u64,
    connected: bool,
}

impl Follower {
    fn new(known: Known) -> Self {
        let safe = Position::default();
        Self { known, changes: 0, written: 0, safe, candidate: None, connection: 0, connected: false }
    }
}

impl Peers {
    /// Reads what is remembered and begins an epoch with the id `epoch`, chosen at random. `masters` are followed.
    ///
    /// Errors: what writing a memo to the log gives.
    pub fn open(store: &Store, bounds: Bounds, epoch: u64, masters: usize) -> Result<Self> {
        let opened = store.opened();
        let mut followers = BTreeMap::new();
        let mut passed = BTreeMap::new();
        for (key, value) in store.memos() {
            if let Some((sid, known)) = memos::known_sid(&key).zip(Known::decode(&value)) {
                if known.identity == opened.identity {
                    followers.insert(sid, Follower::new(known));
                }
            } else if let Some((sid, progress)) = memos::progress_sid(&key).zip(Progress::decode(&value)) {
                passed.insert(sid, progress);
            }
        }
        let mut epochs = stored_epochs(store).unwrap_or_default();
        epochs.identity = opened.identity;
        epochs.push(epoch, opened.end);
        let is_alone = followers.is_empty() && passed.is_empty();
        let begun = store.set_memo(EPOCHS, &epochs.encode());
        match begun.and_then(|()| if is_alone { Ok(()) } else { store.set_counting() }) {
            // It can neither follow nor be followed, but read.
            Err(Error::ReadOnly) => {}
            other => other?,
        }
        let collected =
            store.memo(COLLECTED).and_then(|value| Some(u64::from_be_bytes(value.try_into().ok()?)));
        let collected = collected.unwrap_or(0);
        let (is_tired, hold) = (false, (Hold::ALL, 0));
        let mut state = State { epochs, collected, followers, passed, masters, is_tired, hold };
        state.set_hold(store);
        Ok(Self { bounds, identity: opened.identity, started: store.now(), state: Mutex::new(state) })
    }

    /// So many masters are followed from now on.
    pub fn set_masters(&self, store: &Store, masters: usize) {
        let mut state = self.state.lock();
        state.masters = masters;
        state.set_hold(store);
    }

    /// When this run of the node began, in microseconds.
    #[must_use]
    pub fn started(&self) -> u64 {
        self.started
    }

    /// Id of the present epoch.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.state.lock().epochs.current()
    }

    /// Where to go on for a follower that has the log up to `position` of an epoch; none where that is not known.
    #[must_use]
    pub fn resolve(&self, epoch: u64, position: Position) -> Option<Position> {
        self.state.lock().epochs.resolve(epoch, position)
    }

    /// Deletions up to this time may have been forgotten before every peer knew them, in microseconds; 0 for none.
    #[must_use]
    pub fn collected(&self, store: &Store) -> u64 {
        let state = self.state.lock();
        let given_up = state.followers.values().any(|follower| follower.known.given_up);
        match given_up || state.is_tired && state.has_strangers() {
            true => state.collected.max(store.now()),
            false => state.collected,
        }
    }

    /// What is remembered of a follower.
    #[must_use]
    pub fn known(&self, sid: u16) -> Option<Known> {
        self.state.lock().followers.get(&sid).map(|follower| follower.known)
    }

    /// A follower with a log of identity `peer` is there and is sent the log from `from` on. The number is for [`Peers::detach`] and
    /// [`Peers::is_current`].
    pub fn attach(&self, store: &Store, sid: u16, peer: u64, from: Position) -> Result<u64> {
        store.set_counting()?;
        let mut state = self.state.lock();
        let now = store.now();
        if state.followers.get(&sid).is_some_and(|follower| follower.known.given_up) {
            state.forget_deletions(store, now)?;
        }
        state.bound(store)?;
        let identity = self.identity;
        let follower = state.followers.entry(sid).or_insert_with(|| {
            Follower::new(Known { identity, peer, acked: from, last_change: 0, seen: now, given_up: false })
        });
        follower.connection += 1;
        follower.connected = true;
        follower.candidate = None;
        if peer != follower.known.peer {
            // What the log had that this one took the place of, it may not have.
            follower.known.last_change = 0;
        }
        follower.known = Known { peer, acked: from, seen: now, given_up: false, ..follower.known };
        follower.safe = follower.safe.min(from);
        let connection = follower.connection;
        follower.write(store, sid, now)?;
        state.set_hold(store);
        Ok(connection)
    }

    /// Whether a follower of this id is connected whose log is not that of identity `peer`.
    #[must_use]
    pub fn is_taken(&self, sid: u16, peer: u64) -> bool {
        let state = self.state.lock();
        state.followers.get(&sid).is_some_and(|follower| follower.connected && follower.known.peer != peer)
    }

    /// Whether a connection is the newest of its follower.
    #[must_use]
    pub fn is_current(&self, sid: u16, connection: u64) -> bool {
        self.state.lock().followers.get(&sid).is_some_and(|follower| follower.connection == connection)
    }

    /// A follower's connection ended.
    pub fn detach(&self, store: &Store, sid: u16, connection: u64) -> Result<()> {
        let mut state = self.state.lock();
        match state.followers.get_mut(&sid) {
            Some(follower) if follower.connection == connection => {
                follower.connected = false;
                follower.known.seen = store.now();
                follower.write(store, sid, store.now())
            }
            _ => Ok(()),
        }
    }

    /// A follower says how far it is.
    pub fn ack(&self, store: &Store, sid: u16, ack: Ack) -> Result<()> {
        let mut state = self.state.lock();
        let now = store.now();
        if state.followers.get(&sid).is_some_and(|follower| follower.known.given_up) {
            // What it still reads has not been touched.
            state.forget_deletions(store, now)?;
        }
        let passed = state.passed.get(&sid).copied();
        let Some(follower) = state.followers.get_mut(&sid) else { return Ok(()) };
        let known = &mut follower.known;
        (known.acked, known.seen, known.given_up) = (ack.applied.max(known.acked), now, false);
        known.last_change = known.last_change.max(ack.last_change);
        follower.settle(passed);
        if follower.candidate.is_none_or(|(_, epoch, _)| epoch != ack.epoch) {
            follower.candidate = Some((follower.known.acked, ack.epoch, ack.end));
            follower.settle(passed);
        }
        let has_changed = ack.changes != follower.changes && now.abs_diff(follower.written) >= WRITE_EVERY;
        if has_changed || now.abs_diff(follower.written) >= SEEN_EVERY {
            follower.changes = ack.changes;
            follower.write(store, sid, now)?;
        }
        state.set_hold(store);
        Ok(())
    }

    /// An original server was sent the log up to `position`, which it does not acknowledge.
    pub fn seen(&self, store: &Store, sid: u16, position: Position) {
        let mut state = self.state.lock();
        if let Some(follower) = state.followers.get_mut(&sid) {
            let known = &mut follower.known;
            (known.acked, known.seen) = (position.max(known.acked), store.now());
            state.set_hold(store);
        }
    }

    /// Up to this time all changes that were made at leader `sid` were here, in microseconds. (Of those made at the time
    /// of the last one there may be more.)
    #[must_use]
    pub fn had(&self, sid: u16) -> u64 {
        self.state.lock().passed.get(&sid).map_or(0, |progress| progress.ts.saturating_sub(1))
    }

    /// Whether the log of `sid` that is applied here is that of this epoch, so that nothing of an earlier one comes any
    /// more; or is not applied here.
    #[must_use]
    pub fn follows_epoch(&self, sid: u16, epoch: u64) -> bool {
        self.state.lock().passed.get(&sid).is_none_or(|progress| progress.epoch == epoch)
    }

    /// The log of leader `sid` was applied here up to a place.
    pub fn passed(&self, store: &Store, sid: u16, progress: Progress) {
        let mut state = self.state.lock();
        state.passed.insert(sid, progress);
        if let Some(follower) = state.followers.get_mut(&sid)
            && follower.settle(Some(progress))
        {
            state.set_hold(store);
        }
    }

    /// Gives up followers for whom too much log is kept; to be called every second or so. Says which.
    pub fn enforce(&self, store: &Store) -> Result<Vec<(u16, String)>> {
        let now = store.now();
        let lengths: Vec<(u64, u64)> =
            store.segments().iter().map(|segment| (segment.number, segment.written)).collect();
        let is_full = store.full().is_some();
        let mut state = self.state.lock();
        let age = u64::try_from(self.bounds.age.as_micros()).unwrap_or(u64::MAX);
        let least = state.kept().map(|(_, follower)| follower.known.acked).min();
        let mut given_up = Vec::new();
        for (sid, follower) in state.kept() {
            let known = follower.known;
            let bytes = bytes_behind(&lengths, known.acked);
            let segments = lengths.iter().filter(|(number, _)| *number > known.acked.segment).count();
            if bytes > self.bounds.bytes {
                let why = format!("{bytes} bytes of log were kept for it, more than --ulim");
                given_up.push((sid, why));
            } else if !follower.connected && now.saturating_sub(known.seen) > age {
                given_up.push((sid, "it was not seen for longer than --ulim".to_owned()));
            } else if is_full && Some(known.acked) == least && segments > 0 {
                given_up.push((sid, format!("the disk is full and {bytes} bytes of log were kept for it")));
            }
        }
        let is_tired = state.has_strangers() && now.saturating_sub(self.started) > age;
        if !given_up.is_empty() || is_tired && !state.is_tired {
            state.forget_deletions(store, now)?;
        }
        state.is_tired |= is_tired;
        for (sid, _) in &given_up {
            if let Some(follower) = state.followers.get_mut(sid) {
                follower.known.given_up = true;
                follower.write(store, *sid, now)?;
            }
        }
        state.set_hold(store);
        Ok(given_up)
    }
}

/// Bytes of log from a position to its end; `lengths` are the numbers of the segments and their bytes.
#[must_use]
pub fn bytes_behind(lengths: &[(u64, u64)], from: Position) -> u64 {
    let bytes = |&(number, written): &(u64, u64)| match number.cmp(&from.segment) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => written.saturating_sub(from.offset),
        std::cmp::Ordering::Greater => written,
    };
    lengths.iter().map(bytes).sum()
}

/// The epochs of the log, unless they are those of the log it was copied from.
fn stored_epochs(store: &Store) -> Option<Epochs> {
    let epochs = Epochs::decode(&store.memo(EPOCHS)?)?;
    (epochs.identity == store.opened().identity).then_some(epochs)
}

/// Whether this node's log was made by another, so that what it made itself may be missing: a copy or a restored one.
#[must_use]
pub fn is_copy(store: &Store) -> bool {
    stored_epochs(store).is_none()
}

impl State {
    /// Those for whom log is kept.
    fn kept(&self) -> impl Iterator<Item = (u16, &Follower)> {
        let followers = self.followers.iter().map(|(sid, follower)| (*sid, follower));
        followers.filter(|(_, follower)| !follower.known.given_up)
    }

    /// Whether a master is followed that has never followed this node.
    fn has_strangers(&self) -> bool {
        self.followers.len() < self.masters
    }

    /// Tells compaction. More is held at once; that less is may wait a second, as it wakes compaction.
    fn set_hold(&mut self, store: &Store) {
        let mut hold = Hold::NONE;
        for (sid, follower) in self.kept() {
            let acked = follower.known.acked;
            let safe = if self.passed.contains_key(&sid) { follower.safe } else { acked };
            hold.keep_from = hold.keep_from.min(acked);
            hold.collect_before = hold.collect_before.min(safe);
        }
        if self.has_strangers() && !self.is_tired {
            hold.collect_before = Position::default();
        }
        let (told, at) = self.hold;
        let is_more = hold.keep_from < told.keep_from || hold.collect_before < told.collect_before;
        let now = store.now();
        if is_more || hold != told && now.abs_diff(at) >= TELL_EVERY {
            self.hold = (hold, now);
            store.set_hold(hold);
        }
    }

    /// From now on tombstones made until now may be missing.
    fn forget_deletions(&mut self, store: &Store, now: u64) -> Result<()> {
        self.collected = self.collected.max(now);
        store.set_memo(COLLECTED, &self.collected.to_be_bytes())
    }

    /// Makes room for one more follower.
    fn bound(&mut self, store: &Store) -> Result<()> {
        while self.followers.len() >= MAX_KNOWN {
            let away = self.followers.iter().filter(|(_, follower)| !follower.connected);
            let Some(oldest) = away.min_by_key(|(_, follower)| follower.known.seen).map(|(sid, _)| *sid)
            else {
                break;
            };
            // Nothing is kept for it from now on.
            self.forget_deletions(store, store.now())?;
            self.followers.remove(&oldest);
            store.set_memo(&memos::known_key(oldest), &[])?;
        }
        Ok(())
    }
}

impl Follower {
    fn write(&mut self, store: &Store, sid: u16, now: u64) -> Result<()> {
        self.written = now;
        store.set_memo(&memos::known_key(sid), &self.known.encode())
    }

    /// What it had is safe once its log was applied here up to where it ended then.
    fn settle(&mut self, passed: Option<Progress>) -> bool {
        let Some(((acked, epoch, end), passed)) = self.candidate.zip(passed) else { return false };
        let is_safe = passed.epoch == epoch && passed.position >= end;
        if is_safe {
            self.safe = acked;
            self.candidate = None;
        }
        is_safe
    }
}
