//! The servers of each node, while they serve.

use std::process::ExitCode;
use std::time::Duration;

use futures_util::future::join_all;
use lightcloud::tyrant;

use crate::backup::standing::{Standing, masters};
use crate::backup::work::Interrupt;
use crate::config::{Cluster, Kind, Node, Server};
use crate::context::Failure;
use crate::output::print;
use crate::stat::{self, Peer, Stat};

/// Between two comparisons.
const PAUSE: Duration = Duration::from_millis(300);

/// A server as it answered, or why it did not.
struct Answer {
    name: String,
    found: Result<Found, String>,
}

/// What a server holds.
struct Found {
    digest: String,
    stat: Stat,
}

/// Verifies that the servers of each node hold the same.
pub async fn verify(
    cluster: &Cluster,
    names: &[String],
    tries: u32,
    patience: u64,
) -> Result<ExitCode, Failure> {
    let interrupt = Interrupt::watch()?;
    let mut nodes: Vec<(&Node, Vec<&Server>)> = Vec::new();
    for (node, server) in cluster.select(names)? {
        match nodes.last_mut().filter(|last| last.0.name == node.name) {
            Some(last) => last.1.push(server),
            None => nodes.push((node, vec![server])),
        }
    }
    let verified = nodes.iter().map(|(node, servers)| async move {
        match node.kind {
            Kind::Tyrant => verify_node(cluster, node, servers, tries, patience).await,
            Kind::Redis | Kind::RedisCluster => {
                (true, format!("{}: of Redis servers, which compare themselves in their own way", node.name))
            }
        }
    });
    let verified = interrupt.or(async { Ok(join_all(verified).await) }).await?;
    let all = verified.iter().all(|(agree, _)| *agree);
    let text: String = verified.into_iter().map(|(_, text)| text + "\n").collect();
    print(&text)?;
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Compares until they agree, or often enough. Returns whether they do, and a text of it.
async fn verify_node(
    cluster: &Cluster,
    node: &Node,
    servers: &[&Server],
    tries: u32,
    patience: u64,
) -> (bool, String) {
    let mut tried = 0;
    loop {
        let answers = join_all(servers.iter().map(|server| ask(cluster, server, patience))).await;
        tried += 1;
        let down: Vec<String> =
            answers.iter().filter_map(|answer| answer.found.as_ref().err().cloned()).collect();
        let up: Vec<(&str, &Found)> = answers
            .iter()
            .filter_map(|answer| Some((&answer.name[..], answer.found.as_ref().ok()?)))
            .collect();
        let same =
            up.windows(2).all(|pair| matches!(pair, [(_, one), (_, other)] if one.digest == other.digest));
        if same && down.is_empty() {
            let records = up.first().map_or(0, |(_, found)| found.stat.number("rnum").unwrap_or(0));
            let text = match servers {
                [_] => format!("{}: one server, nothing to compare it with ({records} records)", node.name),
                _ => format!("{}: {} servers agree: {records} records", node.name, servers.len()),
            };
            return (true, text);
        }
        if tried < tries && down.is_empty() {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        // Compared at one position of the log by the servers themselves, which writers do not disturb.
        let worst = up.iter().map(|(_, found)| Standing::of(&found.stat)).max();
        if down.is_empty() && worst == Some(Standing::Agrees) {
            let text = format!(
                "{}: {} servers agree by their own comparison; writers kept {tried} digests from being the same",
                node.name,
                servers.len()
            );
            return (true, text);
        }
        let mut lines = vec![format!("{}: NOT known to be the same:", node.name)];
        lines.extend(down.iter().map(|why| format!("  {why}")));
        lines.extend(up.iter().map(|(name, found)| line(name, found)));
        return (false, lines.join("\n"));
    }
}

async fn ask(cluster: &Cluster, server: &Server, patience: u64) -> Answer {
    let options = |timeout| tyrant::ServerOptions { timeout, ..Default::default() };
    let asked = async {
        let digest = tyrant::Server::new(server.address(), options(Duration::from_secs(patience)));
        let client = tyrant::Server::new(server.address(), options(cluster.timeout));
        let told = || format!("{} does not tell its digest: is it an lcnode?", server.name);
        let silent = |error: stat::Silent| format!("{} at {}: {error}", server.name, server.address());
        // First what answers at once, so that one that is down costs no more than the time to connect.
        stat::ask(&client, cluster.timeout).await.map_err(silent)?;
        let digest =
            digest.misc("digest", 0, []).await.map_err(|error| format!("{}: {error}", server.name))?;
        let digest = digest.ok_or_else(told)?;
        let digest =
            digest.first().map(|digest| String::from_utf8_lossy(digest).into_owned()).ok_or_else(told)?;
        let stat = stat::ask(&client, cluster.timeout).await.map_err(silent)?;
        Ok(Found { digest, stat })
    };
    Answer { name: server.name.clone(), found: asked.await }
}

fn line(name: &str, found: &Found) -> String {
    let peer = |peer: &Peer| {
        format!(
            "; {}: {}, agrees {}, {} records behind",
            peer.host, peer.state, peer.agrees, peer.lag_entries
        )
    };
    let peers: String = masters(&found.stat).map(|one| peer(&one)).collect();
    format!("  {name}: {} records, digest {}{peers}", found.stat.number("rnum").unwrap_or(0), found.digest)
}
