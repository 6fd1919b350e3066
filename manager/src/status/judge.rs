//! What a look at a server means, and what is wrong with it.

use super::report::{PeerRow, Row};
use super::sample::{Sample, Watched};
use crate::config::{Kind, Role};
use crate::stat::{Peer, Stat};

/// A clock that is off by more than this, in seconds, is mentioned: clocks decide who wrote last.
const CLOCK: f64 = 2.0;

/// All servers, each in the light of the others. Behind by more than `max_lag` seconds is wrong.
pub fn judge(watched: &[Watched<'_>], samples: &[Sample], rates: &[Option<f64>], max_lag: f64) -> Vec<Row> {
    let all: Vec<_> = watched.iter().zip(samples).collect();
    let rows = all.iter().zip(rates).map(|((one, sample), rate)| {
        let mut row = Row {
            system: one.node.system.clone(),
            node: one.node.name.clone(),
            server: one.server.name.clone(),
            address: one.server.address().to_string(),
            role: match one.node.role {
                Role::Lookup => "lookup",
                Role::Storage => "storage",
            },
            kind: match one.node.kind {
                Kind::Tyrant => "tyrant",
                Kind::Redis => "redis",
                Kind::RedisCluster => "redis-cluster",
            },
            ..Row::default()
        };
        match sample {
            Sample::Silent(silent) => row.problems.push(silent.to_string()),
            Sample::Connected => {
                row.up = true;
                row.notes.push("Redis: it takes connections; nothing else is looked at".to_owned());
            }
            Sample::Stat { stat, clock, .. } => {
                row.up = true;
                row.operations_per_second = *rate;
                figures(&mut row, stat);
                by_itself(&mut row, one, stat, *clock);
                masters(&mut row, one, stat, &all, max_lag);
                followers(&mut row, stat, &all, max_lag);
            }
        }
        if one.node.weight == 0 {
            row.notes.push("given up: it is not on the ring".to_owned());
        }
        row
    });
    rows.collect()
}

fn figures(row: &mut Row, stat: &Stat) {
    row.uptime_seconds = stat.decimal("ru_real");
    row.records = stat.number("rnum");
    row.bytes = stat.number("size");
    row.memory_bytes = stat.number("memrss");
    row.version = stat.get("version").map(str::to_owned);
    row.id = stat.number("sid");
    let peers = stat.peers();
    let masters: Vec<_> = peers.iter().filter(|peer| peer.is_master()).collect();
    row.lag_bytes = masters.iter().map(|peer| peer.lag_bytes).max();
    row.lag_entries = masters.iter().map(|peer| peer.lag_entries).max();
    row.lag_seconds = masters.iter().map(|peer| peer.lag_seconds).reduce(f64::max);
    row.agrees = if masters.is_empty() {
        None
    } else if masters.iter().any(|peer| peer.agrees == "no") {
        Some("no")
    } else if masters.iter().all(|peer| peer.agrees == "yes") {
        Some("yes")
    } else {
        Some("unknown")
    };
    row.peers = peers.into_iter().map(PeerRow::from).collect();
}

/// What a server says of itself alone.
fn by_itself(row: &mut Row, one: &Watched<'_>, stat: &Stat, clock: f64) {
    if let Some(why) = stat.get("fatal") {
        row.problems.push(format!("refuses writes: {why}"));
    }
    if let Some(why) = stat.get("disk_full") {
        row.problems.push(format!("refuses writes for want of space: {why}"));
    }
    if stat.get("type") == Some("void") {
        row.problems.push("serves without a database: its log says why".to_owned());
    }
    if let (Some(id), Some(meant)) = (row.id, one.server.id)
        && id != u64::from(meant)
    {
        row.problems.push(format!("its server id is {id}, the file says {meant}: is it the right server?"));
    }
    let ahead = stat.decimal("time").unwrap_or(clock) - clock;
    if ahead.abs() > CLOCK {
        let word = if ahead > 0.0 { "ahead of" } else { "behind" };
        row.notes.push(format!("its clock is {:.0} s {word} the one here", ahead.abs()));
    }
}

/// How it is with those that it is to follow.
fn masters(row: &mut Row, one: &Watched<'_>, stat: &Stat, all: &[(&Watched<'_>, &Sample)], max_lag: f64) {
    let peers = stat.peers();
    for master in &one.server.masters {
        let address = master.to_string();
        let name = name_of(&address, all);
        match peers.iter().find(|peer| peer.is_master() && peer.host == address) {
            Some(_) => {}
            // An original says whom it follows and no more.
            None if peers.is_empty() && follows_as_original(stat, &address) => {
                row.notes.push(format!("an original server: it follows {name}, its lag is not known"));
            }
            None => row.problems.push(format!("does not follow {name}: lcmgr restart {}", one.server.name)),
        }
    }
    for peer in peers.iter().filter(|peer| peer.is_master()) {
        let name = name_of(&peer.host, all);
        let because = if peer.error.is_empty() { String::new() } else { format!(": {}", peer.error) };
        match &peer.state[..] {
            "stopped" => row.problems.push(format!("has stopped following {name}{because}")),
            "waiting" | "connecting" if is_down(&peer.host, all) => {
                row.problems.push(format!("cannot follow {name}, which is down"));
            }
            "waiting" => row.problems.push(format!("cannot follow {name}{because}")),
            "connecting" => row.notes.push(format!("connecting to {name}{because}")),
            "full-sync" => {
                let far = peer.full_sync.as_deref().unwrap_or("begun");
                row.notes.push(format!("is getting all records from {name}: {far}"));
            }
            _ => {}
        }
        if peer.lag_seconds > max_lag {
            row.problems.push(format!("is {} behind {name} ({})", since(peer), left(peer)));
        } else if peer.state == "catching-up" {
            row.notes.push(format!("is catching up with {name}: {} behind ({})", since(peer), left(peer)));
        }
        if peer.agrees == "no" {
            row.problems
                .push(format!("has not the same records as {name}: see lcmgr verify {}", one.node.name));
        }
    }
}

