//! `lcmgr restore`: first everything is unpacked, verified and made beside the databases, then all are replaced.

mod plan;
mod swap;
mod target;
mod unpack;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use futures_util::future::{join_all, try_join_all};
use indicatif::ProgressBar;
use jiff::Timestamp;

use super::archive::Archive;
use super::folder::Folder;
use super::report;
use super::work::{Alone, Interrupt, bar, blocking};
use crate::config::Cluster;
use crate::context::{Context, Failure};
use crate::output::print;
use plan::{Order, plan};
use target::Target;
use unpack::Unpack;

/// Restores nodes from an archive
///
/// Every server of a node gets the database back, so all of them must be stopped. All of the archive is read and
/// verified before anything is replaced. What a server has is moved aside, to NAME.tch.before-TIME, and never removed.
/// Servers of a node get the same records, and server ids of their own (those of their options once they start).
#[derive(Debug, Args)]
#[command(
    after_help = "Databases are made in DATA-DIR/lcmgr-restore@SERVER@TIME by `lcnode restore`, which reads every record, then \
                        all are renamed. Interrupted, each server has its old database or the new one, and the same line \
                        can be run again.\n\n\
                        Exit codes: 0 done; 1 not done; 2 the archive is damaged (nothing was changed), or wrong words."
)]
pub struct Words {
    /// The archive
    #[arg(value_name = "ARCHIVE")]
    archive: PathBuf,
    /// Nodes to restore [default: all that the archive has]
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// Where a server has a database, move that aside
    #[arg(long)]
    force: bool,
    /// Only unpack the databases, as DIR/SERVER.tch; needs no cluster. A node can serve them, and `lcnode restore
    /// --log` go on from them
    #[arg(long, value_name = "DIR", conflicts_with_all = ["nodes", "force"])]
    to: Option<PathBuf>,
}

/// Runs it.
pub async fn run(words: Words, context: &Context) -> Result<ExitCode, Failure> {
    let archive = match Archive::open(&words.archive) {
        Ok(archive) => archive,
        Err(error) => return error.outcome(),
    };
    let interrupt = Interrupt::watch()?;
    match &words.to {
        Some(folder) => unpack_to(archive, folder.clone(), interrupt).await,
        None => restore(archive, &words, context.cluster()?, interrupt).await,
    }
}

async fn unpack_to(mut archive: Archive, to: PathBuf, interrupt: Interrupt) -> Result<ExitCode, Failure> {
    let bar = bar(archive.manifest.bytes());
    let table = report::of(&archive.manifest)?;
    let shown = to.display().to_string();
    let bytes = bar.clone();
    let damages = blocking(move || {
        let mut folder = Folder::new(&to, &archive.manifest, &bytes, &interrupt)?;
        let damages = archive.read(&mut folder)?;
        if damages.is_empty() {
            folder.finish()?;
        }
        Ok(damages)
    });
    let damages = damages.await;
    bar.finish_and_clear();
    let damages = damages?;
    if !damages.is_empty() {
        return Ok(damaged(&damages));
    }
    print(&format!("{table}unpacked to {shown}\n"))?;
    Ok(ExitCode::SUCCESS)
}

async fn restore(
    archive: Archive,
    words: &Words,
    cluster: Cluster,
    interrupt: Interrupt,
) -> Result<ExitCode, Failure> {
    let _alone = Alone::take(&cluster.path)?;
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%S.%6fZ").to_string();
    let (orders, notes) = plan(&cluster, &archive.manifest, &words.nodes, &time)?;
    for note in notes {
        eprintln!("lcmgr: {note}");
    }
    let targets: Vec<Target> = orders.iter().map(|order| order.target.clone()).collect();
    let bar = bar(orders.iter().map(|order| order.bytes).sum());
    bar.set_message("looking at the servers");
    try_join_all(targets.iter().map(|target| target.check_is_stopped(cluster.timeout))).await?;
    each(&targets, Target::check_lock).await?;
    let settled = each(&targets, Target::settle).await?;
    for (target, aside) in targets.iter().zip(settled) {
        for aside in aside {
            eprintln!(
                "lcmgr: {}: an interrupted restore had replaced its database, which is {aside} now",
                target.name
            );
        }
    }
    let force = words.force;
    let made = async {
        each(&targets, move |target| target.check_is_free(force)).await?;
        let damages = {
            let (bar, interrupt) = (bar.clone(), interrupt.clone());
            blocking(move || unpack(archive, orders, &bar, &interrupt)).await?
        };
        if !damages.is_empty() {
            return Ok(Err(damages));
        }
        bar.set_message("making the databases");
        interrupt.or(each(&targets, Target::make)).await?;
        try_join_all(targets.iter().map(|target| target.check_is_stopped(cluster.timeout))).await?;
        interrupt.check()?;
        let swapped = each(&targets, Target::swap).await;
        let again =
            |error| format!("{error}; other servers may be restored already: start none before all are");
        Ok(Ok(swapped.map_err(again)?))
    };
    let made: Result<Result<Vec<bool>, Vec<String>>, Failure> = made.await;
    bar.finish_and_clear();
    for cleared in join_all(targets.iter().cloned().map(|target| blocking(move || target.clear()))).await {
        if let Err(error) = cleared {
            eprintln!("lcmgr: {error}; the next restore clears it away");
        }
    }
    match made? {
        Err(damages) => Ok(damaged(&damages)),
        Ok(moved) => {
            for (target, moved) in targets.iter().zip(moved) {
                let aside = target.before.display();
                let aside = if moved { format!("; what it had is {aside}") } else { String::new() };
                print(&format!("{} is restored{aside}\n", target.name))?;
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Does something for all targets at once. All are waited for, and the first error is the one that is told.
async fn each<T: Send + 'static>(
    targets: &[Target],
    what: impl Fn(&Target) -> Result<T, Failure> + Clone + Send + 'static,
) -> Result<Vec<T>, Failure> {
    let jobs = targets.iter().map(|target| {
        let (target, what) = (target.clone(), what.clone());
        blocking(move || {
            what(&target).map_err(|error| -> Failure { format!("{}: {error}", target.name).into() })
        })
    });
    join_all(jobs).await.into_iter().collect()
}

fn unpack(
    mut archive: Archive,
    orders: Vec<Order>,
    bar: &ProgressBar,
    interrupt: &Interrupt,
) -> Result<Vec<String>, Failure> {
    let mut unpack = Unpack::new(orders, bar, interrupt);
    archive.read(&mut unpack)
}

/// Says what is damaged.
fn damaged(damages: &[String]) -> ExitCode {
    for damage in damages {
        eprintln!("lcmgr: {damage}");
    }
    eprintln!("lcmgr: the archive is damaged, nothing was changed; use another backup");
    ExitCode::from(2)
}
