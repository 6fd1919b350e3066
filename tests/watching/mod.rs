//! Those who watch a node: the admin server and what bounds it, the metrics, the slow log.

mod bounds;
mod document;
mod health;
mod metrics;
mod peers;
mod scrape;
mod slow_log;
mod status;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use crate::support::{ANSWER, Launch, Node, loopback};
use scrape::Scrape;

/// Where a node's admin server is.
#[derive(Debug, Clone, Copy)]
pub struct Admin(SocketAddr);

/// What it answers.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Admin {
    /// A node in `folder` with an admin server that is started with `args`, not waited for.
    pub fn launch(folder: &Path, args: &[&str]) -> (Launch, Self) {
        let address = loopback();
        let admin = address.to_string();
        (Launch::new(folder, &[&["--admin", &admin], args].concat()), Self(address))
    }

    /// The same, waited for.
    pub fn start(folder: &Path, args: &[&str]) -> (Node, Self) {
        let (launch, admin) = Self::launch(folder, args);
        (launch.start(), admin)
    }

    pub fn connect(self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect(self.0)?;
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(stream)
    }

    /// Sends bytes on a connection of its own; what comes until it is closed.
    pub fn try_send(self, request: &[u8]) -> std::io::Result<String> {
        let mut stream = self.connect()?;
        stream.write_all(request)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// None where there is no server, or none any more.
    pub fn try_ask(self, method: &str, path: &str) -> Option<Answer> {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        Answer::read(&self.try_send(request.as_bytes()).ok()?)
    }

    pub fn ask(self, method: &str, path: &str) -> Answer {
        self.try_ask(method, path).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    pub fn scrape(self) -> Scrape {
        let answer = self.ask("GET", "/metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.head.contains("content-type: text/plain; version=0.0.4"), "{}", answer.head);
        Scrape::read(&answer.body)
    }
}

impl Answer {
    /// None where it is not whole.
    pub fn read(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }
}
