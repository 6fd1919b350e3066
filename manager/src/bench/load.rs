//! The load: connections that send batch after batch and look at every reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::batch::{Batch, Operation, Values};
use super::mix::{Kind, Mix};
use super::tally::Tally;
use super::target::{Reply, Target};
use crate::context::Failure;

/// Tallies that connections share among them, so that they rarely wait for each other.
const SHARDS: usize = 16;
/// How long a connection rests after an error.
const REST: Duration = Duration::from_millis(50);

/// What is sent.
#[derive(Debug)]
pub enum Plan {
    /// Each key once.
    Each(Kind),
    /// Keys drawn uniformly.
    Mixed(Mix),
}

/// Keys and their values, and how many there are.
#[derive(Debug)]
pub struct Records {
    /// What keys begin with; their number follows.
    pub prefix: String,
    /// How many.
    pub keys: u64,
    /// Their values.
    pub values: Values,
}

/// A load: shared by its connections.
pub struct Load {
    plan: Plan,
    records: Arc<Records>,
    /// Requests of a batch.
    depth: usize,
    /// Requests altogether.
    limit: u64,
    taken: AtomicU64,
    stop: AtomicBool,
    /// Whether a missing record is a wrong reply to `get`.
    is_complete: bool,
    shards: Vec<Mutex<Tally>>,
}

impl Load {
    /// `limit` requests, in batches of `depth`. `is_complete` tells that every key was stored, and none is deleted.
    pub fn new(
        plan: Plan,
        records: &Arc<Records>,
        depth: usize,
        limit: u64,
        is_complete: bool,
    ) -> Result<Arc<Self>, Failure> {
        let limit = if let Plan::Each(_) = plan { limit.min(records.keys) } else { limit };
        let shards = (0..SHARDS).map(|_| Tally::new().map(Mutex::new)).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self {
            plan,
            records: Arc::clone(records),
            depth,
            limit,
            taken: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            is_complete,
            shards,
        }))
    }

    /// Begins it on as many connections.
    pub fn begin(self: &Arc<Self>, target: &Target, connections: usize) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for at in 0..connections {
            tasks.spawn(Arc::clone(self).connection(target.again(), at % SHARDS));
        }
        tasks
    }

    /// Lets every connection end with the batch that it waits for.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// What came of the requests until now.
    pub fn tally(&self) -> Result<Tally, Failure> {
        let mut sum = Tally::new()?;
        for shard in &self.shards {
            sum.add(&shard.lock())?;
        }
        Ok(sum)
    }

    /// Requests that were answered until now.
    pub fn answered(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lock().requests()).sum()
    }

    async fn connection(self: Arc<Self>, mut target: Target, shard: usize) {
        let mut random = fastrand::Rng::new();
        let mut batch = Batch::default();
        let mut latencies = Vec::new();
        while !self.stop.load(Ordering::Relaxed) && self.fill(&mut batch, &mut random) {
            latencies.clear();
            let mut verdicts = Verdicts { load: &self, wrong: 0, missing: [0; 3], first: None };
            let operations: Vec<_> = batch.iter().map(|(operation, ..)| operation).collect();
            let sent = Instant::now();
            let exchange = target.exchange(&batch, |at, reply| {
                latencies.push((operations[at].kind, sent.elapsed()));
                verdicts.judge(operations[at], reply);
            });
            let outcome = exchange.await;
            verdicts.record(&latencies, shard, outcome.as_ref().err());
            if outcome.is_err() {
                sleep(REST).await;
            }
        }
    }

    /// Makes the next batch; false if all were sent.
    fn fill(&self, batch: &mut Batch, random: &mut fastrand::Rng) -> bool {
        batch.clear();
        let depth = self.depth as u64;
        let from = self.taken.fetch_add(depth, Ordering::Relaxed).min(self.limit);
        for at in from..from.saturating_add(depth).min(self.limit) {
            let Records { prefix, keys, values } = &*self.records;
            let (kind, number) = match &self.plan {
                Plan::Each(kind) => (*kind, at),
                Plan::Mixed(mix) => (mix.draw(random), random.u64(..keys)),
            };
            batch.push(kind, prefix, number, values);
        }
        batch.len() > 0
    }
}

/// What a batch's replies are worth.
struct Verdicts<'l> {
    load: &'l Load,
    wrong: u64,
    missing: [u64; 3],
    first: Option<String>,
}

impl Verdicts<'_> {
    fn judge(&mut self, operation: &Operation, reply: Reply<'_>) {
        let Records { prefix, values, .. } = &*self.load.records;
        let what = match (operation.kind, reply) {
            (Kind::Get, Reply::Value(value)) if values.is(operation.number, value) => return,
            (Kind::Set | Kind::Delete, Reply::Done) => return,
            (Kind::Get | Kind::Delete, Reply::Missing) => {
                self.missing[operation.kind as usize] += 1;
                if operation.kind == Kind::Delete || !self.load.is_complete {
                    return;
                }
                "nothing is there, though it was stored".to_owned()
            }
            (_, Reply::Value(value)) => format!("{} bytes that are not its value", value.len()),
            (_, Reply::Refused(words)) => format!("refused: {}", String::from_utf8_lossy(words)),
            (_, Reply::Done | Reply::Missing) => "a reply of another request".to_owned(),
        };
        self.wrong += 1;
        self.first.get_or_insert_with(|| {
            format!("{} of {prefix}{}: {what}", operation.kind.name(), operation.number)
        });
    }

    fn record(self, latencies: &[(Kind, Duration)], shard: usize, error: Option<&Failure>) {
        let mut tally = self.load.shards[shard].lock();
        for (kind, latency) in latencies {
            tally.answered(*kind, *latency);
        }
        for (counts, missing) in tally.kinds.iter_mut().zip(self.missing) {
            counts.missing += missing;
        }
        tally.wrong += self.wrong;
        if let Some(first) = self.first {
            tally.complain(|| first);
        }
        if let Some(error) = error {
            tally.errors += 1;
            tally.complain(|| error.to_string());
        }
    }
}
