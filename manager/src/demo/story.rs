//! What happens in the demo, in its order, and how it is shown.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use console::style;
use lightcloud::tyrant::{self, ServerOptions};
use lightcloud::{Address, LightCloud};
use tokio::time::sleep;

use super::layout::{Folder, free_ports};
use super::processes::{Processes, StartError};
use super::workload::{CLIENTS, Interval, KEYS, Workload};
use super::{DemoArgs, Signals};
use crate::bench::report::grouped;
use crate::config::{Cluster, Node, Role, Server};
use crate::context::Failure;

/// How often other ports are chosen where one was taken before the server had it.
const CHOICES: usize = 5;
/// The longest that a pair may take to agree.
const AGREEMENT: Duration = Duration::from_secs(60);
/// The node that may be added.
const SPARE: &str = "storage4_A";
/// How often it is looked.
const POLL: Duration = Duration::from_millis(50);

/// What there is when it was told.
pub struct Told {
    /// Whether nothing was lost, and no call failed.
    pub is_fine: bool,
    cluster: Cluster,
}

/// What is told.
pub struct Story<'a> {
    args: &'a DemoArgs,
    folder: &'a Folder,
    program: &'a Path,
}

impl<'a> Story<'a> {
    /// Of a demo with these arguments.
    pub fn new(args: &'a DemoArgs, folder: &'a Folder, program: &'a Path) -> Self {
        Self { args, folder, program }
    }

    /// Starts the cluster, kills a server of it under load, starts it again.
    pub async fn tell(&self, processes: &mut Processes) -> Result<Told, Failure> {
        say(style("A LightCloud on this machine").bold())?;
        let begun = Instant::now();
        let cluster = self.start(processes).await?;
        for node in &cluster.nodes {
            let addresses: Vec<_> = node.servers.iter().map(|server| server.address().to_string()).collect();
            let role = if node.role == Role::Lookup { "says where keys are" } else { "has their values" };
            say(format_args!("  {:11} {}   {role}", node.name, addresses.join("  ")))?;
        }
        for node in &cluster.nodes {
            until_agreed(node).await?;
        }
        let count = cluster.servers().count();
        say(format_args!("{count} nodes are up, in pairs, after {}.", seconds(begun.elapsed())))?;
        let cloud = LightCloud::new(cluster.lightcloud())?;
        counter_and_list(&cloud).await?;

        let (total, verdict) = self.load(&cluster, &cloud, processes).await?;
        let is_fine = total.errors == 0 && verdict.wrong.is_empty();
        say(format_args!(
            "{} calls, {} errors; the slowest took {}.",
            grouped(total.calls),
            grouped(total.errors),
            millis(total.slowest)
        ))?;
        if let Some(error) = &total.first_error {
            say(style(format!("The first error: {error}")).red())?;
        }
        if total.behind > 0 {
            say(format_args!(
                "{} reads saw an older value: what was written just before the kill came back with the node.",
                total.behind
            ))?;
        }
        let node = victim(&cluster)?.0;
        let ended = Instant::now();
        let (records, digest) = until_agreed(node).await?;
        say(format_args!(
            "{}: both servers hold the same {} records (digest {digest}), {} after the load ended.",
            node.name,
            grouped(records),
            millis(ended.elapsed())
        ))?;
        let (right, all) = (grouped(verdict.right), grouped(KEYS));
        say(format_args!("{right} of {all} keys hold what was written last."))?;
        for wrong in verdict.wrong.iter().take(5) {
            say(style(wrong).red())?;
        }
        Ok(Told { is_fine, cluster })
    }

