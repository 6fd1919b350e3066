//! The server: a listener, threads with an event loop each, connections, an orderly stop.

mod aside;
mod budget;
mod connection;
mod execution;
mod group;
mod handshake;
mod listener;
mod runtime;

use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;

pub use listener::Listener;

use crate::config::ScriptConfig;
use crate::dispatch::{DelayedFlush, Node};
use crate::logging::Logging;
use crate::scripts::{Extension, ScriptError};
use aside::SLOW;
use budget::Budget;
use runtime::Workers;

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
}

/// Serves until SIGTERM or SIGINT; `ready` is called once the port answers. SIGHUP opens the log file
/// anew. Gives the node back when no connection uses it any more.
pub fn run(
    node: Node,
    scripts: &ScriptConfig,
    listener: Listener,
    settings: Settings,
    logging: &Logging,
    ready: impl FnOnce(),
) -> Result<Node, ServerError> {
    let node = Arc::new(node);
    let extension = Extension::start(&node, scripts)?.map(Arc::new);
    if let Some(extension) = &extension {
        // Nothing is set twice.
        let _ = node.scripts.set(Arc::downgrade(extension.scripts()));
    }
    let machines = extension.as_ref().map_or(0, |_| scripts.machines);
    let shared = Arc::new(Shared {
        node,
        timeout: settings.timeout,
        budget: Budget::new(settings.max_buffered),
        slow: Semaphore::new(SLOW * settings.threads),
    });
    let workers = Workers::start(settings.threads, machines)?;
    let main = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    main.block_on(async {
        let mut stop = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let accepting = listener.accept(&shared, &workers)?;
        let flushing = DelayedFlush::carry_out(Arc::clone(&shared.node));
        tokio::pin!(accepting, flushing);
        ready();
        loop {
            tokio::select! {
                _ = stop.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = hang_up.recv() => {
                    match logging.reopen() {
                        Ok(()) => crate::system!("log file opened anew"),
                        Err(error) => tracing::error!("{error}"),
                    }
                    if let Some(extension) = &extension {
                        let extension = Arc::clone(extension);
                        tokio::task::spawn_blocking(move || reload(&extension));
                    }
                }
                never = &mut flushing => match never {},
                () = &mut accepting => return Ok::<(), std::io::Error>(()),
            }
        }
    })?;
    tracing::info!("signal interruption");
    shared.node.commands.stop();
    shared.node.store.end_waiting();
    if let Some(extension) = &extension {
        extension.stop();
    }
    drop(main);
    std::thread::sleep(GRACE);
    workers.stop();
    if let Some(extension) = extension.and_then(Arc::into_inner) {
        extension.end();
    }
    let node = Arc::clone(&shared.node);
    drop(shared);
    Ok(unwrap(node)?)
}

fn reload(extension: &Extension) {
    match extension.reload() {
        Ok(()) => crate::system!("scripts loaded anew"),
        Err(error) => tracing::error!("{error}; the scripts that were loaded before stay"),
    }
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
