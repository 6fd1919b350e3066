//! A walk over everything.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream};

use super::many::Found;
use super::moving::OWN;
use super::{Rings, System};
use crate::error::Error;
use crate::node::{Node, ScanCursor};

/// A walk over all records of a system, node by node. A record that is there all the time, and is not moved from one
/// node to another meanwhile, is met; where a replica fails on the way its node is begun anew, so that records are met
/// twice. What comes or goes meanwhile may be met or not.
#[derive(Debug)]
pub struct Scan {
    rings: Arc<Rings>,
    nodes: std::vec::IntoIter<Arc<Node>>,
    now: Option<(Arc<Node>, ScanCursor)>,
}

type Page = std::vec::IntoIter<(Bytes, Bytes)>;

impl System {
    /// A walk over all keys and values: those that operations find, not what is left of keys that live elsewhere now.
    pub fn scan(&self) -> Scan {
        let rings = self.rings();
        let mut nodes: Vec<_> = rings.storage_nodes.values().cloned().collect();
        nodes.sort_by(|a, b| a.name().cmp(b.name()));
        Scan { rings, nodes: nodes.into_iter(), now: None }
    }
}

impl Scan {
    /// Some more records, up to about a thousand; none at the end.
    pub async fn next_page(&mut self) -> Result<Option<Vec<(Bytes, Bytes)>>, Error> {
        loop {
            let Some((node, cursor)) = &mut self.now else {
                let Some(node) = self.nodes.next() else { return Ok(None) };
                self.now = Some((node, ScanCursor::default()));
                continue;
            };
            match node.scan(cursor).await? {
                None => self.now = None,
                Some(mut records) => {
                    let node = Arc::clone(node);
                    self.rings.keep_own(&node, &mut records).await?;
                    if !records.is_empty() {
                        return Ok(Some(records));
                    }
                }
            }
        }
    }

    /// The records one by one.
    pub fn records(self) -> impl Stream<Item = Result<(Bytes, Bytes), Error>> + Send {
        stream::unfold((self, Vec::new().into_iter()), |(scan, page)| scan.next_record(page))
    }

    /// One more record, and what is to be gone on with.
    async fn next_record(mut self, mut page: Page) -> Option<(Result<(Bytes, Bytes), Error>, (Self, Page))> {
        loop {
            if let Some(record) = page.next() {
                return Some((Ok(record), (self, page)));
            }
            match self.next_page().await {
                Ok(Some(records)) => page = records.into_iter(),
                Ok(None) => return None,
                Err(error) => {
                    // Nothing follows an error.
                    (self.now, self.nodes) = (None, Vec::new().into_iter());
                    return Some((Err(error), (self, page)));
                }
            }
        }
    }
}

impl Rings {
    /// Drops those records of a node whose keys live on another.
    async fn keep_own(&self, node: &Arc<Node>, records: &mut Vec<(Bytes, Bytes)>) -> Result<(), Error> {
        records.retain(|(key, _)| !key.starts_with(OWN));
        let guests: Vec<Bytes> = records
            .iter()
            .filter(|(key, _)| !Arc::ptr_eq(self.storage(key), node))
            .map(|(key, _)| key.clone())
            .collect();
        if guests.is_empty() {
            return Ok(());
        }
        let keys: Vec<&[u8]> = guests.iter().map(|key| &key[..]).collect();
        let mut found = self.locate_many(&keys).await?.into_iter();
        records.retain(|(key, _)| {
            Arc::ptr_eq(self.storage(key), node)
                || matches!(found.next(), Some(Found::At(at) | Found::Moving(at)) if Arc::ptr_eq(&at, node))
        });
        Ok(())
    }
}
