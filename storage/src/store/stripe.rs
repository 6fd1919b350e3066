//! Stripes: locks over the keys, and the puts under each that are in the log but not yet in the table.
//!
//! A put need not know what was there before, so it does not wait for its bucket to come from memory: it
//! asks for the bucket, appends its record, and leaves a note here. Notes are settled (the table pointed
//! at their records) eight at a time, when their buckets have long arrived: measured, a sixth of the time
//! of a sequential put, and a third of that of a random one. Readers look at the notes first.
//!
//! What is always true:
//! - Whoever has locked a stripe with [`Shared::lock_stripe`] finds no notes: only puts leave some behind.
//! - Notes are settled in the order in which they were made, and taken away only when the table has them.
//!   So a reader that looks at the notes, newest first, and then at the table misses nothing.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::index::{STRIPES, Slot, Target};
use crate::log::address::Address;
use crate::store::reservation::Reserved;
use crate::store::{Shared, View};

/// Notes of a stripe: enough puts on other stripes come between the first and the last of them for
/// memory to answer, and all notes of all stripes fit in a processor's first cache.
const NOTES: usize = 8;

/// One stripe.
#[derive(Debug)]
pub(crate) struct Stripe {
    held: Mutex<Held>,
    notes: Notes,
}

/// What the holder of a stripe has: a view at least as new as anything that its buckets point at.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) view: Arc<View>,
    /// No record of the stripe's keys is later, in microseconds.
    pub(crate) last_ts: Cell<u64>,
    /// Whoever changes a record looks at this first.
    pub(crate) reserved: Reserved,
    /// That of the view, see [`Shared::replace_view`].
    version: u64,
}

/// Puts that the table does not know yet. Changed under the stripe, read without.
#[derive(Debug, Default)]
struct Notes {
    state: AtomicU64,
    notes: [Note; NOTES],
}

/// How many notes there are, and above that how often they have been settled, so that a reader notices when
/// one was replaced while it looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct NotesState(u64);

impl NotesState {
    const COUNT_BITS: u32 = 4;

    #[inline]
    fn count(self) -> usize {
        (self.0 & ((1 << Self::COUNT_BITS) - 1)) as usize
    }

    #[inline]
    fn one_more(self) -> Self {
        Self(self.0 + 1)
    }

    #[inline]
    fn settled(self) -> Self {
        Self(((self.0 >> Self::COUNT_BITS) + 1) << Self::COUNT_BITS)
    }

    #[inline]
    fn was_settled_since(self, before: Self) -> bool {
        self.0 >> Self::COUNT_BITS != before.0 >> Self::COUNT_BITS
    }
}

impl Notes {
    #[inline]
    fn state(&self, order: Ordering) -> NotesState {
        NotesState(self.state.load(order))
    }

    /// What has been stored in notes before this is seen by whoever sees the state.
    #[inline]
    fn set(&self, state: NotesState) {
        self.state.store(state.0, Ordering::Release);
    }
}

#[derive(Debug, Default)]
struct Note {
    hash: AtomicU64,
    address: AtomicU64,
}

impl Stripe {
    /// No record of its keys is later than `last_ts`.
    pub(crate) fn new(view: Arc<View>, last_ts: u64) -> Self {
        let last_ts = Cell::new(last_ts);
        let held = Held { view, last_ts, reserved: Reserved::default(), version: 0 };
        Self { held: Mutex::new(held), notes: Notes::default() }
    }

    /// What `look` makes of the newest note of a hash that it wants. Takes no lock.
    ///
    /// Notes may be replaced meanwhile, from the first on, but only after all of them have been settled: then
    /// the table has what is missed here. What replaces them is not looked at before it is counted, so that
    /// nobody sees a put which the next reader does not.
    #[inline]
    pub(crate) fn noted<T>(&self, hash: u64, mut look: impl FnMut(Address) -> Option<T>) -> Option<T> {
        let state = self.notes.state(Ordering::Acquire);
        for note in self.notes.notes[..state.count().min(NOTES)].iter().rev() {
            if note.hash.load(Ordering::Acquire) != hash {
                continue;
            }
            let address = Address(note.address.load(Ordering::Acquire));
            if self.notes.state(Ordering::Acquire).was_settled_since(state) {
                return None;
            }
            if let Some(found) = look(address) {
                return Some(found);
            }
        }
        None
    }

