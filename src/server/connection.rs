//! One connection: bytes in, replies out. What becomes of the bytes in between: [`super::execution`].
//!
//! What is always true:
//! - One read and one write a wake-up: all whole requests of a read are carried out, and their replies
//!   leave together.
//! - An idle connection holds no buffer: reading and writing go through buffers of the thread, and only
//!   what is left over, half a request or a reply that the client does not take, is the connection's own.
//! - Nothing is allocated for bytes that were announced and have not come.
//! - While replies are not taken, no further request is read.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arrayvec::ArrayVec;
use bytes::{Buf, BytesMut};
use lcnode_protocol::{Arena, dialect};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::server::Shared;
use crate::server::aside::{self, PATIENCE};
use crate::server::budget::Share;
use crate::server::crowd;
use crate::server::execution::{Execution, Next};
use crate::server::group;
use crate::server::handshake::Handover;

/// Bytes read at once.
const READ: usize = 64 << 10;
/// A buffer of replies that has grown past this is given back.
const KEEP: usize = 1 << 20;
/// Bytes up to which a read may give its turn away: requests one by one, which wait for memory one by one.
const EARLY: usize = 256;
/// A connection keeps a buffer of this size for half requests; larger ones are given back.
const KEEP_REST: usize = 4 << 10;
/// How long a closing connection waits for the client to take the last replies, and to stop sending.
const LINGER: Duration = Duration::from_secs(1);

/// The buffers of a thread. They hold nothing while a connection waits.
struct Scratch {
    input: Box<[u8]>,
    output: Vec<u8>,
    arena: Arena,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> =
        RefCell::new(Scratch {
            input: vec![0; READ].into_boxed_slice(),
            output: Vec::with_capacity(KEEP_REST),
            arena: Arena::new(),
        });
}

/// Where requests come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The socket.
    Socket,
    /// What was left over.
    Rest,
}

/// Everything about a connection but its socket.
struct State {
    shared: Arc<Shared>,
    execution: Execution,
    /// The beginning of a request whose rest has not come, or requests not yet carried out.
    rest: BytesMut,
    /// Bytes that `rest` must have before it is worth another look.
    needed: usize,
    /// What was read by one that gave its turn away: see [`crowd`].
    early: ArrayVec<u8, EARLY>,
    /// The client sends nothing more.
    ended: bool,
    /// Replies that wait for the client, or for the disk.
    pending: Vec<u8>,
    /// Bytes of them that have been sent.
    sent: usize,
    peer: String,
}

/// Serves a connection until it ends, or belongs to replication: then it is given back.
pub(crate) async fn serve<S>(
    mut stream: S,
    shared: Arc<Shared>,
    peer: String,
    shard: usize,
    descriptor: i32,
) -> Option<(S, Handover)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    tracing::debug!("connected: {peer}");
    let watch = Arc::clone(&shared.watch);
    let _open = watch.open(shard);
    let mut state = State {
        execution: Execution::new(
            Arc::clone(&shared.node),
            Arc::clone(&shared.watch),
            peer.clone(),
            shard,
            descriptor,
        ),
        rest: BytesMut::new(),
        needed: 0,
        early: ArrayVec::new(),
        ended: false,
        pending: Vec::new(),
        sent: 0,
        peer,
        shared,
    };
    match run(&mut stream, &mut state).await {
        Ok(Some(handover)) => return Some((stream, handover)),
        Ok(None) => linger(&mut stream).await,
        Err(error) => tracing::info!("{}: closed: {error}", state.peer),
    }
    tracing::debug!("connection finished: {}", state.peer);
    None
}

