//! The leader's side of one follower, without I/O: the log in, frames out.

use std::collections::VecDeque;

use lcnode_protocol::peer::{
    Epoch, FollowerFrame, FollowerHello, LeaderFrame, LeaderHello, Mode, RecordsWriter, VERSION,
};
use lcnode_storage::{Kind, LogRead, LogRecord, Position, Store};

use super::digest::{Answers, Job, Outcome};
use super::ended::Ended;
use super::peers::{Ack, Peers, bytes_behind};
use super::{local, wire};

/// Bytes of log that are read for one frame.
const BATCH: usize = 256 << 10;
/// The records of a frame have at most so many bytes, unless it is one record.
const MAX_RECORDS: usize = 1 << 20;
/// A follower is told its place at least so often, in bytes of log, where all of it is left out.
const SKIP: usize = 1 << 20;
/// A follower that is further behind, in bytes of log, is sent each key once where that saves enough: it catches up
/// the sooner, the more often what it missed was overwritten.
const FAR: u64 = 48 << 20;
/// Records of a frame that must have been replaced for that, of a hundred.
const WORTH: u64 = 20;
/// Frames after one in which that was not worth it, before the next try.
const UNTIL_NEXT_TRY: u32 = 15;
/// Frames whose acknowledgement is waited for, of which is known what they held.
const MAX_SENT: usize = 8192;

/// One follower.
#[derive(Debug)]
pub struct Feed {
    sid: u16,
    connection: u64,
    /// Where to read on.
    at: Position,
    /// What is sent before anything else: that all was deleted once, where that may not be in the log any more.
    vanish: Option<Vec<u8>>,
    /// Before this, moved records are sent too: there was no older copy that the follower could have.
    full_until: Position,
    /// Numbers of the segments that there were then, from the oldest on: some in between may have been removed.
    segments: Vec<u64>,
    /// Before this, the follower's own records are sent too, lest it has lost them. Everywhere, until all has been
    /// taken that it sent before it was lost.
    mine_until: Position,
    /// Largest time of a change up to `at`; 0 where it is not known.
    ts: u64,
    /// Changes passed.
    changes: u64,
    /// Records passed, counted as [`Store::appended`] counts, once the end was reached.
    passed: Option<u64>,
    /// Bytes and records passed since the handshake.
    volume: (u64, u64),
    /// Bytes left out since the last frame.
    skipped: usize,
    /// From here on nothing was moved by compaction before the log was held for the follower.
    held_from: Position,
    /// Frames until it is tried again to send only what was not replaced.
    try_in: u32,
    /// What was sent and not acknowledged: next position, last change, changes.
    sent: VecDeque<(Position, u64, u64)>,
    answers: Answers,
}

/// What a follower is told when it is turned away.
#[derive(Debug)]
pub struct Refusal {
    /// The answer, as bytes.
    pub hello: Vec<u8>,
    /// Why.
    pub why: Ended,
}

/// How far behind a follower is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lag {
    /// Bytes of log.
    pub bytes: u64,
    /// Records of it; an estimate until the follower was in step once.
    pub records: u64,
}

impl Feed {
    /// Answers a hello: the feed and the bytes of the answer, or a refusal.
    pub fn start(store: &Store, peers: &Peers, hello: &FollowerHello) -> Result<(Self, Vec<u8>), Refusal> {
        let own = store.origin();
        let refuse = |why: Ended| {
            let mut bytes = Vec::new();
            LeaderHello::refusal(own, store.now(), &why.to_string()).encode(&mut bytes);
            Refusal { hello: bytes, why }
        };
        if hello.version != VERSION {
            return Err(refuse(Ended::Version(hello.version)));
        }
        if hello.sid == own {
            return Err(refuse(Ended::SameId {
                sid: own,
                itself: hello.identity == store.opened().identity,
            }));
        }
        if hello.sid == 0 {
            return Err(refuse(Ended::NoId));
        }
        if peers.is_taken(hello.sid, hello.identity) {
            return Err(refuse(Ended::Taken(hello.sid)));
        }
        let place = hello.position.and_then(|epoch| peers.resolve(epoch.id, local(epoch.position)));
        let mut place = place.map(|place| place.min(store.end())).filter(|place| goes_on(store, *place));
        let (at, ts, was_held, connection) = loop {
            let at = place.unwrap_or_else(|| store.oldest());
            let known = peers.known(hello.sid);
            let ts = known.filter(|known| place.is_some() && known.acked <= at);
            let was_held = ts.is_some_and(|known| !known.given_up);
            let connection = peers
                .attach(store, hello.sid, hello.identity, at)
                .map_err(|error| refuse(Ended::Storage(error)))?;
            // Compaction may have come before the hold on the log.
            if place.is_none_or(|place| goes_on(store, place)) {
                break (at, ts, was_held, connection);
            }
            place = None;
        };
        // What was moved until the hold was there is before this.
        let end = store.end();
        let (mode, full_until) = match place {
            Some(_) => (Mode::Resume, Position::default()),
            None => (Mode::Full, end),
        };
        let segments = store.segments().into_iter().map(|segment| segment.number);
        let segments = segments.filter(|_| mode == Mode::Full).collect();
        let answer = LeaderHello {
            version: VERSION,
            mode,
            sid: own,
            identity: store.opened().identity,
            clock: store.now(),
            from: Epoch { id: peers.epoch(), position: wire(at) },
            end: wire(end),
            collected: peers.collected(store),
            reason: "",
        };
        let mut bytes = Vec::new();
        answer.encode(&mut bytes);
        let feed = Self {
            sid: hello.sid,
            connection,
            at,
            vanish: if mode == Mode::Full { store.last_vanish() } else { None },
            full_until,
            segments,
            mine_until: if hello.mine { Position::MAX } else { Position::default() },
            ts: ts.map_or(0, |known| known.last_change),
            changes: 0,
            passed: None,
            volume: (0, 0),
            skipped: 0,
            held_from: if was_held { at } else { end },
            try_in: 0,
            sent: VecDeque::new(),
            answers: Answers::default(),
        };
        Ok((feed, bytes))
    }