    /// Whether there are notes. Where the stripe is locked there are none, unless they cannot be settled.
    #[inline]
    pub(crate) fn has_notes(&self) -> bool {
        self.notes.state(Ordering::Relaxed).count() > 0
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.notes.state(Ordering::Relaxed).count() >= NOTES
    }

    /// Leaves a note, the caller holding the stripe, which is not full.
    #[inline]
    fn note(&self, hash: u64, address: Address) {
        let state = self.notes.state(Ordering::Relaxed);
        if let Some(note) = self.notes.notes.get(state.count()) {
            note.address.store(address.0, Ordering::Release);
            note.hash.store(hash, Ordering::Release);
            self.notes.set(state.one_more());
        }
    }
}

impl Shared {
    /// The stripe of a hash, for reading its notes.
    #[inline]
    pub(crate) fn stripe(&self, hash: u64) -> &Stripe {
        &self.stripes[hash as usize & (STRIPES - 1)]
    }

    /// Locks the stripe of a hash and settles its notes. Whoever holds it may change the keys that share it.
    #[inline]
    pub(crate) fn lock_stripe(&self, hash: u64) -> MutexGuard<'_, Held> {
        let held = self.lock_as_it_is(hash);
        // What cannot be settled stops all writing, and has been logged then.
        let _ = self.settle(self.stripe(hash), &held);
        held
    }

    /// Locks the stripe of a hash and leaves its notes.
    #[inline]
    pub(crate) fn lock_as_it_is(&self, hash: u64) -> MutexGuard<'_, Held> {
        let mut held = self.stripe(hash).held.lock();
        let version = self.view_version.load(Ordering::Acquire);
        if held.version != version {
            held.view = self.view.load_full();
            held.version = version;
        }
        held
    }

    /// Locks all stripes, in their order.
    pub(crate) fn lock_all_stripes(&self) -> Vec<MutexGuard<'_, Held>> {
        (0..STRIPES as u64).map(|stripe| self.lock_stripe(stripe)).collect()
    }

    /// Goes through all stripes: every change that was under way has ended then, all notes are settled,
    /// and no stripe holds on to a view older than the newest.
    pub(crate) fn pass_all_stripes(&self) {
        (0..STRIPES as u64).for_each(|stripe| drop(self.lock_stripe(stripe)));
    }

    /// Replaces the view that readers and writers get from now on.
    pub(crate) fn replace_view(&self, change: impl Fn(&View) -> View) {
        self.view.rcu(|view| change(view));
        self.view_version.fetch_add(1, Ordering::Release);
    }

    /// Locks the stripe of a hash for a change of its records. Errors: another has reserved it.
    #[inline]
    pub(crate) fn lock_for_change(&self, hash: u64) -> Result<MutexGuard<'_, Held>> {
        let held = self.lock_stripe(hash);
        held.reserved.check(hash)?;
        Ok(held)
    }

    /// Has `append` append a put, and leaves a note of it. Says whether the table should grow.
    #[inline]
    pub(crate) fn put_noted(
        &self,
        hash: u64,
        append: impl FnOnce(&Cell<u64>) -> Result<Address>,
    ) -> Result<bool> {
        let held = self.lock_as_it_is(hash);
        held.reserved.check(hash)?;
        let stripe = self.stripe(hash);
        held.view.table.prefetch(hash);
        if stripe.is_full() {
            self.settle(stripe, &held)?;
        }
        let address = append(&held.last_ts)?;
        // Whoever settled the notes before this one may not have been a writer, and so not have looked.
        let is_first = !stripe.has_notes();
        stripe.note(hash, address);
        Ok(is_first && held.view.table.is_loaded())
    }

    /// Points the table at what the notes of a stripe say.
    #[inline]
    fn settle(&self, stripe: &Stripe, held: &Held) -> Result<()> {
        match stripe.has_notes() {
            true => self.settle_some(&stripe.notes, &held.view),
            false => Ok(()),
        }
    }

    fn settle_some(&self, notes: &Notes, view: &View) -> Result<()> {
        let state = notes.state(Ordering::Relaxed);
        let notes_there = notes.notes.iter().take(state.count());
        let noted = notes_there
            .map(|note| (note.hash.load(Ordering::Relaxed), Address(note.address.load(Ordering::Relaxed))));
        let mut vacancies: [Option<Slot<'_>>; NOTES] = [const { None }; NOTES];
        for ((hash, _), vacancy) in noted.clone().zip(&mut vacancies) {
            *vacancy = view.table.vacancy(hash, |entry| view.prefetch_key(entry));
        }
        let (mut records, mut entries) = (0, 0);
        let settled = noted.zip(vacancies).try_for_each(|((hash, address), vacancy)| {
            let target = Target { address, tombstone: false };
            let (record, entry) = match vacancy {
                // Unless an earlier note has taken it, perhaps for the same key.
                Some(Slot::Empty(word, level)) if word.load(Ordering::Relaxed) == 0 => {
                    view.table.point_vacant(word, level, hash, target);
                    (true, true)
                }
                _ => self.settle_one(view, hash, target)?,
            };
            records += i64::from(record);
            entries += u64::from(entry);
            Ok(())
        });
        self.records.fetch_add(records, Ordering::Relaxed);
        view.table.count(entries);
        if settled.is_ok() {
            notes.set(state.settled());
        }
        settled
    }

    /// Points the table at a put that was appended. Says whether that makes a record more, and an entry.
    #[inline]
    fn settle_one(&self, view: &View, hash: u64, target: Target) -> Result<(bool, bool)> {
        let peek = |address: Address| view.segments.at(address).and_then(|s| s.peek(address.offset()));
        let lost = || self.durability.fail("the end of the log cannot be read back".to_owned());
        let record = peek(target.address).ok_or_else(lost)?;
        let mut old = None;
        let slot = view.table.slot(hash, |entry| {
            old = peek(entry.address()).filter(|old| old.key == record.key);
            old.is_some()
        });
        let slot = slot.ok_or_else(|| Error::Failed("the table has lost a bucket".to_owned()))?;
        let before = match &slot {
            Slot::Found(_, entry) => old.map(|old| (old, entry.target())),
            _ => None,
        };
        let added = self.publish(view, slot, hash, target, before.as_ref())?;
        Ok((before.is_none_or(|(_, target)| target.tombstone), added))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Table;
    use crate::log::segment::Segments;

    #[test]
    fn a_note_that_is_replaced_is_not_seen_before_it_is_counted() {
        let view = View { table: Table::new(1).unwrap().into(), segments: Segments::default() };
        let stripe = Stripe::new(Arc::new(view), 0);
        let address = |number: usize| Address::new(1, number);
        stripe.note(5, address(100));
        stripe.note(5, address(200));
        assert_eq!(stripe.noted(5, Some), Some(address(200)), "the newest");
        assert_eq!(stripe.noted(6, Some), None);
        let mut seen = Vec::new();
        let found = stripe.noted::<()>(5, |address| {
            seen.push(address);
            // While the reader looks at the newest: settled, and the next put is about to be counted.
            stripe.notes.set(stripe.notes.state(Ordering::Relaxed).settled());
            stripe.notes.notes[0].address.store(300, Ordering::Release);
            None
        });
        assert_eq!((found, seen), (None, vec![address(200)]));
        assert!(!stripe.has_notes());
        for number in 0..NOTES {
            assert!(!stripe.is_full(), "{number}");
            stripe.note(5, address(number));
        }
        assert!(stripe.is_full());
    }
}