    /// Says what to try next, and leaves the cluster to whoever watches until the demo is asked to end.
    pub async fn stay(
        &self,
        told: &Told,
        processes: &mut Processes,
        signals: &mut Signals,
    ) -> Result<(), Failure> {
        let cluster = &told.cluster;
        if !self.args.stay && !io::stdout().is_terminal() {
            return Ok(advise(cluster, &[])?);
        }
        tokio::select! {
            spare = self.start_spare(cluster, processes) => advise(cluster, &spare?)?,
            _ = signals.next() => return Ok(()),
        }
        let fate = if self.args.keep { "; the files stay." } else { " and removes everything." };
        say(format_args!("\nThe cluster goes on. Ctrl-C ends it{fate}"))?;
        signals.next().await;
        Ok(say("")?)
    }

    /// Two servers that are no node of the cluster yet.
    async fn start_spare(
        &self,
        cluster: &Cluster,
        processes: &mut Processes,
    ) -> Result<Vec<Server>, Failure> {
        let last = cluster.servers().map(|(_, server)| server.port).max().unwrap_or(self.args.port);
        let ports: Vec<_> = free_ports(last.saturating_add(1))?.into_iter().take(2).collect();
        let mut spare = Vec::new();
        for (at, port) in ports.iter().enumerate() {
            let name = format!("{SPARE}-{}", at + 1);
            let masters = ports.iter().filter(|other| *other != port);
            spare.push(Server {
                host: "127.0.0.1".to_owned(),
                port: *port,
                id: None,
                masters: masters.map(|port| Address::tcp("127.0.0.1", *port)).collect(),
                data_dir: cluster.data_dir.join(&name),
                ssh: None,
                options: Vec::new(),
                name,
            });
        }
        for server in &spare {
            processes.spawn(cluster, server)?;
        }
        for server in &spare {
            processes.wait(server).await?;
        }
        Ok(spare)
    }

