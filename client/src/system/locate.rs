//! Where a key is.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::record::Record;
use super::{Rings, System};
use crate::error::Error;
use crate::node::Node;

/// How long what a record said may be acted upon by a change: a key may be moved after half of the time that who
/// moves it grants.
const CURRENT: Duration = Duration::from_millis(250);
/// How often a change looks again where it was overtaken.
pub(super) const LOOKS: usize = 20;

/// Where a key is, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The first two nodes that the lookup ring has for the key: those that are looked at.
    pub lookup: Vec<String>,
    /// What the record says, as text; none where there is no record.
    pub record: Option<String>,
    /// Which of the two lookup nodes has the record.
    pub at: Option<usize>,
    /// The node that the storage ring has for the key: where it would go were it new.
    pub ring: String,
}

/// What was found out about a key.
pub(super) struct Place {
    pub(super) node: Arc<Node>,
    record: Record,
    /// When it was asked.
    since: Instant,
}

impl Rings {
    /// Where the record of a key says that it is: at most two looks. A record that was found on the second node moves
    /// to the first.
    pub(super) async fn locate(&self, key: &[u8]) -> Result<Option<Place>, Error> {
        for (at, lookup) in self.lookup(key).into_iter().flatten().enumerate() {
            let since = Instant::now();
            let Some(bytes) = lookup.get(key).await? else { continue };
            let Some(record) = Record::parse(&bytes).filter(|_| !bytes.is_empty()) else { continue };
            let Some(node) = self.storage_nodes.get(&record.node) else {
                tracing::warn!(node = record.node, "a lookup record names a node that is not configured");
                continue;
            };
            if at == 1 && record.moving.is_none() {
                self.repair(key, &bytes).await?;
            }
            return Ok(Some(Place { node: Arc::clone(node), record, since }));
        }
        Ok(None)
    }

    /// Moves a record from the second lookup node of its key to the first, which the ring has gained since.
    pub(super) async fn repair(&self, key: &[u8], record: &[u8]) -> Result<(), Error> {
        if let [Some(first), Some(second)] = self.lookup(key) {
            // Somebody else may have made one there meanwhile, which is newer.
            first.put_keep(key, record).await?;
            second.delete(key).await?;
        }
        Ok(())
    }

    /// The same for a change: a key that is being moved is waited for.
    pub(super) async fn locate_settled(&self, key: &[u8]) -> Result<Option<Place>, Error> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(2);
        loop {
            let Some(place) = self.locate(key).await? else { return Ok(None) };
            let Some(left) = place.record.moving.as_ref().and_then(|moving| moving.left()) else {
                return Ok(Some(place));
            };
            if start.elapsed() > self.config.server.timeout {
                return Err(Error::Moving(start.elapsed(), left));
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }

    /// The node that a change of a key goes to; none where the key is nowhere yet.
    pub(super) async fn locate_for_change(&self, key: &[u8]) -> Result<Option<Arc<Node>>, Error> {
        let home = self.storage(key);
        for _ in 0..LOOKS {
            let Some(place) = self.locate_settled(key).await? else { return Ok(None) };
            if Arc::ptr_eq(&place.node, home) {
                self.places.add(key);
                return Ok(Some(place.node));
            }
            if let Some(moving) = &place.record.moving {
                tracing::warn!(to = moving.to, "a key was to be moved, and who did so gave up");
                // It may have got as far as making a copy, which readers would find first.
                home.delete(key).await?;
                self.put_record(key, &place.record.node).await?;
            }
            if place.since.elapsed() < CURRENT {
                return Ok(Some(place.node));
            }
        }
        Err(Error::Unsteady)
    }

    /// The node that a change of a key goes to; a key that is nowhere yet gets its place.
    pub(super) async fn locate_or_init(&self, key: &[u8]) -> Result<Arc<Node>, Error> {
        for _ in 0..LOOKS {
            if let Some(node) = self.locate_for_change(key).await? {
                return Ok(node);
            }
            let node = self.storage(key);
            if let [Some(first), _] = self.lookup(key)
                && self.init_record(first, key, node.name()).await?
            {
                return Ok(Arc::clone(node));
            }
        }
        Err(Error::Unsteady)
    }

    /// Makes the record of a key that has none; false where somebody else did so meanwhile.
    pub(super) async fn init_record(&self, lookup: &Node, key: &[u8], name: &str) -> Result<bool, Error> {
        if lookup.put_keep(key, name.as_bytes()).await? {
            return Ok(true);
        }
        // A record that names no node is as good as none.
        let there = lookup.get(key).await?.and_then(|bytes| Record::parse(&bytes));
        if there.is_some_and(|record| !self.storage_nodes.contains_key(&record.node)) {
            lookup.put(key, name.as_bytes()).await?;
            return Ok(true);
        }
        Ok(false)
    }

    async fn put_record(&self, key: &[u8], name: &str) -> Result<(), Error> {
        if let [Some(first), _] = self.lookup(key) {
            first.put(key, name.as_bytes()).await?;
        }
        Ok(())
    }
}

impl System {
    /// Where a key is by both rings. Nothing is changed, no record repaired.
    pub async fn locate(&self, key: &[u8]) -> Result<Location, Error> {
        let rings = self.rings();
        let mut found = (None, None);
        for (at, lookup) in rings.lookup(key).into_iter().flatten().enumerate() {
            if let Some(record) = lookup.get(key).await? {
                found = (Some(at), Some(String::from_utf8_lossy(&record).into_owned()));
                break;
            }
        }
        let lookup = rings.lookup(key).into_iter().flatten().map(|node| node.name().to_owned()).collect();
        Ok(Location { lookup, at: found.0, record: found.1, ring: rings.storage(key).name().to_owned() })
    }
}
