//! Reading a record: table, log, CRC and key, no lock.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::index::Entry;
use crate::log::address::Address;
use crate::log::record::{At, Record};
use crate::store::{Current, Shared, Store, View};

/// How much of a record is fetched ahead, in bytes, where its value is to be read: the header, the key and
/// the beginning of the value.
const AHEAD: usize = 128;
/// And where only its key is to be compared.
const AHEAD_OF_KEY: usize = 48;

/// The hash of a key whose bucket is being fetched. Of a store with other keys it means nothing, and does no harm.
#[derive(Debug, Clone, Copy)]
pub struct KeyHash(u64);

impl Store {
    /// Has what gets and changes of these keys will touch fetched from memory, all at once: first the
    /// buckets, then the records. Worth it from two keys on, in batches of up to 32.
    #[inline]
    pub fn prefetch<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) {
        let mut hashes = [0; 32];
        let mut count = 0;
        let view = self.shared.view.load();
        for (hash, key) in hashes.iter_mut().zip(keys) {
            *hash = self.shared.hasher.hash(key);
            view.table.prefetch(*hash);
            count += 1;
        }
        for &hash in &hashes[..count] {
            view.table.candidates(hash, |entry| view.prefetch(entry, AHEAD));
        }
    }

    /// Has the bucket of a key fetched from memory, without waiting for it: the first half of
    /// [`prefetch`](Store::prefetch), where keys come one by one.
    #[inline]
    pub fn prefetch_bucket(&self, key: &[u8]) -> KeyHash {
        let hash = self.shared.hasher.hash(key);
        self.shared.view.load().table.prefetch(hash);
        KeyHash(hash)
    }

    /// The second half, a little later: has the records of keys fetched whose buckets were.
    #[inline]
    pub fn prefetch_records(&self, keys: &[KeyHash]) {
        let view = self.shared.view.load();
        for key in keys {
            view.table.candidates(key.0, |entry| view.prefetch(entry, AHEAD));
        }
    }

    /// Hands the value of `key` to `look` where there is one. The value is borrowed from the log, so
    /// `look` should copy what it wants and return.
    #[inline]
    pub fn get<T>(&self, key: &[u8], look: impl FnOnce(&[u8]) -> T) -> Result<Option<T>> {
        self.shared.read(key, |record| look(record.value))
    }

    /// The same, with expiry, flags and id.
    #[inline]
    pub fn get_with<T>(&self, key: &[u8], look: impl FnOnce(Current<'_>) -> T) -> Result<Option<T>> {
        self.shared.read(key, |record| look(Current::of(*record)))
    }
}

impl View {
    /// Has the key of an entry's record fetched from memory. A hint.
    #[inline]
    pub(crate) fn prefetch_key(&self, entry: Entry) {
        self.prefetch(entry, AHEAD_OF_KEY);
    }

    #[inline]
    fn prefetch(&self, entry: Entry, bytes: usize) {
        if let Some(segment) = self.segments.at(entry.address()) {
            segment.region().prefetch(entry.address().offset(), bytes);
        }
    }
}

impl Shared {
    #[inline]
    pub(crate) fn read<T>(&self, key: &[u8], look: impl FnOnce(&Record<'_>) -> T) -> Result<Option<T>> {
        let hash = self.hasher.hash(key);
        let mut look = Some(look);
        loop {
            let view = self.view.load();
            let noted = self.stripe(hash).noted(hash, |address| match self.record_at(&view, address) {
                Ok(record) if record.key == key => {
                    Some(Ok(look.take().filter(|_| !self.has_expired(&record)).map(|look| look(&record))))
                }
                Ok(_) => None,
                Err(address) => Some(Err(address)),
            });
            match noted {
                Some(Ok(found)) => return Ok(found),
                // The segment is newer than the view, the note has been settled since, or the record is
                // damaged: once no note is left the table tells.
                Some(Err(address)) => {
                    let _held = self.lock_stripe(hash);
                    if self.stripe(hash).has_notes() {
                        return Err(self.damaged(&view, address));
                    }
                    continue;
                }
                None => {}
            }
            let mut damage = None;
            let found = view.table.find(hash, |entry| match self.record(&view, entry) {
                Ok(record) if record.key == key => {
                    Some(match entry.is_tombstone() || self.has_expired(&record) {
                        true => None,
                        false => look.take().map(|look| look(&record)),
                    })
                }
                Ok(_) => None,
                Err(address) => {
                    damage = Some(address);
                    None
                }
            });
            if let Some(found) = found {
                return Ok(found);
            }
            if !Arc::ptr_eq(&view, &self.view.load()) {
                // Segments came or went meanwhile: what was not found may be in a new one.
                continue;
            }
            return damage.map_or(Ok(None), |address| Err(self.damaged(&view, address)));
        }
    }

    /// The record of an entry, whole; its address where it is not.
    #[inline]
    pub(crate) fn record<'a>(
        &self,
        view: &'a View,
        entry: Entry,
    ) -> std::result::Result<Record<'a>, Address> {
        self.record_at(view, entry.address())
    }

    #[inline]
    fn record_at<'a>(&self, view: &'a View, address: Address) -> std::result::Result<Record<'a>, Address> {
        match view.segments.at(address).map(|segment| segment.at(address.offset())) {
            Some(At::Record(record)) => Ok(record),
            _ => Err(address),
        }
    }

    /// The error for a record that does not check.
    #[cold]
    pub(crate) fn damaged(&self, view: &View, address: Address) -> Error {
        let (name, why) = match view.segments.at(address) {
            Some(segment) => (
                segment.region().name().to_owned(),
                match segment.at(address.offset()) {
                    At::Damage(why) => why,
                    At::End => "zeros where a record should be",
                    At::Record(_) => "the record changed while it was read",
                },
            ),
            None => (format!("segment {}", address.0 >> 28), "the segment is missing"),
        };
        Error::Damaged { path: self.kit.medium.describe(&name), offset: address.offset() as u64, why }
    }
}

/// Whether a walk goes on.
pub(crate) type Step = ControlFlow<()>;
