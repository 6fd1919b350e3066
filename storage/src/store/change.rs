//! The one way of a change: stripe, stamp, append, publish. All writers come through here.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crc32fast::Hasher;

use crate::error::{Error, Result};
use crate::index::{Slot, Target};
use crate::log::address::Address;
use crate::log::append::{self, By, Draft};
use crate::log::record::{At, Attributes, Kind, Record};
use crate::log::writer::Urgency;
use crate::store::stripe::Held;
use crate::store::{Shared, Store, View};

/// Buckets that a change may add to the table: more than the entries of as many puts as are settled at
/// once call for, so that the table always catches up.
const SPLITS: usize = 4;
/// How long a delete waits for compaction on a full disk.
const COMPACTION_WAIT: Duration = Duration::from_secs(1);

/// A small new value that a change made itself.
#[derive(Debug, Clone, Copy)]
pub struct Inline {
    bytes: [u8; 32],
    len: u8,
}

impl Inline {
    /// Up to 32 bytes; what is over is cut.
    pub fn new(value: &[u8]) -> Self {
        let len = value.len().min(32);
        let mut bytes = [0; 32];
        bytes[..len].copy_from_slice(&value[..len]);
        Self { bytes, len: len as u8 }
    }
}

/// What is to become of a key's value.
#[derive(Debug, Clone, Copy)]
pub enum Change<'old, 'new> {
    /// Nothing.
    Keep,
    /// A part of the old value (or nothing), then new bytes.
    Put {
        /// The part of the old value that stays, in front.
        kept: &'old [u8],
        /// What follows it.
        new: &'new [u8],
    },
    /// New bytes, then all or a part of the old value.
    PutBefore {
        /// What goes in front.
        new: &'new [u8],
        /// The part of the old value that stays, behind it.
        kept: &'old [u8],
    },
    /// A value computed from the old one.
    PutInline(Inline),
    /// The record is removed. Nothing, where there is none.
    Delete,
}

/// A record as those see it who look at more than its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current<'a> {
    /// The value.
    pub value: &'a [u8],
    /// Expiry and flags.
    pub attributes: Attributes,
    /// An id that no other content of this key has had or will have, on this node or on those that replicate with it, but
    /// for a chance of less than one in a thousand that two servers change it in the same microsecond and agree in it.
    pub unique: u64,
}

/// Whether the old value matters to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Old {
    /// It is looked at, so it must be whole.
    Read,
    /// It is only replaced.
    Replaced,
}

/// A record found in the table.
pub(crate) type Found<'a> = (Record<'a>, Target);

impl Store {
    /// Stores `value` under `key`, whatever was there.
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.shared.put(key, value, Attributes::default())
    }

    /// Stores `value` under `key` with an expiry, flags or both. From its expiry on the record is hidden; it
    /// is counted until compaction drops it.
    pub fn put_with(&self, key: &[u8], value: &[u8], attributes: Attributes) -> Result<()> {
        self.shared.put(key, value, attributes)
    }

    /// Removes a record; says whether there was one. On a full disk it waits for compaction, a second at
    /// most, where that is using up the room for deletes to make more of it.
    pub fn delete(&self, key: &[u8]) -> Result<bool> {
        let delete = || self.shared.change(key, Old::Replaced, By::HERE, None, |_| Change::Delete);
        match delete() {
            Err(Error::Full(_)) if self.shared.options.background => {
                self.shared.await_compaction(Instant::now() + COMPACTION_WAIT);
                delete()
            }
            deleted => deleted,
        }
    }

    /// Changes the value of `key` as `decide` says, which is given the old value and runs while no
    /// one else can change the key. Expiry and flags stay as they are. Returns whether anything changed.
    pub fn update<'new>(
        &self,
        key: &[u8],
        decide: impl for<'old> FnOnce(Option<&'old [u8]>) -> Change<'old, 'new>,
    ) -> Result<bool> {
        self.shared.change(key, Old::Read, By::HERE, None, decide)
    }

    /// As [`update`](Store::update), with a look at expiry, flags and id, and a say in what expiry and flags become.
    pub fn update_with<'new>(
        &self,
        key: &[u8],
        decide: impl for<'old> FnOnce(Option<Current<'old>>) -> (Change<'old, 'new>, Attributes),
    ) -> Result<bool> {
        self.shared.change_with(key, Old::Read, By::HERE, None, |old| {
            let (change, attributes) = decide(old.map(Current::of));
            (change, Some(attributes))
        })
    }
}