    /// All servers, on ports that are free.
    async fn start(&self, processes: &mut Processes) -> Result<Cluster, Failure> {
        let mut base = self.args.port;
        let mut choices = 0;
        loop {
            let ports = free_ports(base)?;
            let cluster = self.folder.write(&ports, self.program)?;
            choices += 1;
            match start_all(processes, &cluster).await {
                Ok(()) => return Ok(cluster),
                Err(StartError::Taken(_)) if choices < CHOICES => {
                    processes.end().await;
                    base = ports.last().map_or(base, |last| last.saturating_add(1));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Lets clients work while a server is killed and started again, and shows each second of it.
    async fn load(
        &self,
        cluster: &Cluster,
        cloud: &LightCloud,
        processes: &mut Processes,
    ) -> Result<(Interval, super::workload::Verdict), Failure> {
        let (_, server) = victim(cluster)?;
        let name = format!("{} ({})", server.name, server.address());
        let keys = grouped(KEYS);
        say(format_args!(
            "\n{CLIENTS} clients read and write {keys} keys. See what a crash does to them:\n"
        ))?;
        say(style(format!("{:>8} {:>10} {:>8} {:>12}", "second", "calls", "errors", "slowest")).bold())?;
        let mut total = Interval::default();
        let work = Workload::begin(cloud);
        let (kill, start) = (self.args.seconds.div_ceil(4), self.args.seconds - self.args.seconds / 4);
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.tick().await;
        for second in 1..=self.args.seconds {
            tick.tick().await;
            let interval = work.take();
            total.add(&interval);
            let slowest = millis(interval.slowest);
            let (calls, errors) = (grouped(interval.calls), grouped(interval.errors));
            let line = format!("{second:>8} {calls:>10} {errors:>8} {slowest:>12}");
            say(if interval.errors == 0 { style(line) } else { style(line).red() })?;
            if second == kill {
                processes.kill(server).await?;
                say(style(format!("         {name} is killed with SIGKILL")).red())?;
            }
            if second == start {
                let begun = Instant::now();
                processes.spawn(cluster, server)?;
                processes.wait(server).await?;
                say(style(format!("         {name} is back after {}", millis(begun.elapsed()))).green())?;
            }
        }
        say("")?;
        let (rest, verdict) = work.end().await?;
        total.add(&rest);
        Ok((total, verdict))
    }
}

/// Commands to paste.
fn advise(cluster: &Cluster, spare: &[Server]) -> io::Result<()> {
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_else(|| "lcmgr".into());
    let lcmgr = format!("{} -c {}", quoted(&called), quoted(&cluster.path));
    let port = cluster.servers().find(|(node, _)| node.role == Role::Storage).map_or(0, |(_, s)| s.port);
    let mut commands = vec![
        ("status".to_owned(), "all nodes at a glance; --watch keeps it live"),
        ("locate user:7".to_owned(), "where a key is, by both rings"),
        (format!("list -port {port} -m 5 -pv 127.0.0.1"), "what a node has; all commands of tcrmgr work"),
        ("bench --cluster --seconds 3".to_owned(), "load, with latencies"),
        ("backup -o cluster.backup".to_owned(), "all nodes in one file, while they are in use"),
    ];
    if let [one, other] = spare {
        let add = format!("add-node {SPARE} {} {}", one.address(), other.address());
        commands.push((add, "a fourth storage pair: two more servers are up and wait for this"));
        commands.push(("rebalance".to_owned(), "moves keys to where the grown ring has them"));
    }
    say(style("\nTry next, in another terminal:").bold())?;
    for (command, what) in commands {
        say(format_args!("  {lcmgr} {command}"))?;
        say(style(format!("      {what}")).dim())?;
    }
    Ok(())
}

/// The server that is killed, with its node.
fn victim(cluster: &Cluster) -> Result<(&Node, &Server), Failure> {
    let mut storage = cluster.servers().filter(|(node, _)| node.role == Role::Storage);
    // Of the second pair, the first one.
    storage.nth(2).ok_or_else(|| "the cluster of the demo has no second storage pair".into())
}

async fn start_all(processes: &mut Processes, cluster: &Cluster) -> Result<(), StartError> {
    for (_, server) in cluster.servers() {
        processes.spawn(cluster, server)?;
    }
    for (_, server) in cluster.servers() {
        processes.wait(server).await?;
    }
    Ok(())
}

/// What both servers of a node hold, once that is the same: its records and their digest.
async fn until_agreed(node: &Node) -> Result<(u64, String), Failure> {
    let start = Instant::now();
    let clients: Vec<_> = node
        .servers
        .iter()
        .map(|server| tyrant::Server::new(server.address(), ServerOptions::default()))
        .collect();
    loop {
        let mut found = Vec::new();
        for client in &clients {
            let stat = client.stat().await?;
            let is_live = stat.iter().any(|(name, value)| name == "peer_1_state" && value == "live");
            let digest = client.misc("digest", 0, []).await?.and_then(|elements| elements.into_iter().next());
            let digest = digest.map(|digest| String::from_utf8_lossy(&digest).into_owned());
            found.push((is_live, digest, client.rnum().await?));
        }
        if let Some((true, Some(digest), records)) = found.first().cloned()
            && found.iter().all(|other| Some(other) == found.first())
        {
            return Ok((records, digest));
        }
        if start.elapsed() > AGREEMENT {
            return Err(format!("{} does not agree within {AGREEMENT:?}: {found:?}", node.name).into());
        }
        sleep(POLL).await;
    }
}

/// What else clients of LightCloud do.
async fn counter_and_list(cloud: &LightCloud) -> Result<(), Failure> {
    for visitor in [&b"Ada"[..], b"Grace", b"Edsger"] {
        cloud.incr(b"visitors", 1).await?;
        cloud.list_add(b"guests", &[visitor], None).await?;
    }
    let count = cloud.incr(b"visitors", 0).await?;
    let guests = cloud.list_get(b"guests").await?;
    let guests: Vec<_> = guests.iter().map(|guest| String::from_utf8_lossy(guest)).collect();
    Ok(say(format_args!("A counter, visitors: {count}. A list, guests: {}.", guests.join(", ")))?)
}

fn say(what: impl std::fmt::Display) -> io::Result<()> {
    writeln!(io::stdout(), "{what}")
}

fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
