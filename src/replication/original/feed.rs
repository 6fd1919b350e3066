//! Leading an original server, or a reader of its dialect: the log in, bytes of the stream out. No I/O.
//!
//! Resulting values are sent, as puts, so that a repeat changes nothing; additions as additions, so that
//! those of several masters add up. Expiries and flags are not sent: the original has none.

use std::sync::Arc;

use lcnode_protocol::binary::{decode_double, encode_double};
use lcnode_protocol::update_log::{Answer, Change, Item, Logged};
use lcnode_storage::{Error, Kind, LogRead, LogRecord, Position, Result, Step, Store};

use super::order::{self, Order};
use super::slaves::Slave;

/// Ids up to this one are servers, whose own changes are not sent back; above are tools.
const MAX_SERVER: u32 = 65_535;

/// Why a request is not answered at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The time stamp or the id is 0.
    Invalid,
    /// The id is the one of this node.
    OwnId,
}

/// Why a stream cannot go on.
#[derive(Debug)]
pub enum End {
    /// The log was compacted away where the stream was. The slave comes again and gets all records.
    Gone,
    /// The log cannot be read.
    Failed(Error),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone => {
                f.write_str("the log is not kept any more where the slave was; it gets all records again")
            }
            Self::Failed(error) => write!(f, "the log cannot be read: {error}"),
        }
    }
}

/// The stream to one slave.
#[derive(Debug)]
pub struct Feed {
    store: Arc<Store>,
    slave: u32,
    /// What the slave asked for: nothing of before.
    ts: u64,
    position: Position,
    /// Where the log ended when the slave asked.
    asked_at: Position,
    /// Whether all records are sent up to there, whatever was asked for.
    full: bool,
    order: Order,
    /// The time of order of the last entry that was sent.
    sent: u64,
    entries: u64,
    /// What is remembered of the slave.
    known: Slave,
}

impl Feed {
    /// Begins a stream for the slave with id `slave`, from time stamp `ts` on.
    ///
    /// A slave whose time stamp is older than the log gets all records there are. So does one that left while
    /// it was getting them, as no time stamp tells how far it had come. One that is ahead of this node, because
    /// its last master's clock was, gets what changes from now on.
    ///
    /// Errors: those of the store.
    pub fn start(store: Arc<Store>, ts: u64, slave: u32) -> Result<std::result::Result<Self, Refusal>> {
        if ts == 0 || slave == 0 {
            return Ok(Err(Refusal::Invalid));
        }
        if slave == u32::from(store.origin()) {
            return Ok(Err(Refusal::OwnId));
        }
        match store.set_counting() {
            Ok(()) | Err(Error::ReadOnly) => {}
            Err(error) => return Err(error),
        }
        let asked_at = store.end();
        let known = Slave::load(&store, slave);
        let place = place(&store, ts, known.unwrap_or_default())?;
        let full = place.is_none();
        let (position, order) = place.unwrap_or_else(|| (store.oldest(), Order::default()));
        let mut known = known.unwrap_or_default();
        if full {
            known = Slave { unfinished: u64::MAX, ..Slave::default() };
            known.save(&store, slave)?;
        }
        match (full, ts) {
            (false, _) => tracing::info!("replicating to sid={slave} after {}", ts - 1),
            (true, ..=2) => tracing::info!("replicating to sid={slave}: all records"),
            (true, _) => tracing::warn!(
                "replicating to sid={slave}: all records, as the log does not go back to {ts} any more; records \
                 that were removed since then may still be there on {slave}"
            ),
        }
        Ok(Ok(Self {
            store,
            slave,
            ts,
            position,
            asked_at,
            full,
            order,
            sent: known.sent,
            entries: 0,
            known,
        }))
    }

    /// What the slave is answered.
    pub fn answer(&self, out: &mut Vec<u8>) {
        Answer { sid: u32::from(self.store.origin()) }.encode(out);
    }

    /// Writes what keeps the stream alive: at once, and each second.
    pub fn beat(&self, out: &mut Vec<u8>) {
        Item::KeepAlive.encode(out);
    }

