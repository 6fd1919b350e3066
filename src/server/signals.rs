//! SIGHUP and SIGUSR1, from the start of the process to its end.
//!
//! They have a thread of their own, so that the log can be rotated, and be made to say more, also while a database is opened for
//! minutes.

use std::io;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::logging::Logging;
use crate::process::systemd::Manager;
use crate::scripts::Extension;

/// What the signals reach.
#[derive(Debug)]
pub struct Signals {
    logging: Logging,
    manager: Manager,
    /// Scripts that SIGHUP loads anew, once there are some.
    extension: Mutex<Option<Weak<Extension>>>,
}

impl Signals {
    /// Obeys them from now on. Errors: the system's, of a thread or a handler.
    pub fn obey(logging: Logging, manager: Manager) -> io::Result<Arc<Self>> {
        let signals = Arc::new(Self { logging, manager, extension: Mutex::new(None) });
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let (mut hang_up, mut user) = {
            let _entered = runtime.enter();
            (signal(SignalKind::hangup())?, signal(SignalKind::user_defined1())?)
        };
        let obeyed = Arc::clone(&signals);
        std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        Some(()) = hang_up.recv() => obeyed.manager.reload(|| obeyed.reload()),
                        Some(()) = user.recv() => obeyed.logging.toggle_debug("SIGUSR1"),
                        else => return,
                    }
                }
            });
        })?;
        Ok(signals)
    }

    /// SIGHUP loads these scripts anew from now on.
    pub(super) fn set_extension(&self, extension: &Arc<Extension>) {
        *self.extension.lock() = Some(Arc::downgrade(extension));
    }

    /// And none any more; if they are being loaded that is waited for.
    pub(super) fn forget_extension(&self) {
        *self.extension.lock() = None;
    }

    fn reload(&self) {
        match self.logging.reopen() {
            Ok(()) => crate::system!("log file opened anew"),
            Err(error) => tracing::error!("{error}"),
        }
        let known = self.extension.lock();
        let Some(extension) = known.as_ref().and_then(Weak::upgrade) else { return };
        match extension.reload() {
            Ok(()) => crate::system!("scripts loaded anew"),
            Err(error) => tracing::error!("{error}; the scripts that were loaded before stay"),
        }
    }
}
