//! `lcmgr remove-node`: a node is taken off its ring, and then emptied.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use lightcloud::LightCloud;

use super::rebalance::{PaceArgs, interrupted, records, report};
use super::{Ended, Interrupt, move_keys, sweep};
use crate::config::edit::File;
use crate::config::{Node, Role};
use crate::context::{Context, Failure};

/// Takes a node off its ring, then moves all keys away from it
///
/// In two steps, because clients must know of the first before the second: run it once, let all clients know the new
/// file, in which the node has weight 0, and run it again, which moves what the node has and takes it out of the file.
#[derive(Debug, Args)]
pub struct RemoveNodeArgs {
    /// The node
    name: String,
    /// Both steps at once: where no client is at work, or all read the file by themselves
    #[arg(long)]
    now: bool,
    #[command(flatten)]
    pace: PaceArgs,
}

pub async fn run(args: RemoveNodeArgs, context: &Context) -> Result<ExitCode, Failure> {
    let cluster = context.cluster()?;
    let node = cluster.nodes.iter().find(|node| node.name == args.name);
    let node = node.ok_or_else(|| format!("{} has no node {}", cluster.path.display(), args.name))?;
    let mut interrupt = Interrupt::new()?;
    if node.weight > 0 {
        if !give_up(node, context, &mut interrupt).await? {
            return interrupted();
        }
        let mut out = std::io::stdout();
        writeln!(out, "{} is off its ring: {} says weight = 0", node.name, cluster.path.display())?;
        if !args.now {
            writeln!(out, "Let all clients know the new file, then run this again to empty the node")?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    empty(node, &args, context, &mut interrupt).await
}

/// Takes it off its ring; false where that was interrupted, and nothing has changed.
async fn give_up(node: &Node, context: &Context, interrupt: &mut Interrupt) -> Result<bool, Failure> {
    let mut file = File::open(&context.config)?;
    file.give_up(&node.name)?;
    let after = file.cluster()?;
    if node.role == Role::Lookup {
        // Its records are where clients will look, before they look there.
        let system = LightCloud::new(after.lightcloud())?.system(&node.system)?;
        let nodes = [node.name.clone()];
        if let Ended::Interrupted(_) = sweep(&system, &nodes, true, interrupt).await? {
            return Ok(false);
        }
    }
    file.save()?;
    Ok(true)
}

/// Moves all away from it and takes it out of the file.
async fn empty(
    node: &Node,
    args: &RemoveNodeArgs,
    context: &Context,
    interrupt: &mut Interrupt,
) -> Result<ExitCode, Failure> {
    let cluster = context.cluster()?;
    let system = LightCloud::new(cluster.lightcloud())?.system(&node.system)?;
    let nodes = [node.name.clone()];
    let is_done = match node.role {
        Role::Lookup => matches!(sweep(&system, &nodes, false, interrupt).await?, Ended::Done(_)),
        Role::Storage => {
            let records = records(&cluster).await;
            let of = |node: &str| records.get(node).copied();
            // Nothing shall be lost with it: what has no lookup record goes along.
            let moved = move_keys(&system, &nodes, of, true, args.pace.pace(), interrupt).await?;
            let (Ended::Done(done) | Ended::Interrupted(done)) = moved;
            report(&done)?;
            matches!(moved, Ended::Done(_))
        }
    };
    if !is_done {
        return interrupted();
    }
    let mut file = File::open(&context.config)?;
    file.remove(&node.name)?;
    file.cluster()?;
    file.save()?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{} is out of {}. Its servers still run and can be stopped, once all clients know:",
        node.name,
        cluster.path.display()
    )?;
    for server in &node.servers {
        writeln!(out, "  {} at {}, data in {}", server.name, server.address(), server.data_dir.display())?;
    }
    Ok(ExitCode::SUCCESS)
}
