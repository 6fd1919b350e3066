//! `lcmgr`: runs a LightCloud cluster.
//!
//! From here: `config` is the file that describes the cluster; every command is a module of its own, with its arguments
//! and a `run`. Called by a link named `tcrmgr` it behaves as that.

mod bench;
mod clock;
mod config;
mod context;
mod control;
mod delete_data;
mod demo;
mod import;
mod locate;
mod migrate;
mod output;
mod purge_logs;
mod scaling;
mod stat;
mod status;
mod tcrmgr;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

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
    // In the order of the help: a cluster's days, its growth, single servers.
    Start(control::StartArgs),
    Stop(control::StopArgs),
    Restart(control::RestartArgs),
    Status(status::StatusArgs),
    Locate(locate::LocateArgs),
    PurgeLogs(purge_logs::PurgeArgs),
    DeleteData(delete_data::DeleteArgs),
    AddNode(scaling::add::AddNodeArgs),
    Rebalance(scaling::rebalance::RebalanceArgs),
    RemoveNode(scaling::remove::RemoveNodeArgs),
    ImportConfig(import::ImportArgs),
    Migrate(migrate::Migrate),
    /// Shows a cluster on this machine, of which a node is killed while it is in use
    Demo(demo::DemoArgs),
    /// Puts load on a server or the cluster, checks every reply, and shows rates and latencies
    Bench(bench::BenchArgs),
    #[command(flatten)]
    Node(tcrmgr::NodeCommand),
    Tcrmgr(tcrmgr::Tcrmgr),
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome: Result<ExitCode, Failure> = match runtime {
        Ok(runtime) => runtime.block_on(start()),
        Err(error) => Err(error.into()),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("lcmgr: {failure}");
        ExitCode::FAILURE
    })
}

async fn start() -> Result<ExitCode, Failure> {
    if tcrmgr::is_link(std::env::args_os().next().as_ref()) {
        return Ok(tcrmgr::run_link(std::env::args_os()).await);
    }
    let cli = Cli::parse_from(tcrmgr::modernise(&Cli::command(), std::env::args_os()));
    let context = Context { config: cli.config };
    run(cli.command, &context).await
}

async fn run(command: Command, context: &Context) -> Result<ExitCode, Failure> {
    match command {
        Command::AddNode(args) => scaling::add::run(args, context).await,
        Command::Bench(args) => bench::run(args, context).await,
        Command::DeleteData(args) => delete_data::run(args, context).await,
        Command::ImportConfig(args) => import::run(args, context).await,
        Command::Locate(args) => locate::run(args, context).await,
        Command::PurgeLogs(args) => purge_logs::run(args, context).await,
        Command::Rebalance(args) => scaling::rebalance::run(args, context).await,
        Command::RemoveNode(args) => scaling::remove::run(args, context).await,
        Command::Migrate(args) => migrate::run(args, context).await,
        Command::Node(command) => Ok(tcrmgr::run(command).await),
        Command::Tcrmgr(args) => Ok(args.run().await),
        Command::Restart(args) => control::restart(args, context).await,
        Command::Start(args) => control::start(args, context).await,
        Command::Status(args) => status::run(args, context).await,
        Command::Stop(args) => control::stop(args, context).await,
        Command::Demo(args) => demo::run(args, context).await,
    }
}
