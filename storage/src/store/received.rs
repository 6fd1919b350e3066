//! Records of another log: taken over where they are newer than what is here.

use crate::error::Result;
use crate::log::record::{Kind, Record, Stamp};
use crate::store::Store;

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
    /// Microseconds: a record of a key of which nothing is known here, not even a deletion, is not taken where its time is
    /// no later. For peers that come back after deletions were forgotten.
    pub buried: u64,
}

impl<'a> Received<'a> {
    /// The record at the start of `bytes`, and its length.
    ///
    /// Errors: why it is none, or none that a log may be sent.
    pub fn read(_bytes: &'a [u8]) -> std::result::Result<(Self, usize), &'static str> {
        unimplemented!()
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
}

/// The bytes of a record that deletes `key`, for [`Received::read`].
pub fn tombstone(_key: &[u8], _stamp: Stamp) -> Vec<u8> {
    unimplemented!()
}

impl Store {
    /// Takes over what is newer than what is here; counters are merged. Says how many records changed anything.
    pub fn apply(&self, _records: &[Received<'_>], _arrival: Arrival) -> Result<usize> {
        unimplemented!()
    }

    /// The stamp of what is known of a key, and whether that is a deletion.
    pub fn stamp_of(&self, _key: &[u8]) -> Result<Option<(Stamp, bool)>> {
        unimplemented!()
    }
}
