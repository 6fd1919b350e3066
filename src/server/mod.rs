//! The server: a listener, threads with an event loop each, connections, an orderly stop.

mod aside;
mod budget;
mod connection;
mod crowd;
mod execution;
mod group;
mod handshake;
mod listener;
mod runtime;
mod signals;
pub(crate) mod watch;
mod watchdog;

use std::sync::{Arc, Weak};
use std::time::Duration;

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

pub use listener::Listener;
pub use signals::Signals;

use crate::config::ScriptConfig;
use crate::dispatch::{DelayedFlush, Node};
use crate::process::systemd;
use crate::scripts::{Extension, ScriptError};
use aside::SLOW;
use budget::Budget;
use runtime::Workers;
use watch::{Watch, Who};

/// How long requests in progress may go on after a stop was asked for.
const GRACE: Duration = Duration::from_millis(100);

/// What the connections of a server share beside the node.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) node: Arc<Node>,
    /// How long a started request or a reply that is not taken may last.
    pub(crate) timeout: Option<Duration>,
    pub(crate) budget: Budget,
    /// For slow requests.
    pub(crate) slow: Semaphore,
    pub(crate) watch: Arc<Watch>,
}

/// Why a server does not serve.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The system has no thread, no socket or no signals for it.
    #[error("{0}")]
    System(#[from] std::io::Error),
    /// Its scripts cannot be used.
    #[error("{0}")]
    Scripts(#[from] ScriptError),
}

/// What the server is told about connections.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Event-loop threads.
    pub threads: usize,
    /// Limit for the rest of a started request, and for a reply to be taken.
    pub timeout: Option<Duration>,
    /// Bytes that requests and replies of all connections together may hold.
    pub max_buffered: u64,
    /// Whether anybody asks how long requests take.
    pub measures: bool,
    /// From when on a request is logged as slow; none never.
    pub slow_log: Option<Duration>,
}

/// Serves until SIGTERM or SIGINT; `ready` is called with what connections share once the port answers, and
/// `stopping` when it does no more. Gives the node back when no connection uses it any more.
pub fn run(
    node: Node,
    scripts: &ScriptConfig,
    listener: Listener,
    settings: Settings,
    signals: &Signals,
    ready: impl FnOnce(Weak<Shared>),
    stopping: impl FnOnce(),
) -> Result<Node, ServerError> {
    let node = Arc::new(node);
    let extension = Extension::start(&node, scripts)?.map(Arc::new);
    if let Some(extension) = &extension {
        // Nothing is set twice.
        let _ = node.scripts.set(Arc::downgrade(extension.scripts()));
        signals.set_extension(extension);
    }
    let machines = extension.as_ref().map_or(0, |_| scripts.machines);
    let who = Who { measures: settings.measures, are_alone: machines == 0 };
    let watch = Watch::new(settings.threads, listener.kind(), who, settings.slow_log);
    let shared = Arc::new(Shared {
        node,
        timeout: settings.timeout,
        budget: Budget::new(settings.max_buffered),
        slow: Semaphore::new(SLOW * settings.threads),
        watch: Arc::new(watch),
    });
    let workers = Workers::start(settings.threads, machines)?;
    let main = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    main.block_on(async {
        let mut stop = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let accepting = listener.accept(&shared, &workers)?;
        let watchdog = async {
            match systemd::watchdog() {
                Some(limit) => watchdog::watch(&workers, limit, systemd::alive).await,
                None => std::future::pending().await,
            }
        };
        let flushing = DelayedFlush::carry_out(Arc::clone(&shared.node));
        ready(Arc::downgrade(&shared));
        tokio::select! {
            _ = stop.recv() => {}
            _ = interrupt.recv() => {}
            () = accepting => {}
            () = watchdog => {}
            never = flushing => match never {},
        }
        Ok::<(), std::io::Error>(())
    })?;
    stopping();
    tracing::info!("signal interruption");
    shared.node.commands.stop();
    shared.node.store.end_waiting();
    if let Some(extension) = &extension {
        extension.stop();
    }
    drop(main);
    std::thread::sleep(GRACE);
    workers.stop();
    signals.forget_extension();
    if let Some(extension) = extension.and_then(Arc::into_inner) {
        extension.end();
    }
    let node = Arc::clone(&shared.node);
    drop(shared);
    Ok(unwrap(node)?)
}

/// The node, once the last thread has let go of it.
fn unwrap(mut node: Arc<Node>) -> std::io::Result<Node> {
    for _ in 0..100 {
        match Arc::try_unwrap(node) {
            Ok(node) => return Ok(node),
            Err(shared) => node = shared,
        }
        std::thread::sleep(GRACE);
    }
    Err(std::io::Error::other("a request did not end within 10 s of the stop"))
}
