//! The part of the memcached and Redis protocols that the load needs: get, set and delete, many at once.
//!
//! Both are made and read by the same loop, so that what is measured of one can be held against the other.

use std::time::Duration;

use bytes::{Buf, BytesMut};
use lightcloud::Address;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::batch::{Batch, Operation};
use super::mix::Kind;
use super::target::Reply;

/// The longest line of a reply, in bytes.
const MAX_LINE: usize = 4096;
/// The longest value of a reply, in bytes.
const MAX_VALUE: usize = 1 << 30;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// The text protocol of memcached.
    Memcached,
    /// RESP2.
    Redis,
}

/// Why an exchange ended early.
#[derive(Debug, Error)]
pub enum TextError {
    /// No connection, or it broke.
    #[error("{0}: {1}; is a server running there?")]
    Io(Address, std::io::Error),
    /// Nothing came.
    #[error("{0}: no answer within {1:?}")]
    Timeout(Address, Duration),
    /// What came is none of the protocol.
    #[error("{0}: {1:?} is no reply of {2}; is it the protocol that this server speaks?")]
    Garbage(Address, String, &'static str),
}

/// A connection.
pub struct TextConnection {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    writer: Box<dyn AsyncWrite + Send + Unpin>,
    dialect: Dialect,
    address: Address,
    limit: Duration,
    output: Vec<u8>,
    input: BytesMut,
}

impl TextConnection {
    /// Connects. Nothing may take longer than `limit`.
    pub async fn open(address: &Address, dialect: Dialect, limit: Duration) -> Result<Self, TextError> {
        type Halves = (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>);
        let open = async {
            Ok::<Halves, std::io::Error>(match address {
                Address::Tcp { host, port } => {
                    let stream = TcpStream::connect((&host[..], *port)).await?;
                    stream.set_nodelay(true)?;
                    let (reader, writer) = stream.into_split();
                    (Box::new(reader), Box::new(writer))
                }
                Address::Unix(path) => {
                    let (reader, writer) = UnixStream::connect(path).await?.into_split();
                    (Box::new(reader), Box::new(writer))
                }
            })
        };
        let opened = timeout(limit, open).await.map_err(|_| TextError::Timeout(address.clone(), limit))?;
        let (reader, writer) = opened.map_err(|error| TextError::Io(address.clone(), error))?;
        let (output, input) = Default::default();
        Ok(Self { reader, writer, dialect, address: address.clone(), limit, output, input })
    }

