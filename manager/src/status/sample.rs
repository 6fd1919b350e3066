//! A look at all servers at once.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use lightcloud::tyrant;

use crate::config::{Cluster, Kind, Node, Server};
use crate::stat::{Silent, Stat, ask};

/// The servers that are looked at, with connections that stay open between looks.
pub struct Watched<'c> {
    pub node: &'c Node,
    pub server: &'c Server,
    client: tyrant::Server,
    timeout: Duration,
}

/// What one did when it was asked.
#[derive(Debug, Clone)]
pub enum Sample {
    /// It answered, at that time of this host's clock, in Unix seconds.
    Stat { stat: Stat, asked: Instant, clock: f64 },
    /// Redis: it took a connection. Nothing else is asked.
    Connected,
    /// It did not answer.
    Silent(Silent),
}

impl<'c> Watched<'c> {
    pub fn new(cluster: &Cluster, node: &'c Node, server: &'c Server) -> Self {
        let client = tyrant::Server::new(server.address(), cluster.server_options());
        Self { node, server, client, timeout: cluster.timeout }
    }

    async fn look(&self) -> Sample {
        if self.node.kind != Kind::Tyrant {
            return self.connect().await;
        }
        match ask(&self.client, self.timeout).await {
            Ok(stat) => Sample::Stat { stat, asked: Instant::now(), clock: clock() },
            Err(silent) => Sample::Silent(silent),
        }
    }

    async fn connect(&self) -> Sample {
        let to = (&self.server.host[..], self.server.port);
        match tokio::time::timeout(self.timeout, tokio::net::TcpStream::connect(to)).await {
            Ok(Ok(_)) => Sample::Connected,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Sample::Silent(Silent::Refused)
            }
            Ok(Err(error)) => Sample::Silent(Silent::Unreachable(format!("cannot connect: {error}"))),
            Err(_) => Sample::Silent(Silent::Unreachable(format!("no connection within {:?}", self.timeout))),
        }
    }
}

/// Asks all, which takes as long as the slowest, and no longer than the timeout of the cluster.
pub async fn look(watched: &[Watched<'_>]) -> Vec<Sample> {
    join_all(watched.iter().map(Watched::look)).await
}

/// Asks those again that answered before; the others are as they were, so that nobody is waited for twice.
pub async fn look_again(watched: &[Watched<'_>], before: &[Sample]) -> Vec<Sample> {
    let each = watched.iter().zip(before).map(async |(one, before)| match before {
        Sample::Stat { .. } => one.look().await,
        Sample::Connected | Sample::Silent(_) => before.clone(),
    });
    join_all(each).await
}

fn clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// Requests a second between two looks at a server. None where it was not up at both, or was restarted in between.
pub fn rate(before: &Sample, after: &Sample) -> Option<f64> {
    let (Sample::Stat { stat: one, asked: from, .. }, Sample::Stat { stat: two, asked: to, .. }) =
        (before, after)
    else {
        return None;
    };
    let seconds = to.checked_duration_since(*from)?.as_secs_f64();
    let operations = two.operations().checked_sub(one.operations())?;
    (seconds > 0.0 && one.get("pid") == two.get("pid")).then(|| operations as f64 / seconds)
}
