//! What one writer knows: the values that were acknowledged, and the changes that were sent and not yet
//! acknowledged, in their order.

use std::collections::{BTreeMap, VecDeque};
use std::io;

use fastrand::Rng;

use crate::support::{Client, wire};

/// Keys of a writer, which no other touches: some are put, some appended to, some are counters.
const PUT_KEYS: u8 = 30;
const CAT_KEYS: u8 = 10;
const COUNTERS: u8 = 10;
/// The most changes that are under way at once.
const PIPELINE: usize = 24;

/// Records.
pub type State = BTreeMap<Vec<u8>, Vec<u8>>;

#[derive(Debug, Clone)]
enum Change {
    Put(Vec<u8>, Vec<u8>),
    Out(Vec<u8>),
    Cat(Vec<u8>, Vec<u8>),
    Shift(Vec<u8>, Vec<u8>, u32),
    Add(Vec<u8>, i32),
}

/// The book that a writer keeps.
#[derive(Debug)]
pub struct Ledger {
    writer: usize,
    rng: Rng,
    state: State,
    in_flight: VecDeque<Change>,
    version: u64,
    /// Changes that were acknowledged.
    pub acknowledged: u64,
}

impl Ledger {
    pub fn new(writer: usize, seed: u64) -> Self {
        Self {
            writer,
            rng: Rng::with_seed(seed),
            state: State::new(),
            in_flight: VecDeque::new(),
            version: 0,
            acknowledged: 0,
        }
    }

    /// How many records of this writer there are.
    pub fn records(&self) -> usize {
        self.state.len()
    }

    /// Changes records until the connection ends.
    pub fn write(&mut self, client: &mut Client) {
        while self.write_some(client).is_ok() {}
    }

    /// Changes a few records.
    pub fn write_some(&mut self, client: &mut Client) -> io::Result<()> {
        let count = if self.rng.bool() { 1 } else { self.rng.usize(1..=PIPELINE) };
        let changes: Vec<Change> = (0..count).map(|_| self.change()).collect();
        let requests: Vec<u8> = changes.iter().flat_map(Change::request).collect();
        // Whatever comes of sending, all of them may have arrived.
        self.in_flight.extend(changes);
        client.try_send(&requests)?;
        while !self.in_flight.is_empty() {
            let [code] = client.try_take::<1>()?;
            let sum = match (code, &self.in_flight[0]) {
                (0, Change::Add(..)) => i32::from_be_bytes(client.try_take::<4>()?),
                _ => 0,
            };
            let Some(change) = self.in_flight.pop_front() else { break };
            let expected = change.apply(&mut self.state);
            assert_eq!((code == 0, sum), expected, "the reply to {change:?}");
            self.acknowledged += 1;
        }
        Ok(())
    }

    fn change(&mut self) -> Change {
        match self.rng.u8(..20) {
            0..8 => Change::Put(self.key("put", PUT_KEYS), self.value()),
            8..11 => Change::Out(self.key("put", PUT_KEYS)),
            11..15 => Change::Cat(self.key("cat", CAT_KEYS), self.piece()),
            15..17 => Change::Shift(self.key("cat", CAT_KEYS), self.piece(), self.rng.u32(..3000)),
            _ => Change::Add(self.key("add", COUNTERS), self.rng.i32(-1000..1000)),
        }
    }

    fn key(&mut self, kind: &str, keys: u8) -> Vec<u8> {
        format!("{kind} {} {}", self.writer, self.rng.u8(..keys)).into_bytes()
    }

    /// A value that is like no other: a version, and bytes that follow from it.
    fn value(&mut self) -> Vec<u8> {
        let len = match self.rng.u16(..500) {
            0 => 1_000_000,
            1..5 => 100_000,
            5..30 => 10_000,
            _ => 200,
        };
        let len = self.rng.usize(..len);
        self.version += 1;
        let version = self.version.to_le_bytes();
        version.iter().copied().chain(std::iter::repeat_n(self.version as u8, len)).collect()
    }

