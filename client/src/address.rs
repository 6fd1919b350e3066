//! Where a server listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// The port of Tokyo Tyrant where none is given.
pub const DEFAULT_PORT: u16 = 1978;

/// Where a server listens.
///
/// As text it is `HOST:PORT`, `HOST` (then the port is [`DEFAULT_PORT`]), `[IPV6]:PORT`, or the path of a Unix-domain
/// socket, which begins with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A host, by name or number, and a port.
    Tcp {
        /// Name or number; of IPv6 without brackets.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// A Unix-domain socket.
    Unix(PathBuf),
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no address: {why}; give HOST:PORT, or the path of a socket from / on")]
pub struct AddressError {
    text: String,
    why: &'static str,
}

impl Address {
    /// A host and a port.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp { host: host.into(), port }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |why| AddressError { text: text.to_owned(), why };
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(|| error("the ] is missing"))?;
                let port = rest.strip_prefix(':');
                if port.is_none() && !rest.is_empty() {
                    return Err(error("only a port may follow the ]"));
                }
                (host, port)
            }
            None => match text.rsplit_once(':') {
                Some((host, _)) if host.contains(':') => {
                    return Err(error("an IPv6 address is written in brackets"));
                }
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        if host.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(error("the host is missing or no name"));
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(port) => match port.parse() {
                Ok(port) if port > 0 => port,
                _ => return Err(error("the port is not a number of 1 to 65535")),
            },
        };
        Ok(Self::tcp(host, port))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown() {
        for (text, address) in [
            ("db1:44201", Address::tcp("db1", 44201)),
            ("[::1]:1", Address::tcp("::1", 1)),
            ("/run/node.sock", Address::Unix("/run/node.sock".into())),
        ] {
            assert_eq!(text.parse(), Ok(address.clone()));
            assert_eq!(address.to_string(), text);
        }
        assert_eq!("db1".parse(), Ok(Address::tcp("db1", 1978)));
        assert_eq!("[::1]".parse(), Ok(Address::tcp("::1", 1978)));
        for text in ["", ":1", "db1:", "db1:0", "db1:65536", "db1:x", "::1", "[::1", "[::1]1", "a b:1"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }
}
