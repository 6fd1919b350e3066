//! `lcmgr bench`: a load generator that checks every reply.
//!
//! From here: `mix` is what is asked for, `batch` the requests that go together, `target` whom they are sent to (with
//! `text`, the memcached and Redis protocols), `load` the connections, `tally` what came of it, `report` how it is shown.

mod batch;
mod load;
mod mix;
mod report;
mod tally;
mod target;
mod text;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use lightcloud::tyrant::{Server, ServerOptions};
use lightcloud::{Address, LightCloud};
use tokio::task::JoinSet;

use crate::context::{Context, Failure};
use batch::{Batch, Values};
use load::{Load, Plan, Records};
use mix::{Kind, Mix};
use tally::Tally;
use target::Target;
use text::Dialect;

/// The most bytes that all batches together may have.
const MAX_BYTES: u64 = 1 << 30;
/// Bytes and requests of a batch when all keys are stored or removed.
const BULK: (usize, usize) = (1 << 20, 128);

/// What is typed after `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The server: HOST:PORT, or the path of a socket
    #[arg(value_name = "HOST:PORT", required_unless_present = "cluster")]
    address: Option<Address>,
    /// Load the cluster of the configuration, through its rings
    #[arg(long, conflicts_with_all = ["address", "protocol"])]
    cluster: bool,
    /// The system of the cluster
    #[arg(long, value_name = "NAME", default_value = "default", requires = "cluster")]
    system: String,
    /// What the server speaks
    #[arg(long, value_enum, default_value = "tyrant")]
    protocol: Protocol,
    /// Connections, each of which waits for its replies before it sends again; of a cluster, calls at once
    #[arg(long, value_name = "N", default_value = "50", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    connections: u16,
    /// Requests that a connection sends at once; of a cluster, keys of a call of get_many and set_many
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    depth: u32,
    /// For how long
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds, conflicts_with = "requests")]
    seconds: Duration,
    /// How many requests, in place of a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    requests: Option<u64>,
    /// Keys that are drawn from, uniformly. All are stored first if any is to be read
    #[arg(long, value_name = "N", default_value = "100000", value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    keys: u64,
    /// Bytes of a value, at most 67108864
    #[arg(long, value_name = "BYTES", default_value = "100", value_parser = clap::value_parser!(u32).range(0..=64 << 20))]
    value_size: u32,
    /// How often each is drawn: get, set, delete
    #[arg(long, value_name = "KIND=SHARE,…", default_value = "get=90,set=10")]
    mix: Mix,
    /// What keys begin with; a number follows
    #[arg(long, value_name = "TEXT", default_value = "lcmgr-bench:", value_parser = prefix)]
    prefix: String,
    /// Remove all the keys at the end, which stay otherwise
    #[arg(long)]
    clean: bool,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// What a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Tyrant,
    Memcached,
    Redis,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let seconds = seconds.filter(|s| !s.is_zero() && s.as_secs() <= 365 * 86_400);
    seconds.ok_or_else(|| "it is no number of seconds above 0 and of a year at most".to_owned())
}

fn prefix(text: &str) -> Result<String, String> {
    // memcached takes keys of 250 bytes.
    if text.len() > 200 || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it must have 200 bytes at most, and no blanks or control characters".to_owned());
    }
    Ok(text.to_owned())
}

