//! A listening socket that the service manager opened (socket activation): `LISTEN_FDS`, `LISTEN_PID`.
//!
//! Clients can connect to it while the node starts or is started anew; they wait in its queue meanwhile. The manager
//! keeps it, so the node never removes the path of a Unix-domain socket that came this way.

use std::io;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::AcceptConn;
use thiserror::Error;

/// A socket that listens already.
#[derive(Debug)]
pub enum Inherited {
    /// On a TCP port.
    Tcp(TcpListener),
    /// On a path, or a name without one.
    Unix(UnixListener),
}

/// Why what was passed cannot be served.
#[derive(Debug, Error)]
pub enum ActivationError {
    /// The variables make no sense, or name descriptors that are not open.
    #[error("LISTEN_FDS: {0}; start the node through its .socket unit, or without that variable")]
    Variables(#[source] io::Error),
    /// One is served.
    #[error(
        "{0} sockets were passed by systemd (LISTEN_FDS), and one is served: leave one Listen line in the .socket unit"
    )]
    Several(usize),
    /// Something else than a stream socket.
    #[error(
        "what systemd passed as descriptor 3 is no TCP or Unix stream socket: use ListenStream= in the .socket unit"
    )]
    Kind,
    /// A connection.
    #[error("the socket that systemd passed does not listen: the .socket unit must have Accept=no")]
    Connected,
    /// The system refuses to tell or to change something of it.
    #[error("the socket that systemd passed cannot be used: {0}")]
    System(#[from] io::Error),
    /// In the background it would be lost.
    #[error("--dmn: a node whose socket systemd opened must stay in the foreground; leave the option out")]
    Background,
}

impl Inherited {
    /// What was passed to this process, if anything. Call it once, before there are threads.
    pub fn take() -> Result<Option<Self>, ActivationError> {
        match count()? {
            0 => return Ok(None),
            1 => {}
            several => return Err(ActivationError::Several(several)),
        }
        let mut passed = ListenFd::from_env();
        let inherited = match (passed.take_tcp_listener(0), passed.take_unix_listener(0)) {
            (Ok(Some(listener)), _) => Self::Tcp(listener),
            (_, Ok(Some(listener))) => Self::Unix(listener),
            _ => return Err(ActivationError::Kind),
        };
        let listens = match &inherited {
            Self::Tcp(listener) => getsockopt(listener, AcceptConn),
            Self::Unix(listener) => getsockopt(listener, AcceptConn),
        };
        if !listens.map_err(io::Error::from)? {
            return Err(ActivationError::Connected);
        }
        match &inherited {
            Self::Tcp(listener) => listener.set_nonblocking(true)?,
            Self::Unix(listener) => listener.set_nonblocking(true)?,
        }
        Ok(Some(inherited))
    }

    /// Refuses a start in the background with a socket: it is meant for the process that was started.
    pub fn refuse_in_background() -> Result<(), ActivationError> {
        match count()? {
            0 => Ok(()),
            _ => Err(ActivationError::Background),
        }
    }

    /// Its kind in a word.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Unix(_) => "unix",
        }
    }

    /// Where it listens, as the log says it.
    #[must_use]
    pub fn address(&self) -> String {
        match self {
            Self::Tcp(listener) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |address| address.to_string())
            }
            Self::Unix(listener) => {
                let address = listener.local_addr().ok();
                let path = address.as_ref().and_then(|address| address.as_pathname());
                path.map_or_else(
                    || "a Unix socket without a path".to_owned(),
                    |path| path.display().to_string(),
                )
            }
        }
    }
}

/// How many were passed to this very process; their descriptors are then closed in programs that it runs.
fn count() -> Result<usize, ActivationError> {
    sd_notify::listen_fds().map(|passed| passed.len()).map_err(ActivationError::Variables)
}
