//! Brings lookup records to where the lookup ring has them, after it has grown or before it shrinks.
//!
//! A record is found on the first two lookup nodes of its key. A lookup node that is added becomes the first of some
//! keys, whose records are second then; the next one could push them out of sight, were they not moved before.

use std::sync::Arc;

use bytes::Bytes;

use super::batch::{Delete, PutKeep, on_nodes};
use super::moving::LOCK;
use super::record::Record;
use super::{Rings, System};
use crate::error::Error;
use crate::node::{Node, ScanCursor};

/// Brings the records of one lookup node to where they belong.
#[derive(Debug)]
pub struct Sweeper {
    rings: Arc<Rings>,
    from: Arc<Node>,
    keep: bool,
    cursor: ScanCursor,
}

/// What one step of a sweeper did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Records that were looked at.
    pub seen: u64,
    /// Records that belong to another node, and are there now.
    pub brought: u64,
}

impl System {
    /// The names of all lookup nodes.
    pub fn lookup_nodes(&self) -> Vec<String> {
        let mut names: Vec<_> = self.rings().lookup_nodes.keys().cloned().collect();
        names.sort();
        names
    }

    /// A sweeper of the records of a lookup node. With `keep` what it brings elsewhere stays here as well: for a node
    /// that is to be taken off the ring, while clients still look at it.
    pub fn sweeper(&self, node: &str, keep: bool) -> Result<Sweeper, Error> {
        let rings = self.rings();
        let from = rings.lookup_nodes.get(node).cloned();
        let from = from.ok_or_else(|| Error::NoNode(node.to_owned()))?;
        Ok(Sweeper { rings, from, keep, cursor: ScanCursor::default() })
    }
}

impl Sweeper {
    /// Brings some more records to where they belong; none at the end. A record that is there already stays: it is
    /// newer.
    pub async fn step(&mut self) -> Result<Option<Swept>, Error> {
        let Some(records) = self.from.scan(&mut self.cursor).await? else { return Ok(None) };
        let seen = records.len() as u64;
        let is_moving = |record: &Bytes| Record::parse(record).is_some_and(|record| record.moving.is_some());
        let is_away = |key: &Bytes| key != LOCK && !Arc::ptr_eq(self.rings.first_lookup(key), &self.from);
        let away: Vec<&(Bytes, Bytes)> =
            records.iter().filter(|(key, record)| is_away(key) && !is_moving(record)).collect();
        let puts = away.iter().map(|(key, record)| (self.rings.first_lookup(key), (&key[..], &record[..])));
        on_nodes::<PutKeep>(puts).await?;
        if !self.keep {
            on_nodes::<Delete>(away.iter().map(|(key, _)| (&self.from, &key[..]))).await?;
        }
        Ok(Some(Swept { seen, brought: away.len() as u64 }))
    }
}