    /// The follower's server id.
    #[must_use]
    pub fn sid(&self) -> u16 {
        self.sid
    }

    /// Whether no newer connection of the same follower has taken its place.
    #[must_use]
    pub fn is_current(&self, peers: &Peers) -> bool {
        peers.is_current(self.sid, self.connection)
    }

    /// Where it reads on.
    #[must_use]
    pub fn at(&self) -> Position {
        self.at
    }

    /// Whether it still sends all that there is.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.at < self.full_until
    }

    /// Adds a frame with the next records, if there are any for the follower. Says whether there may be more.
    pub fn fill(&mut self, store: &Store, out: &mut Vec<u8>) -> Result<bool, Ended> {
        self.pass_gap();
        let start = self.at;
        let full_until = self.full_until;
        let is_far = self.is_far(store);
        let filter = Filter { sid: self.sid, full_until, mine_until: self.mine_until, is_far };
        let mut frame = RecordsWriter::new(out);
        if let Some(vanish) = self.vanish.take() {
            frame.push(&vanish);
        }
        let mut passed = Passed { ts: self.ts, changes: self.changes, ..Passed::default() };
        let read = store.read_log(start, BATCH, |record| passed.take(store, record, filter, &mut frame));
        let next = match read.map_err(Ended::Storage)? {
            LogRead::Gone(oldest) => {
                frame.abandon();
                return Err(Ended::Gone { at: start, oldest });
            }
            LogRead::Upto(next) => passed.stopped.unwrap_or(next),
        };
        if is_far && passed.replaced * 100 < passed.records * WORTH {
            self.try_in = UNTIL_NEXT_TRY;
        }
        self.at = next;
        (self.ts, self.changes) = (passed.ts, passed.changes);
        self.volume = (self.volume.0 + passed.bytes as u64, self.volume.1 + passed.records);
        if let Some(count) = &mut self.passed {
            *count += passed.records;
        }
        let at_end = passed.stopped.is_none() && (next == start || next >= store.end());
        if at_end {
            self.passed = Some(store.appended());
        }
        self.skipped += passed.bytes;
        if frame.is_empty() && self.skipped < SKIP {
            frame.abandon();
        } else {
            frame.finish(wire(next), self.ts, self.volume.1);
            self.note_sent();
        }
        Ok(!at_end)
    }

    /// While everything is sent, segments that were removed before it began are passed by.
    fn pass_gap(&mut self) {
        if self.is_full() {
            let next = self.segments.partition_point(|number| *number < self.at.segment);
            self.at.segment = self.segments.get(next).copied().unwrap_or(self.at.segment);
        }
    }

    /// Whether to leave out what was replaced since.
    fn is_far(&mut self, store: &Store) -> bool {
        let end = store.end();
        if self.at < self.held_from {
            return false;
        }
        let is_far = end.segment > self.at.segment || end.offset - self.at.offset.min(end.offset) > FAR;
        if is_far && self.try_in > 0 {
            self.try_in -= 1;
            return false;
        }
        is_far
    }

    /// Adds a beat, to be sent every second, and ten times a second while the follower is behind.
    pub fn beat(&mut self, store: &Store, out: &mut Vec<u8>) {
        if self.skipped > 0 {
            RecordsWriter::new(out).finish(wire(self.at), self.ts, self.volume.1);
            self.note_sent();
        }
        let Lag { bytes, records } = self.lag(store);
        let (end, clock, ts) = (wire(store.end()), store.now(), self.ts);
        LeaderFrame::Beat { end, clock, ts, bytes, entries: records }.encode(out);
    }

    fn note_sent(&mut self) {
        self.skipped = 0;
        if self.sent.len() == MAX_SENT {
            // To know less of what was acknowledged does no harm.
            self.sent.pop_front();
        }
        self.sent.push_back((self.at, self.ts, self.changes));
    }

    /// How far what was sent is behind the log's end.
    #[must_use]
    pub fn lag(&self, store: &Store) -> Lag {
        if self.at >= store.end() {
            return Lag { bytes: 0, records: 0 };
        }
        let lengths: Vec<(u64, u64)> =
            store.segments().iter().map(|segment| (segment.number, segment.written)).collect();
        let bytes = bytes_behind(&lengths, self.at);
        let mean = self.volume.0.checked_div(self.volume.1).filter(|mean| *mean > 0).unwrap_or(64);
        let records = match self.passed {
            Some(passed) => store.appended().saturating_sub(passed),
            None => bytes / mean,
        };
        Lag { bytes, records }
    }

    /// Takes a frame of the follower.
    pub fn take(&mut self, store: &Store, peers: &Peers, frame: &FollowerFrame<'_>) -> Result<(), Ended> {
        match *frame {
            FollowerFrame::Ack { applied, own } => {
                if self.mine_until == Position::MAX && peers.follows_epoch(self.sid, own.id) {
                    self.mine_until = store.end();
                }
                let applied = local(applied);
                if applied > self.at {
                    return Err(Ended::AckedAhead { acked: applied, at: self.at });
                }
                let (mut last_change, mut changes) = (0, 0);
                while let Some(sent) = self.sent.front().filter(|sent| sent.0 <= applied) {
                    (last_change, changes) = (sent.1, sent.2);
                    self.sent.pop_front();
                }
                // Before the end of a full sync the times say nothing of what it has.
                let last_change = if applied < self.full_until { 0 } else { last_change };
                let ack = Ack { applied, last_change, epoch: own.id, end: local(own.position), changes };
                peers.ack(store, self.sid, ack).map_err(Ended::Storage)
            }
            FollowerFrame::AskDigest { id } => {
                self.answers.ask(id);
                Ok(())
            }
            FollowerFrame::Compare { id, range, last, entries } => {
                self.answers.compare(id, range, last, entries.iter())
            }
        }
    }

    /// What is to be found out in the store, on a thread where it holds nobody up.
    pub fn job(&mut self) -> Option<Job> {
        self.answers.job()
    }

    /// Adds the answer that a job gave.
    pub fn done(&mut self, store: &Store, peers: &Peers, outcome: Outcome, out: &mut Vec<u8>) {
        self.answers.done(peers.collected(store), outcome, out);
    }

    /// The connection has ended.
    pub fn close(&self, store: &Store, peers: &Peers) -> Result<(), Ended> {
        peers.detach(store, self.sid, self.connection).map_err(Ended::Storage)
    }
}

