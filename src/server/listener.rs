//! The listening socket: a TCP port, or a Unix-domain socket that is removed at the end.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use lcnode::replication::Socket;
use tokio::net::{TcpSocket, UnixSocket};

use crate::config::Listen;
use crate::process::activation::Inherited;
use crate::scripts::relay::on_event_loop;
use crate::server::Shared;
use crate::server::runtime::Workers;
use crate::server::{connection, handshake};

/// Connections that may wait to be accepted; the system's own limit is often lower.
const BACKLOG: u32 = 4096;
/// How long accepting pauses when the system has no descriptor left.
const PAUSE: Duration = Duration::from_millis(100);

/// A bound socket that does not listen yet: the address is ours, and clients are refused at once, so that
/// they can turn to another node while this one opens its database.
#[derive(Debug)]
pub enum Listener {
    /// On a TCP port.
    Tcp(TcpSocket),
    /// On a path.
    Unix(UnixSocket, SocketPath),
    /// One that listens already, and belongs to the service manager.
    Inherited(Inherited),
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
                let socket = UnixSocket::new_stream().map_err(failed)?;
                socket.bind(path).map_err(failed)?;
                Ok(Self::Unix(socket, SocketPath(path.clone())))
            }
            Listen::Tcp { host, port } => {
                let name = host.as_deref().unwrap_or("0.0.0.0");
                let resolve = |source| BindError::Resolve { host: name.to_owned(), source };
                let failed = |source| BindError::Bind { address: format!("{name}:{port}"), source };
                let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
                for address in (name, *port).to_socket_addrs().map_err(resolve)? {
                    match bind(address) {
                        Ok(socket) => return Ok(Self::Tcp(socket)),
                        Err(error) => last = error,
                    }
                }
                Err(failed(last))
            }
        }
    }

    /// Its kind in a word.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Unix(..) => "unix",
            Self::Inherited(inherited) => inherited.kind(),
        }
    }

    /// Listens, accepts connections for ever, and spreads them over the workers. Must be called on an event loop.
    pub(crate) fn accept<'a>(
        self,
        shared: &'a Arc<Shared>,
        workers: &'a Workers,
    ) -> io::Result<impl Future<Output = ()> + 'a> {
        enum Socket {
            Tcp(tokio::net::TcpListener),
            Unix(tokio::net::UnixListener, Option<SocketPath>),
        }
        let socket = match self {
            Self::Tcp(socket) => Socket::Tcp(socket.listen(BACKLOG)?),
            Self::Unix(socket, path) => Socket::Unix(socket.listen(BACKLOG)?, Some(path)),
            Self::Inherited(Inherited::Tcp(socket)) => {
                Socket::Tcp(tokio::net::TcpListener::from_std(socket)?)
            }
            Self::Inherited(Inherited::Unix(socket)) => {
                Socket::Unix(tokio::net::UnixListener::from_std(socket)?, None)
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

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    // Connections of an earlier run that linger do not keep the port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
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
    worker.spawn(on_event_loop(async move {
        let descriptor = stream.as_raw_fd();
        match tokio::net::TcpStream::from_std(stream) {
            Ok(stream) => {
                let node = Arc::clone(&shared.node);
                let served = connection::serve(stream, shared, peer.to_string(), number, descriptor).await;
                let Some((stream, handover)) = served else { return };
                match stream.into_std() {
                    Ok(socket) => {
                        handshake::hand_over(&node, Socket::Tcp(socket), handover, peer.to_string());
                    }
                    Err(error) => tracing::error!("cannot lead {peer}: {error}"),
                }
            }
            Err(error) => tracing::error!("cannot serve {peer}: {error}"),
        }
    }));
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
    worker.spawn(on_event_loop(async move {
        let descriptor = stream.as_raw_fd();
        match tokio::net::UnixStream::from_std(stream) {
            Ok(stream) => {
                let (node, peer) = (Arc::clone(&shared.node), "(unix):0".to_owned());
                let served = connection::serve(stream, shared, peer.clone(), number, descriptor).await;
                let Some((stream, handover)) = served else { return };
                match stream.into_std() {
                    Ok(socket) => handshake::hand_over(&node, Socket::Unix(socket), handover, peer),
                    Err(error) => tracing::error!("cannot lead a local follower: {error}"),
                }
            }
            Err(error) => tracing::error!("cannot serve a local client: {error}"),
        }
    }));
    Ok(())
}
