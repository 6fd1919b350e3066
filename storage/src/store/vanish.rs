//! Deleting everything at once: one record in the log, and a new empty table.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crc32fast::Hasher;

use crate::error::{Error, Result};
use crate::index::Table;
use crate::log::record::{Attributes, Kind};
use crate::log::segment::Counts;
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
        let end = {
            let _stripes = self.lock_all_stripes();
            let mut tail = self.tail.lock();
            let draft =
                Draft { kind: Kind::Vanish, key: &[], value: [&[], &[]], attributes: Attributes::default() };
            let (body, urgency) = (Hasher::new(), Urgency::Delete);
            let now = self.options.clock.now();
            writer::append(&mut tail, &self.kit, self, &draft, body, now, urgency)?;
            let end = self.set_end(&tail);
            self.replace_view(|view| View { table: Arc::clone(&empty), segments: view.segments.clone() });
            self.view.load().segments.iter().for_each(|segment| segment.set_counts(&Counts::default()));
            self.records.store(0, Ordering::Relaxed);
            end
        };
        self.announce(end);
        // So that nobody holds on to the old table.
        self.pass_all_stripes();
        self.signals.wake_compactor();
        Ok(())
    }
}
