//! The update stream: what a server changes, as it changes it.

use std::time::Duration;

use bytes::{Buf, Bytes};
use lcnode_protocol::Limits;
use lcnode_protocol::update_log::{self, BadBlock, Item, Logged, Step};

use super::connection::Connection;
use super::error::{ErrorKind, ServerError};
use super::server::Server;
use crate::address::Address;

/// The id of one that follows a server and is none itself, as the tools of Tokyo Tyrant give it.
pub const NO_SERVER: u32 = i32::MAX.cast_unsigned();

/// The longest that a stream may be silent. A server sends a byte every second.
const SILENCE: Duration = Duration::from_secs(60);

/// A change of the update log of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When it was logged, by the clock of the server, in microseconds since the Unix epoch. May repeat, and fall on
    /// an original whose log is written asynchronously.
    pub ts: u64,
    /// The server where the change was made.
    pub sid: u16,
    /// The change as it was sent: a command block.
    pub block: Bytes,
}

impl Entry {
    /// The change.
    ///
    /// # Errors
    ///
    /// What is wrong with the block. The entries behind it are not affected.
    pub fn logged(&self) -> Result<Logged<'_>, BadBlock> {
        Logged::decode(&self.block, Limits::default())
    }
}

/// The changes of a server from a time on, without an end. It has a connection of its own, outside of the number that
/// [`ServerOptions::connections`](super::ServerOptions::connections) allows.
#[derive(Debug)]
pub struct ReplStream {
    address: Address,
    connection: Connection,
    sid: u32,
    has_begun: bool,
}

impl Server {
    /// `repl`: follows the update log from time stamp `ts` on, in microseconds; 0 is the beginning. An entry that was
    /// made on server `sid`, or came from there, is left out; [`NO_SERVER`] is none.
    ///
    /// An lcnode whose log does not go back as far sends all records, as puts. An original sends what is left of its
    /// log, without a word about what is missing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] and [`ErrorKind::NoUpdateLog`], and those of the connection.
    pub async fn replicate(&self, ts: u64, sid: u32) -> Result<ReplStream, ServerError> {
        let error = |kind| self.error(kind, false);
        let options = self.options();
        let mut connection = Connection::open(self.address(), options).await.map_err(error)?;
        let ask = |out: &mut Vec<u8>| update_log::encode_request(ts.max(1), sid, out);
        connection.send(ask, options.timeout).await.map_err(error)?;
        let sid = loop {
            match update_log::Answer::decode(connection.input()) {
                Step::Whole { item, used } => {
                    connection.input().advance(used);
                    break item.sid;
                }
                Step::Incomplete { .. } => match connection.read(options.timeout).await {
                    Err(ErrorKind::Closed) => return Err(error(ErrorKind::Refused)),
                    read => read.map_err(error)?,
                },
            }
        };
        if sid == 0 {
            return Err(error(ErrorKind::NoUpdateLog));
        }
        Ok(ReplStream { address: self.address().clone(), connection, sid, has_begun: false })
    }
}

impl ReplStream {
    /// Where the server listens.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The id of the server.
    pub fn sid(&self) -> u32 {
        self.sid
    }

    /// The next entry; none where the server says that it is still there, which it does at once and then every
    /// second, whether there are entries or not.
    ///
    /// It can be given up at any time and called again.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoUpdateLog`] where the server closes the connection before it said anything, else those of the
    /// connection, [`ErrorKind::Timeout`] after a minute of silence. After one the stream is of no use any more.
    pub async fn next(&mut self) -> Result<Option<Entry>, ServerError> {
        match self.step().await {
            Ok(item) => {
                self.has_begun = true;
                Ok(item)
            }
            Err(kind) => Err(self.error(kind)),
        }
    }

    fn error(&self, kind: ErrorKind) -> ServerError {
        let kind = match kind {
            ErrorKind::Closed if !self.has_begun => ErrorKind::NoUpdateLog,
            kind => kind,
        };
        ServerError { address: self.address.clone(), kind, may_be_done: false }
    }

    /// Waits until the server has said something, which it does at once.
    ///
    /// # Errors
    ///
    /// As of [`next`](Self::next): where it keeps no update log, this is known here.
    pub async fn begun(&mut self) -> Result<(), ServerError> {
        while !self.has_begun && self.connection.input().is_empty() {
            self.connection.read(SILENCE).await.map_err(|kind| self.error(kind))?;
        }
        Ok(())
    }

