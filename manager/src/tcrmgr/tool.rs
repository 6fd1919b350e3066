//! Under which name the program runs, and to which node it speaks.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use clap::Args;
use lightcloud::Address;
use lightcloud::tyrant::{Server, ServerOptions};

use super::failed::{Code, Failed};
use super::text;

/// The port where none is given.
const PORT: i64 = lightcloud::address::DEFAULT_PORT as i64;

/// Under which name the program runs.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    /// Its name in messages.
    pub program: &'static str,
    /// Whether it behaves as tcrmgr: numbers and hex are taken leniently, a wrong line gets the usage, exit code 1.
    pub is_link: bool,
}

/// The node that a command is for.
#[derive(Debug, Args)]
pub struct Host {
    /// Port of the node; 0 where the host is the path of a socket. As all options it may be written with one dash
    #[arg(long, value_name = "NUM", allow_hyphen_values = true)]
    port: Option<String>,
    /// The node: HOST, HOST:PORT or, with --port 0, the path of a socket. Options come before it
    host: String,
}

/// How long a node may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// It looks up a record, or stores one.
    Short,
    /// It reorganises, copies, scans or runs a script: nobody knows for how long.
    Endless,
}

impl Host {
    /// The node, not connected yet.
    pub fn server(&self, tool: &Tool, patience: Patience) -> Result<Server, Failed> {
        let timeout = match patience {
            Patience::Short => Duration::from_secs(60),
            Patience::Endless => Duration::MAX,
        };
        let options = ServerOptions {
            connect_timeout: Duration::from_secs(10),
            timeout,
            connections: 1,
            ..ServerOptions::default()
        };
        Ok(Server::new(self.address(tool)?, options))
    }

    /// Where it listens.
    pub fn address(&self, tool: &Tool) -> Result<Address, Failed> {
        let port = self.port.as_ref().map(|port| text::whole(tool, port)).transpose()?;
        let (host, port) = split(tool, &self.host, port.unwrap_or(PORT))?;
        if host.is_empty() {
            return Err(Failed::Code(Code::NoHost, Some("the host is empty".to_owned())));
        }
        if port <= 0 || host.starts_with('/') {
            return Ok(Address::Unix(host.into()));
        }
        let port = u16::try_from(port).map_err(|_| match tool.is_link {
            true => Failed::from(Code::Refused),
            false => Failed::Usage(format!("port {port} is none: ports are 1 to 65535")),
        })?;
        Ok(Address::tcp(host, port))
    }
}

/// Host and port of `HOST[:PORT]`; IPv6 in brackets where there is a port.
pub fn split<'t>(tool: &Tool, text: &'t str, port: i64) -> Result<(&'t str, i64), Failed> {
    if let Some((host, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        let port = rest.strip_prefix(':').map_or(Ok(port), |port| text::whole(tool, port))?;
        return Ok((host, port));
    }
    match text.split_once(':') {
        Some((host, given)) if !given.contains(':') && !text.starts_with('/') => {
            Ok((host, text::whole(tool, given)?))
        }
        _ => Ok((text, port)),
    }
}

/// The bytes of an argument.
pub fn bytes(argument: &OsStr) -> &[u8] {
    argument.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_ports() {
        let link = Tool { program: "tcrmgr", is_link: true };
        let own = Tool { program: "lcmgr", is_link: false };
        let host =
            |port: Option<&str>, host: &str| Host { port: port.map(str::to_owned), host: host.to_owned() };
        for (port, text, address) in [
            (None, "db1", Address::tcp("db1", 1978)),
            (Some("5"), "db1", Address::tcp("db1", 5)),
            (Some("5"), "db1:6", Address::tcp("db1", 6)),
            (None, "[::1]:6", Address::tcp("::1", 6)),
            (Some("5"), "::1", Address::tcp("::1", 5)),
            (Some("0"), "some/sock", Address::Unix("some/sock".into())),
            (Some("-1"), "/s", Address::Unix("/s".into())),
            (None, "/s:1", Address::Unix("/s:1".into())),
        ] {
            for tool in [&link, &own] {
                assert_eq!(host(port, text).address(tool).unwrap(), address, "{text}");
            }
        }
        assert_eq!(host(None, "db1:x").address(&link).unwrap(), Address::Unix("db1".into()));
        assert!(matches!(host(None, "db1:x").address(&own), Err(Failed::Usage(_))));
        assert!(matches!(host(None, "db1:70000").address(&own), Err(Failed::Usage(_))));
        assert!(matches!(host(None, "db1:70000").address(&link), Err(Failed::Code(Code::Refused, _))));
        assert!(matches!(host(None, "").address(&own), Err(Failed::Code(Code::NoHost, _))));
    }
}
