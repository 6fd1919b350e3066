//! Adding to numbers.

use std::cell::Cell;

use crate::counter::{self, Amount, Counter, Decimal};
use crate::error::Result;
use crate::log::address::Address;
use crate::log::append::{self, Addition, By, Draft};
use crate::log::memo;
use crate::log::record::Kind;
use crate::store::change::{Inline, Old};
use crate::store::{Change, Shared, Store};

/// What becomes of a number: what is to be added to it, and what comes of that. It is put in the place of the value where there is
/// nothing to be added, or where that cannot be kept as an addition. None where nothing is to be changed.
type Decide<'a> = &'a dyn Fn(Option<&[u8]>) -> Option<(Option<Amount>, Amount)>;

impl Store {
    /// Adds to a number of 4 bytes, little-endian, wrapping; a missing one counts as 0. Gives the sum; none where
    /// the value is no such number. See [`Store::set_counting`].
    pub fn add_int(&self, key: &[u8], num: i32) -> Result<Option<i32>> {
        self.shared.add_int(key, num, By::HERE, None)
    }

    /// The same for a double of 8 bytes, little-endian.
    pub fn add_double(&self, key: &[u8], num: f64) -> Result<Option<f64>> {
        self.shared.add_double(key, num, By::HERE, None)
    }

    /// Adds to a number in decimal text; a missing one counts as 0. Gives the sum, whose text a client sees; none,
    /// and nothing is changed, where it cannot be kept: it is not finite, or an integer outside of `i64`. See
    /// [`Store::set_counting`].
    ///
    /// `lenient` reads a value that is not canonical ([`Decimal::parse`] gives none), binary numbers among them. Where it gives none
    /// the value is no number and is replaced as if it were 0. It runs while no one else can change the key, so it must
    /// not come back to the store.
    ///
    /// Integers are exact. A number with a fraction, or of 2^53 or more after such a one was added, is a double of which 14
    /// digits are seen, and given; a counter goes on from all of it, a plain put from those digits.
    pub fn add_decimal(
        &self,
        key: &[u8],
        amount: Decimal,
        lenient: impl Fn(&[u8]) -> Option<Decimal>,
    ) -> Result<Option<Decimal>> {
        let amount = Amount::Decimal(amount.normal());
        let sum = self.shared.add(key, By::HERE, None, &|old| {
            counter::added(old, amount, &lenient).map(|sum| (Some(amount), sum))
        })?;
        Ok(sum.and_then(Amount::decimal))
    }

    /// Makes another integer of the value of a record that is there: the one that `decide` gives for its present value, in
    /// decimal text. Gives it; none, and nothing is created, where there is no record. Expiry and flags stay.
    ///
    /// `decide` runs while no one else can change the key, so it must not come back to the store. What it adds to a
    /// canonical integer ([`Decimal::parse`]) is kept as an addition, as by [`add_decimal`](Store::add_decimal), so that those of
    /// several servers add up; what it makes of any other value is put in its place. A bound that `decide` keeps is kept for
    /// what this server knows: what several servers take away at once may come to less.
    pub fn adjust_decimal(&self, key: &[u8], decide: impl Fn(&[u8]) -> i64) -> Result<Option<i64>> {
        let sum = self.shared.add(key, By::HERE, None, &|old| {
            let old = old?;
            let new = decide(old);
            let amount = match Decimal::parse(old) {
                Some(Decimal::Int(old)) => new.checked_sub(old),
                _ => None,
            };
            let decimal = |num| Amount::Decimal(Decimal::Int(num));
            Some((amount.map(decimal), decimal(new)))
        })?;
        Ok(sum.and_then(|sum| if let Amount::Decimal(Decimal::Int(sum)) = sum { Some(sum) } else { None }))
    }

    /// From now on additions are kept as such, so that those of several servers add up, and not only their
    /// results, as at first. Whoever has peers needs that; it takes 60 to 70 bytes more a number.
    ///
    /// Errors: those of a change.
    pub fn set_counting(&self) -> Result<()> {
        let shared = &self.shared;
        shared.check_writable()?;
        let mut own = shared.run.lock();
        if own.is_some() {
            return Ok(());
        }
        let (boot, opened) = (shared.kit.medium.boot(), shared.opened);
        let last = shared.tail.lock().memos.get(memo::SERVER).and_then(Run::decode);
        let last = last.filter(|last| last.identity == opened.identity);
        let milliseconds = (self.now() / 1000) as u32;
        let number = match &last {
            // Nothing that was counted in it can be lost.
            Some(last) if opened.clean || last.boot == boot => last.number,
            Some(last) if last.number == milliseconds => milliseconds.wrapping_add(1),
            _ => milliseconds,
        };
        let run = Run { identity: opened.identity, number, boot };
        if last.as_ref() != Some(&run) {
            shared.say(&memo::encode(false, [(memo::SERVER, &run.encode()[..])].into_iter()))?;
        }
        *own = Some(number);
        Ok(())
    }
}

/// The time since a server may last have lost the end of its log, and with it additions that its peers know. It goes
/// on from sums of its own that it is certain of.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    identity: u64,
    number: u32,
    /// Of the machine.
    boot: String,
}

