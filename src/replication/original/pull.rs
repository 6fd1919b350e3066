//! Following an original server: bytes of its stream in, store changed. No I/O.
//!
//! The position is the time stamp of the last entry, kept in the log together with what the entry changed. So
//! after a crash here no entry is applied twice and none is left out, as long as the master's time stamps are
//! rising.

use std::sync::Arc;
use std::time::Duration;

use lcnode_protocol::Limits;
use lcnode_protocol::update_log::{Answer, Item, Logged, Step, encode_request};
use lcnode_storage::{Author, Store};

use super::apply;
use super::position::{Place, Slot};

/// A master that sends nothing for so long is given up, as the original does. It sends at least a byte a
/// second.
pub const SILENCE: Duration = Duration::from_secs(60);

/// Of a buffer that was needed for one large entry no more than this is kept.
const KEPT_BUFFER: usize = 1 << 20;

/// How an original master is followed.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its address, for the log.
    pub name: String,
    /// What the position is remembered under.
    pub slot: Slot,
    /// Where to begin without a position: behind this time stamp.
    pub begin: u64,
    /// Whether an entry with another outcome here ends it all.
    pub check: bool,
    /// The largest keys and values that are taken.
    pub limits: Limits,
    /// How far its time stamps may be ahead of the clock here.
    pub max_skew: Duration,
}

/// Why the following of a master ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// For this reason; it may be tried again.
    Failed(String),
    /// For this reason, and it is to stay so until `setmst` or a restart.
    Stopped(String),
}

impl End {
    /// The reason.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Failed(reason) | Self::Stopped(reason) => reason,
        }
    }
}

/// Figures of a master that is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Its id; 0 before it has answered.
    pub sid: u16,
    /// Time stamp of the last entry, in microseconds by its clock.
    pub ts: u64,
    /// Entries taken from this connection.
    pub entries: u64,
    /// Those of them that had another outcome here.
    pub differences: u64,
}

/// One connection to an original master.
#[derive(Debug)]
pub struct Pull {
    store: Arc<Store>,
    settings: Settings,
    place: Place,
    /// What is remembered of it.
    saved: Place,
    figures: Figures,
    /// The beginning of an item that is not whole yet.
    rest: Vec<u8>,
}

impl Pull {
    /// A connection that is about to be opened.
    pub fn new(store: Arc<Store>, settings: Settings) -> Self {
        let saved = settings.slot.load(&store);
        let place = saved.unwrap_or(Place { ts: settings.begin, sid: 0 });
        if saved.is_none() && place.ts > 1 && store.records() == 0 {
            tracing::warn!(
                "do_slave: the database is empty, and {} is followed from {} on: what it changed earlier is not \
                 fetched; setmst with ts 1 gets all that it still has",
                settings.name,
                place.ts
            );
        }
        let figures = Figures { ts: place.ts, ..Figures::default() };
        Self { store, settings, place, saved: place, figures, rest: Vec::new() }
    }

    /// What to send first.
    #[must_use]
    pub fn hello(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_request(self.place.ts.saturating_add(1), u32::from(self.store.origin()), &mut bytes);
        bytes
    }

