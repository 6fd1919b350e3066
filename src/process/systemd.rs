//! What a service manager is told: systemd, by the protocol of `sd_notify`.
//!
//! | when | what is sent |
//! |---|---|
//! | while the database is opened or closed, every 5 s | `STATUS`, `EXTEND_TIMEOUT_USEC`, so that it is not taken for hung |
//! | the node serves | `READY=1`, `STATUS` |
//! | SIGHUP | `RELOADING=1` with `MONOTONIC_USEC`, then `READY=1` |
//! | the stop | `STOPPING=1`, `STATUS` |
//! | an error that ends the node | `STATUS` with it |
//! | `WatchdogSec=`, three times within it, while all event loops answer | `WATCHDOG=1` |
//!
//! Without the variable NOTIFY_SOCKET nothing is sent. A manager that does not listen is no reason to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// How often the manager hears of something that takes long.
const TICK: Duration = Duration::from_secs(5);
/// How long it then waits for the next word.
const EXTENSION: Duration = Duration::from_secs(30);

/// The manager of this process, if it has one. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Manager {
    is_ready: Arc<AtomicBool>,
}

/// Something that takes long, until it is dropped.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Phase {
    ticker: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Manager {
    /// Begins something that may take long: `opening the database`.
    pub fn phase(&self, what: &'static str) -> Phase {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Phase { ticker: None };
        }
        let every = watchdog().map_or(TICK, |watchdog| TICK.min(watchdog / 3));
        let (end, ended) = mpsc::channel();
        let started = Instant::now();
        let ticks = move || loop {
            tick(what, started.elapsed());
            if ended.recv_timeout(every) != Err(RecvTimeoutError::Timeout) {
                return;
            }
        };
        // Without the thread the manager's own limit holds.
        let thread = std::thread::Builder::new().name("systemd".to_owned()).spawn(ticks);
        Phase { ticker: thread.ok().map(|thread| (end, thread)) }
    }

    /// The node serves; `status` is what `systemctl status` shows.
    pub fn ready(&self, status: &str) {
        self.is_ready.store(true, Ordering::Release);
        send(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
    }

    /// Runs `reload` as what SIGHUP is for.
    pub fn reload(&self, reload: impl FnOnce()) {
        let is_ready = self.is_ready.load(Ordering::Acquire);
        if is_ready && let Ok(now) = NotifyState::monotonic_usec_now() {
            send(&[NotifyState::Reloading, now]);
        }
        reload();
        // A stop that was asked for meanwhile is not taken back.
        if is_ready && self.is_ready.load(Ordering::Acquire) {
            send(&[NotifyState::Ready]);
        }
    }

    /// The node stops serving. What follows may take long.
    pub fn stopping(&self) -> Phase {
        self.is_ready.store(false, Ordering::Release);
        send(&[NotifyState::Stopping]);
        self.phase("stopping")
    }
}

impl Drop for Phase {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.ticker.take() {
            drop(end);
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

/// Why the node did not start, or ended badly.
pub fn failed(why: &str) {
    send(&[NotifyState::Status(&one_line(why))]);
}

/// How long the manager waits for a sign of life before it ends the node; `None` if it does not.
pub fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
}

/// A sign of life.
pub fn alive() {
    send(&[NotifyState::Watchdog]);
}

fn tick(what: &str, passed: Duration) {
    let status = match passed.as_secs() {
        0 => what.to_owned(),
        seconds => format!("{what}, for {seconds} s"),
    };
    let extension = u32::try_from(EXTENSION.as_micros()).unwrap_or(u32::MAX);
    let mut said = vec![NotifyState::Status(&status), NotifyState::ExtendTimeoutUsec(extension)];
    if watchdog().is_some() {
        said.push(NotifyState::Watchdog);
    }
    send(&said);
}

/// Each line of a message is a word of its own to the manager.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn send(said: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(said) {
        tracing::warn!("systemd cannot be told (NOTIFY_SOCKET): {error}");
    }
}
