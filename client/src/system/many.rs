//! Operations on many keys: all nodes are asked at once, each for all that it has in one go.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use tracing::instrument;

use super::batch::{Delete, Get, Put, PutKeep, on_nodes};
use super::record::Record;
use super::{Rings, System};
use crate::error::Error;
use crate::node::Node;

/// Keys that are worked on one by one at the same time, where they cannot be worked on together.
const AT_ONCE: usize = 32;

/// What a lookup record says of each of many keys.
pub(super) enum Found {
    /// There is none, or one that names no node.
    Nothing,
    /// The node that has it.
    At(Arc<Node>),
    /// The node that has it still: it is being moved.
    Moving(Arc<Node>),
}

impl System {
    /// The values of many keys, in their order.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn get_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<Option<Bytes>>, Error> {
        let rings = self.rings();
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        let Some(cache) = &rings.cache else { return rings.get_many(&keys).await };
        let mut values: Vec<_> = keys.iter().map(|key| cache.get(&self.name, key)).collect();
        let unknown: Vec<usize> = (0..keys.len()).filter(|&at| values[at].is_none()).collect();
        let asked: Vec<&[u8]> = unknown.iter().map(|&at| keys[at]).collect();
        let readings: Vec<_> = asked.iter().map(|key| cache.begin_read(&self.name, key)).collect();
        let read = rings.get_many(&asked).await?;
        for ((at, reading), value) in unknown.into_iter().zip(&readings).zip(read) {
            if let Some(value) = &value {
                cache.fill(reading, &self.name, keys[at], value);
            }
            values[at] = value;
        }
        Ok(values)
    }

    /// Stores many values, each under its key. Where it fails, some may have been stored.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn set_many<K: AsRef<[u8]>, V: AsRef<[u8]>>(&self, records: &[(K, V)]) -> Result<(), Error> {
        let rings = self.rings();
        // Of two with one key the last one is to stay, whatever the order on the way.
        let last: HashMap<&[u8], &[u8]> =
            records.iter().map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
        let records: Vec<(&[u8], &[u8])> = last.into_iter().collect();
        let writings: Vec<_> = records.iter().map(|(key, _)| self.begin_write(&rings, key)).collect();
        rings.set_many(&records).await?;
        for (writing, (key, value)) in writings.into_iter().zip(&records) {
            if let Some(writing) = writing {
                writing.acknowledged(&self.name, key, value);
            }
        }
        Ok(())
    }

    /// Removes many keys; says of each whether there was a value, as far as is known.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn delete_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<bool>, Error> {
        let rings = self.rings();
        let keys: Vec<&[u8]> = keys.iter().map(AsRef::as_ref).collect();
        let _writings: Vec<_> = keys.iter().map(|key| self.begin_write(&rings, key)).collect();
        let mut existed = on_nodes::<Delete>(keys.iter().map(|key| (rings.storage(key), *key))).await?;
        let gone = |existed: &[bool]| -> Vec<usize> { (0..keys.len()).filter(|&at| existed[at]).collect() };
        let at_home: Vec<&[u8]> = gone(&existed).into_iter().map(|at| keys[at]).collect();
        rings.delete_records(&at_home).await?;
        // Elsewhere, or being moved, or nowhere.
        let others: Vec<usize> = (0..keys.len()).filter(|&at| !existed[at]).collect();
        // Boxed, and before anything is awaited: see `on_nodes`.
        let one_by_one: Vec<BoxFuture<'_, Result<_, Error>>> = others
            .into_iter()
            .map(|at| {
                let key = keys[at];
                Box::pin(async move { Ok((at, self.delete(key).await?)) }) as BoxFuture<'_, _>
            })
            .collect();
        let mut done = stream::iter(one_by_one).buffer_unordered(AT_ONCE);
        while let Some((at, was_there)) = done.try_next().await? {
            existed[at] = was_there;
        }
        Ok(existed)
    }
}

impl Rings {
    async fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>, Error> {
        let mut values = on_nodes::<Get>(keys.iter().map(|key| (self.storage(key), *key))).await?;
        let missing: Vec<usize> = (0..keys.len()).filter(|&at| values[at].is_none()).collect();
        if missing.is_empty() {
            return Ok(values);
        }
        let elsewhere: Vec<&[u8]> = missing.iter().map(|&at| keys[at]).collect();
        let found = self.locate_many(&elsewhere).await?;
        let there: Vec<(usize, &Arc<Node>)> = missing
            .iter()
            .zip(&found)
            .filter_map(|(&at, found)| match found {
                Found::Nothing => None,
                Found::At(node) | Found::Moving(node) => Some((at, node)),
            })
            .collect();
        let second = on_nodes::<Get>(there.iter().map(|(at, node)| (*node, keys[*at]))).await?;
        for ((at, _), value) in there.into_iter().zip(second) {
            values[at] = match value {
                Some(value) => Some(value),
                // It may have been moved between the looks.
                None => self.get(keys[at]).await?,
            };
        }
        Ok(values)
    }