    /// Figures as of now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        self.figures
    }

    /// Takes what the master has sent. All entries that are whole are applied.
    ///
    /// Errors: the connection is of no use any more. Entries before the fault are applied, and none by half.
    pub fn take(&mut self, bytes: &[u8]) -> Result<(), End> {
        let mut buffer = std::mem::take(&mut self.rest);
        buffer.extend_from_slice(bytes);
        let mut used = 0;
        while let Some(length) = self.item(&buffer[used..])? {
            used += length;
        }
        buffer.drain(..used);
        if buffer.len() < KEPT_BUFFER {
            buffer.shrink_to(KEPT_BUFFER);
        }
        self.rest = buffer;
        Ok(())
    }

    /// Takes one item; says how long it is. None where it is not whole.
    fn item(&mut self, bytes: &[u8]) -> Result<Option<usize>, End> {
        if self.figures.sid == 0 {
            let Step::Whole { item, used } = Answer::decode(bytes) else { return Ok(None) };
            self.meet(item.sid)?;
            return Ok(Some(used));
        }
        let step = Item::decode(bytes, self.settings.limits);
        match step.map_err(|reason| self.fail(&format!("its stream is no update log: {reason}")))? {
            Step::Incomplete { .. } => Ok(None),
            Step::Whole { item: Item::KeepAlive, used } => Ok(Some(used)),
            Step::Whole { item: Item::Entry { ts, sid, block }, used } => {
                self.entry(ts, sid, block)?;
                Ok(Some(used))
            }
        }
    }

    fn fail(&self, why: &str) -> End {
        End::Failed(format!("{}: {why}", self.settings.name))
    }

    /// Notes who has answered.
    fn meet(&mut self, sid: u32) -> Result<(), End> {
        let sid = match u16::try_from(sid) {
            Ok(0) => return Err(self.fail("it has no server id; start it with -sid and -ulog")),
            Ok(sid) if sid == self.store.origin() => {
                return Err(
                    self.fail(&format!("it has the server id of this node, {sid}; give one another -sid"))
                );
            }
            Ok(sid) => sid,
            Err(_) => return Err(self.fail(&format!("{sid} is no server id; is it a Tokyo Tyrant?"))),
        };
        if self.place.sid != 0 && self.place.sid != sid {
            tracing::warn!(
                "do_slave: {} is server {sid}, and up to {} the master was server {}: going on there; what {sid} \
                 logged earlier is not fetched, setmst with ts 1 gets all that it still has",
                self.settings.name,
                self.place.ts,
                self.place.sid
            );
        }
        (self.figures.sid, self.place.sid) = (sid, sid);
        tracing::info!("replicating from sid={sid} ({}) after {}", self.settings.name, self.place.ts);
        Ok(())
    }

    /// Applies one entry.
    fn entry(&mut self, ts: u64, origin: u16, block: &[u8]) -> Result<(), End> {
        let limit = self.store.now().saturating_add(micros(self.settings.max_skew));
        if ts > limit {
            let ahead = (ts - limit) / 1_000_000 + self.settings.max_skew.as_secs();
            return Err(self.fail(&format!(
                "an entry is {ahead} s ahead of the clock here, more than --max-skew; set the clocks"
            )));
        }
        let master = self.figures.sid;
        // Entries that were imported without an id: by the server that has them.
        let origin = if origin == 0 { master } else { origin };
        let place = Place { ts, sid: master };
        self.figures.entries += 1;
        if origin == self.store.origin() {
            // Made here; the master should not have sent it.
            self.advance(place);
            return Ok(());
        }
        let logged = Logged::decode(block, self.settings.limits)
            .map_err(|error| self.fail(&format!("the entry of {ts} of server {origin}: {error}")))?;
        let value = place.encode();
        let author = Author {
            origin,
            via: if origin == master { 0 } else { master },
            memo: Some((self.settings.slot.key(), &value)),
        };
        let outcome = apply::apply(&self.store, author, &logged.change, self.settings.limits)
            .map_err(|error| self.fail(&format!("the entry of {ts} of server {origin}: {error}")))?;
        self.advance(place);
        if outcome != apply::Outcome::Passed {
            self.saved = place;
        }
        match outcome.differs_from(&logged) {
            true => self.differ(ts, origin, &logged),
            false => Ok(()),
        }
    }

    fn advance(&mut self, place: Place) {
        self.place = place;
        self.figures.ts = place.ts;
    }

    fn differ(&mut self, ts: u64, origin: u16, logged: &Logged<'_>) -> Result<(), End> {
        self.figures.differences += 1;
        let command = logged.change.command().name();
        let (there, here) = if logged.worked { ("worked", "was refused") } else { ("was refused", "worked") };
        let text = format!(
            "detected inconsistency: the {command} of {ts} of server {origin} {there} on {} and {here} here",
            self.settings.name
        );
        if !self.settings.check {
            tracing::info!("do_slave: {text}");
            return Ok(());
        }
        tracing::error!("do_slave: {text}");
        Err(End::Stopped(format!("{text}; stopped as -rcc asks, until setmst or a restart")))
    }
}

impl Drop for Pull {
    /// Remembers what was only passed over. Where that fails it comes again and is passed over again.
    fn drop(&mut self) {
        if self.place != self.saved && self.figures.sid != 0 {
            let _ = self.settings.slot.save(&self.store, self.place);
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
