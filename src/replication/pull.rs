//! The follower's side of one leader, without I/O: frames in, the store changed, frames out.
//!
//! What is always true:
//! - The place in the leader's log is remembered behind what was applied up to there, never before it.
//! - What is acknowledged is durable here: the leader forgets what it kept for this node.

use std::collections::VecDeque;

use lcnode_protocol::Limits;
use lcnode_protocol::peer::{
    Epoch, FollowerFrame, FollowerHello, Hashes, LeaderFrame, LeaderHello, Mode, Step, VERSION,
};
use lcnode_storage::{Position, Store};

use super::arrivals::Arrivals;
use super::check::Check;
use super::digest::{Job, Outcome};
use super::ended::Ended;
use super::memos::{self, Progress};
use super::peers::Peers;
use super::{local, wire};

mod view;

use view::between;

pub use view::View;

/// The place is remembered at most so often, in microseconds, ...
const REMEMBER_EVERY: u64 = 50_000;
/// ... but after so many bytes of the leader's log.
const REMEMBER_AFTER: u64 = 1 << 20;
/// Acknowledgements come at least so far apart, in microseconds.
const ACK_EVERY: u64 = 50_000;
/// Places that wait to be durable.
const MAX_PENDING: usize = 1024;
/// A leader's log that is ahead by less is as good as in step, in bytes.
const IN_STEP: u64 = 1 << 20;

/// What a node keeps between connections to one master.
#[derive(Debug, Clone, Copy)]
pub struct Master {
    /// Server id of the master, once it is known.
    pub sid: Option<u16>,
    /// Whether it is to be asked for what was made here, lest that was lost.
    pub mine: bool,
    /// How far its clock may be ahead, in microseconds.
    pub max_skew: u64,
    /// The largest records.
    pub limits: Limits,
}

/// One leader.
#[derive(Debug)]
pub struct Pull {
    master: Master,
    /// Whether the leader's hello has come.
    is_open: bool,
    sent: Option<Epoch>,
    progress: Progress,
    /// What was remembered last.
    remembered: Progress,
    remembered_at: u64,
    /// Whether anything was applied since.
    is_dirty: bool,
    /// Up to here everything comes, and the place is not remembered.
    full_from: Position,
    full_until: Position,
    arrivals: Arrivals,
    /// Where the log here ended when a place had been remembered, which is acknowledged once that is durable.
    pending: VecDeque<(Position, Position)>,
    acked: Position,
    acked_at: u64,
    /// The leader's last beat.
    beat: Beat,
    in_step_at: u64,
    check: Check,
}

/// What the leader said last, and how far behind it this is since.
#[derive(Debug, Clone, Copy, Default)]
struct Beat {
    clock: u64,
    bytes: u64,
    records: u64,
}

impl Pull {
    /// Begins a connection: the pull, and the hello to send.
    #[must_use]
    pub fn start(store: &Store, master: Master) -> (Self, Vec<u8>) {
        let remembered = master.sid.and_then(|sid| remembered(store, sid));
        let sent = remembered.map(|progress| Epoch { id: progress.epoch, position: wire(progress.position) });
        let hello = FollowerHello {
            version: VERSION,
            sid: store.origin(),
            identity: store.opened().identity,
            clock: store.now(),
            position: sent,
            mine: master.mine,
        };
        let mut bytes = Vec::new();
        hello.encode(&mut bytes);
        let progress = remembered.unwrap_or_default();
        let now = store.now();
        let pull = Self {
            master,
            is_open: false,
            sent,
            progress,
            remembered: progress,
            remembered_at: now,
            is_dirty: false,
            full_from: Position::default(),
            full_until: Position::default(),
            arrivals: Arrivals::default(),
            pending: VecDeque::new(),
            acked: Position::default(),
            acked_at: 0,
            beat: Beat::default(),
            in_step_at: now,
            check: Check::new(),
        };
        (pull, bytes)
    }

    /// Whether the leader sends or sent all that it has on this connection.
    #[must_use]
    pub fn is_refill(&self) -> bool {
        self.full_until != Position::default()
    }

    /// Whether the leader's hello has not come.
    #[must_use]
    pub fn is_unanswered(&self) -> bool {
        !self.is_open
    }

    /// What is to be kept for the next connection.
    #[must_use]
    pub fn master(&self) -> Master {
        self.master
    }

