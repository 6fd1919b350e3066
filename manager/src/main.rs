//! `lcmgr`: runs a LightCloud cluster.
//!
//! From here: `config` is the file that describes the cluster; every command is a module of its own, with its arguments
//! and a `run`.

mod bench;
mod config;
mod context;
mod scaling;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use context::{Context, Failure};

/// Runs a LightCloud cluster: starts, watches, backs up and grows its nodes
#[derive(Debug, Parser)]
#[command(name = "lcmgr", version, arg_required_else_help = true, max_term_width = 110)]
struct Cli {
    /// The file that describes the cluster
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        env = "LCMGR_CONFIG",
        default_value = "lightcloud.toml"
    )]
    config: std::path::PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    AddNode(scaling::add::AddNodeArgs),
    Rebalance(scaling::rebalance::RebalanceArgs),
    RemoveNode(scaling::remove::RemoveNodeArgs),
    /// Puts load on a server or the cluster, checks every reply, and shows rates and latencies
    Bench(bench::BenchArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let context = Context { config: cli.config };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome: Result<ExitCode, Failure> = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command, &context)),
        Err(error) => Err(error.into()),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("lcmgr: {failure}");
        ExitCode::FAILURE
    })
}

async fn run(command: Command, context: &Context) -> Result<ExitCode, Failure> {
    match command {
        Command::AddNode(args) => scaling::add::run(args, context).await,
        Command::Rebalance(args) => scaling::rebalance::run(args, context).await,
        Command::RemoveNode(args) => scaling::remove::run(args, context).await,
        Command::Bench(args) => bench::run(args, context).await,
    }
}
