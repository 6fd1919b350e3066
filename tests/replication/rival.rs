//! What a writer knows that writes the same keys as others do on other nodes: which of their changes may win.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::support::{Client, wire};

const KEYS: u8 = 60;
const COUNTERS: u8 = 10;
/// The most changes that are under way at once.
const PIPELINE: usize = 24;
/// Changes that are further apart than this have times in their order.
const APART: Duration = Duration::from_millis(50);

/// A change of a record that all rivals change.
#[derive(Debug, Clone)]
enum Change {
    Put(Vec<u8>),
    Cat(Vec<u8>),
    Out,
    Add(i32),
}

/// A change, when it was sent, and when it was certainly done if it ever was.
#[derive(Debug, Clone)]
struct Done {
    change: Change,
    sent: Instant,
    done: Instant,
    is_acknowledged: bool,
}

/// What one writer did.
#[derive(Debug)]
pub struct Rival {
    name: usize,
    rng: Rng,
    version: u64,
    /// Of each key, the last change that was acknowledged, and those since of which nothing is known.
    last: BTreeMap<Vec<u8>, Vec<Done>>,
    /// Of each counter, what was added, and what may have been.
    sums: BTreeMap<Vec<u8>, (i64, i64)>,
    in_flight: VecDeque<(Vec<u8>, Change, Instant)>,
    /// Changes that were acknowledged.
    pub acknowledged: u64,
}

impl Rival {
    pub fn new(name: usize, seed: u64) -> Self {
        Self {
            name,
            rng: Rng::with_seed(seed),
            version: 0,
            last: BTreeMap::new(),
            sums: BTreeMap::new(),
            in_flight: VecDeque::new(),
            acknowledged: 0,
        }
    }

    /// Changes a few records. After an error another connection is needed.
    pub fn write_some(&mut self, client: &mut Client) -> io::Result<()> {
        let result = self.try_write_some(client);
        let now = Instant::now();
        for (key, change, sent) in std::mem::take(&mut self.in_flight) {
            self.note(key, Done { change, sent, done: now, is_acknowledged: false });
        }
        result
    }

    fn try_write_some(&mut self, client: &mut Client) -> io::Result<()> {
        let count = self.rng.usize(1..=PIPELINE);
        let now = Instant::now();
        let mut requests = Vec::new();
        for _ in 0..count {
            let (key, change) = self.change();
            requests.extend(change.request(&key));
            self.in_flight.push_back((key, change, now));
        }
        client.try_send(&requests)?;
        while !self.in_flight.is_empty() {
            let [code] = client.try_take::<1>()?;
            if code == 0 && matches!(self.in_flight[0].1, Change::Add(_)) {
                client.try_take::<4>()?;
            }
            let Some((key, change, sent)) = self.in_flight.pop_front() else { break };
            // What is not there cannot be removed, and nothing has changed then.
            assert!(code == 0 || matches!(change, Change::Out), "{change:?} got code {code}");
            if code == 0 {
                self.note(key, Done { change, sent, done: Instant::now(), is_acknowledged: true });
                self.acknowledged += 1;
            }
        }
        Ok(())
    }

    fn note(&mut self, key: Vec<u8>, done: Done) {
        if let Change::Add(number) = done.change {
            let (sum, perhaps) = self.sums.entry(key).or_default();
            *(if done.is_acknowledged { sum } else { perhaps }) += i64::from(number);
            return;
        }
        let last = self.last.entry(key).or_default();
        if done.is_acknowledged {
            last.clear();
        }
        last.push(done);
    }

    fn change(&mut self) -> (Vec<u8>, Change) {
        self.version += 1;
        let piece = format!("<{}:{}>", self.name, self.version);
        let change = match self.rng.u8(..20) {
            0..8 => Change::Put([piece.as_bytes(), &vec![b'v'; self.rng.usize(..200)]].concat()),
            8..12 => Change::Cat(piece.into_bytes()),
            12..16 => Change::Out,
            _ => {
                let key = format!("sum {}", self.rng.u8(..COUNTERS));
                return (key.into_bytes(), Change::Add(self.rng.i32(1..10)));
            }
        };
        (format!("common {}", self.rng.u8(..KEYS)).into_bytes(), change)
    }

    /// Fails where `records` has another value of a common key than a change gave it after which no other was
    /// acknowledged, or another sum than that of what was added.
    pub fn verify(rivals: &[Self], records: &BTreeMap<Vec<u8>, Vec<u8>>) {
        for number in 0..KEYS {
            let key = format!("common {number}").into_bytes();
            let all: Vec<&Done> = rivals.iter().filter_map(|rival| rival.last.get(&key)).flatten().collect();
            let is_replaced =
                |done: &Done| all.iter().any(|it| it.is_acknowledged && it.sent > done.done + APART);
            let may_win: Vec<&Done> = all.iter().copied().filter(|done| !is_replaced(done)).collect();
            let there = records.get(&key).map(Vec::as_slice);
            let explained = may_win.iter().any(|done| match &done.change {
                Change::Put(value) => there == Some(value),
                Change::Cat(piece) => there.is_some_and(|value| value.ends_with(piece)),
                Change::Out => there.is_none(),
                Change::Add(_) => false,
            });
            let shown = there.map(|value| value.escape_ascii().to_string());
            assert!(
                explained || all.is_empty() && there.is_none(),
                "common {number}: {shown:?} is there, but the last changes are {may_win:?}"
            );
        }
        for number in 0..COUNTERS {
            let key = format!("sum {number}").into_bytes();
            let sums = rivals.iter().filter_map(|rival| rival.sums.get(&key));
            let (sum, perhaps) = sums.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1));
            let there = records
                .get(&key)
                .map_or(0, |value| i64::from(i32::from_le_bytes(value.as_slice().try_into().unwrap())));
            assert!(
                (sum..=sum + perhaps).contains(&there),
                "sum {number}: {there} is there, {sum} was added, {perhaps} more may have been"
            );
        }
    }
}

impl Change {
    fn request(&self, key: &[u8]) -> Vec<u8> {
        match self {
            Self::Put(value) => wire::put(key, value),
            Self::Cat(piece) => wire::putcat(key, piece),
            Self::Out => wire::out(key),
            Self::Add(number) => wire::addint(key, *number),
        }
    }
}
