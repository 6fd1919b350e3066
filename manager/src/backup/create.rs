//! `lcmgr backup`.

use std::collections::HashSet;
use std::io::Read;
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::future::{join_all, try_join_all};
use indicatif::{HumanBytes, ProgressBar};
use jiff::Timestamp;

use super::archive::Writer;
use super::host::quoted;
use super::manifest::{Copy, FORMAT, Manifest, Position};
use super::report;
use super::snapshot::{Chosen, Source, choose};
use super::work::{Alone, Interrupt, bar, blocking};
use crate::config::{Cluster, Kind, Node, Server};
use crate::context::{Context, Failure};
use crate::output::print;

/// The longest file `backup` of a copy, in bytes.
const MAX_POSITION: u64 = 4096;

/// Backs up all nodes into one archive, while they serve
///
/// Of each node one server makes a copy: the one that stands best to the others of the node (has all that they have and
/// agrees with them), the first of several such. What was acknowledged by any of them before the backup began is in it.
/// The copies are made at about the same time, below each server's --backup-dir (DATA-DIR/backup unless its options say
/// otherwise), then packed into the archive and removed. Not while keys are being moved by `rebalance` or `remove-node`: one
/// on its way may be missing.
#[derive(Debug, Args)]
#[command(
    after_help = "The archive is a tar file compressed by zstd. It is ARCHIVE.unfinished until it is whole and \
                        on the disk. After an interruption the same line can be run again: it removes what was left \
                        on the servers.\n\n\
                        Exit codes: 0 done; 1 not done, or something may be missing in it, as is said then; 2 wrong \
                        words."
)]
pub struct Words {
    /// Nodes, or servers, to back up [default: all]
    #[arg(value_name = "NODE")]
    nodes: Vec<String>,
    /// The archive to make, as backup.tar.zst
    #[arg(short, long, value_name = "ARCHIVE")]
    output: PathBuf,
    /// Copy one server of each node, which is enough as they hold the same (the default)
    #[arg(long)]
    one_per_node: bool,
    /// Copy all servers that are up
    #[arg(long, conflicts_with = "one_per_node")]
    all_servers: bool,
    /// Seconds that a server may take to make its copy
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: u64,
}

