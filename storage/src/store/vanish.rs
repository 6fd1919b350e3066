//! Deleting everything at once: one record in the log, below whose stamp all is dead.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crc32fast::Hasher;

use crate::error::{Error, Result};
use crate::index::{Entry, Slot, Table};
use crate::log::append::{self, By, Draft, Stamped};
use crate::log::memo;
use crate::log::record::{Attributes, Head, Kind, Stamp};
use crate::log::segment::Counts;
use crate::log::writer::{Tail, Urgency};
use crate::store::feed::NewEnd;
use crate::store::{Scope, Shared, Store, View};

impl Store {
    /// Removes all records. What they took is given back in the background.
    pub fn vanish(&self) -> Result<()> {
        self.shared.vanish(By::HERE, None)
    }
}

/// Nothing up to `stamp` comes back, even once the record that says so is gone.
fn note(tail: &mut Tail, stamp: Stamp) {
    tail.vanished = stamp;
    let segment = tail.active.segment.number();
    tail.memos.take(&memo::encode_vanish(stamp), segment);
}

impl Shared {
    pub(crate) fn vanish(&self, by: By, memo: Option<&[u8]>) -> Result<()> {
        self.check_writable()?;
        let empty = self.empty_table()?;
        let end = {
            let stripes = self.lock_all_stripes();
            stripes.iter().try_for_each(|stripe| stripe.reserved.check_all())?;
            let mut tail = self.tail.lock();
            let draft = Draft { by, memo, ..Draft::new(Kind::Vanish, &[], [&[], &[]]) };
            let (body, time, urgency) = (Hasher::new(), self.options.clock.now(), Urgency::Delete);
            append::append(&mut tail, &self.kit, self, &draft, body, time, urgency)?;
            let stamp = Stamp { ts: tail.last_ts, origin: by.origin(&self.kit) };
            note(&mut tail, stamp);
            self.replace_table(&empty);
            self.set_end(&tail)
        };
        self.after_vanish(end);
        Ok(())
    }

    /// Removes all records up to a stamp, as another server did. Says whether that is news.
    pub(crate) fn vanish_up_to(&self, stamp: Stamp, via: u16) -> Result<bool> {
        let empty = self.empty_table()?;
        // Until the last of them is gone: whoever had reserved one would see it come and go.
        let _reserved = self.reserve(Scope::ALL, None)?;
        // No record is moved meanwhile.
        let _compacting = self.lock_compacting();
        let (end, is_all) = {
            let _stripes = self.lock_all_stripes();
            let mut tail = self.tail.lock();
            let is_all = tail.last_ts < stamp.ts;
            let via = if via == stamp.origin { 0 } else { via };
            let mut head = Head::received(Kind::Vanish, 0, 0, Attributes::default(), via);
            let head = head.finish(stamp, Hasher::new());
            let (kind, attributes) = (Kind::Vanish, Attributes::default());
            let vanish = Stamped { bytes: [head, &[]], kind, stamp, attributes };
            let news = append::append_stamped(&mut tail, &self.kit, self, &vanish, Urgency::Delete)?;
            if news.is_none() {
                return Ok(false);
            }
            note(&mut tail, stamp);
            if is_all {
                self.replace_table(&empty);
            }
            (self.set_end(&tail), is_all)
        };
        if !is_all {
            // From here on nothing older comes in any more.
            self.remove_older(stamp);
        }
        self.after_vanish(end);
        Ok(true)
    }

    fn empty_table(&self) -> Result<Arc<Table>> {
        let empty = Table::new(self.options.buckets);
        Ok(Arc::new(empty.map_err(Error::io("allocate", "memory for the table"))?))
    }

    /// Forgets all records, the caller holding all stripes and the tail.
    fn replace_table(&self, empty: &Arc<Table>) {
        self.replace_view(|view| View { table: Arc::clone(empty), segments: view.segments.clone() });
        self.view.load().segments.iter().for_each(|segment| segment.set_counts(&Counts::default()));
        self.records.store(0, Ordering::Relaxed);
    }

    /// Takes older records out of the table, one by one.
    fn remove_older(&self, stamp: Stamp) {
        let view = self.view.load_full();
        let record = |entry: Entry| {
            let address = entry.address();
            view.segments.at(address).and_then(|segment| segment.peek(address.offset()))
        };
        let older =
            view.table.entries_where(|entry| record(entry).is_some_and(|record| record.stamp <= stamp));
        for entry in older {
            let Some(record) = record(entry) else { continue };
            let hash = self.hasher.hash(record.key);
            let stripe = self.lock_stripe(hash);
            let table = &stripe.view.table;
            let slot = table.slot(hash, |other| other.address() == entry.address());
            if let Some(Slot::Found(word, entry)) = slot {
                table.clear(word);
                if let Some(segment) = stripe.view.segments.at(entry.address()) {
                    segment.sub_live(record.len, entry.is_tombstone());
                }
                if !entry.is_tombstone() {
                    self.records.fetch_sub(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn after_vanish(&self, end: NewEnd) {
        self.announce(end);
        // So that nobody holds on to the old table.
        self.pass_all_stripes();
        self.signals.wake_compactor();
    }
}
