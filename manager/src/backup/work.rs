//! What backup and restore have in common: one of them at a time, that can be interrupted, and shows how far it is.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::context::Failure;

/// Only one backup or restore of a cluster runs at a time: the lock on its file. Dropped, it is let go.
#[derive(Debug)]
pub struct Alone {
    _file: File,
}

impl Alone {
    /// Takes the lock of the cluster with this file.
    pub fn take(path: &Path) -> Result<Self, Failure> {
        let shown = path.display();
        let file = File::open(path).map_err(|error| format!("cannot read {shown}: {error}"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(format!(
                "another backup or restore of the cluster of {shown} runs: wait until it is done"
            )
            .into()),
            Err(TryLockError::Error(error)) => Err(format!("cannot lock {shown}: {error}").into()),
        }
    }
}

/// Whether to stop: SIGINT or SIGTERM came.
#[derive(Debug, Clone, Default)]
pub struct Interrupt {
    shared: Arc<(AtomicBool, Notify)>,
}

impl Interrupt {
    /// From now on those signals do not end the process at once.
    pub fn watch() -> Result<Self, Failure> {
        let watched = Self::default();
        let shared = Arc::clone(&watched.shared);
        let mut signals = [SignalKind::interrupt(), SignalKind::terminate()].map(signal).into_iter();
        let (Some(interrupt), Some(terminate)) = (signals.next(), signals.next()) else { return Ok(watched) };
        let (mut interrupt, mut terminate) = (interrupt?, terminate?);
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            shared.0.store(true, Ordering::Relaxed);
            shared.1.notify_one();
        });
        Ok(watched)
    }

    /// The error, once it came.
    pub fn check(&self) -> Result<(), Failure> {
        if self.shared.0.load(Ordering::Relaxed) { Err(interrupted()) } else { Ok(()) }
    }

    /// Does something unless it comes first.
    pub async fn or<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        self.check()?;
        tokio::select! {
            done = work => done,
            () = self.shared.1.notified() => Err(interrupted()),
        }
    }
}

fn interrupted() -> Failure {
    "interrupted: what was begun is cleared away, and it can be run again".into()
}

/// Runs what waits for disks and processes, on a thread of its own.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| -> Failure { format!("a thread: {error}").into() })?
}

/// A bar over bytes, on standard error where that is a terminal.
pub fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    let template = "{msg} [{wide_bar}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    // The default style where the template should not be understood.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}
