//! Operations on lists. A list `K` is the record `ll_K`, as LightCloud has it.

use bytes::Bytes;
use tracing::instrument;

use super::{Rings, System};
use crate::error::Error;
use crate::list;

/// Under which key a list is.
fn record_of(key: &[u8]) -> Vec<u8> {
    [b"ll_", key].concat()
}

impl System {
    /// Makes an empty list, whatever was there.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn list_init(&self, key: &[u8]) -> Result<(), Error> {
        let (key, rings) = (record_of(key), self.rings());
        let _writing = self.begin_write(&rings, &key);
        Ok(rings.locate_or_init(&key).await?.list_init(&key).await?)
    }

    /// Appends items that are not in the list yet. One of more than `limit` + 100 items loses its oldest, so that
    /// `limit` are left; 200 where none is given. An item must not be empty or have a `~` in it. Nodes that speak the
    /// Tokyo Tyrant protocol need the script `list.lua`.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn list_add(&self, key: &[u8], items: &[&[u8]], limit: Option<usize>) -> Result<(), Error> {
        let (key, rings) = (record_of(key), self.rings());
        let _writing = self.begin_write(&rings, &key);
        Ok(rings.locate_or_init(&key).await?.list_add(&key, items, limit).await?)
    }

    /// Removes items, wherever in the list they are. Needs the script `list.lua` as well.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn list_remove(&self, key: &[u8], items: &[&[u8]]) -> Result<(), Error> {
        let (key, rings) = (record_of(key), self.rings());
        let _writing = self.begin_write(&rings, &key);
        Ok(rings.locate_or_init(&key).await?.list_remove(&key, items).await?)
    }

    /// Replaces the list by these items.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn list_set(&self, key: &[u8], items: &[&[u8]]) -> Result<(), Error> {
        let (key, rings) = (record_of(key), self.rings());
        let _writing = self.begin_write(&rings, &key);
        Ok(rings.locate_or_init(&key).await?.list_set(&key, items).await?)
    }

    /// The items of a list, oldest first; none where there is no list. Unlike LightCloud's clients, it makes no record
    /// of a place for a list that is not there.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn list_get(&self, key: &[u8]) -> Result<Vec<Bytes>, Error> {
        Ok(self.list(key).await?.unwrap_or_default())
    }

    /// Whether a list was made, be it empty; LightCloud's clients say no of an empty one.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn list_is_created(&self, key: &[u8]) -> Result<bool, Error> {
        Ok(self.list(key).await?.is_some())
    }

    /// Removes a list; says whether there was one.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn list_varnish(&self, key: &[u8]) -> Result<bool, Error> {
        self.delete(&record_of(key)).await
    }

    async fn list(&self, key: &[u8]) -> Result<Option<Vec<Bytes>>, Error> {
        let (key, rings) = (record_of(key), self.rings());
        let Some(cache) = &rings.cache else { return rings.list(&key).await };
        if let Some(value) = cache.get(&self.name, &key) {
            return Ok(Some(list::decode(&value)));
        }
        let reading = cache.begin_read(&self.name, &key);
        let items = rings.list(&key).await?;
        let value =
            items.as_ref().map(|items| list::encode(&items.iter().map(|item| &item[..]).collect::<Vec<_>>()));
        // Other clients may have put items into a list on Redis that have no place in one value.
        if let Some(Ok(value)) = value {
            cache.fill(&reading, &self.name, &key, &value);
        }
        Ok(items)
    }
}

impl Rings {
    async fn list(&self, key: &[u8]) -> Result<Option<Vec<Bytes>>, Error> {
        let home = self.storage(key);
        if let Some(items) = home.list_get(key).await? {
            return Ok(Some(items));
        }
        let Some(place) = self.locate(key).await? else { return Ok(None) };
        if let Some(items) = place.node.list_get(key).await? {
            return Ok(Some(items));
        }
        // It may have come here between the looks.
        Ok(home.list_get(key).await?)
    }
}