impl<'a> Current<'a> {
    pub(crate) fn of(record: Record<'a>) -> Self {
        Self { value: record.value, attributes: record.attributes, unique: record.unique() }
    }
}

impl Shared {
    /// Stores a value whatever was there: see [`crate::store::stripe`].
    #[inline]
    fn put(&self, key: &[u8], value: &[u8], attributes: Attributes) -> Result<()> {
        self.check_writable()?;
        let hash = self.hasher.hash(key);
        let draft = Draft { attributes, ..Draft::new(Kind::Put, key, [value, &[]]) };
        let loaded = self.put_noted(hash, |last_ts| self.append(&draft, last_ts))?;
        self.after_change(loaded);
        Ok(())
    }

    /// Changes a record, in the name of `by`, with the value of a memo record that goes before it. Expiry and flags stay.
    #[inline]
    pub(crate) fn change<'new>(
        &self,
        key: &[u8],
        old: Old,
        by: By,
        memo: Option<&[u8]>,
        decide: impl for<'old> FnOnce(Option<&'old [u8]>) -> Change<'old, 'new>,
    ) -> Result<bool> {
        self.change_with(key, old, by, memo, |old| (decide(old.map(|record| record.value)), None))
    }

    /// The same, with a look at the whole record, and with other expiry and flags where there are any.
    #[inline]
    fn change_with<'new>(
        &self,
        key: &[u8],
        old: Old,
        by: By,
        memo: Option<&[u8]>,
        decide: impl for<'old> FnOnce(Option<Record<'old>>) -> (Change<'old, 'new>, Option<Attributes>),
    ) -> Result<bool> {
        self.check_writable()?;
        let hash = self.hasher.hash(key);
        let (changed, loaded) = {
            let stripe = self.lock_for_change(hash)?;
            let changed = self.change_locked(&stripe, key, hash, old, by, memo, decide)?;
            (changed, stripe.view.table.is_loaded())
        };
        if changed {
            self.after_change(loaded);
        }
        Ok(changed)
    }

    #[expect(clippy::too_many_arguments, reason = "what a change is, once")]
    #[inline]
    fn change_locked<'new>(
        &self,
        stripe: &Held,
        key: &[u8],
        hash: u64,
        old: Old,
        by: By,
        memo: Option<&[u8]>,
        decide: impl for<'old> FnOnce(Option<Record<'old>>) -> (Change<'old, 'new>, Option<Attributes>),
    ) -> Result<bool> {
        let view = &*stripe.view;
        let (slot, found) = self.locate(view, key, hash)?;
        let before = match &found {
            Some(found) if !found.1.tombstone && !self.has_expired(&found.0) => Some(match old {
                Old::Read => self.whole(view, found)?,
                Old::Replaced => found.0,
            }),
            _ => None,
        };
        let inline;
        let (change, others) = decide(before);
        let (kind, value) = match change {
            Change::Keep => return Ok(false),
            Change::Put { kept, new } => (Kind::Put, [kept, new]),
            Change::PutBefore { new, kept } => (Kind::Put, [new, kept]),
            Change::PutInline(value) => {
                inline = value;
                (Kind::Put, [&[][..], &inline.bytes[..inline.len as usize]])
            }
            Change::Delete if before.is_none() => return Ok(false),
            Change::Delete => (Kind::Delete, [&[][..]; 2]),
        };
        let attributes = match (before, kind) {
            (before, Kind::Put) => others.or(before.map(|record| record.attributes)).unwrap_or_default(),
            _ => Attributes::default(),
        };
        let draft = Draft { attributes, by, memo, ..Draft::new(kind, key, value) };
        let address = self.append(&draft, &stripe.last_ts)?;
        self.conclude(view, slot, hash, address, kind, found.as_ref())?;
        Ok(true)
    }

    /// The slot of a key, whose stripe is locked, and what the table points at there.
    #[inline]
    pub(crate) fn locate<'a>(
        &self,
        view: &'a View,
        key: &[u8],
        hash: u64,
    ) -> Result<(Slot<'a>, Option<Found<'a>>)> {
        let mut found = None;
        let mut damage = None;
        let slot = view.table.slot(hash, |entry| {
            let record = view.segments.at(entry.address()).and_then(|s| s.peek(entry.address().offset()));
            match record {
                Some(record) if record.key == key => {
                    found = Some((record, entry.target()));
                    return true;
                }
                // Seldom another key: look whether this one's record has lost its key.
                _ if self.record(view, entry).is_err() => damage = Some(entry.address()),
                _ => {}
            }
            false
        });
        let Some(slot) = slot else {
            return Err(Error::Failed("the table has lost a bucket".to_owned()));
        };
        match (&found, damage) {
            (None, Some(address)) => Err(self.damaged(view, address)),
            _ => Ok((slot, found)),
        }
    }

    /// Points the table at a record that was appended in place of `found`, and counts it.
    #[inline]
    pub(crate) fn conclude(
        &self,
        view: &View,
        slot: Slot<'_>,
        hash: u64,
        address: Address,
        kind: Kind,
        found: Option<&Found<'_>>,
    ) -> Result<()> {
        // One that has expired is counted until it is dropped.
        let was_counted = found.is_some_and(|(_, target)| !target.tombstone);
        let target = Target { address, tombstone: kind == Kind::Delete };
        let added = self.publish(view, slot, hash, target, found)?;
        view.table.count(added.into());
        match (was_counted, kind.has_value()) {
            (false, true) => _ = self.records.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = self.records.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
        Ok(())
    }

    /// A found record, its CRC checked.
    pub(crate) fn whole<'a>(&self, view: &'a View, found: &Found<'a>) -> Result<Record<'a>> {
        let address = found.1.address;
        let segment = view.segments.at(address);
        match segment.map(|segment| segment.at(address.offset())) {
            Some(At::Record(record)) => Ok(record),
            _ => Err(self.damaged(view, address)),
        }
    }

    /// Appends a record, giving it its stamp, which is later than the last one of the stripe.
    #[inline]
    pub(crate) fn append(&self, draft: &Draft<'_>, last_ts: &Cell<u64>) -> Result<Address> {
        let draft = &Draft { after: last_ts.get(), ..*draft };
        // The CRC of key and value and the time are had before the tail is taken; it is held briefly then.
        let mut body = Hasher::new();
        body.update(draft.key);
        body.update(draft.value[0]);
        body.update(draft.value[1]);
        let urgency = match draft.kind {
            Kind::Delete => Urgency::Delete,
            _ => Urgency::Ordinary,
        };
        let time = self.options.clock.now();
        let mut tail = self.tail.lock();
        let (address, ts) = append::append(&mut tail, &self.kit, self, draft, body, time, urgency)?;
        last_ts.set(ts);
        let end = self.set_end(&tail);
        let ahead = tail.active.appender.region().ahead();
        drop(tail);
        self.announce(end);
        self.signals.populate_if_near(ahead);
        Ok(address)
    }

    /// Waits until compaction has given back the segment that it is emptying, if it is at work. No stripe is
    /// held: it needs them.
    #[cold]
    fn await_compaction(&self, until: Instant) {
        let mut tail = self.tail.lock();
        while tail.owed.is_some() && !self.kit.provided.wait_until(&mut tail, until).timed_out() {}
    }

    /// Points the table at a record that has been appended. Says whether that takes a new entry, which is
    /// still to be counted.
    #[inline]
    pub(crate) fn publish(
        &self,
        view: &View,
        slot: Slot<'_>,
        hash: u64,
        target: Target,
        old: Option<&Found<'_>>,
    ) -> Result<bool> {
        let added = view
            .table
            .point_uncounted(slot, hash, target)
            .map_err(|error| self.durability.fail(format!("no memory for the table: {error}")))?;
        if let Some((record, target)) = old
            && let Some(segment) = view.segments.at(target.address)
        {
            segment.sub_live(record.len, target.tombstone);
        }
        Ok(added)
    }

    /// What is due once the stripe has been let go: growth of the table, bounds of a memory database.
    #[inline]
    pub(crate) fn after_change(&self, loaded: bool) {
        if loaded {
            self.grow();
        }
        if self.bounds.are_set() {
            self.evict_now_and_then();
        }
    }

    fn grow(&self) {
        let view = self.view.load();
        if view.table.is_nearly_out_of_pages() {
            self.signals.populate();
        }
        for _ in 0..SPLITS {
            let grown = view.table.grow(
                |stripe| self.lock_stripe(stripe as u64),
                |entry| {
                    // Not `view`: since it was taken, the entry may have moved to a newer segment.
                    let view = self.view.load();
                    let record = self.record(&view, entry).ok()?;
                    Some(self.hasher.hash(record.key))
                },
            );
            if let Err(error) = grown {
                // Chains grow instead: slower, but nothing is lost.
                tracing::warn!(%error, "the table in memory cannot grow: reads and writes become slower, nothing is lost");
                return;
            }
            if !view.table.is_loaded() {
                return;
            }
        }
    }
}