    /// Sends a batch without waiting in between, and hands out each reply with its place in the batch.
    pub async fn exchange(
        &mut self,
        batch: &Batch,
        mut take: impl FnMut(usize, Reply<'_>),
    ) -> Result<(), TextError> {
        self.output.clear();
        for (operation, key, value) in batch.iter() {
            encode(self.dialect, operation.kind, key, value, &mut self.output);
        }
        let Self { reader, writer, output, input, dialect, address, limit } = self;
        let broken = |error| TextError::Io(address.clone(), error);
        let write = async { writer.write_all(output).await.map_err(broken) };
        let read = async {
            for (at, (operation, ..)) in batch.iter().enumerate() {
                loop {
                    match decode(*dialect, operation, input) {
                        Step::Complete(reply, len) => {
                            take(at, reply);
                            input.advance(len);
                            break;
                        }
                        Step::Incomplete => {}
                        Step::Garbage(line) => {
                            return Err(TextError::Garbage(address.clone(), line, dialect.name()));
                        }
                    }
                    input.reserve(16 << 10);
                    let read = timeout(*limit, reader.read_buf(input)).await;
                    let read = read.map_err(|_| TextError::Timeout(address.clone(), *limit))?;
                    if read.map_err(broken)? == 0 {
                        return Err(broken(std::io::ErrorKind::UnexpectedEof.into()));
                    }
                }
            }
            Ok(())
        };
        // Side by side: a server that waits for its replies to be read reads no further requests.
        tokio::try_join!(write, read).map(|_| ())
    }
}

impl Dialect {
    fn name(self) -> &'static str {
        match self {
            Self::Memcached => "memcached",
            Self::Redis => "Redis",
        }
    }
}

fn encode(dialect: Dialect, kind: Kind, key: &[u8], value: &[u8], to: &mut Vec<u8>) {
    match dialect {
        Dialect::Memcached => {
            to.extend_from_slice(kind.name().as_bytes());
            to.push(b' ');
            to.extend_from_slice(key);
            if kind == Kind::Set {
                to.extend_from_slice(format!(" 0 0 {}\r\n", value.len()).as_bytes());
                to.extend_from_slice(value);
            }
            to.extend_from_slice(b"\r\n");
        }
        Dialect::Redis => {
            let head: &[u8] = match kind {
                Kind::Get => b"*2\r\n$3\r\nGET\r\n",
                Kind::Set => b"*3\r\n$3\r\nSET\r\n",
                Kind::Delete => b"*2\r\n$3\r\nDEL\r\n",
            };
            to.extend_from_slice(head);
            for word in [Some(key), (kind == Kind::Set).then_some(value)].into_iter().flatten() {
                to.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                to.extend_from_slice(word);
                to.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// How far a reply has come.
#[derive(Debug, PartialEq)]
enum Step<'a> {
    Incomplete,
    /// The reply and its bytes.
    Complete(Reply<'a>, usize),
    /// The line that is no reply.
    Garbage(String),
}

fn decode<'a>(dialect: Dialect, operation: &Operation, bytes: &'a [u8]) -> Step<'a> {
    let seen = &bytes[..bytes.len().min(MAX_LINE)];
    let Some(end) = seen.windows(2).position(|two| two == b"\r\n") else {
        return if seen.len() < MAX_LINE { Step::Incomplete } else { garbage(seen) };
    };
    let (line, after) = (&bytes[..end], end + 2);
    let is_get = operation.kind == Kind::Get;
    match dialect {
        Dialect::Memcached => match line {
            b"END" if is_get => Step::Complete(Reply::Missing, after),
            b"STORED" if operation.kind == Kind::Set => Step::Complete(Reply::Done, after),
            b"DELETED" if operation.kind == Kind::Delete => Step::Complete(Reply::Done, after),
            b"NOT_FOUND" if operation.kind == Kind::Delete => Step::Complete(Reply::Missing, after),
            _ if is_get && line.starts_with(b"VALUE ") => {
                let size = line.rsplit(|byte| *byte == b' ').next().and_then(number);
                value(bytes, after, size, b"\r\nEND\r\n")
            }
            _ if line.starts_with(b"SERVER_ERROR") => Step::Complete(Reply::Refused(line), after),
            _ => garbage(line),
        },
        Dialect::Redis => match line {
            b"$-1" if is_get => Step::Complete(Reply::Missing, after),
            b"+OK" if operation.kind == Kind::Set => Step::Complete(Reply::Done, after),
            b":1" if operation.kind == Kind::Delete => Step::Complete(Reply::Done, after),
            b":0" if operation.kind == Kind::Delete => Step::Complete(Reply::Missing, after),
            [b'$', size @ ..] if is_get => value(bytes, after, number(size), b"\r\n"),
            [b'-', ..] => Step::Complete(Reply::Refused(line), after),
            _ => garbage(line),
        },
    }
}

/// The value that begins at `from`, with what must follow it.
fn value<'a>(bytes: &'a [u8], from: usize, size: Option<usize>, tail: &[u8]) -> Step<'a> {
    let Some(size) = size.filter(|size| *size <= MAX_VALUE) else { return garbage(&bytes[..from]) };
    let Some(rest) = bytes.get(from + size..from + size + tail.len()) else { return Step::Incomplete };
    if rest != tail {
        return garbage(rest);
    }
    Step::Complete(Reply::Value(&bytes[from..from + size]), from + size + tail.len())
}

fn number(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn garbage(line: &[u8]) -> Step<'static> {
    Step::Garbage(String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned())
}

#[cfg(test)]
mod tests {
    use super::super::batch::Values;
    use super::*;

