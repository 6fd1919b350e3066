//! Bytes into requests, requests into replies: what a connection does between a read and a write.

use std::sync::Arc;

use arrayvec::ArrayVec;
use lcnode_protocol::dialect::{Decoder, Form, Reject, Step};
use lcnode_protocol::{Arena, Command, Dialect, Reply, Request, binary, http, memcached};

use crate::dispatch::{self, Node, Noted, Outcome, Session};
use crate::server::aside::Why;
use crate::server::crowd;
use crate::server::handshake::{self, Handover};
use crate::server::watch::{Timing, Watch};

/// When this many bytes of replies are waiting, they are sent before more requests are carried out.
const FLUSH: usize = 256 << 10;

/// What a connection is to do once the replies have been sent.
pub(super) enum Next {
    /// Wait for more bytes.
    Read {
        /// So many must be there, from the first that was not used, before it is worth another look.
        at_least: usize,
    },
    /// Carry out the requests that are there already.
    Execute,
    /// Carry out this request on its own, then those behind it.
    Aside {
        /// Its bytes.
        request: Vec<u8>,
        why: Why,
        /// Close the connection afterwards.
        close: bool,
    },
    /// Close.
    Close,
    /// Give the connection to replication.
    HandOver(Handover),
}

/// Something to be done, and the bytes of input that it took.
struct Todo<'a> {
    work: Work<'a>,
    len: usize,
}