async fn run<S>(stream: &mut S, state: &mut State) -> io::Result<Option<Handover>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let shared = Arc::clone(&state.shared);
    let mut share = Share::of(&shared.budget);
    let mut source = Source::Socket;
    loop {
        let next = poll_fn(|context| state.poll_requests(stream, source, context)).await?;
        if !state.pending.is_empty() {
            state.check_budget(&mut share, 0)?;
            state.wait_until_durable().await?;
            state.execution.timing.done(&state.peer);
            state.send(stream).await?;
        }
        source = match next {
            Next::Close => return Ok(None),
            Next::HandOver(handover) => return Ok(Some(handover)),
            Next::Execute => Source::Rest,
            Next::Aside { request, why, close } => {
                state.check_budget(&mut share, request.len())?;
                let (node, session) = (&shared.node, &mut state.execution.session);
                state.pending = aside::execute(node, &shared.slow, session, request, why, PATIENCE).await?;
                state.sent = 0;
                let waited_for = state.execution.session.waited_for.take();
                state.execution.timing.aside_done(state.pending.len(), waited_for);
                if close {
                    state.rest.clear();
                    state.ended = true;
                }
                Source::Rest
            }
            Next::Read { .. } if state.ended => return Ok(None),
            Next::Read { .. } if state.rest.is_empty() => Source::Socket,
            Next::Read { at_least } => {
                state.needed = at_least;
                if !state.read_rest(stream, &mut share).await? {
                    return Ok(None);
                }
                Source::Rest
            }
        };
        state.check_budget(&mut share, 0)?;
    }
}

/// Closes so that the client gets the last replies: what it still sends is read and thrown away for a while, such as a
/// body that was refused, since a socket closed over unread bytes is reset, and a reset overtakes replies.
async fn linger<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let drained = tokio::time::timeout(LINGER, async {
        stream.shutdown().await?;
        while poll_fn(|context| poll_discard(stream, context)).await? > 0 {}
        Ok::<(), io::Error>(())
    });
    // The connection is over either way.
    let _ = drained.await;
}

/// Reads once, into the buffer of the thread, and forgets it. Gives the number of bytes.
fn poll_discard<S: AsyncRead + Unpin>(stream: &mut S, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
    SCRATCH.with_borrow_mut(|scratch| {
        let mut buffer = ReadBuf::new(&mut scratch.input);
        ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    })
}

fn refused(why: String) -> io::Error {
    io::Error::other(why)
}

