//! `lcmgr start`, `stop` and `restart`: processes of servers, here and on other hosts.
//!
//! From here: `start` and `stop` do it to one server, `place` is where that is, `command_line` what is started.

mod command_line;
pub mod place;
mod start;
mod stop;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};

use crate::config::{ALL, Cluster, Kind, Node, Server};
use crate::context::{Context, Failure};
use crate::output;

/// How many servers are worked on at once.
const AT_ONCE: usize = 32;

/// Starts servers and waits until they answer; those that run are left alone
///
/// Those of this host become daemons; those with ssh = "…" are started over ssh, which must not ask for a password. A server
/// NAME has all it needs in its data-dir: NAME.tch (the database), NAME.log, NAME.pid, and backup/ for copies. Relative
/// paths in options start in the folder of the cluster's file, on other hosts in the home directory.
#[derive(Debug, clap::Args)]
pub struct StartArgs {
    #[command(flatten)]
    which: Which,
    /// Seconds that each may take until it answers: one with much data reads its log after a crash
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    wait: u32,
}

/// Stops servers by SIGTERM and waits until they have ended
#[derive(Debug, clap::Args)]
pub struct StopArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    end: End,
}

/// Restarts servers, those of one node after one another, so that one always serves
///
/// The next of a node waits until the one before has again what the others have, and is left alone if that one does not come
/// back.
#[derive(Debug, clap::Args)]
pub struct RestartArgs {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    end: End,
}

/// The servers of a command that is about processes and their files.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Names of nodes or servers, or all
    #[arg(value_name = "NODE")]
    names: Vec<String>,
}

#[derive(Debug, clap::Args)]
struct End {
    /// Seconds that each may take to end, and to answer again
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    wait: u32,
    /// Kill those that have not ended by then: nothing acknowledged is lost, the next start takes longer
    #[arg(long)]
    force: bool,
}

/// `lcmgr start`
pub async fn start(args: StartArgs, context: &Context) -> Result<ExitCode, Failure> {
    let cluster = context.cluster()?;
    let wait = Duration::from_secs(args.wait.into());
    let servers = args.which.servers(&cluster)?;
    each("starting", &servers, |server| start::start(&cluster, server, wait)).await
}

/// Starts the servers of one node, as `lcmgr start` does.
pub async fn start_node(cluster: &Cluster, name: &str) -> Result<ExitCode, Failure> {
    let servers: Vec<_> = cluster.servers().filter(|(node, _)| node.name == name).collect();
    let wait = Duration::from_secs(60);
    each("starting", &servers, |server| start::start(cluster, server, wait)).await
}

/// `lcmgr stop`
pub async fn stop(args: StopArgs, context: &Context) -> Result<ExitCode, Failure> {
    let cluster = context.cluster()?;
    let wait = Duration::from_secs(args.end.wait.into());
    let servers = args.which.servers(&cluster)?;
    each("stopping", &servers, |server| stop::stop(&cluster, server, wait, args.end.force)).await
}

/// `lcmgr restart`
pub async fn restart(args: RestartArgs, context: &Context) -> Result<ExitCode, Failure> {
    let cluster = context.cluster()?;
    let wait = Duration::from_secs(args.end.wait.into());
    let servers = args.which.servers(&cluster)?;
    // The turn of a server comes with the end of the one before it in its node, and a word whether that went well.
    let mut turns = std::collections::HashMap::new();
    for pair in servers.windows(2) {
        if pair[0].0.name == pair[1].0.name {
            let (done, turn) = tokio::sync::oneshot::channel();
            turns.entry(&pair[0].1.name).or_insert((None, None)).1 = Some(done);
            turns.entry(&pair[1].1.name).or_insert((None, None)).0 = Some(turn);
        }
    }
    let turns = std::sync::Mutex::new(turns);
    each("restarting", &servers, |server| {
        let taken = turns.lock().ok().and_then(|mut turns| turns.remove(&server.name));
        let (turn, done) = taken.unwrap_or_default();
        let cluster = &cluster;
        async move {
            if let Some(turn) = turn
                && !turn.await.unwrap_or(false)
            {
                return Err("left as it is, as the one before it of its node did not come back".to_owned());
            }
            let stopped = stop::stop(cluster, server, wait, args.end.force).await?;
            let mut said = format!("{stopped}, {}", start::start(cluster, server, wait).await?);
            if done.is_some() && !start::in_step(cluster, server, wait).await {
                said += "; it has not caught up yet";
            }
            // Nobody may be waiting.
            done.map(|done| done.send(true));
            Ok(said)
        }
    })
    .await
}

impl Which {
    /// The servers that are meant. Redis is none of them: left out among all, and refused by name.
    pub fn servers<'c>(&self, cluster: &'c Cluster) -> Result<Vec<(&'c Node, &'c Server)>, Failure> {
        let mut servers = cluster.select(&self.names)?;
        let are_all = self.names.is_empty() || self.names.iter().any(|name| name == ALL);
        let redis = servers.iter().find(|(node, _)| node.kind != Kind::Tyrant);
        if let (Some((node, server)), false) = (redis, are_all) {
            let why = format!(
                "server {} of node {} is of Redis, whose processes and files are not looked after from here: use its own tools",
                server.name, node.name
            );
            return Err(why.into());
        }
        servers.retain(|(node, _)| node.kind == Kind::Tyrant);
        Ok(servers)
    }
}

/// Does something to each server, at once, and says of each how it went, in their order. The code is 1 if any failed.
pub async fn each<'c, F: Future<Output = Result<String, String>>>(
    doing: &'static str,
    servers: &[(&'c Node, &'c Server)],
    work: impl Fn(&'c Server) -> F,
) -> Result<ExitCode, Failure> {
    let width = servers.iter().map(|(_, server)| server.name.len()).max().unwrap_or(0);
    let address_width =
        servers.iter().map(|(_, server)| server.address().to_string().len()).max().unwrap_or(0);
    let bar = ProgressBar::new(servers.len() as u64);
    bar.set_style(ProgressStyle::with_template("{spinner} {prefix} {pos}/{len} {elapsed}")?);
    bar.set_prefix(doing);
    bar.enable_steady_tick(Duration::from_millis(100));
    let mut done = stream::iter(servers.iter().map(|&(_, server)| {
        let work = work(server);
        let bar = &bar;
        async move {
            let went = work.await;
            bar.inc(1);
            (server, went)
        }
    }))
    .buffered(AT_ONCE);
    let mut failed = 0;
    while let Some((server, went)) = done.next().await {
        let (word, said) = match &went {
            Ok(said) => ("", said),
            Err(said) => ("FAILED: ", said),
        };
        failed += u32::from(went.is_err());
        // What has several lines is an account with a log below it.
        let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        let (address, said) = (server.address().to_string(), lines.join("\n    "));
        let line = format!("{:width$}  {address:address_width$}  {word}{said}\n", server.name);
        bar.suspend(|| output::print(&line))?;
    }
    bar.finish_and_clear();
    if failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("lcmgr: {failed} of {} failed", servers.len());
    Ok(ExitCode::FAILURE)
}
