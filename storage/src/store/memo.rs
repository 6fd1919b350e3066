//! What the node remembers: see [`crate::log::memo`].

use crate::error::{Error, Result};
use crate::log::append;
use crate::log::memo::{self, MAX_KEY, MAX_TOTAL, OWN};
use crate::log::writer::Urgency;
use crate::store::{Shared, Store};

impl Store {
    /// What was remembered under `key`.
    pub fn memo(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.shared.tail.lock().memos.get(key).map(<[u8]>::to_vec)
    }

    /// All that is remembered, by its keys.
    pub fn memos(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let tail = self.shared.tail.lock();
        let others = tail.memos.iter().filter(|(key, _)| key.first() != Some(&OWN));
        others.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
    }

    /// Remembers `value` under `key` (1 to 64 bytes, the first not zero); an empty one is forgotten. It is in the log
    /// behind all changes made before the call, and is never there without them.
    ///
    /// Errors: all memos together are over 24 KiB, keys included; or as of a change.
    pub fn set_memo(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let value = checked(&self.shared, key, value, false)?;
        self.shared.say(&value)
    }
}

/// The value of a record that says a memo.
pub(crate) fn checked(shared: &Shared, key: &[u8], value: &[u8], joined: bool) -> Result<Vec<u8>> {
    let total = shared.tail.lock().memos.total_with(key, value);
    if key.is_empty() || key.len() > MAX_KEY || key.first() == Some(&OWN) || total > MAX_TOTAL {
        return Err(Error::TooLarge { bytes: total.max(key.len()) as u64, limit: MAX_TOTAL as u64 });
    }
    Ok(memo::encode(joined, [(key, value)].into_iter()))
}

impl Shared {
    /// Appends a memo record.
    pub(crate) fn say(&self, value: &[u8]) -> Result<()> {
        self.check_writable()?;
        let mut tail = self.tail.lock();
        append::append_memo(&mut tail, &self.kit, self, value, Urgency::Delete)?;
        let end = self.set_end(&tail);
        drop(tail);
        self.announce(end);
        Ok(())
    }
}
