//! The server: a listener, threads with an event loop each, connections, an orderly stop.

mod aside;
mod budget;
mod connection;
mod group;
mod handshake;
mod listener;
mod runtime;

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

pub use listener::Listener;

use crate::dispatch::Node;
use crate::logging::Logging;
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
    listener: Listener,
    settings: Settings,
    logging: &Logging,
    ready: impl FnOnce(),
) -> std::io::Result<Node> {
    let shared = Arc::new(Shared {
        node: Arc::new(node),
        timeout: settings.timeout,
        budget: Budget::new(settings.max_buffered),
    });
    let workers = Workers::start(settings.threads)?;
    let main = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    main.block_on(async {
        let mut stop = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        let accepting = listener.accept(&shared, &workers)?;
        tokio::pin!(accepting);
        ready();
        loop {
            tokio::select! {
                _ = stop.recv() => return Ok(()),
                _ = interrupt.recv() => return Ok(()),
                _ = hang_up.recv() => match logging.reopen() {
                    Ok(()) => crate::system!("log file opened anew"),
                    Err(error) => tracing::error!("{error}"),
                },
                () = &mut accepting => return Ok::<(), std::io::Error>(()),
            }
        }
    })?;
    tracing::info!("signal interruption");
    shared.node.commands.stop();
    shared.node.store.end_waiting();
    drop(main);
    std::thread::sleep(GRACE);
    workers.stop();
    let node = Arc::clone(&shared.node);
    drop(shared);
    unwrap(node)
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
