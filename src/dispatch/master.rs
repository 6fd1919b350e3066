//! The master that `-mhost` names and `setmst` replaces, and what `stat` says of it.

use lcnode::replication;
use lcnode::replication::original::position::{Place, Slot};
use lcnode::replication::status::{Role, Status};
use lcnode_protocol::{Command, Reply};
use lcnode_storage::Store;
use parking_lot::Mutex;

use super::{Node, Session, note};
use crate::config::{MasterAddress, ReplicationConfig};

/// Longest host name that `setmst` keeps, in bytes, as the original.
const MAX_HOST: usize = 1023;
/// Bit of the options: an entry of an original master with another outcome here ends the following of it.
const CHECK: u32 = 1;

/// The master that `-mhost` names and `setmst` replaces.
#[derive(Debug)]
pub struct NamedMaster {
    now: Mutex<Option<Named>>,
    /// Where to begin with an original server, where there is no position: the time stamp of `-rts`.
    begin: u64,
    /// Whether masters are followed at all.
    follow: bool,
    /// Those of `--master`, which are followed in any case.
    others: Vec<MasterAddress>,
    /// Held while one is replaced.
    replacing: Mutex<()>,
}

/// A master as it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    /// Name or address.
    host: String,
    /// Port as given.
    port: u32,
}

/// What `stat` says of a master.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Shown {
    pub(super) host: String,
    pub(super) port: u32,
    /// Microseconds: what the master changed up to then is here.
    pub(super) rts: u64,
    /// How long ago that is, in seconds.
    pub(super) delay: f64,
}

impl NamedMaster {
    /// As the node starts; `begin` is the time stamp of `-rts`.
    pub fn new(config: &ReplicationConfig, begin: u64) -> Self {
        let named = config.named_master.clone();
        let named = named.map(|master| Named { host: master.host, port: master.port.into() });
        let (follow, others) = (config.follow, config.masters.clone());
        Self { now: Mutex::new(named), begin, follow, others, replacing: Mutex::new(()) }
    }

    /// For `stat`, if there is one. Of an original the time stamp of the last entry is told, as an original
    /// slave does: `delay` grows while nothing changes there.
    pub(super) fn shown(&self, store: &Store, link: Option<&Status>) -> Option<Shown> {
        let Named { host, port } = self.now.lock().clone()?;
        let now = store.now();
        let rts = match link {
            Some(link) if link.role == Role::Master && link.sid != 0 => {
                now.saturating_sub((link.lag_seconds * 1e6) as u64)
            }
            _ => Slot::named().load(store).map_or(self.begin, |place| place.ts),
        };
        Some(Shown { host, port, rts, delay: now.saturating_sub(rts) as f64 / 1e6 })
    }
}

/// Follows another master than before, or none where the host is empty or the port 0. Masters of `--master`
/// stay.
pub(super) fn set_master(
    node: &Node,
    session: &mut Session,
    (host, port): (&[u8], u32),
    ts: u64,
    options: u32,
    reply: &mut impl Reply,
) {
    tracing::info!("doing setmst command");
    let host = String::from_utf8_lossy(&host[..host.len().min(MAX_HOST)]).into_owned();
    let named = (!host.is_empty() && port > 0).then_some(Named { host, port });
    let master = named.as_ref().filter(|_| node.master.follow).and_then(|named| {
        let Ok(port) = u16::try_from(named.port) else {
            tracing::error!("do_setmst: {} is no port; no one is followed there", named.port);
            return None;
        };
        if node.master.others.contains(&MasterAddress { host: named.host.clone(), port }) {
            tracing::info!("do_setmst: {}:{port} is followed already, as --master says", named.host);
            return None;
        }
        let (host, slot, begin) = (named.host.clone(), Slot::named(), node.master.begin);
        Some(replication::Master { host, port, slot, begin, check: options & CHECK != 0 })
    });
    match &named {
        Some(named) => tracing::info!("do_setmst: the master is {}:{} from now on", named.host, named.port),
        None => tracing::info!("do_setmst: there is no master from now on"),
    }
    let _replacing = node.master.replacing.lock();
    // The one before writes its position for the last time.
    node.replication.set_named(None);
    let mut placed = Ok(());
    if named.is_some() && ts > 0 {
        placed = Slot::named().save(&node.store, Place { ts, sid: 0 });
    }
    *node.master.now.lock() = named;
    if let Err(error) = placed {
        note(session, Command::SetMst, &error);
        return reply.failure();
    }
    node.replication.set_named(master);
    reply.success();
}
