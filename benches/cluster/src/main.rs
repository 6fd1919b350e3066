//! What the rings cost: the client of clusters beside a direct client and memcached, in rounds that take turns, and
//! the requests that each operation sends. `benches/cluster/run.py` starts the servers and this.
//!
//! From here: `figures` is what is measured and held against each other, `memcached` the plain client, `requests` what
//! goes over the wire.

mod figures;
mod memcached;
mod requests;

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use lightcloud::tyrant::Server;
use lightcloud::{Address, Config, LightCloud, NodeConfig, Role};

use figures::{Figures, Measured};
use memcached::Memcached;

type Failure = Box<dyn Error + Send + Sync>;

/// Measures the client of clusters
#[derive(Debug, Parser)]
struct Cli {
    /// A cluster of single servers, as NAME=HOST:PORT,… of each node
    #[arg(long, value_name = "NODES", num_args = 1.., required = true)]
    singles: Vec<String>,
    /// A cluster of pairs
    #[arg(long, value_name = "NODES", num_args = 1.., required = true)]
    pairs: Vec<String>,
    /// memcached
    #[arg(long, value_name = "HOST:PORT")]
    memcached: Address,
    /// How often each figure is measured
    #[arg(long, value_name = "N", default_value = "7", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Keys of a round
    #[arg(long, value_name = "N", default_value = "10000", value_parser = clap::value_parser!(u32).range(1000..))]
    keys: u32,
    /// Threads of the client; 0 for the one that calls
    #[arg(long, value_name = "N", default_value = "0")]
    threads: usize,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match cli.threads {
        0 => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        threads => tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build(),
    };
    match runtime.map_err(Failure::from).and_then(|runtime| runtime.block_on(run(&cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: &Cli) -> Result<(), Failure> {
    let [singles, pairs] = [&cli.singles, &cli.pairs].map(|nodes| config(nodes));
    let (singles, pairs) = (singles?, pairs?);
    let counted = requests::table(&singles).await?;

    let storage = singles.nodes.iter().filter(|node| node.role == Role::Storage);
    let direct = storage.filter_map(|node| node.replicas.first());
    let figures = Figures {
        keys: cli.keys as usize,
        direct: direct.map(|address| Server::new(address.clone(), singles.server.clone())).collect(),
        singles: LightCloud::new(singles)?,
        pairs: LightCloud::new(pairs)?,
    };
    let mut memcached = Memcached::connect(&cli.memcached).await?;
    let measured = figures.measure(cli.rounds, &mut memcached).await?;

    let mut text =
        String::from("| | one | other | one / other | aim |\n| --- | ---: | ---: | ---: | ---: |\n");
    for Measured { name, one, other, ratios, aim } in measured {
        let (low, high) = (ratios.first().unwrap_or(&0.0), ratios.last().unwrap_or(&0.0));
        writeln!(
            text,
            "| {name} | {one:.1} µs | {other:.1} µs | {:.2} ({low:.2} to {high:.2}) | {aim} |",
            figures::median(&ratios)
        )?;
    }
    Ok(writeln!(std::io::stdout(), "{text}\n{counted}")?)
}

/// The cluster of nodes given as `NAME=HOST:PORT,…`.
fn config(nodes: &[String]) -> Result<Config, Failure> {
    let node = |text: &String| -> Result<NodeConfig, Failure> {
        let (name, addresses) = text.split_once('=').ok_or_else(|| format!("{text:?} has no ="))?;
        let role = Role::of_name(name).ok_or_else(|| format!("{name:?} is neither lookup nor storage"))?;
        let addresses = addresses.split(',').map(str::parse).collect::<Result<Vec<Address>, _>>()?;
        Ok(NodeConfig::new(name, role, addresses))
    };
    Ok(Config { nodes: nodes.iter().map(node).collect::<Result<_, _>>()?, ..Config::default() })
}
