//! Numbers that several servers count at once. Byte map in `FORMAT.md`, section 3.
//!
//! A counter is a base, what a put or a delete left, and what each server has added to it since. Two states
//! of a counter are merged by taking the later base and the newest sum of each server; a sum that was begun
//! before the base is gone with what the base replaced. So merging in any order, any number of times, gives
//! the same, and no addition is counted twice.
//!
//! A put is a base and nothing else, a delete one without a value: all records of a key merge in this way.

mod amount;
mod decimal;

use smallvec::SmallVec;

pub use amount::{Amount, added, number};
pub use decimal::Decimal;
use decimal::Total;

use crate::log::record::{Attributes, Kind, Record, Stamp};

/// Additions to one counter by one server during one run of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sum {
    /// Id of the server.
    pub origin: u16,
    /// Tells apart the times before and after the server may have lost the end of its log.
    pub run: u32,
    /// Microseconds: when the first of them was made.
    pub since: u64,
    /// Microseconds: when the last of them was made.
    pub time: u64,
    /// What they amount to.
    pub amount: Amount,
}

/// Where counting began.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Base<'a> {
    /// That of the put or delete; the least one where there was none.
    pub stamp: Stamp,
    /// What was put; none for a delete, or where nothing was.
    pub value: Option<&'a [u8]>,
    /// Those of the put.
    pub attributes: Attributes,
}

/// All that is known of the value of a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Counter<'a> {
    /// Where counting began.
    pub base: Base<'a>,
    /// Sums, by origin, run and kind; all were begun after the base.
    sums: Sums,
    /// What the last change added, where it was an addition that original servers know: of a binary number.
    pub step: Option<Amount>,
}

type Sums = SmallVec<[Sum; 3]>;

/// Of the first byte of a state: which base value there is.
const BASE: u8 = 0x0f;
const NO_VALUE: u8 = 0;
const FOUR_BYTES: u8 = 1;
const EIGHT_BYTES: u8 = 2;
/// The value that a client sees is the base's.
const SEEN: u8 = 3;
/// A number in decimal text that is neither of 4 nor of 8 bytes.
const TEXT: u8 = 4;
/// Bytes of a sum.
const SUM: usize = 31;
/// The longest state, in bytes.
const MAX_STATE: usize = u16::MAX as usize;

/// A value that a client sees.
pub type Seen<'a> = Option<std::borrow::Cow<'a, [u8]>>;

impl Sum {
    fn key(&self) -> (u16, u32, u8) {
        (self.origin, self.run, self.amount.kind())
    }

    fn began(&self) -> Stamp {
        Stamp { ts: self.since, origin: self.origin }
    }

    fn stamp(&self) -> Stamp {
        Stamp { ts: self.time, origin: self.origin }
    }
}

