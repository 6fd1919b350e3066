//! Deleting everything at once: one record in the log, and a new empty table.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crc32fast::Hasher;

use crate::error::{Error, Result};
use crate::index::{STRIPES, Table};
use crate::log::record::Kind;
use crate::log::writer::{self, Draft, Urgency};
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
        let empty =
            Table::new(self.options.buckets).map_err(Error::io("allocate", "memory for the table"))?;
        let empty = Arc::new(empty);
        {
            let _stripes: Vec<_> = (0..STRIPES).map(|stripe| self.lock_stripe(stripe)).collect();
            let mut tail = self.tail.lock();
            let draft = Draft { kind: Kind::Vanish, key: &[], value: [&[], &[]], after: 0 };
            let (body, urgency) = (Hasher::new(), Urgency::Delete);
            writer::append(&mut tail, &self.kit, self, &draft, body, urgency)?;
            self.set_end(&tail);
            self.view.rcu(|view| View { table: Arc::clone(&empty), segments: view.segments.clone() });
            self.view.load().segments.iter().for_each(|segment| segment.set_live(0, 0));
            self.records.store(0, Ordering::Relaxed);
        }
        self.signals.wake_compactor();
        Ok(())
    }
}
