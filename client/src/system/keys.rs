//! Operations on single keys.

use std::sync::Arc;

use bytes::Bytes;
use tracing::instrument;

use super::locate::LOOKS;
use super::{Rings, System};
use crate::error::Error;

impl System {
    /// The value of a key, where there is one.
    ///
    /// Requests: 1 where the key is on the node that the storage ring has for it, 3 where it is on another one or
    /// nowhere.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let rings = self.rings();
        let Some(cache) = &rings.cache else { return rings.get(key).await };
        if let Some(value) = cache.get(&self.name, key) {
            return Ok(Some(value));
        }
        let reading = cache.begin_read(&self.name, key);
        let value = rings.get(key).await?;
        if let Some(value) = &value {
            cache.fill(&reading, &self.name, key, value);
        }
        Ok(value)
    }

    /// Stores a value under a key, whatever was there.
    ///
    /// Requests: 2 where the key has a place already, at the same time where that is known; 4 where it is new.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn set(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let rings = self.rings();
        let writing = self.begin_write(&rings, key);
        rings.set(key, value).await?;
        if let Some(writing) = writing {
            writing.acknowledged(&self.name, key, value);
        }
        Ok(())
    }

    /// Removes a key, its value and the record of its place; says whether there was a value, as far as is known.
    ///
    /// Requests: 2 where it is on the node that the storage ring has for it.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn delete(&self, key: &[u8]) -> Result<bool, Error> {
        let rings = self.rings();
        let _writing = self.begin_write(&rings, key);
        rings.places.remove(key);
        let mut existed = rings.storage(key).delete(key).await?;
        if !existed {
            // Elsewhere, or being moved, or nowhere.
            let Some(place) = rings.locate_settled(key).await? else { return Ok(false) };
            existed = place.node.delete(key).await?;
        }
        rings.delete_record(key).await?;
        Ok(existed)
    }

    /// Adds to a counter and returns the sum; a counter that is not there begins at 0. A counter on nodes that speak the
    /// Tokyo Tyrant protocol is decimal text and needs the script `incr.lua` there.
    ///
    /// It is never made twice: where it is not known whether it was made, that is an error of which
    /// [`Error::may_be_done`] says so.
    #[instrument(level = "debug", skip_all, fields(system = %self.name))]
    pub async fn incr(&self, key: &[u8], delta: i64) -> Result<i64, Error> {
        let rings = self.rings();
        let _writing = self.begin_write(&rings, key);
        Ok(rings.locate_or_init(key).await?.incr(key, delta).await?)
    }
}

impl Rings {
    pub(super) async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        let home = self.storage(key);
        if let Some(value) = home.get(key).await? {
            return Ok(Some(value));
        }
        let Some(place) = self.locate(key).await? else { return Ok(None) };
        if !Arc::ptr_eq(&place.node, home)
            && let Some(value) = place.node.get(key).await?
        {
            return Ok(Some(value));
        }
        // It may have come here between the looks.
        Ok(home.get(key).await?)
    }

    async fn set(&self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        let (home, lookup) = (self.storage(key), self.first_lookup(key));
        let unrecorded = |error: Error| Error::Unrecorded(error.to_string());
        if self.places.knows(key) {
            // Another client may have deleted the key, and its record with it.
            let record = lookup.put_keep(key, home.name().as_bytes());
            let (put, recorded) = tokio::join!(home.put(key, value), record);
            put?;
            recorded.map_err(|error| unrecorded(error.into()))?;
            return Ok(());
        }
        let mut was_put = false;
        for _ in 0..LOOKS {
            if let Some(node) = self.locate_for_change(key).await? {
                if was_put && !Arc::ptr_eq(&node, home) {
                    // Somebody else has found another place for it meanwhile.
                    home.delete(key).await?;
                }
                return Ok(node.put(key, value).await?);
            }
            was_put = true;
            let (put, recorded) =
                tokio::join!(home.put(key, value), self.init_record(lookup, key, home.name()));
            put?;
            if recorded.map_err(unrecorded)? {
                self.places.add(key);
                return Ok(());
            }
        }
        Err(Error::Unsteady)
    }

    /// Removes the record of a key from the lookup node that has it.
    pub(super) async fn delete_record(&self, key: &[u8]) -> Result<(), Error> {
        for lookup in self.lookup(key).into_iter().flatten() {
            if lookup.delete(key).await? {
                break;
            }
        }
        Ok(())
    }
}
