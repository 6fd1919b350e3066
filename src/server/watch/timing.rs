//! How long the requests of one connection take.
//!
//! The clock is looked at when the bytes of a wake-up have been read and when the replies have been written, so all
//! requests of a batch took the same time: what their client sees of the server. One that is carried out on its own took
//! until its reply was there. Under `--sync always` both end when what was changed is durable.

use std::sync::Arc;

use lcnode_protocol::dialect::Form;
use lcnode_protocol::{Command, Request};

use super::Watch;
use super::slow_log::{Entry, SlowLog};
use crate::dispatch::Blocked;

/// Slow requests that may be waiting for the disk; further ones are not told apart from those before.
const MOST_WAITING: usize = 64;

/// What is measured of a connection. Touched for every request, and between two of them the kernel's work pushes it out
/// of the caches: so what is needed as a rule is small, and stands together.
pub(in crate::server) struct Timing {
    watch: Arc<Watch>,
    shard: usize,
    /// When the bytes of this wake-up were there. Like all times here in ticks of the clock.
    started: u64,
    /// Requests of this wake-up that were carried out: the last command, and how many of it in a row.
    run: (Command, u32),
    /// Whether anything is measured.
    is_on: bool,
    /// Whether each request is looked at.
    is_slow_log_on: bool,
    /// The runs before it.
    runs: Vec<(Command, u32)>,
    /// A request that is to be carried out on its own.
    aside: Option<Box<Aside>>,
    /// The same once its reply is there.
    late: Option<Box<Aside>>,
    /// When a batch was decoded, and when the last request of it was done; looked at with the slow log only.
    decoded: u64,
    previous: u64,
    /// Requests whose changes are on their way to the disk.
    waiting: Vec<Entry>,
}

struct Aside {
    command: Command,
    started: u64,
    entry: Option<Entry>,
}

impl Timing {
    pub(in crate::server) fn new(watch: Arc<Watch>, shard: usize) -> Self {
        Self {
            is_on: watch.clock.is_some(),
            is_slow_log_on: watch.slow.is_some(),
            watch,
            shard,
            started: 0,
            run: (Command::Get, 0),
            runs: Vec::new(),
            aside: None,
            late: None,
            decoded: 0,
            previous: 0,
            waiting: Vec::new(),
        }
    }

    #[inline]
    fn now(&self) -> u64 {
        self.watch.clock.as_ref().map_or(0, quanta::Clock::raw)
    }

    fn nanoseconds(&self, from: u64, to: u64) -> u64 {
        self.watch.clock.as_ref().map_or(0, |clock| clock.delta_as_nanos(from, to))
    }

    fn slow(&self) -> Option<&SlowLog> {
        self.watch.slow.as_ref()
    }

    /// The bytes are there; so many of them have just been read.
    #[inline]
    pub(in crate::server) fn begin(&mut self, read: usize) {
        if self.is_on {
            self.started = self.now();
            self.read(read);
        }
    }

    /// So many bytes have been read.
    #[inline]
    pub(in crate::server) fn read(&self, bytes: usize) {
        if self.is_on && bytes > 0 {
            self.watch.add(&self.watch.shard(self.shard).read, bytes as u64);
        }
    }

    /// So many bytes have been written.
    #[inline]
    pub(in crate::server) fn written(&self, bytes: usize) {
        if self.is_on && bytes > 0 {
            self.watch.add(&self.watch.shard(self.shard).written, bytes as u64);
        }
    }

    /// A batch has been decoded.
    #[inline]
    pub(in crate::server) fn decoded(&mut self) {
        if self.is_slow_log_on {
            self.decoded = self.now();
            self.previous = self.decoded;
        }
    }

    /// A request of the batch was carried out. Says whether it is to be [looked at](Timing::look_at) on its own.
    #[inline]
    pub(in crate::server) fn tally(&mut self, command: Command) -> bool {
        if !self.is_on {
            return false;
        }
        if self.run.0 != command {
            self.begin_run(command);
        }
        self.run.1 += 1;
        self.is_slow_log_on
    }