    async fn set_many(&self, records: &[(&[u8], &[u8])]) -> Result<(), Error> {
        let keys: Vec<&[u8]> = records.iter().map(|(key, _)| *key).collect();
        let found = self.locate_many(&keys).await?;
        let new: Vec<(&[u8], &[u8])> = keys
            .iter()
            .zip(&found)
            .filter(|(_, found)| matches!(found, Found::Nothing))
            .map(|(key, _)| (*key, self.storage(key).name().as_bytes()))
            .collect();
        let made =
            on_nodes::<PutKeep>(new.iter().map(|record| (self.first_lookup(record.0), *record))).await?;
        let mut made = made.into_iter();
        let mut together = Vec::new();
        let mut one_by_one = Vec::new();
        for ((key, value), found) in records.iter().zip(&found) {
            let home = self.storage(key);
            match found {
                Found::Nothing if made.next() == Some(true) => together.push((home, (*key, *value))),
                // A key that may be moved any moment is located just before it is stored.
                Found::At(node) if Arc::ptr_eq(node, home) => together.push((home, (*key, *value))),
                _ => one_by_one.push((*key, *value)),
            }
        }
        on_nodes::<Put>(together.into_iter()).await?;
        let each: Vec<BoxFuture<'_, Result<_, Error>>> = one_by_one
            .into_iter()
            .map(|(key, value)| {
                let put = async move {
                    let node = self.locate_or_init(key).await?;
                    Ok(node.put(key, value).await?)
                };
                Box::pin(put) as BoxFuture<'_, _>
            })
            .collect();
        stream::iter(each).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// What the records of many keys say. Those that were found on the second lookup node move to the first.
    pub(super) async fn locate_many(&self, keys: &[&[u8]]) -> Result<Vec<Found>, Error> {
        let mut found: Vec<Found> = keys.iter().map(|_| Found::Nothing).collect();
        let mut left: Vec<usize> = (0..keys.len()).collect();
        for at in 0..2 {
            left.retain(|&key| self.lookup(keys[key])[at].is_some());
            let asked = left.iter().filter_map(|&key| Some((self.lookup(keys[key])[at]?, keys[key])));
            let records = on_nodes::<Get>(asked).await?;
            let mut missing = Vec::new();
            for (key, bytes) in left.into_iter().zip(records) {
                match bytes.as_deref().and_then(|bytes| self.understand(bytes)) {
                    Some(understood) => {
                        if at == 1 && matches!(understood, Found::At(..)) {
                            self.repair(keys[key], bytes.as_deref().unwrap_or_default()).await?;
                        }
                        found[key] = understood;
                    }
                    None => missing.push(key),
                }
            }
            left = missing;
        }
        Ok(found)
    }

    fn understand(&self, bytes: &[u8]) -> Option<Found> {
        let record = Record::parse(bytes)?;
        let node = Arc::clone(self.storage_nodes.get(&record.node)?);
        Some(if record.moving.is_some() { Found::Moving(node) } else { Found::At(node) })
    }

    /// The lookup node that the record of a key is made on.
    pub(super) fn first_lookup(&self, key: &[u8]) -> &Arc<Node> {
        // The ring is of the names of these nodes.
        &self.lookup_nodes[self.lookup.node(key)]
    }

    /// Removes the records of keys from the lookup nodes that have them.
    async fn delete_records(&self, keys: &[&[u8]]) -> Result<(), Error> {
        let mut left = keys.to_vec();
        for at in 0..2 {
            left.retain(|key| self.lookup(key)[at].is_some());
            let asked = left.iter().filter_map(|key| Some((self.lookup(key)[at]?, *key)));
            let gone = on_nodes::<Delete>(asked).await?;
            left = left.into_iter().zip(gone).filter(|(_, gone)| !gone).map(|(key, _)| key).collect();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Address, Config, LightCloud, NodeConfig, Role};

    fn is_send<T: Send>(_: &T) {}

    #[test]
    fn calls_may_go_to_tasks_of_their_own() {
        let node = |name, role| NodeConfig::new(name, role, [Address::tcp(name, 1)]);
        let nodes = vec![node("lookup", Role::Lookup), node("storage", Role::Storage)];
        let cloud = LightCloud::new(Config { nodes, ..Config::default() }).unwrap();
        // That this compiles is what is tested.
        is_send(&cloud.get_many(&["a"]));
        is_send(&cloud.set_many(&[(&b"a"[..], &b"b"[..])]));
        is_send(&cloud.delete_many(&[&b"a"[..]]));
        let call = async {
            cloud.set_many(&[(&b"a"[..], &b"b"[..])]).await?;
            cloud.delete_many(&[&b"a"[..]]).await
        };
        is_send(&call);
    }
}
