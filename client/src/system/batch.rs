//! One call for many keys on each of many nodes.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, try_join_all};

use crate::error::Error;
use crate::node::{Node, NodeError};

type Result<T> = std::result::Result<T, NodeError>;

/// What is done with many keys at once.
pub(super) trait Batch<'i> {
    /// A key, or a record.
    type Item: Copy + Send + Sync + 'i;
    /// What comes of each.
    type Output: Default + Send + 'i;

    fn run(node: &Node, items: &[Self::Item]) -> impl Future<Output = Result<Vec<Self::Output>>> + Send;
}

/// Reads values.
pub(super) struct Get;
/// Stores values.
pub(super) struct Put;
/// Stores values where there are none; says of each whether it did.
pub(super) struct PutKeep;
/// Removes records; says of each whether there was one.
pub(super) struct Delete;

impl<'i> Batch<'i> for Get {
    type Item = &'i [u8];
    type Output = Option<Bytes>;

    async fn run(node: &Node, keys: &[&'i [u8]]) -> Result<Vec<Option<Bytes>>> {
        node.get_many(keys).await
    }
}

impl<'i> Batch<'i> for Put {
    type Item = (&'i [u8], &'i [u8]);
    type Output = ();

    async fn run(node: &Node, records: &[(&'i [u8], &'i [u8])]) -> Result<Vec<()>> {
        node.put_many(records).await.map(|()| vec![(); records.len()])
    }
}

impl<'i> Batch<'i> for PutKeep {
    type Item = (&'i [u8], &'i [u8]);
    type Output = bool;

    async fn run(node: &Node, records: &[(&'i [u8], &'i [u8])]) -> Result<Vec<bool>> {
        node.put_keep_many(records).await
    }
}

impl<'i> Batch<'i> for Delete {
    type Item = &'i [u8];
    type Output = bool;

    async fn run(node: &Node, keys: &[&'i [u8]]) -> Result<Vec<bool>> {
        node.delete_many(keys).await
    }
}

/// The items for one node, with their places among all.
struct Group<'i, B: Batch<'i>> {
    node: &'i Arc<Node>,
    places: Vec<usize>,
    items: Vec<B::Item>,
}

/// Calls each node once, all at the same time, with those items that are for it. The outcomes are in the order of the
/// items.
pub(super) fn on_nodes<'i, B: Batch<'i> + 'i>(
    items: impl Iterator<Item = (&'i Arc<Node>, B::Item)>,
) -> BoxFuture<'i, std::result::Result<Vec<B::Output>, Error>> {
    let mut groups = HashMap::new();
    let mut count = 0;
    for (at, (node, item)) in items.enumerate() {
        let group = Group { node, places: Vec::new(), items: Vec::new() };
        let group: &mut Group<'i, B> = groups.entry(node.name()).or_insert(group);
        group.places.push(at);
        group.items.push(item);
        count = at + 1;
    }
    let calls = groups.into_values().map(|group| async move {
        let outcomes = B::run(group.node, &group.items).await?;
        Ok::<_, Error>((group.places, outcomes))
    });
    let calls = try_join_all(calls);
    // Boxed because the compiler cannot see otherwise that a caller's future may go from thread to thread.
    Box::pin(async move {
        let mut all: Vec<B::Output> = Vec::new();
        all.resize_with(count, B::Output::default);
        for (places, outcomes) in calls.await? {
            for (at, outcome) in places.into_iter().zip(outcomes) {
                all[at] = outcome;
            }
        }
        Ok(all)
    })
}
