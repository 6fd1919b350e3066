//! How a server stands to the others of its node, by its own account in `stat`.

use std::fmt;
use std::time::Duration;

use crate::stat::{Peer, Stat};

/// A leader tells of its log's end at least this often; what it wrote since is not known to who follows.
const UNHEARD: Duration = Duration::from_millis(1200);

/// How a server stands to those that it follows, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It follows nobody.
    Alone,
    /// In step, and all records were compared and are the same.
    Agrees,
    /// In step, and not compared, as after a start or while much is written.
    InStep,
    /// Without a connection to one that it follows.
    Unconnected,
    /// It lacks what another has.
    Behind,
    /// It has other records than another, or has stopped to follow it.
    Differs,
}

/// Those that a server follows.
pub fn masters(stat: &Stat) -> impl Iterator<Item = Peer> {
    stat.peers().into_iter().filter(Peer::is_master)
}

/// How long a server was not in step with one that it follows.
pub fn lag(peer: &Peer) -> Duration {
    Duration::try_from_secs_f64(peer.lag_seconds).unwrap_or(Duration::MAX)
}

impl Standing {
    /// Of a server, by its `stat`: the worst to any that it follows.
    pub fn of(stat: &Stat) -> Self {
        masters(stat).map(|peer| Self::to(&peer)).max().unwrap_or(Self::Alone)
    }

    fn to(peer: &Peer) -> Self {
        match (&peer.state[..], &peer.agrees[..]) {
            ("stopped", _) | ("live", "no") => Self::Differs,
            ("live", "yes") => Self::Agrees,
            ("live", _) => Self::InStep,
            ("waiting" | "connecting", _) => Self::Unconnected,
            _ => Self::Behind,
        }
    }
}

/// Whether a server has all that those it follows had `ago`, as far as it is connected to them.
pub fn has_what_was(stat: &Stat, ago: Duration) -> bool {
    let has = |peer: Peer| peer.state == "live" && lag(&peer).saturating_add(UNHEARD) <= ago;
    masters(stat).all(|peer| Standing::to(&peer) == Standing::Unconnected || has(peer))
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alone => "alone",
            Self::Agrees => "agrees",
            Self::InStep => "in step",
            Self::Unconnected => "unconnected",
            Self::Behind => "behind",
            Self::Differs => "differs",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(peers: &[(&str, &str, &str, &str)]) -> Stat {
        let lines = peers.iter().enumerate().map(|(at, (role, state, agrees, lag))| {
            let at = at + 1;
            format!(
                "peer_{at}_host h:1\npeer_{at}_role {role}\npeer_{at}_state {state}\npeer_{at}_agrees {agrees}\n\
                 peer_{at}_lag_seconds {lag}\n"
            )
        });
        Stat::of(&lines.collect::<String>())
    }

    #[test]
    fn the_worst_peer_decides() {
        for (peers, standing) in [
            (&[][..], Standing::Alone),
            (&[("follower", "live", "unknown", "0")], Standing::Alone),
            (&[("master", "live", "yes", "0")], Standing::Agrees),
            (&[("master", "live", "yes", "0"), ("follower", "waiting", "no", "0")], Standing::Agrees),
            (&[("master", "live", "yes", "0"), ("master", "live", "unknown", "0")], Standing::InStep),
            (&[("master", "waiting", "unknown", "0")], Standing::Unconnected),
            (&[("master", "full-sync", "unknown", "0")], Standing::Behind),
            (&[("original-master", "catching-up", "unknown", "0")], Standing::Behind),
            (&[("master", "live", "no", "0"), ("master", "waiting", "unknown", "0")], Standing::Differs),
            (&[("master", "stopped", "unknown", "0")], Standing::Differs),
        ] {
            assert_eq!(Standing::of(&stat(peers)), standing, "{peers:?}");
        }
    }

    #[test]
    fn what_was_is_there_once_the_lag_is_younger() {
        let ago = Duration::from_secs(3);
        for (peer, has) in [
            (("master", "live", "unknown", "0.000"), true),
            (("master", "live", "unknown", "1.500"), true),
            (("master", "live", "unknown", "2.500"), false),
            (("master", "live", "unknown", "-1"), false),
            (("master", "full-sync", "unknown", "0.000"), false),
            (("master", "waiting", "unknown", "9.000"), true),
        ] {
            assert_eq!(has_what_was(&stat(&[peer]), ago), has, "{peer:?}");
        }
        assert!(!has_what_was(&stat(&[("master", "live", "unknown", "0.000")]), Duration::from_millis(100)));
    }
}
