//! The log, in ttserver's form: `DATE` TAB `LEVEL` TAB `message` LF; or an object of JSON a line.
//!
//! Code logs with [`tracing`]'s macros, and with [`system!`](crate::system) for the SYSTEM lines of a
//! node's life, which no level hides. Fields follow the message as ` name=value`, in JSON as members of their
//! own types. One event is one line of at most 8192 bytes, whatever a client put into it: control characters
//! are escaped. Levels can change while the node runs; a line that they hide costs one load of an atomic.

mod json;
mod levels;
mod line;
mod sink;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use thiserror::Error;
use tracing::Subscriber;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, reload};

pub use self::levels::{Levels, LevelsError};
use self::line::LineFormat;
use self::sink::Sink;
use crate::config::{LogForm, LogTarget};

/// The target that marks an event as SYSTEM.
pub const SYSTEM: &str = "system";

/// Logs a SYSTEM line: a milestone in the life of the node, shown at every verbosity.
///
/// Takes what [`tracing::info!`] takes, without a target.
#[macro_export]
macro_rules! system {
    ($($event:tt)+) => {
        ::tracing::info!(target: $crate::logging::SYSTEM, $($event)+)
    };
}

/// The log of this process. Clones are the same log.
#[derive(Debug, Clone)]
pub struct Logging {
    sink: Arc<Sink>,
    filter: reload::Handle<Targets, Registry>,
    /// Those of the command line.
    configured: Arc<Levels>,
    shown: Arc<Mutex<Levels>>,
}

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LoggingError {
    /// The file cannot be opened for appending.
    #[error(
        "the log file {path} cannot be opened: {source}; check its directory and permissions, or choose another -log"
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The process has a log already.
    #[error("logging was set up twice")]
    Twice(#[from] SetGlobalDefaultError),
}

impl Logging {
    /// Opens the log and makes it this process's. Panics are logged from then on, as errors.
    ///
    /// A log file is appended to, and created with mode 0644 less the umask. Errors: the file cannot be
    /// opened; a log was installed before.
    pub fn install(target: &LogTarget, form: LogForm, levels: &Levels) -> Result<Self, LoggingError> {
        let (logging, subscriber) = Self::open(target, form, levels)?;
        tracing::subscriber::set_global_default(subscriber)?;
        log_panics();
        Ok(logging)
    }

    /// Opens the log file again, for rotation: lines go to the new file from then on.
    ///
    /// Other threads may log meanwhile; each line is in one of the two files. Without a log file it does
    /// nothing. Errors: the file cannot be opened; lines then still go to the old one.
    pub fn reopen(&self) -> Result<(), LoggingError> {
        self.sink.reopen()
    }

    /// The levels that hold now.
    #[must_use]
    pub fn levels(&self) -> Levels {
        self.shown.lock().clone()
    }

    /// Shows the lines of other levels from now on, written as for `--log-level`. A SYSTEM line says so; `who` asked for it.
    ///
    /// Gives the levels that hold then. Errors: the text says none, and those before stay.
    pub fn set_levels(&self, text: &str, who: &str) -> Result<Levels, LevelsError> {
        let levels: Levels = text.parse()?;
        self.change(&mut self.shown.lock(), levels.clone(), who);
        Ok(levels)
    }

    /// Shows everything, or if that is so already what the command line says.
    pub fn toggle_debug(&self, who: &str) {
        let mut shown = self.shown.lock();
        let levels = if *shown == Levels::DEBUG { Levels::clone(&self.configured) } else { Levels::DEBUG };
        self.change(&mut shown, levels, who);
    }

    fn change(&self, shown: &mut Levels, levels: Levels, who: &str) {
        // It fails where the log is none of this process's any more, and then nothing is shown anyway.
        let _ = self.filter.reload(levels.targets());
        let before = std::mem::replace(shown, levels);
        crate::system!("log level: {shown} from now on, {before} until now, changed by {who}");
    }

    fn open(
        target: &LogTarget,
        form: LogForm,
        levels: &Levels,
    ) -> Result<(Self, impl Subscriber + use<>), LoggingError> {
        let sink = Arc::new(Sink::open(target)?);
        let (filter, handle) = reload::Layer::new(levels.targets());
        let lines = tracing_subscriber::fmt::layer()
            .event_format(LineFormat(form))
            .with_writer(Arc::clone(&sink))
            // A full disk must not end a node that can still serve.
            .log_internal_errors(false);
        let logging = Self {
            sink,
            filter: handle,
            configured: Arc::new(levels.clone()),
            shown: Arc::new(Mutex::new(levels.clone())),
        };
        Ok((logging, tracing_subscriber::registry().with(filter).with(lines)))
    }
}

/// In the background nobody sees standard error, where panics are printed.
fn log_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!("{panic}");
        print(panic);
    }));
}
