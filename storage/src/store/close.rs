//! Closing: threads end, the log is made durable, the table is written out.

use tracing::{error, info, warn};

use crate::error::{Error, Result};
use crate::log::writer::is_no_space;
use crate::meta::Meta;
use crate::store::{Shared, Store};

impl Store {
    /// Closes the database, so that the next start needs no look at the log. Dropping a store does the
    /// same, but keeps errors to the log.
    pub fn close(mut self) -> Result<()> {
        self.stop();
        self.is_open = false;
        self.shared.close()
    }

    fn stop(&mut self) {
        self.shared.signals.stop();
        self.shared.durability.stop();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        self.stop();
        if let Err(error) = self.shared.close() {
            error!(%error, "the database was not closed cleanly; the next start reads the log");
        }
    }
}

impl Shared {
    fn close(&self) -> Result<()> {
        if self.options.read_only || !self.kit.medium.is_durable() {
            return Ok(());
        }
        self.durability.sync(self.end())?;
        match self.checkpoint_at_close() {
            // The log has everything.
            Err(Error::Io { source, path, .. }) if is_no_space(&source) => {
                warn!(path, "no space for a checkpoint: the next start reads the log");
            }
            written => written?,
        }
        let closed = Meta { closed: true, ..self.meta };
        match closed.save(&*self.kit.medium) {
            Err(Error::Io { source, path, .. }) if is_no_space(&source) => {
                warn!(path, "no space to note that the database was closed in order");
            }
            written => written?,
        }
        info!("database closed");
        Ok(())
    }
}