enum Work<'a> {
    /// A request of the binary dialect: on its own, so that it is not moved about with what the others need.
    Binary(Request<'a>),
    Text(Request<'a>, Form),
    /// The answer is known.
    Answer(Option<(Dialect, Command)>, &'static [u8]),
}

/// Requests that are worked on together.
type Batch<'a> = ArrayVec<Todo<'a>, 32>;

/// Why a batch ends.
enum End {
    /// It has as many requests as it can have.
    Full,
    /// The next request is not all there.
    Incomplete { at_least: usize, interim: &'static [u8] },
    /// The next request may take long.
    Slow { len: usize, close: bool },
    /// What comes next is no request.
    Reject(Reject),
    /// The client is done.
    Quit,
    /// The next request asks for changes from now on.
    HandOver(Handover),
}

/// What a connection needs to carry out requests.
pub(super) struct Execution {
    node: Arc<Node>,
    peer: String,
    decoder: Decoder,
    pub(super) session: Session,
    pub(super) timing: Timing,
}

/// Carries out a request in its form, with its reply behind what `output` holds.
#[inline]
pub(super) fn carry_out(
    node: &Node,
    session: &mut Session,
    (request, form): (&Request<'_>, &Form),
    output: &mut Vec<u8>,
) {
    session.dialect = form.dialect();
    let has_failed = match *form {
        Form::Binary => answer(node, session, request, binary::Encoder::new(output, request.command())),
        Form::Memcached(form) => answer(node, session, request, memcached::Encoder::new(output, form)),
        Form::Http(form) => answer(node, session, request, http::Encoder::new(output, form)),
    };
    if has_failed || session.refused {
        came_to_nothing(node, session, form.counted(request));
    }
}

/// Carries out a request; says whether the reply is a failure.
#[inline]
fn answer(node: &Node, session: &mut Session, request: &Request<'_>, encoder: impl Reply) -> bool {
    let mut reply = Noted::new(encoder);
    dispatch::execute(node, session, request, &mut reply);
    reply.has_failed()
}

/// Counts what was refused or failed, unless it is to be carried out again, or has counted that itself.
fn came_to_nothing(node: &Node, session: &mut Session, command: Option<Command>) {
    let outcome = if std::mem::take(&mut session.refused) { Outcome::Refused } else { Outcome::Failed };
    if let (Some(command), None) = (command, session.blocked) {
        node.counters.came_to(session.shard, session.dialect, command, outcome);
    }
}

impl Execution {
    pub(super) fn new(
        node: Arc<Node>,
        watch: Arc<Watch>,
        peer: String,
        shard: usize,
        descriptor: i32,
    ) -> Self {
        let session = Session { shard, descriptor, waits: true, ..Session::default() };
        Self { decoder: Decoder::new(node.limits), node, peer, session, timing: Timing::new(watch, shard) }
    }

    /// Carries out the requests at the start of `input`; returns the bytes used and what comes next.
    ///
    /// Works in passes over batches: decode all, have their records fetched from memory all at once,
    /// then carry them out. So the requests of a pipeline wait for memory together and not in turn.
    #[inline]
    pub(super) fn execute(&mut self, input: &[u8], output: &mut Vec<u8>, arena: &mut Arena) -> (usize, Next) {
        let mut used = 0;
        loop {
            arena.reset();
            let mut batch = Batch::new();
            let end = self.decode(&input[used..], arena, &mut batch);
            if batch.len() > 1 {
                // Puts have their buckets fetched themselves, and don't wait for them.
                self.node.store.prefetch(batch.iter().filter_map(|todo| match &todo.work {
                    Work::Binary(request) | Work::Text(request, _) if !request.is_blind_put() => {
                        request.key()
                    }
                    _ => None,
                }));
            }
            self.timing.decoded();
            for Todo { work, len } in &batch {
                let before = output.len();
                used += len;
                let mut close = false;
                match work {
                    Work::Binary(request) => {
                        self.carry_out(request, &Form::Binary, output);
                    }
                    Work::Text(request, form) => {
                        self.carry_out(request, form, output);
                        close = form.closes();
                    }
                    Work::Answer(counted, reply) => {
                        if let Some((dialect, command)) = *counted {
                            self.reject(Some(dialect), Some(command));
                        }
                        output.extend_from_slice(reply);
                    }
                }
                if let Some(blocked) = self.session.blocked.take() {
                    output.truncate(before);
                    self.decoder = Decoder::new(self.node.limits);
                    let request = input[used - len..used].to_vec();
                    return (used, Next::Aside { request, why: Why::Blocked(blocked), close });
                }
                if close {
                    return (input.len(), Next::Close);
                }
                if output.len() >= FLUSH {
                    // What follows is decoded anew once the replies are out.
                    self.decoder = Decoder::new(self.node.limits);
                    return (used, Next::Execute);
                }
            }
            match end {
                End::Full => {}
                End::Incomplete { at_least, interim } => {
                    output.extend_from_slice(interim);
                    return (used, Next::Read { at_least });
                }
                End::Slow { len, close } => {
                    let request = input[used..used + len].to_vec();
                    return (used + len, Next::Aside { request, why: Why::Slow, close });
                }
                End::Reject(reject) => {
                    self.reject(reject.reason.dialect(), reject.command);
                    tracing::info!("{}: {reject}", self.peer);
                    output.extend_from_slice(reject.reply);
                    return (input.len(), Next::Close);
                }
                End::Quit => return (input.len(), Next::Close),
                End::HandOver(handover) => {
                    let next = match handshake::is_allowed(&self.node, self.session.shard, &handover, output)
                    {
                        true => Next::HandOver(handover),
                        false => Next::Close,
                    };
                    return (input.len(), next);
                }
            }
        }
    }

    /// Whether requests that were just read are to give their turn away, because the first of them will wait for memory: a
    /// get, as puts wait for nothing, and looking at a head of HTTP twice costs what is won.
    #[inline]
    pub(super) fn gives_way(&mut self, input: &[u8]) -> bool {
        const PUT: u8 = Command::Put.id();
        let key = match input {
            [binary::MAGIC, PUT, ..] => None,
            [binary::MAGIC, ..] if crowd::is_likely() => match self.decoder.binary.decode(input) {
                Ok(binary::Step::Request { request, .. }) => {
                    request.key().filter(|_| !request.is_blind_put())
                }
                _ => None,
            },
            [b'g', ..] if crowd::is_likely() => memcached::first_key(input),
            _ => None,
        };
        if let Some(key) = key {
            crowd::join(&self.node.store, key);
        }
        key.is_some()
    }

    /// Counts a request of a batch and carries it out.
    #[inline]
    fn carry_out(&mut self, request: &Request<'_>, form: &Form, output: &mut Vec<u8>) {
        let (before, command) = (output.len(), form.command(request));
        if form.counts(request) {
            self.node.counters.count(self.session.shard, form.dialect(), command);
        }
        carry_out(&self.node, &mut self.session, (request, form), output);
        if self.session.blocked.is_some() {
            return self.timing.put_aside(request, form);
        }
        if self.timing.tally(command) {
            let awaits_disk = self.session.wrote && self.node.acknowledges_durable;
            self.timing.look_at(request, form, output.len() - before, awaits_disk, &self.peer);
        }
    }

    /// Counts what cannot become a request.
    #[cold]
    fn reject(&self, dialect: Option<Dialect>, command: Option<Command>) {
        let (counters, shard) = (&self.node.counters, self.session.shard);
        counters.reject(shard, dialect);
        if let Some((dialect, command)) = dialect.zip(command) {
            counters.count(shard, dialect, command);
            counters.came_to(shard, dialect, command, Outcome::Malformed);
        }
    }

    /// Decodes requests until the batch is full or something comes that cannot be part of it.
    #[inline]
    fn decode<'a>(&mut self, input: &'a [u8], arena: &'a Arena, batch: &mut Batch<'a>) -> End {
        let mut used = 0;
        while !batch.is_full() {
            let input = &input[used..];
            let (work, len) = if input.first() == Some(&binary::MAGIC) {
                match self.decoder.binary.decode(input) {
                    Ok(binary::Step::Request { request: Request::Repl { ts, sid }, .. }) => {
                        return End::HandOver(Handover::Original { ts, sid });
                    }
                    Ok(binary::Step::Request { request: Request::Follow(hello), .. }) => {
                        return End::HandOver(Handover::Follower(hello));
                    }
                    Ok(binary::Step::Request { request, used: len })
                        if dispatch::is_slow(&self.node, &request) =>
                    {
                        self.timing.put_aside(&request, &Form::Binary);
                        return End::Slow { len, close: false };
                    }
                    Ok(binary::Step::Request { request, used }) => (Work::Binary(request), used),
                    Ok(binary::Step::Incomplete { at_least }) => {
                        return End::Incomplete { at_least, interim: b"" };
                    }
                    Err(reject) => return End::Reject(reject.into()),
                }
            } else {
                match self.text(input, arena) {
                    Ok(done) => done,
                    Err(end) => return end,
                }
            };
            batch.push(Todo { work, len });
            used += len;
        }
        End::Full
    }

    /// The same for one of the other dialects.
    fn text<'a>(&mut self, input: &'a [u8], arena: &'a Arena) -> Result<(Work<'a>, usize), End> {
        match self.decoder.decode(input, arena) {
            Ok(Step::Request { request, form, used: len }) if dispatch::is_slow(&self.node, &request) => {
                self.timing.put_aside(&request, &form);
                Err(End::Slow { len, close: form.closes() })
            }
            Ok(Step::Request { request, form, used }) => Ok((Work::Text(request, form), used)),
            Ok(Step::Answer { counted, reply, used }) => Ok((Work::Answer(counted, reply), used)),
            Ok(Step::Incomplete { at_least, interim }) => Err(End::Incomplete { at_least, interim }),
            Ok(Step::Quit) => Err(End::Quit),
            Err(reject) => Err(End::Reject(reject)),
        }
    }
}
