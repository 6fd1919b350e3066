//! `lcnode-latency`: how long gets and puts take while the database beneath them grows, writes
//! checkpoints, compacts and is backed up, beside how long they take when nothing of that goes on.
//!
//! What is counted. One thread makes calls at a fixed rate: half gets, half puts, of random keys that are
//! there. A call is due at its time whether the one before it has ended or not, and its latency counts from
//! then (open loop), so a stall is seen in every call that it holds up. The thread sleeps until shortly
//! before a call is due and then spins, so that waking up is not counted.
//!
//! Phases take turns with idle slices, and each is compared with the slices before and after it.

mod load;
mod phases;
mod report;

use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use lcnode_storage::{Options, Place, Store};

use load::Load;
use phases::Phases;

/// Measures gets and puts at a fixed rate while the database grows, writes checkpoints, compacts and is
/// backed up, and prints a Markdown table of their latencies beside the idle ones.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Size of the database at first, in gigabytes (10^9 bytes of log)
    #[arg(long, default_value_t = 1.0, value_parser = gigabytes)]
    gigabytes: f64,
    /// Calls a second of the thread that is measured: half gets, half puts
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// New keys a second while the database grows
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    growth: u32,
    /// Overwrites a second while the background compacts
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    overwrites: u32,
    /// Seconds of a slice, idle or not; what is measured to its end may take longer
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=3600))]
    seconds: u16,
    /// What to measure; all if not given
    #[arg(long, value_enum, value_delimiter = ',')]
    phases: Vec<Phase>,
    /// Where the database is made, in a directory of its own that is removed at the end; the system's
    /// place for temporary files if not given
    #[arg(long)]
    dir: Option<PathBuf>,
    /// A directory on another file system, for the backup that cannot link and must copy
    #[arg(long, default_value = "/dev/shm")]
    copy_to: PathBuf,
    /// How many of the slowest calls of each slice to list on standard error
    #[arg(long, default_value_t = 0)]
    slowest: usize,
    /// Seed of the random keys
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What goes on beside the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Phase {
    /// New keys come: the table grows, segments fill up
    Growth,
    /// Checkpoints, one after the other
    Checkpoint,
    /// Keys are overwritten, and compacted in the background
    Overwrite,
    /// Half of the log is dead, and optimized
    Optimize,
    /// Backups by link, on the same file system
    Link,
    /// Backups by copying, to another file system
    Copy,
}

fn gigabytes(typed: &str) -> Result<f64, String> {
    let number: f64 = typed.parse().map_err(|_| "a number of gigabytes".to_owned())?;
    if (0.01..=10_000.0).contains(&number) { Ok(number) } else { Err("0.01 to 10000".to_owned()) }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lcnode-latency: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let place = arguments.dir.clone().unwrap_or_else(std::env::temp_dir);
    let dir = tempfile::Builder::new()
        .prefix("lcnode-latency-")
        .tempdir_in(&place)
        .map_err(|error| format!("cannot make a directory in {}: {error}", place.display()))?;
    // The defaults, as the node has them.
    let store = Store::open(Options::new(Place::Directory(dir.path().join("db"))))?;
    let records = (arguments.gigabytes * 1e9) as u64 / load::RECORD;
    phases::fill(&store, records)?;

    let mut load = Load::new(&store, records, arguments.rate, arguments.seed)?;
    let wanted = match arguments.phases.as_slice() {
        [] => Phase::value_variants(),
        some => some,
    };
    let mut phases = Phases {
        store: &store,
        dir: dir.path(),
        copy_to: &arguments.copy_to,
        records,
        grown: 0,
        growth: arguments.growth,
        overwrites: arguments.overwrites,
        slice: Duration::from_secs(arguments.seconds.into()),
        slowest: arguments.slowest,
        seed: arguments.seed,
    };
    let slices = phases.measure(&mut load, wanted)?;
    let figures = store.figures();
    store.close()?;
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:.1} GB at first, {:.1} GB of log at the end; {} calls a second; times in µs, from when a call was due.\n",
        arguments.gigabytes,
        figures.log_bytes as f64 / 1e9,
        arguments.rate
    )?;
    report::print(&mut out, &slices)?;
    Ok(())
}