    fn operation(kind: Kind) -> Batch {
        let mut batch = Batch::default();
        batch.push(kind, "k", 1, &Values::new(3));
        batch
    }

    #[test]
    fn replies_are_read_however_they_come() {
        use Dialect::{Memcached, Redis};
        let cases: [(Dialect, Kind, &[u8], Reply<'_>); 10] = [
            (Memcached, Kind::Get, b"VALUE k1 0 4\r\na\r\nb\r\nEND\r\n", Reply::Value(b"a\r\nb")),
            (Memcached, Kind::Get, b"END\r\n", Reply::Missing),
            (Memcached, Kind::Set, b"STORED\r\n", Reply::Done),
            (Memcached, Kind::Delete, b"NOT_FOUND\r\n", Reply::Missing),
            (Memcached, Kind::Set, b"SERVER_ERROR no memory\r\n", Reply::Refused(b"SERVER_ERROR no memory")),
            (Redis, Kind::Get, b"$4\r\na\r\nb\r\n", Reply::Value(b"a\r\nb")),
            (Redis, Kind::Get, b"$-1\r\n", Reply::Missing),
            (Redis, Kind::Set, b"+OK\r\n", Reply::Done),
            (Redis, Kind::Delete, b":0\r\n", Reply::Missing),
            (Redis, Kind::Set, b"-OOM no\r\n", Reply::Refused(b"-OOM no")),
        ];
        for (dialect, kind, bytes, reply) in cases {
            let batch = operation(kind);
            let (operation, ..) = batch.iter().next().unwrap();
            for len in 0..bytes.len() {
                assert_eq!(decode(dialect, operation, &bytes[..len]), Step::Incomplete, "{bytes:?} {len}");
            }
            let more = [bytes, b"more"].concat();
            assert_eq!(decode(dialect, operation, &more), Step::Complete(reply, bytes.len()));
        }
    }

    #[test]
    fn what_is_no_reply_is_garbage() {
        let long = vec![b'x'; MAX_LINE];
        let cases: [(Dialect, Kind, &[u8]); 9] = [
            (Dialect::Memcached, Kind::Get, b"STORED\r\n"),
            (Dialect::Memcached, Kind::Get, b"ERROR\r\n"),
            (Dialect::Memcached, Kind::Get, b"VALUE k1 0 99999999999999999999\r\n"),
            (Dialect::Memcached, Kind::Get, b"VALUE k1 0 1\r\nabcdefghijklm"),
            (Dialect::Memcached, Kind::Get, &long),
            (Dialect::Redis, Kind::Get, b"$-2\r\n"),
            (Dialect::Redis, Kind::Get, b"$4000000000\r\n"),
            (Dialect::Redis, Kind::Set, b":1\r\n"),
            (Dialect::Redis, Kind::Get, b"$1\r\nabc\r\n"),
        ];
        for (dialect, kind, bytes) in cases {
            let batch = operation(kind);
            let (operation, ..) = batch.iter().next().unwrap();
            assert!(matches!(decode(dialect, operation, bytes), Step::Garbage(_)), "{bytes:?}");
        }
    }

    #[test]
    fn requests_are_those_of_the_protocol() {
        let mut bytes = Vec::new();
        encode(Dialect::Memcached, Kind::Set, b"k1", b"abc", &mut bytes);
        encode(Dialect::Memcached, Kind::Get, b"k1", b"", &mut bytes);
        assert_eq!(bytes, b"set k1 0 0 3\r\nabc\r\nget k1\r\n");
        bytes.clear();
        encode(Dialect::Redis, Kind::Set, b"k1", b"", &mut bytes);
        encode(Dialect::Redis, Kind::Delete, b"k1", b"", &mut bytes);
        assert_eq!(bytes, b"*3\r\n$3\r\nSET\r\n$2\r\nk1\r\n$0\r\n\r\n*2\r\n$3\r\nDEL\r\n$2\r\nk1\r\n");
    }
}
