//! Records of another log: taken over where they are newer than what is here.

use crc32fast::Hasher;

use crate::counter::Counter;
use crate::error::{Error, Result};
use crate::index::Slot;
use crate::log::address::Address;
use crate::log::append::{self, Stamped};
use crate::log::record::{self, At, Attributes, Head, Kind, Record, Stamp};
use crate::log::writer::{MAX_RECORD, Urgency};
use crate::store::change::Found;
use crate::store::{Scope, Shared, Store, View};

/// Records whose buckets are fetched from memory together.
const BATCH: usize = 32;
/// Stamps end here, in microseconds: in the year 148108.
const MAX_TS: u64 = 1 << 62;

/// A whole record of another log.
#[derive(Debug, Clone, Copy)]
pub struct Received<'a> {
    bytes: &'a [u8],
    record: Record<'a>,
}

/// How records came here.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arrival {
    /// Id of the server they were received from.
    pub via: u16,
    /// Microseconds: a record whose time is no later had been here. Where it is news all the same it was deleted here,
    /// and that was forgotten: a tombstone right after it is made again, which those who still have the record will
    /// get.
    pub buried: u64,
}

impl<'a> Received<'a> {
    /// The record at the start of `bytes`, and its length.
    ///
    /// Errors: why it is none, or none that may come from another log.
    pub fn read(bytes: &'a [u8]) -> std::result::Result<(Self, usize), &'static str> {
        let record = match record::read(bytes) {
            At::Record(record) => record,
            At::End => return Err("zeros where a record should be"),
            At::Damage(why) => return Err(why),
        };
        match record.kind {
            Kind::Put => {}
            Kind::Counter if Counter::of(&record).is_some() => {}
            Kind::Counter => return Err("a counter whose parts don't fit together"),
            Kind::Delete if record.value.is_empty() => {}
            Kind::Vanish if record.key.is_empty() && record.value.is_empty() => {}
            _ => return Err("a record that is of no concern to others"),
        }
        if record.stamp.ts >= MAX_TS {
            return Err("a time without meaning");
        }
        if record.len as u64 > MAX_RECORD {
            return Err("a record that is too long");
        }
        Ok((Self { bytes: &bytes[..record.len], record }, record.len))
    }

    /// What it says: put, delete, counter or vanish.
    pub fn kind(&self) -> Kind {
        self.record.kind
    }

    /// When and where the change was made.
    pub fn stamp(&self) -> Stamp {
        self.record.stamp
    }

    /// Its key; empty for a vanish.
    pub fn key(&self) -> &'a [u8] {
        self.record.key
    }

    /// Its bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Key and value, as they lie behind the head.
    fn body(&self) -> &'a [u8] {
        let record = &self.record;
        let hidden = if record.kind == Kind::Counter { record.state.len() + 2 } else { 0 };
        &self.bytes[self.bytes.len() - (record.key.len() + record.value.len() + hidden)..]
    }
}

/// The bytes of a record that deletes `key`, for [`Received::read`].
pub fn tombstone(key: &[u8], stamp: Stamp) -> Vec<u8> {
    let mut body = Hasher::new();
    body.update(key);
    [Head::new(Kind::Delete, key.len(), 0).finish(stamp, body), key].concat()
}

impl Store {
    /// The bytes of a record of the last vanish, for [`Received::read`]; none where there was none. The record itself may
    /// be gone from the log.
    pub fn last_vanish(&self) -> Option<Vec<u8>> {
        let stamp = self.shared.tail.lock().vanished;
        (stamp != Stamp::default())
            .then(|| Head::new(Kind::Vanish, 0, 0).finish(stamp, Hasher::new()).to_vec())
    }

    /// Takes over what is newer than what is here; counters are merged. Says how many records changed anything. Waits for
    /// what somebody has reserved.
    ///
    /// Errors: those of a change. What came before the record that failed has been taken over.
    pub fn apply(&self, records: &[Received<'_>], arrival: Arrival) -> Result<usize> {
        let shared = &self.shared;
        shared.check_writable()?;
        let mut taken = 0;
        for batch in records.chunks(BATCH) {
            let mut hashes = [0; BATCH];
            let view = shared.view.load();
            for (hash, received) in hashes.iter_mut().zip(batch) {
                *hash = shared.hasher.hash(received.key());
                view.table.prefetch(*hash);
            }
            for &hash in &hashes[..batch.len()] {
                view.table.candidates(hash, |entry| view.prefetch_key(entry));
            }
            drop(view);
            for (&hash, received) in hashes.iter().zip(batch) {
                taken += usize::from(match received.kind() {
                    Kind::Vanish => shared.vanish_up_to(received.stamp(), arrival.via)?,
                    _ => shared.patiently(Scope::of(hash), || shared.apply(received, hash, arrival))?,
                });
            }
        }
        Ok(taken)
    }

    /// The stamp of what is known of a key, and whether that is a deletion.
    pub fn stamp_of(&self, key: &[u8]) -> Result<Option<(Stamp, bool)>> {
        let shared = &self.shared;
        let hash = shared.hasher.hash(key);
        let stripe = shared.lock_stripe(hash);
        let (_, found) = shared.locate(&stripe.view, key, hash)?;
        Ok(found.map(|(record, target)| (record.stamp, target.tombstone)))
    }
}

impl Shared {
    fn apply(&self, received: &Received<'_>, hash: u64, arrival: Arrival) -> Result<bool> {
        let loaded = {
            let stripe = self.lock_for_change(hash)?;
            let view = &stripe.view;
            // What is made here from now on is later, and than the tombstone below.
            stripe.last_ts.set(stripe.last_ts.get().max(received.stamp().ts + 1));
            let (slot, found) = self.locate(view, received.key(), hash)?;
            let new = &received.record;
            let is_news =
                found.as_ref().is_none_or(|(old, _)| new.stamp > old.stamp && old.kind != Kind::Counter);
            let grave;
            // It had been here. So it was deleted since, and that was forgotten. (Of a counter a part may be news.)
            let (received, via) = match is_news && new.stamp.ts <= arrival.buried && new.kind == Kind::Put {
                true => {
                    grave = tombstone(new.key, new.stamp.buried());
                    let (made, _) = Received::read(&grave).map_err(|why| Error::Failed(why.to_owned()))?;
                    (&{ made }, self.kit.origin)
                }
                false => (received, arrival.via),
            };
            let new = &received.record;
            let taken = match &found {
                _ if new.kind == Kind::Counter => {
                    self.merge(view, slot, hash, received, found.as_ref(), via)?
                }
                None => self.take(view, slot, hash, received, None, via)?,
                Some((old, _)) if old.kind == Kind::Counter => {
                    self.merge(view, slot, hash, received, found.as_ref(), via)?
                }
                Some((old, _)) if new.stamp <= old.stamp => false,
                Some(_) => self.take(view, slot, hash, received, found.as_ref(), via)?,
            };
            if !taken {
                return Ok(false);
            }
            view.table.is_loaded()
        };
        self.after_change(loaded);
        Ok(true)
    }

