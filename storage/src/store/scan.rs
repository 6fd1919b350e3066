//! Walking over all records, in the order of their hashes with the bits reversed.
//!
//! That order does not change while the table grows: a bucket that splits becomes two neighbours. So
//! a walk meets every record that was there all the time exactly once, however long it takes and
//! whatever is changed meanwhile; records that come or go meanwhile may be met or not.

use std::sync::Arc;

use crate::error::Result;
use crate::index::Entry;
use crate::log::record::Record;
use crate::store::read::Step;
use crate::store::{Shared, Store, View};

/// How far a walk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor(u64);

impl Cursor {
    /// The cursor as a number, which another process can hold.
    pub fn to_u64(self) -> u64 {
        self.0
    }

    /// The cursor of a number. Any number is one.
    pub fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

impl Store {
    /// Hands the records of one bucket, a few, to `visit`, and returns where the walk goes on; none at its end.
    pub fn visit_at(&self, cursor: Cursor, mut visit: impl FnMut(&[u8], &[u8])) -> Result<Option<Cursor>> {
        self.shared.visit_bucket(cursor, |_, record| visit(record.key, record.value))
    }

    /// Hands key and value of every record to `visit` until it breaks off.
    pub fn for_each(&self, mut visit: impl FnMut(&[u8], &[u8]) -> Step) -> Result<()> {
        let mut cursor = Some(Cursor::default());
        let mut go_on = Step::Continue(());
        while let (Some(at), Step::Continue(())) = (cursor, go_on) {
            cursor = self.shared.visit_bucket(at, |_, record| {
                if go_on.is_continue() {
                    go_on = visit(record.key, record.value);
                }
            })?;
        }
        Ok(())
    }
}

impl Shared {
    /// Hands the records of the bucket at `cursor` to `visit`, each with its place in the order, and
    /// returns the cursor of the next bucket.
    fn visit_bucket(&self, cursor: Cursor, visit: impl FnMut(u64, &Record<'_>)) -> Result<Option<Cursor>> {
        let bucket = self.bucket(cursor);
        self.visit_entries(&bucket, visit)?;
        Ok(bucket.next)
    }

    /// The entries of the bucket at `cursor`.
    pub(crate) fn bucket(&self, cursor: Cursor) -> Bucket {
        let hash = cursor.0.reverse_bits();
        // What was put a moment ago is to be met as well.
        drop(self.lock_stripe(hash));
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let view = self.view.load_full();
            let level = view.table.bucket_of(hash, &mut entries);
            if Arc::ptr_eq(&view, &self.view.load()) {
                let last = cursor.0 | (u64::MAX >> level);
                return Bucket { view, entries, cursor, next: last.checked_add(1).map(Cursor) };
            }
        }
    }

    /// Hands the records of a bucket to `visit`, each with its place in the order.
    pub(crate) fn visit_entries(
        &self,
        bucket: &Bucket,
        mut visit: impl FnMut(u64, &Record<'_>),
    ) -> Result<()> {
        let view = &bucket.view;
        for &entry in &bucket.entries {
            let record = self.record(view, entry).map_err(|address| self.damaged(view, address))?;
            let place = self.hasher.hash(record.key).reverse_bits();
            // In a table made smaller by a vanish the cursor may be in the middle of a bucket.
            if !entry.is_tombstone() && place >= bucket.cursor.0 && !self.has_expired(&record) {
                visit(place, &record);
            }
        }
        Ok(())
    }
}

/// The entries of a bucket, as they were when it was looked at.
pub(crate) struct Bucket {
    pub(crate) view: Arc<View>,
    pub(crate) entries: Vec<Entry>,
    cursor: Cursor,
    /// Where the next bucket begins; none after the last.
    pub(crate) next: Option<Cursor>,
}

impl Bucket {
    /// The place in the order where it begins.
    pub(crate) fn start(&self) -> u64 {
        self.cursor.0
    }
}

/// An iterator over keys that can be paused for ever: the one of iterinit and iternext. It holds the
/// keys of one bucket at a time.
#[derive(Debug, Default)]
pub struct KeyIterator {
    cursor: Option<Cursor>,
    /// Keys of the bucket before the cursor that are still to come, last first.
    batch: Vec<Box<[u8]>>,
}

impl KeyIterator {
    /// An iterator from the first record on.
    pub fn new() -> Self {
        Self { cursor: Some(Cursor::default()), batch: Vec::new() }
    }

    /// An iterator from `key` on, the key first; none where there is no such record.
    pub fn starting_at(store: &Store, key: &[u8]) -> Result<Option<Self>> {
        if store.get(key, |_| ())?.is_none() {
            return Ok(None);
        }
        let place = store.shared.hasher.hash(key).reverse_bits();
        let mut iterator = Self { cursor: Some(Cursor(place)), batch: Vec::new() };
        iterator.fill(store)?;
        Ok(Some(iterator))
    }

    /// The next key that still has a record; none at the end.
    pub fn next(&mut self, store: &Store) -> Result<Option<Box<[u8]>>> {
        loop {
            while let Some(key) = self.batch.pop() {
                if store.get(&key, |_| ())?.is_some() {
                    return Ok(Some(key));
                }
            }
            if self.cursor.is_none() {
                return Ok(None);
            }
            self.fill(store)?;
        }
    }

    fn fill(&mut self, store: &Store) -> Result<()> {
        let Some(cursor) = self.cursor else { return Ok(()) };
        let mut placed: Vec<(u64, Box<[u8]>)> = Vec::new();
        self.cursor =
            store.shared.visit_bucket(cursor, |place, record| placed.push((place, record.key.into())))?;
        placed.sort_unstable_by(|a, b| b.cmp(a));
        self.batch = placed.into_iter().map(|(_, key)| key).collect();
        Ok(())
    }
}