/// Loads, checks, reports; 1 if anything was wrong.
pub async fn run(args: BenchArgs, context: &Context) -> Result<ExitCode, Failure> {
    let bytes = u64::from(args.connections) * u64::from(args.depth) * (u64::from(args.value_size) + 256);
    if bytes > MAX_BYTES {
        let what = "connections × depth × bytes of a value come to more than 1 GiB: take less of one of them";
        return Err(what.into());
    }
    let mut target = args.target(context)?;
    let size = args.value_size as usize;
    let records = Records { prefix: args.prefix.clone(), keys: args.keys, values: Values::new(size) };
    let records = Arc::new(records);
    // Whether anybody is there is known before anything is begun.
    let mut batch = Batch::default();
    batch.push(Kind::Get, &records.prefix, 0, &records.values);
    target.exchange(&batch, |_, _| {}).await?;

    let connections = usize::from(args.connections);
    let bulk = (BULK.0 / size.max(1)).clamp(1, BULK.1);
    let each = |kind| Load::new(Plan::Each(kind), &records, bulk, u64::MAX, false);
    if args.mix.has(Kind::Get) {
        let load = each(Kind::Set)?;
        let tasks = load.begin(&target, connections);
        let (tally, _, is_over) = watch(&load, tasks, "storing all keys", Some(args.keys), None).await?;
        if let Some(first) = tally.first {
            return Err(format!("not all keys could be stored: {first}").into());
        }
        if !is_over {
            return Err("interrupted while the keys were stored".into());
        }
    }
    let is_complete = !args.mix.has(Kind::Delete) && args.mix.has(Kind::Get);
    let limit = args.requests.unwrap_or(u64::MAX);
    let time = args.requests.is_none().then_some(args.seconds);
    let load = Load::new(Plan::Mixed(args.mix), &records, args.depth as usize, limit, is_complete)?;
    let tasks = load.begin(&target, connections);
    let (tally, elapsed, _) = watch(&load, tasks, "loading", args.requests, time).await?;
    let text = if args.json { report::json(&tally, elapsed)? } else { report::table(&tally, elapsed)? };
    // Whoever closed the pipe wants to know no more.
    let _ = writeln!(std::io::stdout(), "{text}");
    let mut is_fine = tally.first.is_none();
    if args.clean {
        let load = each(Kind::Delete)?;
        let tasks = load.begin(&target, connections);
        let (tally, ..) = watch(&load, tasks, "removing all keys", Some(args.keys), None).await?;
        if let Some(first) = tally.first {
            is_fine = false;
            eprintln!("lcmgr: not all keys could be removed: {first}");
        }
    }
    Ok(if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl BenchArgs {
    fn target(&self, context: &Context) -> Result<Target, Failure> {
        let Some(address) = &self.address else {
            let mut config = context.cluster()?.lightcloud();
            config.server.connections = config.server.connections.max(self.connections.into());
            return Ok(Target::Cluster(LightCloud::new(config)?.system(&self.system)?));
        };
        let server = Server::new(address.clone(), ServerOptions { connections: 1, ..Default::default() });
        let dialect = match self.protocol {
            Protocol::Tyrant => return Ok(Target::Tyrant(server)),
            Protocol::Memcached => Dialect::Memcached,
            Protocol::Redis => Dialect::Redis,
        };
        Ok(Target::Text { server, dialect, connection: None })
    }
}

/// Waits for the end of a load, which is when all was sent, the time is up or Ctrl-C is pressed, and shows how far it is.
/// What came of it, how long it took, and whether it was not interrupted.
async fn watch(
    load: &Arc<Load>,
    mut tasks: JoinSet<()>,
    what: &'static str,
    requests: Option<u64>,
    time: Option<Duration>,
) -> Result<(Tally, Duration, bool), Failure> {
    let bar = bar(what, requests, time)?;
    let start = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let (mut is_over, mut last) = (true, (Duration::ZERO, 0));
    loop {
        tokio::select! {
            ended = tasks.join_next() => match ended {
                None => break,
                Some(ended) => ended?,
            },
            pressed = &mut interrupt, if is_over => {
                pressed?;
                is_over = false;
                load.stop();
            }
            _ = tick.tick() => {
                let (now, answered) = (start.elapsed(), load.answered());
                bar.set_position(time.map_or(answered, |_| millis(now)));
                if now - last.0 >= Duration::from_secs(1) {
                    let rate = report::rate(answered - last.1, now - last.0);
                    bar.set_message(format!("{} a second", report::grouped(rate)));
                    last = (now, answered);
                }
                if time.is_some_and(|time| now >= time) {
                    load.stop();
                }
            }
        }
    }
    let elapsed = start.elapsed();
    bar.finish_and_clear();
    Ok((load.tally()?, elapsed, is_over))
}

fn millis(time: Duration) -> u64 {
    time.as_millis().try_into().unwrap_or(u64::MAX)
}

/// On a terminal only.
fn bar(what: &'static str, requests: Option<u64>, time: Option<Duration>) -> Result<ProgressBar, Failure> {
    let bar = ProgressBar::new(time.map(millis).or(requests).unwrap_or(0));
    bar.set_style(
        ProgressStyle::with_template("{prefix} [{bar:40}] {percent}%  {msg}")?.progress_chars("=> "),
    );
    bar.set_prefix(what);
    Ok(bar)
}
