//! The admin server (`--admin`): how the node is, for those who watch it.
//!
//! A small HTTP server on one thread of its own, so that it never takes an event loop's time. It is there before
//! the database is opened and until it is closed. Its pages are listed in [`routes`].
//!
//! It asks nobody who they are: it belongs on an address that only those reach who may see what it shows.

mod health;
mod log_level;
mod metrics;
mod routes;
mod server;
mod state;
mod status;

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use thiserror::Error;
use tokio::sync::oneshot;

use crate::logging::Logging;
use crate::server::Shared;
use state::{Phase, State};

/// Why there is no admin server.
#[derive(Debug, Error)]
pub enum AdminError {
    /// The name means no address.
    #[error("--admin {address}: cannot resolve it: {source}; give a name or an address of this machine")]
    Resolve {
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The address cannot be had.
    #[error(
        "--admin {address}: cannot listen there: {source}; choose an address of this machine and a port that is free"
    )]
    Bind {
        /// As it was given.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system has no thread or event loop for it.
    #[error("--admin: cannot start its thread: {0}")]
    Thread(#[from] io::Error),
}

/// A running admin server. Dropping it ends it.
#[derive(Debug)]
pub struct Admin {
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Binds `HOST:PORT` and answers there from now on, for the node of that `database`; it is not ready until
    /// [`Admin::serving`].
    ///
    /// Errors: the address cannot be resolved or bound, or there is no thread.
    pub fn start(address: &str, database: &str, logging: Logging) -> Result<Self, AdminError> {
        let (listener, bound) = bind(address)?;
        let state = Arc::new(State::new(logging, host_of(address), database));
        let (stop, stopped) = oneshot::channel();
        let thread = server::start(listener, Arc::clone(&state), stopped)?;
        crate::system!("admin server: http://{bound}/");
        Ok(Self { state, stop: Some(stop), thread: Some(thread) })
    }

    /// The node serves.
    pub(crate) fn serving(&self, shared: Weak<Shared>) {
        self.state.set(Phase::Serving(shared));
    }

    /// The node is about to end.
    pub(crate) fn stopping(&self) {
        self.state.set(Phase::Stopping);
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        // A thread that has ended already needs no telling, and one that panicked has said so.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// `HOST` of `HOST:PORT`.
fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// Binds the first of the addresses that can be had.
fn bind(address: &str) -> Result<(TcpListener, SocketAddr), AdminError> {
    let resolve = |source| AdminError::Resolve { address: address.to_owned(), source };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for one in address.to_socket_addrs().map_err(resolve)? {
        let bound = TcpListener::bind(one).and_then(|listener| {
            listener.set_nonblocking(true)?;
            let bound = listener.local_addr()?;
            Ok((listener, bound))
        });
        match bound {
            Ok(bound) => return Ok(bound),
            Err(error) => last = error,
        }
    }
    Err(AdminError::Bind { address: address.to_owned(), source: last })
}
