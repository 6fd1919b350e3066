//! The listening socket: a TCP port, or a Unix-domain socket that is removed at the end.

use std::io;
use std::net::{TcpListener, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Listen;
use crate::server::Shared;
use crate::server::connection;
use crate::server::runtime::Workers;

/// How long accepting pauses when the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound socket.
#[derive(Debug)]
pub enum Listener {
    /// On a TCP port.
    Tcp(TcpListener),
    /// On a path.
    Unix(UnixListener, SocketPath),
}

/// The path of a Unix-domain socket; dropping it removes the socket.
#[derive(Debug)]
pub struct SocketPath(PathBuf);

impl Drop for SocketPath {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_file(&self.0) {
            tracing::warn!("cannot remove {}: {error}", self.0.display());
        }
    }
}

/// Why there is no listening socket.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The name means no address.
    #[error("cannot resolve the host {host}: {source}; give -host a name or address of this machine")]
    Resolve {
        /// The name as given.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The address cannot be had.
    #[error(
        "cannot listen on {address}: {source}; is another server running there? -port N takes another port"
    )]
    Bind {
        /// The address or path.
        address: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Listener {
    /// Binds the socket.
    pub fn bind(listen: &Listen) -> Result<Self, BindError> {
        match listen {
            Listen::Unix(path) => {
                let failed = |source| BindError::Bind { address: path.display().to_string(), source };
                let listener = UnixListener::bind(path).map_err(failed)?;
                Ok(Self::Unix(listener, SocketPath(path.clone())))
            }
            Listen::Tcp { host, port } => {
                let name = host.as_deref().unwrap_or("0.0.0.0");
                let resolve = |source| BindError::Resolve { host: name.to_owned(), source };
                let addresses: Vec<_> = (name, *port).to_socket_addrs().map_err(resolve)?.collect();
                let failed = |source| BindError::Bind { address: format!("{name}:{port}"), source };
                TcpListener::bind(&addresses[..]).map(Self::Tcp).map_err(failed)
            }
        }
    }

    /// Accepts connections for ever and spreads them over the workers. Must be called on an event loop.
    pub(crate) fn accept<'a>(
        self,
        shared: &'a Arc<Shared>,
        workers: &'a Workers,
    ) -> io::Result<impl Future<Output = ()> + 'a> {
        enum Socket {
            Tcp(tokio::net::TcpListener),
            Unix(tokio::net::UnixListener, SocketPath),
        }
        let socket = match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Socket::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
            Self::Unix(listener, path) => {
                listener.set_nonblocking(true)?;
                Socket::Unix(tokio::net::UnixListener::from_std(listener)?, path)
            }
        };
        Ok(async move {
            loop {
                let accepted = match &socket {
                    Socket::Tcp(listener) => accept_tcp(listener, shared, workers).await,
                    Socket::Unix(listener, _path) => accept_unix(listener, shared, workers).await,
                };
                if let Err(error) = accepted {
                    tracing::error!("cannot accept a connection: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        })
    }
}

async fn accept_tcp(
    listener: &tokio::net::TcpListener,
    shared: &Arc<Shared>,
    workers: &Workers,
) -> io::Result<()> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let shared = Arc::clone(shared);
    let (number, worker) = workers.next();
    worker.spawn(async move {
        let descriptor = stream.as_raw_fd();
        match tokio::net::TcpStream::from_std(stream) {
            Ok(stream) => connection::serve(stream, shared, peer.to_string(), number, descriptor).await,
            Err(error) => tracing::error!("cannot serve {peer}: {error}"),
        }
    });
    Ok(())
}

async fn accept_unix(
    listener: &tokio::net::UnixListener,
    shared: &Arc<Shared>,
    workers: &Workers,
) -> io::Result<()> {
    let (stream, _) = listener.accept().await?;
    let stream = stream.into_std()?;
    let shared = Arc::clone(shared);
    let (number, worker) = workers.next();
    worker.spawn(async move {
        let descriptor = stream.as_raw_fd();
        match tokio::net::UnixStream::from_std(stream) {
            Ok(stream) => {
                connection::serve(stream, shared, "(unix):0".to_owned(), number, descriptor).await;
            }
            Err(error) => tracing::error!("cannot serve a local client: {error}"),
        }
    });
    Ok(())
}
