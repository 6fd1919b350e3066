//! Small things that the node remembers, kept in the log.

use crate::error::Result;
use crate::store::Store;

impl Store {
    /// What was remembered under `key`.
    pub fn memo(&self, _key: &[u8]) -> Option<Vec<u8>> {
        unimplemented!()
    }

    /// All that is remembered.
    pub fn memos(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        unimplemented!()
    }

    /// Remembers `value` (up to 64 KiB) under `key` (up to 64 bytes); an empty one is forgotten. It is in the log behind
    /// all changes made before the call, and is never there without them.
    pub fn set_memo(&self, _key: &[u8], _value: &[u8]) -> Result<()> {
        unimplemented!()
    }
}
