//! Copies on the servers: which servers make them, when, where, and that none is left behind.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lightcloud::tyrant;

use super::host::{self, Host, REMOVE, quoted};
use super::standing::{Standing, has_what_was, lag, masters};
use super::work::blocking;
use crate::config::{Cluster, Node, Server};
use crate::context::Failure;
use crate::stat::{self, Stat};

/// With what the names of copies begin that are made here; the server and the time follow, behind an @ each, which
/// names have not. So servers may make their copies in one directory.
const PREFIX: &str = "lcmgr@";
/// How long a server may take to have what the others of its node had when the backup began.
const CATCH_UP: Duration = Duration::from_secs(30);
/// Between two looks at that.
const PAUSE: Duration = Duration::from_millis(100);

/// A server that makes a copy.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its node.
    pub node: Node,
    /// The server.
    pub server: Server,
    /// Where it runs.
    pub host: Host,
    /// How it stands to the others.
    pub standing: Standing,
    /// Its server id.
    pub sid: u16,
    /// About how many bytes its copy has.
    pub size: u64,
    /// Records in the copy, about.
    pub records: u64,
    /// Below which it makes copies.
    folder: PathBuf,
    client: tyrant::Server,
}

/// The servers of a node that make copies, and what the operator is to know.
#[derive(Debug, Default)]
pub struct Chosen {
    /// Those servers.
    pub sources: Vec<Source>,
    /// What is not as it should be, but no hindrance.
    pub notes: Vec<String>,
    /// What may be missing in the copies.
    pub doubts: Vec<String>,
}

/// Chooses among the servers of a node: the one that stands best to the others, the first of several such, or all
/// that are up. Where none is in step, as just after a start, it waits for a while.
pub async fn choose(
    cluster: &Cluster,
    node: &Node,
    servers: &[&Server],
    all: bool,
    patience: Duration,
) -> Result<Chosen, Failure> {
    let since = Instant::now();
    let (mut up, down) = loop {
        let (up, down) = ask(cluster, servers).await;
        let is_good = |(_, stat): &(&Server, Stat)| Standing::of(stat) <= Standing::InStep;
        if all || up.len() < 2 || up.iter().any(is_good) || since.elapsed() >= CATCH_UP {
            break (up, down);
        }
        tokio::time::sleep(PAUSE).await;
    };
    if up.is_empty() {
        let down = down.join("; ");
        return Err(format!("no server of {} can make a copy: {down}; start one of them", node.name).into());
    }
    // Stable: the first of several that stand alike.
    up.sort_by_key(|(_, stat)| Standing::of(stat));
    let mut chosen = Chosen { notes: down, ..Chosen::default() };
    let count = up.len();
    up.truncate(if all { count } else { 1 });
    for (server, stat) in up {
        let standing = Standing::of(&stat);
        if standing > Standing::InStep && count > 1 && !all {
            chosen.doubts.push(format!(
                "{} is {standing} and no server of {} stands better: what only another of them has is missing; \
                 see `lcmgr status`, or back up --all-servers",
                server.name, node.name
            ));
        }
        let options = tyrant::ServerOptions { timeout: patience, ..Default::default() };
        chosen.sources.push(Source {
            node: node.clone(),
            server: server.clone(),
            host: Host::of(server)?,
            standing,
            sid: stat.number("sid").and_then(|sid| u16::try_from(sid).ok()).unwrap_or(0),
            size: stat.number("size").unwrap_or(0),
            records: 0,
            folder: host::backup_dir(cluster, server),
            client: tyrant::Server::new(server.address(), options),
        });
    }
    Ok(chosen)
}

/// Those that are up, with how they are, and why the others are not.
async fn ask<'s>(cluster: &Cluster, servers: &[&'s Server]) -> (Vec<(&'s Server, Stat)>, Vec<String>) {
    let asked = servers.iter().map(|server| async move {
        let options = tyrant::ServerOptions { timeout: cluster.timeout, ..Default::default() };
        stat::ask(&tyrant::Server::new(server.address(), options), cluster.timeout).await
    });
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for (server, stat) in servers.iter().zip(join_all(asked).await) {
        match stat {
            Ok(stat) => up.push((*server, stat)),
            Err(error) => down.push(format!("{} at {}: {error}", server.name, server.address())),
        }
    }
    (up, down)
}

impl Source {
    /// Waits until it has all that the others of its node had at `began`. Returns what may be missing.
    pub async fn catch_up(&self, began: Instant, patience: Duration) -> Result<Option<String>, Failure> {
        loop {
            let stat = stat::ask(&self.client, patience).await;
            let stat = stat.map_err(|error| format!("{}: {error}", self.server.name))?;
            if has_what_was(&stat, began.elapsed()) {
                return Ok(None);
            }
            if began.elapsed() >= CATCH_UP {
                let behind = masters(&stat).max_by_key(lag);
                return Ok(behind.map(|peer| {
                    format!(
                        "{} is {} records behind {} ({}): what was written last there is missing; see \
                         `lcmgr status`, or back up --all-servers",
                        self.server.name, peer.lag_entries, peer.host, peer.state
                    )
                }));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Makes the directory for copies, and removes from it what interrupted backups left.
    pub async fn prepare(&self) -> Result<(), Failure> {
        self.shell(format!("set -e; mkdir -p {}; {}", quoted(&self.folder)?, self.remove()?)).await
    }

    /// Makes the copy, which is its server's work.
    pub async fn copy(&mut self, name: &str) -> Result<(), Failure> {
        let path = self.path(name);
        let text = path.to_str().ok_or_else(|| format!("{} is no text", path.display()))?;
        if let Err(error) = self.client.copy(text.as_bytes()).await {
            return Err(format!(
                "{} did not copy its database to {text}: {error}. It must run with --backup-dir {}, and with space \
                 there",
                self.server.name,
                self.folder.display()
            )
            .into());
        }
        self.records = self.client.rnum().await?;
        Ok(())
    }

    /// Removes all copies that were made here.
    pub async fn clear(&self) -> Result<(), Failure> {
        self.shell(self.remove()?).await
    }

    /// The directory of the copy of this name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{PREFIX}{}@{name}.tch", self.server.name))
    }

    /// A script that removes them.
    fn remove(&self) -> Result<String, Failure> {
        let copies = quoted(&self.folder.join(format!("{PREFIX}{}@", self.server.name)))?;
        Ok(format!("{REMOVE} remove {copies}*.tch {copies}*.tch.unfinished"))
    }

    async fn shell(&self, script: String) -> Result<(), Failure> {
        let host = self.host.clone();
        let done = blocking(move || host.run(&script)).await;
        done.map(|_| ()).map_err(|error| format!("{}: {error}", self.server.name).into())
    }
}
