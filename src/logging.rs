//! The log, in ttserver's form: `DATE` TAB `LEVEL` TAB `message` LF.
//!
//! Code logs with [`tracing`]'s macros, and with [`system!`](crate::system) for the SYSTEM lines of a
//! node's life, which no verbosity hides. Fields follow the message as ` name=value`. One event is one
//! line of at most 8192 bytes, whatever a client put into it: control characters are escaped.
//! A line that the verbosity hides costs one load of an atomic.

mod line;
mod sink;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use self::line::LineFormat;
use self::sink::Sink;
use crate::config::{LogTarget, Verbosity};

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
    pub fn install(target: &LogTarget, verbosity: Verbosity) -> Result<Self, LoggingError> {
        let logging = Self::open(target)?;
        tracing::subscriber::set_global_default(logging.subscriber(verbosity))?;
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

    fn open(target: &LogTarget) -> Result<Self, LoggingError> {
        Ok(Self { sink: Arc::new(Sink::open(target)?) })
    }

    fn subscriber(&self, verbosity: Verbosity) -> impl Subscriber + use<> {
        let level = match verbosity {
            Verbosity::Debug => LevelFilter::DEBUG,
            Verbosity::Info => LevelFilter::INFO,
            Verbosity::Error => LevelFilter::ERROR,
        };
        let shown = Targets::new().with_default(level).with_target(SYSTEM, LevelFilter::INFO);
        let lines = tracing_subscriber::fmt::layer()
            .event_format(LineFormat)
            .with_writer(Arc::clone(&self.sink))
            // A full disk must not end a node that can still serve.
            .log_internal_errors(false);
        tracing_subscriber::registry().with(shown).with(lines)
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
