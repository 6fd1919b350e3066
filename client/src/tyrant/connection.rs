//! One connection: requests out, answers in, as many at once as there are.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use lcnode_protocol::Command;
use lcnode_protocol::binary::client::{Answer, ReplyDecoder, Step, encode};
use lcnode_protocol::request::Request;
use tokio::io::{Interest, Ready};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::error::ErrorKind;
use super::server::ServerOptions;
use crate::address::Address;

/// Bytes of requests that are made ahead of the socket.
const AHEAD: usize = 256 << 10;
/// Bytes of buffers that an idle connection keeps.
const KEPT: usize = 64 << 10;
/// Bytes that are read at once, at least.
const READ: usize = 16 << 10;

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// A connection on which nothing is outstanding. One on which something went wrong is dropped.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    input: BytesMut,
    output: Vec<u8>,
    /// Bytes of `output` that are on their way.
    sent: usize,
}

/// Why an exchange ended early, and whether anything of it was sent.
pub(super) struct Interrupted {
    pub(super) kind: ErrorKind,
    pub(super) sent: bool,
}

impl Connection {
    pub(super) async fn open(address: &Address, options: &ServerOptions) -> Result<Self, ErrorKind> {
        let limit = options.connect_timeout;
        let open = async {
            Ok(match address {
                Address::Tcp { host, port } => {
                    let stream = TcpStream::connect((&host[..], *port)).await?;
                    stream.set_nodelay(true)?;
                    Stream::Tcp(stream)
                }
                Address::Unix(path) => Stream::Unix(UnixStream::connect(path).await?),
            })
        };
        let stream = match timeout(limit, open).await {
            Err(_) => return Err(ErrorKind::ConnectTimeout(limit)),
            Ok(opened) => opened.map_err(ErrorKind::Connect)?,
        };
        Ok(Self { stream, input: BytesMut::new(), output: Vec::new(), sent: 0 })
    }

    /// Whether it can be used still: the server has not closed it, nor said what nobody asked for.
    pub(super) fn is_idle(&self) -> bool {
        let mut byte = [0];
        let read = match &self.stream {
            Stream::Tcp(stream) => stream.try_read(&mut byte),
            Stream::Unix(stream) => stream.try_read(&mut byte),
        };
        self.input.is_empty() && read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends all requests without waiting in between, and hands out each answer, in their order.
    ///
    /// Where it fails, answers that came before have been handed out.
    pub(super) async fn exchange<'r>(
        &mut self,
        requests: impl Iterator<Item = Request<'r>>,
        options: &ServerOptions,
        mut take: impl FnMut(Command, Answer<'_>),
    ) -> Result<(), Interrupted> {
        let mut requests = requests.fuse();
        let mut waiting = VecDeque::new();
        let mut reply: Option<ReplyDecoder> = None;
        let mut sent = false;
        loop {
            while self.output.len() - self.sent < AHEAD
                && let Some(request) = requests.next()
            {
                encode(&request, &mut self.output).map_err(|why| Interrupted { kind: why.into(), sent })?;
                if request.command() != Command::PutNr {
                    waiting.push_back(request.command());
                }
            }
            self.flush(&mut sent).map_err(|kind| Interrupted { kind, sent })?;
            let is_flushed = self.output.is_empty();
            if waiting.is_empty() && is_flushed {
                break;
            }
            let received = self.receive(is_flushed, options).await;
            received.map_err(|kind| Interrupted { kind, sent })?;
            while let Some(&command) = waiting.front() {
                let decoder = reply.get_or_insert_with(|| ReplyDecoder::new(command));
                let step =
                    decoder.decode(&self.input).map_err(|bad| Interrupted { kind: bad.into(), sent })?;
                let len = match step {
                    Step::Incomplete(len) if len > options.max_reply => {
                        return Err(Interrupted { kind: ErrorKind::TooLong(options.max_reply), sent });
                    }
                    Step::Incomplete(len) => {
                        self.input.reserve(len.min(options.max_reply) - self.input.len());
                        break;
                    }
                    Step::Complete(answer, len) => {
                        take(command, answer);
                        len
                    }
                };
                self.input.advance(len);
                reply = None;
                waiting.pop_front();
            }
        }
        self.shrink();
        Ok(())
    }

    /// Sends what `make` writes, where nothing is to come in turn before all of it went.
    pub(super) async fn send(
        &mut self,
        make: impl FnOnce(&mut Vec<u8>),
        limit: Duration,
    ) -> Result<(), ErrorKind> {
        make(&mut self.output);
        loop {
            self.flush(&mut false)?;
            if self.output.is_empty() {
                return Ok(());
            }
            self.ready(Interest::WRITABLE, limit).await?;
        }
    }

    /// What was read and not made use of yet.
    pub(super) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Waits until there is something to read, and reads it. It can be given up at any time.
    pub(super) async fn read(&mut self, limit: Duration) -> Result<(), ErrorKind> {
        self.ready(Interest::READABLE, limit).await?;
        self.take()
    }

    /// Writes what the socket takes at once.
    fn flush(&mut self, sent: &mut bool) -> Result<(), ErrorKind> {
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            let written = match &self.stream {
                Stream::Tcp(stream) => stream.try_write(rest),
                Stream::Unix(stream) => stream.try_write(rest),
            };
            match written {
                Ok(bytes) => {
                    self.sent += bytes;
                    *sent = true;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(ErrorKind::Broken(error)),
            }
        }
        self.output.clear();
        self.sent = 0;
        Ok(())
    }

    /// Waits until there is something to read, or room to write where that is wanted, and reads.
    async fn receive(&mut self, is_flushed: bool, options: &ServerOptions) -> Result<(), ErrorKind> {
        let interest = if is_flushed { Interest::READABLE } else { Interest::READABLE | Interest::WRITABLE };
        let ready = self.ready(interest, options.timeout).await?;
        if ready.is_readable() { self.take() } else { Ok(()) }
    }

    async fn ready(&self, interest: Interest, limit: Duration) -> Result<Ready, ErrorKind> {
        let ready = async {
            match &self.stream {
                Stream::Tcp(stream) => stream.ready(interest).await,
                Stream::Unix(stream) => stream.ready(interest).await,
            }
        };
        let ready = timeout(limit, ready).await.map_err(|_| ErrorKind::Timeout(limit))?;
        ready.map_err(ErrorKind::Broken)
    }

    /// Reads what is there.
    fn take(&mut self) -> Result<(), ErrorKind> {
        self.input.reserve(READ);
        let read = match &self.stream {
            Stream::Tcp(stream) => stream.try_read_buf(&mut self.input),
            Stream::Unix(stream) => stream.try_read_buf(&mut self.input),
        };
        match read {
            Ok(0) => Err(ErrorKind::Closed),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(ErrorKind::Broken(error)),
        }
    }

    /// Gives back what a large exchange has taken.
    fn shrink(&mut self) {
        self.output.shrink_to(KEPT);
        if self.input.capacity() > KEPT && self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }
}