impl<'a> Counter<'a> {
    /// Of a key of which nothing is known.
    pub const NOTHING: Counter<'static> = Counter {
        base: Base {
            stamp: Stamp { ts: 0, origin: 0 },
            value: None,
            attributes: Attributes { expiry: None, flags: 0 },
        },
        sums: SmallVec::new_const(),
        step: None,
    };

    /// What a record says of its key; none where its state is none that a node writes.
    pub fn of(record: &Record<'a>) -> Option<Self> {
        let (stamp, attributes) = (record.stamp, record.attributes);
        let base = |value| Base { stamp, value, attributes };
        match record.kind {
            Kind::Put => Some(Self { base: base(Some(record.value)), ..Counter::NOTHING }),
            Kind::Delete => Some(Self { base: base(None), ..Counter::NOTHING }),
            Kind::Counter => Self::decode(record),
            _ => None,
        }
    }

    /// Whether anything has been added since the base.
    pub fn has_sums(&self) -> bool {
        !self.sums.is_empty()
    }

    /// What is left of it once it has expired: no value as of that stamp.
    pub fn ended(self, stamp: Stamp) -> Self {
        Self { base: Base { stamp, ..Counter::NOTHING.base }, ..Counter::NOTHING }
    }

    /// When and where the last change was made.
    pub fn stamp(&self) -> Stamp {
        self.sums.iter().map(Sum::stamp).fold(self.base.stamp, Stamp::max)
    }

    /// What two nodes know together.
    pub fn merge(self, other: Self) -> Self {
        let base = if other.base.stamp > self.base.stamp { other.base } else { self.base };
        let mut sums: Sums = self.sums.into_iter().chain(other.sums).collect();
        sums.sort_by_key(|sum| (sum.key(), sum.time, sum.amount.to_bits()));
        // Of each key the newest, which comes last.
        sums.reverse();
        sums.dedup_by_key(|sum| sum.key());
        sums.reverse();
        sums.retain(|sum| sum.began() > base.stamp);
        Self { base, sums, step: None }
    }

    /// Adds what a server added at `ts` in one of its runs. None, and this is of no use any more, where that cannot be kept as a
    /// sum: the others are of another family (numbers in decimal text are one, binary ones the other), a client sees no
    /// number of this kind, or what it comes to is too large.
    pub fn add(&mut self, origin: u16, run: u32, ts: u64, amount: Amount) -> Option<()> {
        let is_decimal = amount.is_decimal();
        if self.newest().is_some_and(|sum| sum.amount.is_decimal() != is_decimal)
            || self.base.value.is_some_and(|value| number(value, amount).is_none())
        {
            return None;
        }
        let new = Sum { origin, run, since: ts, time: ts, amount };
        match self.sums.binary_search_by_key(&new.key(), Sum::key) {
            Ok(at) => {
                let sum = &mut self.sums[at];
                (sum.time, sum.amount) = (ts, sum.amount.plus(amount)?);
            }
            Err(at) => self.sums.insert(at, new),
        }
        if is_decimal {
            self.decimal()?.number()?;
        }
        self.step = (!is_decimal).then_some(amount);
        Some(())
    }

    /// Whether both are the same, however they came about.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.base, &self.sums) == (&other.base, &other.sums)
    }

    /// What was added since `old`; none where it was not only added to, or to a number in decimal text.
    pub fn step_from(&self, old: &Self) -> Option<Amount> {
        let last = self.newest()?.amount;
        let was_decimal = old.newest().is_some_and(|sum| sum.amount.is_decimal());
        if self.base.stamp != old.base.stamp || last.is_decimal() || was_decimal {
            return None;
        }
        let before = old.seen().map_or(Some(last.zero()), |value| number(&value, last))?;
        match (before, number(&self.seen()?, last)?) {
            (Amount::Int(before), Amount::Int(after)) => Some(Amount::Int(after.wrapping_sub(before))),
            (Amount::Double(before), Amount::Double(after)) => Some(Amount::Double(after - before)),
            _ => None,
        }
    }

    /// The newest of the sums: where several kinds were counted at once it says which a client sees.
    fn newest(&self) -> Option<&Sum> {
        self.sums.iter().max_by_key(|sum| (sum.stamp(), sum.key()))
    }

    /// What a client sees; none where there is no record.
    pub fn seen(&self) -> Seen<'a> {
        let total = self.newest().and_then(|last| match last.amount {
            Amount::Decimal(_) => Some(Amount::Decimal(self.decimal()?.nearest())),
            amount => self.binary(amount),
        });
        // A base that is no such number hides what was added without knowledge of it.
        total.map(|total| total.to_bytes().into_vec().into()).or(self.base.value.map(Into::into))
    }

    /// What it comes to as a binary number of a kind; none where the base is no such number.
    fn binary(&self, kind: Amount) -> Option<Amount> {
        let first = self.base.value.map_or(Some(kind.zero()), |value| number(value, kind))?;
        let amounts = self.sums.iter().map(|sum| sum.amount);
        // Those of other kinds are no part of it.
        Some(amounts.fold(first, |total, amount| total.plus(amount).unwrap_or(total)))
    }

    /// What it comes to as a number in decimal text; none where the base is no such number.
    fn decimal(&self) -> Option<Total> {
        let first = self.base.value.map_or(Some(Decimal::Int(0)), Decimal::parse)?;
        Some(first.total(self.sums.iter().filter_map(|sum| sum.amount.decimal())))
    }

    /// The state as it stands behind the value that a client sees, its length last; none where it is too long.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut state = Vec::with_capacity(32 + SUM * self.sums.len());
        let (base, bytes) = match self.base.value {
            None => (NO_VALUE, &[][..]),
            Some(value) if value.len() == 4 => (FOUR_BYTES, value),
            Some(value) if value.len() == 8 => (EIGHT_BYTES, value),
            Some(value) if Decimal::parse(value).is_some() => (TEXT, value),
            Some(_) => (SEEN, &[][..]),
        };
        state.push(base | self.step.map_or(0, |step| step.kind() << 4));
        state.extend_from_slice(&self.base.stamp.ts.to_le_bytes());
        state.extend_from_slice(&self.base.stamp.origin.to_le_bytes());
        if base == TEXT {
            state.push(bytes.len() as u8);
        }
        state.extend_from_slice(bytes);
        if let Some(step) = self.step {
            state.extend_from_slice(&step.to_bits().to_le_bytes());
        }
        for sum in &self.sums {
            state.push(sum.amount.kind());
            state.extend_from_slice(&sum.origin.to_le_bytes());
            state.extend_from_slice(&sum.run.to_le_bytes());
            state.extend_from_slice(&sum.since.to_le_bytes());
            state.extend_from_slice(&sum.time.to_le_bytes());
            state.extend_from_slice(&sum.amount.to_bits().to_le_bytes());
        }
        let len = state.len();
        state.extend_from_slice(&(len as u16).to_le_bytes());
        (len <= MAX_STATE).then_some(state)
    }

    fn decode(record: &Record<'a>) -> Option<Self> {
        let (&[first], rest) = record.state.split_first_chunk::<1>()?;
        let (ts, rest) = rest.split_first_chunk::<8>()?;
        let (origin, rest) = rest.split_first_chunk::<2>()?;
        let stamp = Stamp { ts: u64::from_le_bytes(*ts), origin: u16::from_le_bytes(*origin) };
        let (value, rest) = match first & BASE {
            NO_VALUE => (None, rest),
            FOUR_BYTES => rest.split_at_checked(4).map(|(value, rest)| (Some(value), rest))?,
            EIGHT_BYTES => rest.split_at_checked(8).map(|(value, rest)| (Some(value), rest))?,
            SEEN => (Some(record.value), rest),
            TEXT => {
                let (&[len], rest) = rest.split_first_chunk::<1>()?;
                let (value, rest) = rest.split_at_checked(len.into())?;
                Decimal::parse(value)?;
                (Some(value), rest)
            }
            _ => return None,
        };
        let (step, rest) = match first >> 4 {
            0 => (None, rest),
            kind => {
                let (bits, rest) = rest.split_first_chunk::<8>()?;
                let step = Amount::of(kind, u64::from_le_bytes(*bits)).filter(|step| !step.is_decimal())?;
                (Some(step), rest)
            }
        };
        let (entries, []) = rest.as_chunks::<SUM>() else { return None };
        let sums = entries.iter().map(decode_sum).collect::<Option<Sums>>()?;
        let is_sorted = sums.windows(2).all(|pair| pair[0].key() < pair[1].key());
        let is_timely = sums
            .iter()
            .all(|sum| sum.began() > stamp && sum.since <= sum.time && sum.time <= record.stamp.ts);
        let attributes = record.attributes;
        let counter = Self { base: Base { stamp, value, attributes }, sums, step };
        let is_whole = is_sorted && is_timely && counter.has_sums() && stamp.ts <= record.stamp.ts;
        (is_whole && counter.seen().as_deref() == Some(record.value)).then_some(counter)
    }

    /// A hash of all that decides what a client sees, now and after any merge but with what is older than a delete.
    pub fn version(&self) -> u64 {
        let mut bytes = Vec::with_capacity(16 + SUM * self.sums.len());
        if self.base.value.is_some() {
            bytes.extend_from_slice(&self.base.stamp.ts.to_le_bytes());
            bytes.extend_from_slice(&self.base.stamp.origin.to_le_bytes());
        }
        for sum in &self.sums {
            let (origin, run, kind) = sum.key();
            bytes.extend_from_slice(&origin.to_le_bytes());
            bytes.extend_from_slice(&run.to_le_bytes());
            bytes.push(kind);
            bytes.extend_from_slice(&sum.time.to_le_bytes());
        }
        crate::hash::common(&bytes)
    }
}

fn decode_sum(bytes: &[u8; SUM]) -> Option<Sum> {
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
    Some(Sum {
        origin: u16::from_le_bytes([bytes[1], bytes[2]]),
        run: u32::from_le_bytes([bytes[3], bytes[4], bytes[5], bytes[6]]),
        since: word(7),
        time: word(15),
        amount: Amount::of(bytes[0], word(23))?,
    })
}

#[cfg(test)]
mod tests;