impl Run {
    fn encode(&self) -> Vec<u8> {
        [&self.identity.to_le_bytes()[..], &self.number.to_le_bytes(), self.boot.as_bytes()].concat()
    }

    fn decode(value: &[u8]) -> Option<Self> {
        let (identity, rest) = value.split_first_chunk::<8>()?;
        let (number, boot) = rest.split_first_chunk::<4>()?;
        Some(Self {
            identity: u64::from_le_bytes(*identity),
            number: u32::from_le_bytes(*number),
            boot: String::from_utf8_lossy(boot).into_owned(),
        })
    }
}

impl Shared {
    pub(crate) fn add_int(&self, key: &[u8], num: i32, by: By, memo: Option<&[u8]>) -> Result<Option<i32>> {
        let sum = self.add_binary(key, Amount::Int(num), by, memo)?;
        Ok(sum.and_then(|sum| if let Amount::Int(sum) = sum { Some(sum) } else { None }))
    }

    pub(crate) fn add_double(
        &self,
        key: &[u8],
        num: f64,
        by: By,
        memo: Option<&[u8]>,
    ) -> Result<Option<f64>> {
        let sum = self.add_binary(key, Amount::Double(num), by, memo)?;
        Ok(sum.and_then(|sum| if let Amount::Double(sum) = sum { Some(sum) } else { None }))
    }

    fn add_binary(&self, key: &[u8], amount: Amount, by: By, memo: Option<&[u8]>) -> Result<Option<Amount>> {
        self.add(key, by, memo, &|old| counter::added(old, amount, &|_| None).map(|sum| (Some(amount), sum)))
    }

    fn add(&self, key: &[u8], by: By, memo: Option<&[u8]>, decide: Decide<'_>) -> Result<Option<Amount>> {
        let run = *self.run.lock();
        match run {
            Some(run) => self.count(key, run, by, memo, decide),
            None => self.sum_up(key, by, memo, decide),
        }
    }

    /// Keeps the result of an addition.
    fn sum_up(&self, key: &[u8], by: By, memo: Option<&[u8]>, decide: Decide<'_>) -> Result<Option<Amount>> {
        let mut sum = None;
        self.change(key, Old::Read, by, memo, |old| {
            sum = decide(old).map(|(_, sum)| sum);
            match sum {
                Some(sum) => Change::PutInline(Inline::new(&sum.to_bytes())),
                None => Change::Keep,
            }
        })?;
        Ok(sum)
    }

    /// Keeps an addition as such; where that cannot be, its result.
    fn count(
        &self,
        key: &[u8],
        run: u32,
        by: By,
        memo: Option<&[u8]>,
        decide: Decide<'_>,
    ) -> Result<Option<Amount>> {
        self.check_writable()?;
        let hash = self.hasher.hash(key);
        let (sum, loaded) = {
            let stripe = self.lock_for_change(hash)?;
            let view = &stripe.view;
            let (slot, found) = self.locate(view, key, hash)?;
            let mut before = match &found {
                None => Counter::NOTHING,
                Some(found) => {
                    let record = self.whole(view, found)?;
                    let counter = Counter::of(&record).ok_or_else(|| self.damaged(view, found.1.address))?;
                    if self.has_expired(&record) { counter.ended(record.stamp) } else { counter }
                }
            };
            before.step = None;
            let Some((amount, result)) = decide(before.seen().as_deref()) else {
                return Ok(None);
            };
            let attributes = before.base.attributes;
            let after = stripe.last_ts.get();
            let added = match amount {
                Some(amount) => {
                    let addition = Addition { key, before, amount, run, by, after, memo };
                    self.append_addition(addition, &stripe.last_ts)?
                }
                None => None,
            };
            let (address, kind, sum) = match added {
                Some((address, sum)) => (address, Kind::Counter, sum),
                None => {
                    let value = result.to_bytes();
                    let draft = Draft { attributes, by, memo, ..Draft::new(Kind::Put, key, [&value, &[]]) };
                    (self.append(&draft, &stripe.last_ts)?, Kind::Put, result)
                }
            };
            self.conclude(view, slot, hash, address, kind, found.as_ref())?;
            (sum, view.table.is_loaded())
        };
        self.after_change(loaded);
        Ok(Some(sum))
    }

    /// Appends a counter after an addition and gives its new value; none where the addition cannot be kept as such.
    fn append_addition(
        &self,
        addition: Addition<'_>,
        last_ts: &Cell<u64>,
    ) -> Result<Option<(Address, Amount)>> {
        let time = self.options.clock.now();
        let mut tail = self.tail.lock();
        let appended = append::append_addition(&mut tail, &self.kit, self, addition, time)?;
        let Some((address, ts, sum)) = appended else { return Ok(None) };
        let end = self.set_end(&tail);
        let ahead = tail.active.appender.region().ahead();
        drop(tail);
        last_ts.set(ts);
        self.announce(end);
        self.signals.populate_if_near(ahead);
        Ok(Some((address, sum)))
    }
}
