//! `lcmgr rebalance`: lookup records and keys go to where the rings have them.

use std::collections::HashMap;
use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use futures_util::future::join_all;
use lightcloud::tyrant::{Server, ServerOptions};
use lightcloud::{LightCloud, Moved};

use super::{Ended, Interrupt, Pace, move_keys, sweep};
use crate::config::{Cluster, Role};
use crate::context::{Context, Failure};

/// Moves keys to where the storage ring has them, while everybody goes on
///
/// After `add-node` keys stay where they are, and are found by one more look. This moves them, so that a get is one
/// request again, and brings lookup records to their first node, so that another lookup node can be added. It can be
/// interrupted and run again. All clients must know the present nodes, and be of the crate lightcloud: others take a key
/// that is being moved for one that is not there.
#[derive(Debug, Args)]
pub struct RebalanceArgs {
    /// The pair of rings
    #[arg(long, value_name = "NAME", default_value = lightcloud::config::DEFAULT_SYSTEM)]
    system: String,
    #[command(flatten)]
    pace: PaceArgs,
    /// Move values without a lookup record as well, unless there is one where they would go. Nothing finds them now:
    /// they are what is left of keys that LightCloud's own clients deleted, or the records were lost
    #[arg(long)]
    adopt_orphans: bool,
}

/// How fast.
#[derive(Debug, Args)]
pub struct PaceArgs {
    /// Keys that are moved together; a change of one of them waits for less than a second. Their values are in memory at the
    /// same time: take fewer where values are large
    #[arg(long, value_name = "KEYS", default_value = "2000", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    batch: u32,
    /// Keys that are moved in a second, at most; 0 for as many as can be
    #[arg(long, value_name = "KEYS", default_value = "0")]
    limit: u32,
}

impl PaceArgs {
    pub(super) fn pace(&self) -> Pace {
        Pace { batch: self.batch as usize, limit: self.limit }
    }
}

pub async fn run(args: RebalanceArgs, context: &Context) -> Result<ExitCode, Failure> {
    let cluster = context.cluster()?;
    let system = LightCloud::new(cluster.lightcloud())?.system(&args.system)?;
    let mut interrupt = Interrupt::new()?;
    let swept = sweep(&system, &system.lookup_nodes(), false, &mut interrupt).await?;
    let (Ended::Done(brought) | Ended::Interrupted(brought)) = swept;
    if brought > 0 {
        writeln!(std::io::stdout(), "{brought} lookup records brought to where they belong")?;
    }
    if matches!(swept, Ended::Interrupted(_)) {
        return interrupted();
    }
    let records = records(&cluster).await;
    let nodes = system.storage_nodes();
    let of = |node: &str| records.get(node).copied();
    let moved = move_keys(&system, &nodes, of, args.adopt_orphans, args.pace.pace(), &mut interrupt).await?;
    let (Ended::Done(done) | Ended::Interrupted(done)) = moved;
    report(&done)?;
    if matches!(moved, Ended::Interrupted(_)) { interrupted() } else { Ok(ExitCode::SUCCESS) }
}

pub(super) fn interrupted() -> Result<ExitCode, Failure> {
    Err("interrupted: nothing is lost, and run again it goes on".into())
}

/// Says what was moved, and what was not.
pub(super) fn report(done: &Moved) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    writeln!(out, "{} keys moved, {} bytes, of {} that were looked at", done.moved, done.bytes, done.seen)?;
    if done.late > 0 {
        writeln!(out, "{} changes came late to the old place and were carried after their keys", done.late)?;
    }
    if done.orphans > 0 {
        writeln!(
            out,
            "{} values have no lookup record, so that nothing finds them, and stayed; --adopt-orphans would move them",
            done.orphans
        )?;
    }
    if done.strays > 0 {
        writeln!(out, "{} values of keys that live on another node stayed; nothing finds them", done.strays)?;
    }
    Ok(())
}

/// Records of each storage node, as far as it says.
pub(super) async fn records(cluster: &Cluster) -> HashMap<String, u64> {
    let nodes = cluster.nodes.iter().filter(|node| node.role == Role::Storage);
    let asked = nodes.filter_map(|node| {
        let options = ServerOptions { timeout: cluster.timeout, ..ServerOptions::default() };
        let server = Server::new(node.servers.first()?.address(), options);
        Some(async move { Some((node.name.clone(), server.rnum().await.ok()?)) })
    });
    join_all(asked).await.into_iter().flatten().collect()
}