    /// Passes about `bytes` of the log on; says whether there may be more.
    ///
    /// Errors: the stream cannot go on.
    pub fn fill(&mut self, bytes: usize, out: &mut Vec<u8>) -> std::result::Result<bool, End> {
        let store = Arc::clone(&self.store);
        let mut block = Vec::new();
        let read = store.read_log(self.position, bytes, |record| self.pass(record, &mut block, out));
        let next = match read.map_err(End::Failed)? {
            LogRead::Upto(next) => next,
            LogRead::Gone(_) => return Err(End::Gone),
        };
        let more = next != self.position;
        self.position = next;
        if self.full && next >= self.asked_at {
            self.full = false;
            self.known.unfinished = self.sent;
            self.remember().map_err(End::Failed)?;
            tracing::info!("sid={} was sent all records: {} entries", self.slave, self.entries);
        } else if next.segment > self.known.at.segment && !self.full {
            // Else one that is in step would ask for what is in segments that may be gone.
            self.remember().map_err(End::Failed)?;
        }
        Ok(more)
    }

    /// How far the log was passed on.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Whether all records are being sent.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// Entries sent so far.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// The slave's id, where it is that of a server.
    #[must_use]
    pub fn server(&self) -> Option<u16> {
        u16::try_from(self.slave).ok().filter(|_| self.slave <= MAX_SERVER)
    }

    /// Remembers how far the log was passed on.
    fn remember(&mut self) -> Result<()> {
        (self.known.at, self.known.order, self.known.sent) = (self.position, self.order.last(), self.sent);
        self.known.save(&self.store, self.slave)
    }

    fn pass(&mut self, record: &LogRecord<'_>, block: &mut Vec<u8>, out: &mut Vec<u8>) {
        let ts = self.order.next(record);
        let is_old = record.at < self.asked_at;
        let all = self.full && is_old;
        let is_known = !all && (record.moved || (is_old && ts < self.ts));
        if is_known || self.is_of_slave(record) {
            return;
        }
        let Some(change) = change(record, all) else { return };
        block.clear();
        Logged { change, worked: true }.encode(block);
        let sid = if record.stamp.origin == 0 { self.store.origin() } else { record.stamp.origin };
        Item::Entry { ts, sid, block: &block[..] }.encode(out);
        self.sent = ts;
        self.entries += 1;
    }

    /// Whether the slave made the change, or it was received from the slave.
    fn is_of_slave(&self, record: &LogRecord<'_>) -> bool {
        self.slave == u32::from(record.stamp.origin)
            || (record.via != 0 && self.slave == u32::from(record.via))
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        if !self.full && self.sent != self.known.sent {
            // Where that fails more is read again the next time.
            let _ = self.remember();
        }
    }
}

/// Where to read for what comes from time stamp `ts` on, and the time of order there; none where all must be sent.
fn place(store: &Store, ts: u64, known: Slave) -> Result<Option<(Position, Order)>> {
    if ts <= known.unfinished {
        return Ok(None);
    }
    if known.sent > 0 && ts > known.sent {
        let is_there = matches!(store.read_log(known.at, 1, |_| {})?, LogRead::Upto(_));
        if is_there {
            return Ok(Some((known.at, Order::after(known.order))));
        }
    }
    Ok(order::find(store, ts)?.map(|position| (position, Order::default())))
}

/// What a record is to a slave; with `all` the value that it has, else the change that it was.
fn change<'a>(record: &LogRecord<'a>, all: bool) -> Option<Change<'a>> {
    let (key, value) = (record.key, record.value);
    Some(match (record.kind, record.step) {
        (Kind::Put, _) => Change::Put { key, value },
        (Kind::Counter, Some(step)) if !all => addition(key, step).unwrap_or(Change::Put { key, value }),
        // Merged with more than additions, or counted in decimal text, of which an original knows no addition.
        (Kind::Counter, _) => Change::Put { key, value },
        (Kind::Delete, _) => Change::Out { key },
        (Kind::Vanish, _) => Change::Vanish,
        _ => return None,
    })
}

/// An addition; none where the stream cannot carry the number.
fn addition(key: &[u8], step: Step) -> Option<Change<'_>> {
    match step {
        Step::Int(num) => Some(Change::AddInt { key, num }),
        Step::Double(num) => {
            let (integ, fract) = encode_double(num);
            let carried = decode_double(integ, fract);
            // It has twelve decimals.
            ((carried - num).abs() < 1e-12).then_some(Change::AddDouble { key, integ, fract })
        }
    }
}
