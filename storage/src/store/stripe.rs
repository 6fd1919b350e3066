//! Stripes: locks over the keys, and the puts under each that are in the log but not yet in the table.
//!
//! A put need not know what was there before, so it does not wait for its bucket to come from memory: it
//! asks for the bucket, appends its record, and leaves a note here. Notes are settled (the table pointed
//! at their records) eight at a time, when their buckets have long arrived: measured, half of the time of
//! a put. Readers look at the notes first.
//!
//! What is always true:
//! - Whoever has locked a stripe with [`Shared::lock_stripe`] finds no notes: only puts leave some behind.
//! - Notes are settled in the order in which they were made, and taken away only when the table has them.
//!   So a reader that looks at the notes, newest first, and then at the table misses nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use crate::error::{Error, Result};
use crate::index::{STRIPES, Slot, Target};
use crate::log::address::Address;
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
    /// That of the view, see [`Shared::replace_view`].
    version: u64,
}

/// Puts that the table does not know yet. Changed under the stripe, read without.
#[derive(Debug, Default)]
struct Notes {
    count: AtomicUsize,
    notes: [Note; NOTES],
}

#[derive(Debug, Default)]
struct Note {
    hash: AtomicU64,
    address: AtomicU64,
}

impl Stripe {
    pub(crate) fn new(view: Arc<View>) -> Self {
        Self { held: Mutex::new(Held { view, version: 0 }), notes: Notes::default() }
    }

    /// What `look` makes of the newest note of a hash that it wants. Takes no lock.
    ///
    /// Notes may be replaced meanwhile, from the first on, but only after all of them have been settled.
    /// So what is missed here is in the table by now, and a note's hash and address may belong to two
    /// different puts: whoever looks compares the key in the record.
    #[inline]
    pub(crate) fn noted<T>(&self, hash: u64, mut look: impl FnMut(Address) -> Option<T>) -> Option<T> {
        let count = self.notes.count.load(Ordering::Acquire);
        self.notes.notes[..count.min(NOTES)].iter().rev().find_map(|note| {
            let same = note.hash.load(Ordering::Acquire) == hash;
            same.then(|| look(Address(note.address.load(Ordering::Acquire)))).flatten()
        })
    }

    /// Whether there are notes. Where the stripe is locked there are none, unless they cannot be settled.
    pub(crate) fn has_notes(&self) -> bool {
        self.notes.count.load(Ordering::Relaxed) > 0
    }

    fn is_full(&self) -> bool {
        self.notes.count.load(Ordering::Relaxed) >= NOTES
    }

    /// Leaves a note, the caller holding the stripe, which is not full.
    #[inline]
    fn note(&self, hash: u64, address: Address) {
        let count = self.notes.count.load(Ordering::Relaxed);
        if let Some(note) = self.notes.notes.get(count) {
            note.address.store(address.0, Ordering::Release);
            note.hash.store(hash, Ordering::Release);
            self.notes.count.store(count + 1, Ordering::Release);
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

    #[inline]
    fn lock_as_it_is(&self, hash: u64) -> MutexGuard<'_, Held> {
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

    /// Has `append` append a put, and leaves a note of it. Says whether the table should grow.
    #[inline]
    pub(crate) fn put_noted(&self, hash: u64, append: impl FnOnce() -> Result<Address>) -> Result<bool> {
        let held = self.lock_as_it_is(hash);
        let stripe = self.stripe(hash);
        held.view.table.prefetch(hash);
        let full = stripe.is_full();
        if full {
            self.settle(stripe, &held)?;
        }
        let address = append()?;
        stripe.note(hash, address);
        Ok(full && held.view.table.is_loaded())
    }

    /// Points the table at what the notes of a stripe say.
    #[inline]
    fn settle(&self, stripe: &Stripe, held: &Held) -> Result<()> {
        match stripe.notes.count.load(Ordering::Relaxed) {
            0 => Ok(()),
            count => self.settle_some(&stripe.notes, count, &held.view),
        }
    }

    fn settle_some(&self, notes: &Notes, count: usize, view: &View) -> Result<()> {
        let notes_there = notes.notes.iter().take(count);
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
            notes.count.store(0, Ordering::Release);
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
