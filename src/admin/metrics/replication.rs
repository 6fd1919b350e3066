//! Masters and followers.

use std::collections::HashMap;

use lcnode::replication::Replication;
use lcnode::replication::status::{Agrees, Role, State, Status};

use super::families::{Families, Labels};

pub(super) fn collect(replication: &Replication, families: &mut Families) {
    families.counter(
        "lcnode_followers_given_up_total",
        "Followers for whom no more log was kept, by --ulim or for a full disk.",
        replication.given_up() as f64,
    );
    let peers = peers(replication.statuses());
    let mut gauges = |name: &str, help: &str, value: &dyn Fn(&Peer) -> Option<f64>| {
        let mut family = families.gauges(name, help);
        for peer in &peers {
            if let Some(value) = value(peer) {
                peer.with_labels(|labels| family.add(labels, value));
            }
        }
    };
    let flag = |is_so: bool| f64::from(u8::from(is_so));
    gauges("lcnode_peer_connected", "Whether the connection with it works.", &|peer| {
        let is_connected = matches!(peer.status.state, State::FullSync | State::CatchingUp | State::Live);
        Some(flag(is_connected))
    });
    gauges("lcnode_peer_live", "Whether changes go over as they are made.", &|peer| {
        Some(flag(peer.status.state == State::Live))
    });
    gauges("lcnode_peer_lag_bytes", "Bytes of log that the one that follows has not got yet.", &|peer| {
        Some(peer.status.lag_bytes as f64)
    });
    gauges("lcnode_peer_lag_entries", "The same in records, at first an estimate.", &|peer| {
        Some(peer.status.lag_entries as f64)
    });
    gauges("lcnode_peer_lag_seconds", "For how long it has not been in step.", &|peer| {
        Some(peer.status.lag_seconds)
    });
    gauges("lcnode_peer_compared", "Whether all records were compared on this connection.", &|peer| {
        peer.is_master().then(|| flag(peer.status.agrees != Agrees::Unknown))
    });
    gauges("lcnode_peer_differs", "Whether they differed the last time.", &|peer| {
        peer.is_master().then(|| flag(peer.status.agrees == Agrees::No))
    });
    let mut counters = |name: &str, help: &str, value: &dyn Fn(&Status) -> u64| {
        let mut family = families.counters(name, help);
        for peer in peers.iter().filter(|peer| peer.is_master()) {
            peer.with_labels(|labels| family.add(labels, value(&peer.status) as f64));
        }
    };
    counters("lcnode_peer_differences_total", "Comparisons in which something differed.", &|status| {
        status.found.differences
    });
    counters(
        "lcnode_peer_healed_records_total",
        "Records that were taken over or deleted because they differed.",
        &|status| status.found.healed,
    );
}

/// A peer under a name of its own.
struct Peer {
    name: String,
    role: String,
    sid: String,
    status: Status,
}

impl Peer {
    fn is_master(&self) -> bool {
        self.status.role == Role::Master
    }

    fn with_labels(&self, take: impl FnOnce(Labels<'_>)) {
        take(&[("peer", &self.name), ("role", &self.role), ("sid", &self.sid)]);
    }
}

/// Names them. The port of a follower is another each time it comes, and is left out; so that several may have one
/// name, and the second of them is numbered, as no two metrics may have the same labels.
fn peers(statuses: Vec<Status>) -> Vec<Peer> {
    let mut seen: HashMap<(String, String, u16), usize> = HashMap::new();
    let peers = statuses.into_iter().map(|status| {
        let is_follower = matches!(status.role, Role::Follower | Role::OriginalFollower);
        let host = match status.host.rsplit_once(':') {
            Some((host, _)) if is_follower => host.to_owned(),
            _ => status.host.clone(),
        };
        let role = status.role.to_string();
        let count = seen.entry((host.clone(), role.clone(), status.sid)).or_insert(0);
        *count += 1;
        let name = if *count > 1 { format!("{host} #{count}") } else { host };
        Peer { name, role, sid: status.sid.to_string(), status }
    });
    peers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_peers_have_the_same_labels() {
        let statuses = [
            ("localhost:1978", Role::Master),
            ("127.0.0.1:50001", Role::Follower),
            ("127.0.0.1:50002", Role::Follower),
            ("[::1]:50003", Role::Follower),
            ("(unix):0", Role::OriginalFollower),
            ("(unix):0", Role::OriginalFollower),
        ];
        let statuses = statuses.map(|(host, role)| Status::new(host.to_owned(), role));
        let names: Vec<String> = peers(statuses.into()).into_iter().map(|peer| peer.name).collect();
        let expected = ["localhost:1978", "127.0.0.1", "127.0.0.1 #2", "[::1]", "(unix)", "(unix) #2"];
        assert_eq!(names, expected);
    }
}