/// How it is with those that follow it. One of them that is up says it of itself; this is for those that cannot.
fn followers(row: &mut Row, stat: &Stat, all: &[(&Watched<'_>, &Sample)], max_lag: f64) {
    for peer in stat.peers().iter().filter(|peer| !peer.is_master() && peer.lag_seconds > max_lag) {
        let host = peer.host.rsplit_once(':').map_or(&peer.host[..], |(host, _)| host);
        let mut same_host = all.iter().filter(|(other, _)| other.server.host == host);
        // It is seen by the port of its connection, so only its host tells who it is, if that has one server.
        let name = match (same_host.next(), same_host.next()) {
            (Some((other, _)), None) => other.server.name.clone(),
            _ => peer.host.clone(),
        };
        row.problems.push(format!("its follower {name} is {} behind ({})", since(peer), left(peer)));
    }
}

fn since(peer: &Peer) -> String {
    super::words::duration(peer.lag_seconds)
}

fn left(peer: &Peer) -> String {
    super::words::bytes(peer.lag_bytes)
}

fn follows_as_original(stat: &Stat, address: &str) -> bool {
    match (stat.get("mhost"), stat.get("mport")) {
        (Some(host), Some(port)) => {
            format!("{host}:{port}") == address || format!("[{host}]:{port}") == address
        }
        _ => false,
    }
}

/// The server at an address, else the address.
fn name_of(address: &str, all: &[(&Watched<'_>, &Sample)]) -> String {
    let found = all.iter().find(|(one, _)| one.server.address().to_string() == address);
    found.map_or_else(|| address.to_owned(), |(one, _)| one.server.name.clone())
}

fn is_down(address: &str, all: &[(&Watched<'_>, &Sample)]) -> bool {
    let at = |one: &Watched<'_>| one.server.address().to_string() == address;
    all.iter().any(|(one, sample)| at(one) && matches!(sample, Sample::Silent(_)))
}

impl From<Peer> for PeerRow {
    fn from(peer: Peer) -> Self {
        Self {
            address: peer.host,
            role: peer.role,
            state: peer.state,
            lag_bytes: peer.lag_bytes,
            lag_entries: peer.lag_entries,
            lag_seconds: peer.lag_seconds,
            agrees: peer.agrees,
            error: peer.error,
        }
    }
}