    fn piece(&mut self) -> Vec<u8> {
        let len = self.rng.usize(..60);
        self.version += 1;
        format!("<{}:{}>", self.version, "x".repeat(len)).into_bytes()
    }

    /// Compares with what the node has. Gives the number of changes that were under way and how many of
    /// them are there; the ledger goes on from what is there.
    pub fn compare(&mut self, client: &mut Client) -> Result<(usize, usize), String> {
        let found = self.find(client).expect("the node answers");
        self.settle(&found)
    }

    /// What the node has of this writer's records.
    pub fn find(&self, client: &mut Client) -> io::Result<State> {
        let mut found = State::new();
        for (kind, keys) in [("put", PUT_KEYS), ("cat", CAT_KEYS), ("add", COUNTERS)] {
            for number in 0..keys {
                let key = format!("{kind} {} {number}", self.writer).into_bytes();
                if let Some(value) = client.try_get(&key)? {
                    found.insert(key, value);
                }
            }
        }
        Ok(found)
    }

    /// The same as [`Ledger::compare`], with what was found.
    pub fn settle(&mut self, found: &State) -> Result<(usize, usize), String> {
        let in_flight = self.in_flight.len();
        let mut state = self.state.clone();
        // One connection's changes are carried out in order, so what is there is some prefix of them.
        for there in 0..=in_flight {
            if state == *found {
                self.state = state;
                self.in_flight.clear();
                return Ok((in_flight, there));
            }
            if let Some(change) = self.in_flight.get(there) {
                change.apply(&mut state);
            }
        }
        Err(self.difference(found))
    }

    fn difference(&self, found: &State) -> String {
        let mut lines = vec![format!(
            "writer {} has {} acknowledged changes and {} under way: {:?}",
            self.writer,
            self.acknowledged,
            self.in_flight.len(),
            self.in_flight.iter().map(|change| shown(format!("{change:?}"))).collect::<Vec<_>>()
        )];
        for key in self.state.keys().chain(found.keys().filter(|key| !self.state.contains_key(*key))) {
            let (acknowledged, there) = (self.state.get(key), found.get(key));
            if acknowledged != there {
                let text = |value: Option<&Vec<u8>>| shown(format!("{value:02x?}"));
                lines.push(format!(
                    "{}: acknowledged {}, found {}",
                    String::from_utf8_lossy(key),
                    text(acknowledged),
                    text(there)
                ));
            }
        }
        lines.join("\n")
    }
}

fn shown(text: String) -> String {
    format!("{} ({} characters)", text.chars().take(120).collect::<String>(), text.len())
}

impl Change {
    fn request(&self) -> Vec<u8> {
        match self {
            Self::Put(key, value) => wire::put(key, value),
            Self::Out(key) => wire::out(key),
            Self::Cat(key, piece) => wire::putcat(key, piece),
            Self::Shift(key, piece, width) => wire::putshl(key, piece, *width),
            Self::Add(key, number) => wire::addint(key, *number),
        }
    }

    /// Whether it succeeds on `state`, and the sum if it is one.
    fn apply(&self, state: &mut State) -> (bool, i32) {
        match self {
            Self::Put(key, value) => _ = state.insert(key.clone(), value.clone()),
            Self::Out(key) => return (state.remove(key).is_some(), 0),
            Self::Cat(key, piece) => state.entry(key.clone()).or_default().extend_from_slice(piece),
            Self::Shift(key, piece, width) => match state.get_mut(key) {
                Some(value) => {
                    value.extend_from_slice(piece);
                    let cut = value.len().saturating_sub(*width as usize);
                    value.drain(..cut);
                }
                None => _ = state.insert(key.clone(), piece.clone()),
            },
            Self::Add(key, number) => {
                let value = state.entry(key.clone()).or_insert_with(|| vec![0; 4]);
                let sum = i32::from_le_bytes(value[..].try_into().unwrap()).wrapping_add(*number);
                *value = sum.to_le_bytes().to_vec();
                return (true, sum);
            }
        }
        (true, 0)
    }
}