    /// Another command comes than those before.
    #[cold]
    fn begin_run(&mut self, command: Command) {
        let before = std::mem::replace(&mut self.run, (command, 0));
        if before.1 == 0 {
            return;
        }
        match self.runs.iter_mut().find(|run| run.0 == before.0) {
            Some(run) => run.1 += before.1,
            None => self.runs.push(before),
        }
    }

    /// Logs a request of the batch, whose reply has `reply` bytes, if it was slow; or notes it, if it may not be answered
    /// before what was changed is durable.
    #[cold]
    pub(in crate::server) fn look_at(
        &mut self,
        request: &Request<'_>,
        form: &Form,
        reply: usize,
        awaits_disk: bool,
        peer: &str,
    ) {
        let (now, previous) = (self.now(), self.previous);
        self.previous = now;
        let took = self.nanoseconds(self.decoded, now);
        let Some(slow) = self.slow() else { return };
        let is_slow = slow.is_slow(took);
        if !is_slow && (!awaits_disk || self.waiting.len() >= MOST_WAITING) {
            return;
        }
        let mut entry = Entry::of(request, form.dialect(), self.decoded);
        entry.reply = reply;
        if self.nanoseconds(self.decoded, previous) > took / 2 {
            entry.waited_for = Some("the requests before it");
        }
        match awaits_disk && self.waiting.len() < MOST_WAITING {
            true => self.waiting.push(entry),
            false => slow.log(&entry, took, peer),
        }
    }

    /// A request is to be carried out on its own.
    #[inline]
    pub(in crate::server) fn put_aside(&mut self, request: &Request<'_>, form: &Form) {
        if self.is_on {
            let entry = self.slow().map(|_| Entry::of(request, form.dialect(), self.started));
            self.aside =
                Some(Box::new(Aside { command: form.command(request), started: self.started, entry }));
        }
    }

    /// Its reply is there, with so many bytes.
    pub(in crate::server) fn aside_done(&mut self, reply: usize, waited_for: Option<Blocked>) {
        self.late = self.aside.take();
        if let Some(entry) = self.late.as_mut().and_then(|late| late.entry.as_mut()) {
            entry.reply = reply;
            entry.waited_for = Some(match waited_for {
                None => "a thread of its own",
                Some(Blocked::Reserved(_)) => "a lock",
                Some(Blocked::Machines) => "a virtual machine",
            });
        }
    }

    /// The replies have been written, or may be written now.
    #[inline]
    pub(in crate::server) fn done(&mut self, peer: &str) {
        if self.run.1 != 0 || self.late.is_some() {
            self.count(peer);
        }
    }

    fn count(&mut self, peer: &str) {
        let now = self.now();
        let took = self.nanoseconds(self.started, now);
        let run = (self.run.0, std::mem::take(&mut self.run.1));
        let latencies = &self.watch.shard(self.shard).latencies;
        for (command, count) in self.runs.drain(..).chain([run]).filter(|(_, count)| *count > 0) {
            latencies[command as usize].add(&self.watch, took, count);
        }
        if self.late.is_some() || !self.waiting.is_empty() {
            self.count_late(now, peer);
        }
    }

    #[cold]
    fn count_late(&mut self, now: u64, peer: &str) {
        let latencies = &self.watch.shard(self.shard).latencies;
        if let Some(late) = self.late.take() {
            let Aside { command, started, entry } = *late;
            let took = self.nanoseconds(started, now);
            latencies[command as usize].add(&self.watch, took, 1);
            self.end(entry, took, peer);
        }
        for mut entry in std::mem::take(&mut self.waiting) {
            let took = self.nanoseconds(entry.started, now);
            let disk = self.nanoseconds(self.previous, now);
            if disk > took / 2 {
                entry.waited_for = Some("the disk");
            }
            self.end(Some(entry), took, peer);
        }
    }

    fn end(&self, entry: Option<Entry>, took: u64, peer: &str) {
        if let Some((slow, entry)) = self.slow().zip(entry)
            && slow.is_slow(took)
        {
            slow.log(&entry, took, peer);
        }
    }
}