    /// Takes what the leader sent; says how many bytes of it were used, and how many there must be before it is
    /// worth another look.
    pub fn take(
        &mut self,
        store: &Store,
        peers: &Peers,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(usize, usize), Ended> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            if rest.is_empty() {
                return Ok((used, 1));
            }
            let len = if self.is_open {
                match LeaderFrame::decode(rest, self.master.limits)? {
                    Step::Whole { item, used } => {
                        self.frame(store, peers, item, out)?;
                        used
                    }
                    Step::Incomplete { at_least } => return Ok((used, at_least)),
                }
            } else {
                match LeaderHello::decode(rest)? {
                    Step::Whole { item, used } => {
                        self.hello(store, peers, &item)?;
                        used
                    }
                    Step::Incomplete { at_least } => return Ok((used, at_least)),
                }
            };
            used += len;
        }
    }

    fn hello(&mut self, store: &Store, peers: &Peers, hello: &LeaderHello<'_>) -> Result<(), Ended> {
        let own = store.origin();
        if hello.mode == Mode::Refused {
            return Err(Ended::Refused(hello.reason.to_owned()));
        }
        if hello.sid == own {
            return Err(Ended::SameId { sid: own, itself: hello.identity == store.opened().identity });
        }
        if hello.sid == 0 {
            return Err(Ended::NoId);
        }
        self.check_clock("the peer's clock", hello.clock, store.now())?;
        if self.master.sid.replace(hello.sid) != Some(hello.sid) {
            let remembered = remembered(store, hello.sid);
            let is_other = |progress: &Progress| {
                self.sent != Some(Epoch { id: progress.epoch, position: wire(progress.position) })
            };
            if remembered.is_some_and(|progress| is_other(&progress)) {
                // It goes on from there, which it could not say before it knew whom it speaks to.
                return Err(Ended::Again);
            }
            self.remembered = Progress::default();
        }
        let from = local(hello.from.position);
        let end = local(hello.end);
        let ts = self.remembered.ts.max(peers.had(hello.sid));
        self.progress = Progress { epoch: hello.from.id, position: from, ts };
        if hello.mode == Mode::Full {
            (self.full_from, self.full_until) = (from, end);
            // Should it break off, everything comes again.
            self.remembered.position = Position::default();
        }
        self.arrivals = Arrivals::new(store, peers, hello.sid);
        self.is_open = true;
        self.acked = from;
        self.beat = Beat { clock: hello.clock, bytes: between(from, end), records: 0 };
        self.in_step_at = store.now();
        self.is_dirty = hello.mode == Mode::Full || self.remembered.epoch != hello.from.id;
        peers.passed(store, hello.sid, self.progress);
        Ok(())
    }

    fn check_clock(&self, what: &'static str, clock: u64, now: u64) -> Result<(), Ended> {
        let ahead = clock.saturating_sub(now);
        if ahead > self.master.max_skew {
            return Err(Ended::Skew { what, seconds: ahead / 1_000_000 });
        }
        Ok(())
    }

    /// Whether the leader still sends all that it has.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_open && self.progress.position < self.full_until
    }

    fn frame(
        &mut self,
        store: &Store,
        peers: &Peers,
        frame: LeaderFrame<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Ended> {
        match frame {
            LeaderFrame::Records { next, ts, passed: _, records } => {
                let next = local(next);
                let (bytes, count) = (records.len() as u64, self.arrivals.count());
                if next < self.progress.position {
                    return Err(Ended::Order { from: self.progress.position, to: next });
                }
                let until = store.now().saturating_add(self.master.max_skew);
                self.arrivals.apply(store, peers, records, until, next)?;
                self.is_dirty |= !records.is_empty();
                self.beat.bytes = self.beat.bytes.saturating_sub(bytes);
                self.beat.records = self.beat.records.saturating_sub(self.arrivals.count() - count);
                self.progress.position = next;
                if !self.is_full() {
                    self.progress.ts = self.progress.ts.max(ts);
                }
                if let Some(sid) = self.master.sid {
                    peers.passed(store, sid, self.progress);
                }
                self.remember(store, false)?;
                self.ack(store, peers, false, out);
            }
            LeaderFrame::Beat { end: _, clock, ts: _, bytes, entries } => {
                self.check_clock("the peer's clock", clock, store.now())?;
                self.beat = Beat { clock, bytes, records: entries };
                if bytes == 0 {
                    self.in_step_at = store.now();
                }
            }
            LeaderFrame::Digest { id, collected, end, ranges } => {
                self.check.digest(id, collected, local(end), ranges);
            }
            LeaderFrame::Compared { id, range, last, unknown, records } => {
                self.compared(store, peers, (id, range, last), unknown, records)?;
            }
        }
        Ok(())
    }

    fn compared(
        &mut self,
        store: &Store,
        peers: &Peers,
        of: (u64, u16, bool),
        unknown: Hashes<'_>,
        records: &[u8],
    ) -> Result<(), Ended> {
        let until = store.now().saturating_add(self.master.max_skew);
        let news = self.arrivals.apply(store, peers, records, until, self.progress.position)?;
        let (id, range, last) = of;
        if let Some(healed) = self.check.compared(store, id, range, last, unknown, news) {
            self.tell(healed);
        }
        Ok(())
    }

    fn tell(&self, healed: super::check::Healed) {
        let (sid, records) = (self.master.sid.unwrap_or(0), healed.records);
        if healed.is_alarming {
            tracing::error!(
                "server {sid} had {records} records that differed here though nothing was under way: healed"
            );
        } else {
            tracing::info!("comparing with server {sid} brought {records} records");
        }
    }

    /// To be called several times a second, and after every take.
    pub fn tick(&mut self, store: &Store, peers: &Peers, out: &mut Vec<u8>) -> Result<(), Ended> {
        if !self.is_open {
            return Ok(());
        }
        self.remember(store, false)?;
        self.ack(store, peers, true, out);
        let in_step = !self.is_full() && self.beat.bytes < IN_STEP;
        self.check.tick(store, in_step, out);
        Ok(())
    }

    /// Writes down how far the leader's log was applied.
    fn remember(&mut self, store: &Store, now: bool) -> Result<(), Ended> {
        let Some(sid) = self.master.sid.filter(|_| self.is_open && !self.is_full()) else { return Ok(()) };
        let (at, before) = (self.progress.position, self.remembered.position);
        let is_far = at.segment != before.segment || at.offset.abs_diff(before.offset) >= REMEMBER_AFTER;
        let is_due = store.now().abs_diff(self.remembered_at) >= REMEMBER_EVERY;
        if !is_far && !(self.is_dirty && (is_due || now)) {
            return Ok(());
        }
        store.set_memo(&memos::progress_key(sid), &self.progress.encode()).map_err(Ended::Storage)?;
        (self.remembered, self.remembered_at, self.is_dirty) = (self.progress, store.now(), false);
        self.await_durable(store.end(), at);
        Ok(())
    }

    /// Acknowledges what is durable here.
    fn ack(&mut self, store: &Store, peers: &Peers, always: bool, out: &mut Vec<u8>) {
        let now = store.now();
        if now.abs_diff(self.acked_at) < if always { 20 * ACK_EVERY } else { ACK_EVERY } {
            return;
        }
        if self.is_full() {
            return self.ack_full(store, peers, now, out);
        }
        while let Some((_, at)) =
            self.pending.front().filter(|(end, _)| matches!(store.is_durable(*end), Ok(true)))
        {
            self.acked = *at;
            self.pending.pop_front();
        }
        if self.pending.is_empty() && !self.is_dirty {
            // What came since is nothing to this node.
            self.acked = self.progress.position;
        }
        self.send_ack(store, peers, now, out);
    }

    /// While everything comes: should this node lose it everything comes again, so the leader need not keep it.
    fn ack_full(&mut self, store: &Store, peers: &Peers, now: u64, out: &mut Vec<u8>) {
        let end = store.end();
        while let Some((_, at)) =
            self.pending.front().filter(|(end, _)| matches!(store.is_durable(*end), Ok(true)))
        {
            self.acked = *at;
            self.pending.pop_front();
        }
        self.await_durable(end, self.progress.position);
        self.send_ack(store, peers, now, out);
    }

    /// `at` is acknowledged once all before `end` is durable here.
    fn await_durable(&mut self, end: Position, at: Position) {
        if self.pending.len() == MAX_PENDING {
            // Nothing is made durable here for long, as with --sync never.
            self.pending.pop_back();
        }
        self.pending.push_back((end, at));
    }

    fn send_ack(&mut self, store: &Store, peers: &Peers, now: u64, out: &mut Vec<u8>) {
        self.acked_at = now;
        let own = Epoch { id: peers.epoch(), position: wire(store.end()) };
        FollowerFrame::Ack { applied: wire(self.acked), own }.encode(out);
    }

    /// What is to be found out in the store, on a thread where it holds nobody up.
    pub fn job(&mut self, store: &Store, peers: &Peers) -> Option<Job> {
        let sid = self.master.sid.filter(|_| self.is_open && !self.is_full())?;
        let had = peers.known(sid).map_or(0, |known| known.last_change.saturating_sub(1));
        let had = [(store.origin(), had), (sid, had.saturating_sub(self.master.max_skew))];
        self.check.job(self.progress.position, had)
    }

    /// Takes what a job found.
    pub fn done(&mut self, store: &Store, outcome: Outcome, out: &mut Vec<u8>) -> Result<(), Ended> {
        let is_bury = matches!(outcome, Outcome::Bury(_));
        let tombstones = self.check.done(store, self.progress.position, outcome, out);
        if is_bury {
            let count = self.arrivals.bury(store, &tombstones)?;
            if let Some(healed) = self.check.buried(store, count) {
                self.tell(healed);
            }
        }
        Ok(())
    }

    /// The connection has ended: what was applied is remembered.
    pub fn close(&mut self, store: &Store) -> Result<(), Ended> {
        self.remember(store, true)
    }
}

/// How far the log of a server was applied here.
fn remembered(store: &Store, sid: u16) -> Option<Progress> {
    Progress::decode(&store.memo(&memos::progress_key(sid))?).filter(|progress| progress.epoch != 0)
}