impl State {
    /// Reads once (or takes what was left over), carries out all whole requests, and writes their
    /// replies once. Ready when something was read.
    fn poll_requests<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        source: Source,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<Next>> {
        SCRATCH.with_borrow_mut(|Scratch { input, output, arena }| {
            // A connection that broke while it was written to has left its replies here.
            output.clear();
            let next = match source {
                Source::Socket if !self.early.is_empty() => {
                    let early = self.early.take();
                    crowd::proceed(&self.shared.node.store);
                    let (used, next) = self.execution.execute(&early, output, arena);
                    self.rest.extend_from_slice(&early[used..]);
                    next
                }
                Source::Socket => {
                    let mut buffer = ReadBuf::new(input);
                    ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
                    let input = buffer.filled();
                    if input.is_empty() {
                        return Poll::Ready(Ok(Next::Close));
                    }
                    self.execution.timing.begin(input.len());
                    if input.len() <= EARLY && self.execution.gives_way(input) {
                        self.early.extend(input.iter().copied());
                        context.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    let (used, next) = self.execution.execute(input, output, arena);
                    self.rest.extend_from_slice(&input[used..]);
                    next
                }
                Source::Rest => {
                    let rest = std::mem::take(&mut self.rest);
                    self.execution.timing.begin(0);
                    let (used, next) = self.execution.execute(&rest, output, arena);
                    self.keep(rest, used);
                    next
                }
            };
            if arena.allocated_bytes() > KEEP {
                *arena = Arena::new();
            }
            if !output.is_empty() {
                self.write_once(stream, output, context)?;
            }
            if self.pending.is_empty() {
                self.execution.timing.done(&self.peer);
            }
            Poll::Ready(Ok(next))
        })
    }

    /// Keeps what was not used of the left-over bytes.
    fn keep(&mut self, mut rest: BytesMut, used: usize) {
        rest.advance(used);
        if !rest.is_empty() || rest.capacity() <= KEEP_REST {
            self.rest = rest;
        }
    }

    /// Writes what the socket takes at once; the rest waits in `pending`.
    #[inline]
    fn write_once<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        output: &mut Vec<u8>,
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        let must_wait = self.execution.session.wrote && self.shared.node.acknowledges_durable;
        let written = match self.pending.is_empty() && !must_wait {
            true => match Pin::new(stream).poll_write(context, output) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            },
            false => 0,
        };
        self.execution.timing.written(written);
        let left = output.len() - written;
        if left > KEEP_REST && self.pending.is_empty() {
            // A large value is not copied once more.
            self.pending = std::mem::take(output);
            self.sent = written;
        } else if left > 0 {
            self.pending.extend_from_slice(&output[written..]);
        }
        output.clear();
        if output.capacity() > KEEP {
            *output = Vec::new();
        }
        Ok(())
    }

    /// Reads until the half request is whole, or more of it must be looked at. False at the end of
    /// the stream: a half request has no effect, unless it only lacks the end of its line and reads.
    async fn read_rest<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        share: &mut Share<'_>,
    ) -> io::Result<bool> {
        if self.needed as u64 > self.shared.budget.limit() {
            return Err(refused(format!("a request of {} bytes is over --max-buffered", self.needed)));
        }
        while self.rest.len() < self.needed {
            self.make_room();
            self.check_budget(share, 0)?;
            let read = stream.read_buf(&mut self.rest);
            let read = match self.shared.timeout {
                None => read.await?,
                Some(limit) => tokio::time::timeout(limit, read)
                    .await
                    .map_err(|_| refused(format!("the rest of a request did not come within {limit:?}")))??,
            };
            self.execution.timing.read(read);
            if read == 0 {
                self.ended = true;
                let may_end = dialect::may_end(&self.rest);
                self.rest.extend_from_slice(if may_end { b"\n" } else { b"" });
                return Ok(may_end);
            }
        }
        Ok(true)
    }

    /// Makes room for the next read. At most twice what has come is set aside for what has not; and at the
    /// end of a request hardly more than it needs, so that the largest one fits into the budget.
    fn make_room(&mut self) {
        let have = self.rest.len();
        let missing = self.needed - have;
        if self.rest.capacity() - have >= missing.min(READ) {
            return;
        }
        // An eighth more, lest a list that is looked at item by item be moved for each.
        let room = missing.min(have.max(READ)).max(have / 8);
        let mut roomier = BytesMut::with_capacity(have + room);
        roomier.extend_from_slice(&self.rest);
        self.rest = roomier;
    }

    /// Counts what the connection holds, and `more`.
    fn check_budget(&self, share: &mut Share<'_>, more: usize) -> io::Result<()> {
        match share.set(self.rest.capacity() + self.pending.len() + more) {
            true => Ok(()),
            false => Err(refused("all connections together hold more than --max-buffered".to_owned())),
        }
    }

    /// Under `--sync always`, waits until what was changed is durable: only then may it be acknowledged.
    async fn wait_until_durable(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.execution.session.wrote) && self.shared.node.acknowledges_durable {
            let node = &self.shared.node;
            group::until_durable(node, node.store.end()).await.map_err(io::Error::other)?;
        }
        Ok(())
    }

    /// Sends the replies that wait, as fast as the client takes them.
    async fn send<S: AsyncWrite + Unpin>(&mut self, stream: &mut S) -> io::Result<()> {
        while self.sent < self.pending.len() {
            let write = stream.write(&self.pending[self.sent..]);
            let written = match self.shared.timeout {
                None => write.await?,
                Some(limit) => tokio::time::timeout(limit, write)
                    .await
                    .map_err(|_| refused(format!("a reply was not taken within {limit:?}")))??,
            };
            self.execution.timing.written(written);
            self.sent += written;
        }
        (self.pending, self.sent) = (Vec::new(), 0);
        Ok(())
    }
}
