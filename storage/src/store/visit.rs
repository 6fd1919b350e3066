//! A walk over all live records, for telling whether two nodes have the same.

use std::ops::ControlFlow;

use crate::error::Result;
use crate::log::record::Stamp;
use crate::store::Store;

/// A live record.
#[derive(Debug, Clone, Copy)]
pub struct Visited<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// A hash of the key, the same on all nodes.
    pub hash: u64,
    /// Differs where two nodes have different records of the key, or a counter in different states.
    pub version: u64,
    /// When and where it was made.
    pub stamp: Stamp,
    /// The whole record, for [`crate::Received::read`].
    pub bytes: &'a [u8],
}

impl Store {
    /// Hands out every live record that has no expiry, in no order. What changes meanwhile is met or not; what does not is met once.
    pub fn visit(&self, _take: impl FnMut(&Visited<'_>) -> ControlFlow<()>) -> Result<()> {
        unimplemented!()
    }

    /// The hash of a key that is the same on all nodes.
    pub fn common_hash(_key: &[u8]) -> u64 {
        unimplemented!()
    }
}