/// Whether a position is one where a record begins, and all of the log behind it is there. A follower that asks for
/// another gets everything.
fn goes_on(store: &Store, at: Position) -> bool {
    let behind =
        store.segments().into_iter().map(|segment| segment.number).filter(|number| *number >= at.segment);
    let is_whole = behind.zip(at.segment..).all(|(number, expected)| number == expected);
    is_whole && matches!(store.read_log(at, 0, |_| {}), Ok(LogRead::Upto(_)))
}

/// Which records a follower gets.
#[derive(Debug, Clone, Copy)]
struct Filter {
    sid: u16,
    full_until: Position,
    mine_until: Position,
    /// Whether what was replaced since is left out.
    is_far: bool,
}

impl Filter {
    #[inline]
    fn wants(&self, store: &Store, record: &LogRecord<'_>) -> bool {
        // A counter that came by way of another may have been merged there: then it is news to all but that one,
        // whoever made the last change of it.
        let is_merged = record.via == store.origin() || record.kind == Kind::Counter && record.via != 0;
        let is_its_own = record.via == self.sid || !is_merged && record.stamp.origin == self.sid;
        if is_its_own && record.at >= self.mine_until {
            return false;
        }
        // Of all that there is each key once: what was replaced may have been deleted in between, and that forgotten.
        if record.at < self.full_until {
            return record.kind == Kind::Vanish || store.is_live(record);
        }
        !record.moved
    }

    /// Whether a record that is wanted need not be sent, as a later one will be.
    #[inline]
    fn skips(&self, store: &Store, record: &LogRecord<'_>) -> bool {
        self.is_far && record.at >= self.full_until && record.kind != Kind::Vanish && !store.is_live(record)
    }
}

/// What was read of the log.
#[derive(Debug, Default)]
struct Passed {
    ts: u64,
    changes: u64,
    records: u64,
    /// Those of them that were left out, as later ones replaced them.
    replaced: u64,
    bytes: usize,
    /// Where the frame was full.
    stopped: Option<Position>,
}

impl Passed {
    #[inline]
    fn take(&mut self, store: &Store, record: &LogRecord<'_>, filter: Filter, frame: &mut RecordsWriter<'_>) {
        if self.stopped.is_some() {
            return;
        }
        let len = record.bytes.len();
        if record.kind != Kind::Memo {
            if filter.skips(store, record) {
                self.replaced += 1;
            } else if filter.wants(store, record) {
                if !frame.is_empty() && frame.len() + len > MAX_RECORDS {
                    self.stopped = Some(record.at);
                    return;
                }
                frame.push(record.bytes);
            }
            self.ts = self.ts.max(record.stamp.ts);
            self.changes += 1;
        }
        self.records += 1;
        self.bytes += len;
    }
}