    /// Takes a record over as it is.
    fn take(
        &self,
        view: &View,
        slot: Slot<'_>,
        hash: u64,
        received: &Received<'_>,
        found: Option<&Found<'_>>,
        via: u16,
    ) -> Result<bool> {
        let Record { kind, stamp, attributes, key, .. } = received.record;
        let via = if via == stamp.origin { 0 } else { via };
        let body = received.body();
        let mut head;
        let bytes = match received.record.via == via && !received.record.moved {
            true => [received.bytes, &[]],
            false => {
                let crc;
                (head, crc) = head_for(kind, key.len(), body, attributes, via);
                [head.finish(stamp, crc), body]
            }
        };
        self.enter(view, slot, hash, &Stamped { bytes, kind, stamp, attributes }, found)
    }

    /// Enters a record whose bytes are known; not where it is older than the last vanish.
    fn enter(
        &self,
        view: &View,
        slot: Slot<'_>,
        hash: u64,
        stamped: &Stamped<'_>,
        found: Option<&Found<'_>>,
    ) -> Result<bool> {
        let urgency = if stamped.kind == Kind::Delete { Urgency::Delete } else { Urgency::Ordinary };
        let Some(address) = self.append_stamped(stamped, urgency)? else { return Ok(false) };
        self.conclude(view, slot, hash, address, stamped.kind, found)?;
        Ok(true)
    }

    fn append_stamped(&self, stamped: &Stamped<'_>, urgency: Urgency) -> Result<Option<Address>> {
        let mut tail = self.tail.lock();
        let address = append::append_stamped(&mut tail, &self.kit, self, stamped, urgency)?;
        let end = self.set_end(&tail);
        let ahead = tail.active.appender.region().ahead();
        drop(tail);
        self.announce(end);
        self.signals.populate_if_near(ahead);
        Ok(address)
    }

    /// Merges what two servers know of a counter. What neither of them knew before is as if it came from here, so that both
    /// are sent it.
    fn merge(
        &self,
        view: &View,
        slot: Slot<'_>,
        hash: u64,
        received: &Received<'_>,
        found: Option<&Found<'_>>,
        via: u16,
    ) -> Result<bool> {
        let old = match found {
            None => Counter::NOTHING,
            Some(found) => {
                let damaged = || self.damaged(view, found.1.address);
                Counter::of(&self.whole(view, found)?).ok_or_else(damaged)?
            }
        };
        let Some(new) = Counter::of(&received.record) else { return Ok(false) };
        let mut merged = old.clone().merge(new.clone());
        if merged.is_same(&old) {
            return Ok(false);
        }
        merged.step = merged.step_from(&old);
        if merged.is_same(&new) && merged.step == new.step {
            return self.take(view, slot, hash, received, found, via);
        }
        let (stamp, attributes, value) = (merged.stamp(), merged.base.attributes, merged.seen());
        let (kind, state) = match merged.has_sums() {
            true => {
                let limit = u64::from(u16::MAX);
                (Kind::Counter, merged.encode().ok_or(Error::TooLarge { bytes: limit + 1, limit })?)
            }
            false if value.is_some() => (Kind::Put, Vec::new()),
            false => (Kind::Delete, Vec::new()),
        };
        let body = [received.key(), value.as_deref().unwrap_or_default(), &state].concat();
        let via = if self.kit.origin == stamp.origin { 0 } else { self.kit.origin };
        let (mut head, crc) = head_for(kind, received.key().len(), &body, attributes, via);
        let bytes = [head.finish(stamp, crc), &body[..]];
        self.enter(view, slot, hash, &Stamped { bytes, kind, stamp, attributes }, found)
    }
}

/// The head of a record with this body, key and value, and the body's CRC.
fn head_for(kind: Kind, key_len: usize, body: &[u8], attributes: Attributes, via: u16) -> (Head, Hasher) {
    let mut crc = Hasher::new();
    crc.update(body);
    (Head::received(kind, key_len, body.len() - key_len, attributes, via), crc)
}
