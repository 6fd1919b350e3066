//! A walk over all records and tombstones, for telling whether two nodes have the same.

use std::ops::ControlFlow;

use crate::counter::Counter;
use crate::error::Result;
use crate::hash;
use crate::log::record::{At, Kind, Record, Stamp};
use crate::store::scan::Cursor;
use crate::store::{Shared, Store};

/// Buckets whose records are fetched from memory together.
const GROUP: usize = 32;

/// A record without an expiry, or what is left of a deleted one.
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
    /// Whether it says that the key was deleted: no live record.
    pub deleted: bool,
    /// The whole record, for [`crate::Received::read`].
    pub bytes: &'a [u8],
}

impl Store {
    /// Hands out every live record that has no expiry, and every tombstone, in no order. What changes meanwhile is met
    /// or not; what does not is met once.
    pub fn visit(&self, mut take: impl FnMut(&Visited<'_>) -> ControlFlow<()>) -> Result<()> {
        let shared: &Shared = &self.shared;
        let mut cursor = Some(Cursor::default());
        let mut go_on = ControlFlow::Continue(());
        while cursor.is_some() && go_on.is_continue() {
            let mut group = Vec::with_capacity(GROUP);
            while let (Some(at), true) = (cursor, group.len() < GROUP) {
                let bucket = shared.bucket(at);
                bucket.entries.iter().for_each(|&entry| bucket.view.prefetch_key(entry));
                cursor = bucket.next;
                group.push(bucket);
            }
            for bucket in &group {
                for &entry in &bucket.entries {
                    let address = entry.address();
                    let segment = bucket.view.segments.at(address);
                    let found = segment.map(|segment| (segment, segment.at(address.offset())));
                    let Some((segment, At::Record(record))) = found else {
                        return Err(shared.damaged(&bucket.view, address));
                    };
                    let is_of_it = shared.hasher.hash(record.key).reverse_bits() >= bucket.start();
                    if !is_of_it || record.attributes.expiry.is_some() || go_on.is_break() {
                        continue;
                    }
                    let bytes = segment.region().bytes().get(address.offset()..address.offset() + record.len);
                    go_on = take(&Visited {
                        key: record.key,
                        hash: hash::common(record.key),
                        version: version(&record),
                        stamp: record.stamp,
                        deleted: entry.is_tombstone(),
                        bytes: bytes.unwrap_or_default(),
                    });
                }
            }
        }
        Ok(())
    }

    /// The hash of a key that is the same on all nodes.
    pub fn common_hash(key: &[u8]) -> u64 {
        hash::common(key)
    }
}

fn version(record: &Record<'_>) -> u64 {
    match record.kind {
        Kind::Counter => Counter::of(record).map_or(0, |counter| counter.version()),
        // An odd multiple of the time, and the id where no time reaches.
        _ => record.stamp.ts.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(record.stamp.origin) << 48,
    }
}
