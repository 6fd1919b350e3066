//! What both sides of a connection between lcnodes have in common: bytes that came, bytes to send, work in the store
//! that takes long, and patience.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use lcnode_storage::Store;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::socket::Stream;
use crate::replication::digest::{Job, Outcome};
use crate::replication::ended::Ended;

/// A peer from which nothing comes for so long is given up. It sends something every second.
pub(super) const SILENCE: Duration = Duration::from_secs(5);
/// A peer that takes nothing for so long is given up.
const STUCK: Duration = Duration::from_secs(10);
/// Bytes read at once.
const READ: usize = 256 << 10;
/// A buffer that has grown past this for a large record is given back.
const KEEP: usize = 4 << 20;

/// A connection between lcnodes.
#[derive(Debug)]
pub(super) struct Session {
    reader: ReadHalf<Stream>,
    writer: WriteHalf<Stream>,
    /// What came and was not used.
    pub(super) input: BytesMut,
    /// What is to be sent.
    pub(super) output: Vec<u8>,
    sent: usize,
    heard: Instant,
    wrote: Instant,
    job: Option<JoinHandle<lcnode_storage::Result<Outcome>>>,
    job_stop: Arc<AtomicBool>,
    stop: watch::Receiver<bool>,
}

/// What happened on a connection.
#[derive(Debug)]
pub(super) enum Event {
    /// Bytes came.
    Read,
    /// What was to be sent is.
    Written,
    /// A job is done.
    Done(Outcome),
    /// What was waited for beside these.
    Other,
}

impl Session {
    pub(super) fn new(stream: Stream, output: Vec<u8>, stop: watch::Receiver<bool>) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            input: BytesMut::new(),
            output,
            sent: 0,
            heard: Instant::now(),
            wrote: Instant::now(),
            job: None,
            job_stop: Arc::new(AtomicBool::new(false)),
            stop,
        }
    }

    /// Whether there is nothing left to be sent.
    pub(super) fn is_idle(&self) -> bool {
        self.output.is_empty()
    }

    /// Whether a job runs.
    pub(super) fn has_job(&self) -> bool {
        self.job.is_some()
    }

    /// Carries out a job beside the connection.
    pub(super) fn begin(&mut self, store: &Arc<Store>, job: Job) {
        let (store, stop) = (Arc::clone(store), Arc::clone(&self.job_stop));
        self.job = Some(tokio::task::spawn_blocking(move || job.run(&store, &stop)));
    }

    /// Waits until something happens; `needed` bytes must be there before those that came are of use.
    pub(super) async fn next(&mut self, other: impl Future<Output = ()>) -> Result<Event, Ended> {
        let quiet = self.heard + SILENCE;
        let stuck = self.wrote + STUCK;
        let has_output = self.sent < self.output.len();
        if self.input.capacity() - self.input.len() < READ / 4 {
            self.input.reserve(READ);
        }
        tokio::select! {
            biased;
            _ = self.stop.wait_for(|stop| *stop) => Err(Ended::Stopping),
            read = self.reader.read_buf(&mut self.input) => {
                if read? == 0 {
                    return Err(Ended::Closed);
                }
                self.heard = Instant::now();
                Ok(Event::Read)
            }
            written = self.writer.write(&self.output[self.sent..]), if has_output => {
                self.sent += written?;
                self.wrote = Instant::now();
                if self.sent == self.output.len() {
                    self.sent = 0;
                    self.output.clear();
                    self.output.shrink_to(KEEP);
                }
                Ok(Event::Written)
            }
            outcome = wait(&mut self.job) => {
                self.job = None;
                Ok(Event::Done(outcome?))
            }
            () = other => Ok(Event::Other),
            () = tokio::time::sleep_until(quiet) => Err(Ended::Silent(SILENCE.as_secs())),
            () = tokio::time::sleep_until(stuck), if has_output => Err(Ended::Stuck(STUCK.as_secs())),
        }
    }

    /// Says that something is sent from now on.
    pub(super) fn touch(&mut self) {
        if self.sent == 0 {
            self.wrote = Instant::now();
        }
    }

    /// Forgets the first bytes that came.
    pub(super) fn used(&mut self, count: usize) {
        self.input.advance(count);
        if self.input.is_empty() && self.input.capacity() > KEEP {
            self.input = BytesMut::new();
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.job_stop.store(true, Ordering::Relaxed);
    }
}

/// Waits for a job; for ever where there is none.
async fn wait(job: &mut Option<JoinHandle<lcnode_storage::Result<Outcome>>>) -> Result<Outcome, Ended> {
    match job {
        None => std::future::pending().await,
        Some(job) => match job.await {
            Ok(outcome) => outcome.map_err(Ended::Storage),
            // It panicked, and has said so.
            Err(_) => Ok(Outcome::Stopped),
        },
    }
}