    /// Whether the next entry or sign of life has come already, at least in part.
    pub fn has_more(&mut self) -> bool {
        !self.connection.input().is_empty()
    }

    async fn step(&mut self) -> Result<Option<Entry>, ErrorKind> {
        loop {
            let input = self.connection.input();
            match Item::decode(input, Limits::default()).map_err(ErrorKind::BadStream)? {
                Step::Incomplete { .. } => {}
                Step::Whole { item: Item::KeepAlive, used } => {
                    input.advance(used);
                    return Ok(None);
                }
                Step::Whole { item: Item::Entry { ts, sid, block }, used } => {
                    let header = used - block.len();
                    let block = input.split_to(used).freeze().slice(header..);
                    return Ok(Some(Entry { ts, sid, block }));
                }
            }
            self.connection.read(SILENCE).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use lcnode_protocol::update_log::Change;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that sends these pieces to one that follows it, and closes the connection.
    async fn server(pieces: Vec<Vec<u8>>) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = [0; 14];
            stream.read_exact(&mut asked).await.unwrap();
            assert_eq!(asked, *b"\xC8\xA0\0\0\0\0\0\0\0\x01\x7f\xff\xff\xff");
            for piece in pieces {
                stream.write_all(&piece).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
        });
        Server::new(Address::tcp("127.0.0.1", port), Default::default())
    }

    fn entry(ts: u64, key: &[u8], value: &[u8]) -> Vec<u8> {
        let mut block = Vec::new();
        Logged { change: Change::Put { key, value }, worked: true }.encode(&mut block);
        let mut bytes = Vec::new();
        Item::Entry { ts, sid: 7, block: &block }.encode(&mut bytes);
        bytes
    }

    #[tokio::test]
    async fn entries_come_however_they_are_cut() {
        let value = vec![b'v'; 300_000];
        let mut bytes = b"\0\0\0\x03\xCA".to_vec();
        bytes.extend(entry(5, b"a\0", &value));
        bytes.push(0xCA);
        bytes.extend(entry(6, b"", b""));
        for size in [1, 3, 1000, bytes.len()] {
            let small = size < 100;
            // Byte by byte only around the borders.
            let bytes =
                if small { [&bytes[..5], &entry(5, b"a\0", b"v")[..]].concat() } else { bytes.clone() };
            let server = server(bytes.chunks(size).map(<[u8]>::to_vec).collect()).await;
            let mut stream = server.replicate(0, NO_SERVER).await.unwrap();
            assert_eq!(stream.sid(), 3);
            assert_eq!(stream.next().await.unwrap(), None);
            let first = stream.next().await.unwrap().unwrap();
            assert_eq!((first.ts, first.sid), (5, 7));
            let expected = if small { &b"v"[..] } else { &value[..] };
            let change = first.logged().unwrap().change;
            assert_eq!(change, Change::Put { key: b"a\0", value: expected });
            if !small {
                assert_eq!(stream.next().await.unwrap(), None);
                assert_eq!(stream.next().await.unwrap().unwrap().ts, 6);
            }
            assert!(matches!(stream.next().await.unwrap_err().kind, ErrorKind::Closed));
        }
    }

    #[tokio::test]
    async fn what_is_no_stream_is_told_apart() {
        let wrong = |pieces: &[&[u8]]| {
            let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
            async {
                match server(pieces).await.replicate(1, NO_SERVER).await {
                    Err(error) => error.kind,
                    Ok(mut stream) => stream.next().await.unwrap_err().kind,
                }
            }
        };
        assert!(matches!(wrong(&[]).await, ErrorKind::Refused));
        assert!(matches!(wrong(&[b"\0\0\0\0"]).await, ErrorKind::NoUpdateLog));
        assert!(matches!(wrong(&[b"\0\0\0\x01"]).await, ErrorKind::NoUpdateLog));
        assert!(matches!(wrong(&[b"\0\0\0\x01HTTP"]).await, ErrorKind::BadStream(_)));
        let huge = b"\0\0\0\x01\xC9\0\0\0\0\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff";
        assert!(matches!(wrong(&[huge]).await, ErrorKind::BadStream(_)));
    }
}
