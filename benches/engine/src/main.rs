//! `lcnode-bench`: loads the engine of lcnode in process, as the test commands of Tokyo Cabinet
//! (`tchtest`), Kyoto Cabinet (`kchashtest`) and tkrzw (`tkrzw_dbm_perf`) load theirs.
//!
//! What is counted. A phase is timed from the start of its threads until the last has ended, so it has
//! in it what those commands have in it: the making of each key by the language's formatting
//! (`"{:08}"`), a random number where keys are random, the call, and for gets the comparison of the
//! value. Opening and closing are timed apart: `tkrzw_dbm_perf` and `kchashtest` don't count them,
//! `tchtest` does, so `put`, `open` and `close` added up are what compares with it. Closing makes all
//! durable, which none of the three does.
//!
//! Keys are decimal numbers below the number of records; random ones are drawn evenly with
//! repetition, so 63 % of the keys come to be and the rest are overwritten. The value of a key is the
//! key, again and again up to the value's size: for 8 and 8 bytes the same as the peers'.
//!
//! It prints a line a phase, `name: key=value …`, times in seconds.

mod load;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use lcnode_storage::{Options, Place, Store, SyncMode};

use load::{Load, Order};

/// Puts records into the engine of lcnode and gets them back, and prints the seconds it took.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Calls of a phase, and the number of different keys
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// Bytes of a key
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=250))]
    key_size: u16,
    /// Bytes of a value
    #[arg(long, default_value_t = 8)]
    value_size: usize,
    /// Keys one after the other, or at random
    #[arg(long, value_enum, default_value_t = Order::Seq)]
    order: Order,
    /// Threads that share the calls
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,
    /// What to do: `put` begins with an empty database, `get` opens what a `put` left, to read only
    #[arg(long, value_enum, default_value_t = Phase::Both)]
    phase: Phase,
    /// The database
    #[arg(long)]
    dir: PathBuf,
    /// Milliseconds until a change is durable, or `always`, or `never`
    #[arg(long, default_value = "100", value_parser = sync_mode)]
    sync: SyncMode,
    /// Keys whose buckets and records are fetched from memory together, up to 32, as the node does with
    /// pipelined requests
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=32))]
    batch: u8,
    /// Buckets of the table at first; it grows by itself
    #[arg(long)]
    buckets: Option<u64>,
    /// Seed of the random order
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Gets may find nothing: for random ones after random puts
    #[arg(long)]
    missing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    Put,
    Get,
    Both,
}

fn sync_mode(typed: &str) -> Result<SyncMode, String> {
    match typed {
        "always" => Ok(SyncMode::Always),
        "never" => Ok(SyncMode::Never),
        _ => typed
            .parse()
            .map(|ms| SyncMode::Every(Duration::from_millis(ms)))
            .map_err(|_| "`always`, `never` or milliseconds".to_owned()),
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lcnode-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut options = Options::new(Place::Directory(arguments.dir.clone()));
    options.sync = arguments.sync;
    options.truncate = arguments.phase != Phase::Get;
    options.create = options.truncate;
    // As the peers' commands open it.
    options.read_only = arguments.phase == Phase::Get;
    if let Some(buckets) = arguments.buckets {
        options.buckets = buckets;
    }
    let mut out = std::io::stdout().lock();
    let began = Instant::now();
    let store = Store::open(options)?;
    writeln!(out, "open: seconds={:.6}", began.elapsed().as_secs_f64())?;

    let load = Load {
        store: &store,
        records: arguments.records,
        key_size: arguments.key_size.into(),
        value_size: arguments.value_size,
        order: arguments.order,
        threads: arguments.threads.into(),
        batch: arguments.batch.into(),
        seed: arguments.seed,
        sync_each: arguments.sync == SyncMode::Always,
    };
    for (phase, name) in [(Phase::Put, "put"), (Phase::Get, "get")] {
        if ![phase, Phase::Both].contains(&arguments.phase) {
            continue;
        }
        let began = Instant::now();
        let found = if phase == Phase::Put { load.puts()? } else { load.gets()? };
        let seconds = began.elapsed().as_secs_f64();
        let rate = load.calls() as f64 / seconds / 1e6;
        writeln!(out, "{name}: seconds={seconds:.6} calls={} found={found} mops={rate:.3}", load.calls())?;
        if phase == Phase::Get && found < load.calls() && !arguments.missing {
            return Err(format!("{} records are missing", load.calls() - found).into());
        }
    }
    let figures = store.figures();
    writeln!(
        out,
        "figures: records={} log_bytes={} live_bytes={} table_bytes={}",
        figures.records, figures.log_bytes, figures.live_bytes, figures.table_bytes
    )?;
    let began = Instant::now();
    store.close()?;
    writeln!(out, "close: seconds={:.6}", began.elapsed().as_secs_f64())?;
    Ok(())
}