/// Runs it.
pub async fn run(words: Words, context: &Context) -> Result<ExitCode, Failure> {
    let cluster = context.cluster()?;
    let nodes = selected(&cluster, &words.nodes)?;
    let _alone = Alone::take(&cluster.path)?;
    let text = std::fs::read_to_string(&cluster.path)?;
    let interrupt = Interrupt::watch()?;
    let writer = Writer::begin(&words.output)?;
    let began = Instant::now();
    let now = Timestamp::now();
    let patience = Duration::from_secs(words.patience);
    let chosen =
        nodes.iter().map(|(node, servers)| choose(&cluster, node, servers, words.all_servers, patience));
    let chosen = interrupt.or(async { try_join_all(chosen).await }).await?;
    let (mut sources, mut notes, mut doubts) = (Vec::new(), Vec::new(), Vec::new());
    for Chosen { sources: more, notes: noted, doubts: doubted } in chosen {
        sources.extend(more);
        notes.extend(noted);
        doubts.extend(doubted);
    }
    let name = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let bar = bar(sources.iter().map(|source| source.size).sum());
    let manifest = Manifest {
        format: FORMAT,
        made: now.to_string(),
        program: concat!("lcmgr ", env!("CARGO_PKG_VERSION")).to_owned(),
        cluster: text,
        copies: Vec::new(),
    };
    let made = async {
        doubts.extend(interrupt.or(make_copies(&mut sources, &name, began, cluster.timeout, &bar)).await?);
        let (sources, name, bar, interrupt) = (sources.clone(), name.clone(), bar.clone(), interrupt.clone());
        blocking(move || pack(writer, manifest, &sources, &name, &bar, &interrupt)).await
    };
    let made = made.await;
    bar.finish_and_clear();
    for cleared in join_all(sources.iter().map(Source::clear)).await {
        notes.extend(cleared.err().map(|error| format!("{error}; the next backup removes its copy")));
    }
    for note in notes.iter().chain(&doubts) {
        eprintln!("lcmgr: {note}");
    }
    let (manifest, bytes) = made?;
    print(&report::of(&manifest)?)?;
    let in_words = HumanBytes(bytes);
    print(&format!("{} is made: {} databases, {in_words}\n", words.output.display(), manifest.copies.len()))?;
    Ok(if doubts.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The nodes that are meant, each with the servers of which it may be copied.
fn selected<'c>(cluster: &'c Cluster, names: &[String]) -> Result<Vec<(&'c Node, Vec<&'c Server>)>, Failure> {
    let mut nodes: Vec<(&Node, Vec<&Server>)> = Vec::new();
    for (node, server) in cluster.select(names)? {
        match nodes.last_mut().filter(|last| last.0.name == node.name) {
            Some(last) => last.1.push(server),
            None => nodes.push((node, vec![server])),
        }
    }
    if let Some((node, _)) = nodes.iter().find(|(node, _)| node.kind != Kind::Tyrant) {
        return Err(format!(
            "{} is of Redis servers, which make backups in their own way: name the nodes to back up here",
            node.name
        )
        .into());
    }
    Ok(nodes)
}

/// Has all copies made at once. Returns what may be missing in them.
async fn make_copies(
    sources: &mut [Source],
    name: &str,
    began: Instant,
    patience: Duration,
    bar: &ProgressBar,
) -> Result<Vec<String>, Failure> {
    bar.set_message("waiting until all are in step");
    try_join_all(sources.iter().map(Source::prepare)).await?;
    let doubts = try_join_all(sources.iter().map(|source| source.catch_up(began, patience))).await?;
    bar.set_message("copying on the servers");
    // Of those that fail all are heard, so that none is still at work afterwards.
    let copied = join_all(sources.iter_mut().map(|source| source.copy(name))).await;
    copied.into_iter().collect::<Result<(), _>>()?;
    Ok(doubts.into_iter().flatten().collect())
}

/// Writes the archive.
fn pack(
    mut writer: Writer,
    mut manifest: Manifest,
    sources: &[Source],
    name: &str,
    bar: &ProgressBar,
    interrupt: &Interrupt,
) -> Result<(Manifest, u64), Failure> {
    for source in sources {
        bar.set_message(source.server.name.clone());
        let copy = add(&mut writer, source, name, &mut |bytes| {
            bar.inc(bytes);
            interrupt.check()
        });
        manifest.copies.push(copy.map_err(|error| format!("the copy of {}: {error}", source.server.name))?);
    }
    bar.set_message("syncing");
    let bytes = writer.finish(&manifest)?;
    Ok((manifest, bytes))
}

/// Adds the copy of one server, which comes as a stream of `tar`.
fn add(
    writer: &mut Writer,
    source: &Source,
    name: &str,
    progress: &mut dyn FnMut(u64) -> Result<(), Failure>,
) -> Result<Copy, Failure> {
    let Source { node, server, .. } = source;
    let folder = quoted(&source.path(name))?;
    let script = format!("exec tar -C {folder} -cf - backup meta log");
    let mut running = source.host.start(&script, Stdio::null(), Stdio::piped())?;
    let stdout = running.child.stdout.take().ok_or("tar has no output")?;
    let mut tar = tar::Archive::new(stdout);
    let archived = format!("{}.tch", server.name);
    let mut position = None;
    let mut files = Vec::new();
    let mut paths = HashSet::new();
    for entry in tar.entries()?.raw(true) {
        let mut entry = entry.map_err(|error| format!("the stream of tar: {error}"))?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        match entry.header().entry_type() {
            tar::EntryType::Directory => continue,
            tar::EntryType::Regular if paths.insert(path.clone()) => {}
            _ => return Err(format!("{path:?} is no file that a copy has").into()),
        }
        let size = entry.size();
        if path == "backup" {
            let mut text = String::new();
            entry.take(MAX_POSITION).read_to_string(&mut text)?;
            position = Position::parse(&text);
            files.push(writer.add(&archived, &path, size, &mut text.as_bytes(), progress)?);
        } else {
            files.push(writer.add(&archived, &path, size, &mut entry, progress)?);
        }
    }
    std::io::copy(&mut tar.into_inner(), &mut std::io::sink())?;
    running.end()?;
    Ok(Copy {
        node: node.name.clone(),
        system: node.system.clone(),
        role: node.role,
        weight: node.weight,
        server: server.name.clone(),
        address: server.address().to_string(),
        server_id: source.sid,
        standing: source.standing.to_string(),
        records: source.records,
        position: position.ok_or("its file `backup` says nothing of a position")?,
        files,
    })
}
