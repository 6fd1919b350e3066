//! Deleting everything at once: one record in the log, and a new empty table.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crc32fast::Hasher;

use crate::error::{Error, Result};
use crate::index::{STRIPES, Table};
use crate::log::record::Kind;
use crate::log::writer::{Draft, Urgency};
use crate::store::{Shared, Store, View};

impl Store {
    /// Removes all records. What they took is given back in the background.
    pub fn vanish(&self) -> Result<()> {
        self.shared.vanish()
    }
}

impl Shared {
    fn vanish(&self) -> Result<()> {
        self.check_writable()?;
        let empty = Table::new(self.options.buckets).map_err(Error::io("allocate", "memory for the table"))?;
        let empty = Arc::new(empty);
        {
            let _stripes: Vec<_> = (0..STRIPES).map(|stripe| self.lock_stripe(stripe)).collect();
            let mut tail = self.tail.lock();
            let draft = Draft { kind: Kind::Vanish, key: &[], value: [&[], &[]], after: 0 };
            let body = Hasher::new();
            let placed = tail.append(&self.kit, &draft, body, Urgency::FreesSpace, |active| self.adopt(active))?;
            self.set_end(&tail);
            self.view.rcu(|view| View { table: Arc::clone(&empty), segments: view.segments.clone() });
            for segment in self.view.load().segments.iter() {
                let is_last = segment.number() == tail.active.segment.number();
                segment.set_live(if is_last { placed.len as u64 } else { 0 }, 0);
            }
            self.records.store(0, Ordering::Relaxed);
        }
        self.signals.wake_compactor();
        Ok(())
    }
}
