//! Moves keys to where the storage ring would put them, while everybody goes on.
//!
//! 1. The lookup record of a key says that it is being moved, and until when: who wants to change the key waits.
//! 2. A moment passes in which changes end that had looked before.
//! 3. The value is copied, and the record says where the key is now: who waited goes on there.
//! 4. The copy that is left stays for a while, for what comes late; then it is removed. A record beside
//!    it says so, from before step 3 on: whoever moves keys after one that died removes what that has left.
//!
//! A reader finds the key all the time: at its new place, which it looks at first, or else where the record says. Who
//! moves keys may die at any moment: after the time that it had set itself, the next change of the key takes it back to
//! where it was, or the next mover goes on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lcnode_protocol::Items;
use tokio::time::sleep;

use super::batch::{Delete, Get, Put, on_nodes};
use super::many::Found;
use super::record::{Moving, Record, now};
use super::{Rings, System};
use crate::config::Kind;
use crate::error::Error;
use crate::node::{Node, ScanCursor};

/// How long changes may take to end that had looked where the key is before it was marked.
const GRACE: Duration = Duration::from_millis(600);
/// How long a mark is respected, which is less than changes wait for; and how long after its beginning nothing is begun
/// under it any more. What is between is for clocks that differ.
const LEASE: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(2));
/// How long a mover keeps others away after it was last seen.
const ABSENCE: Duration = Duration::from_secs(10);
/// How long a copy that is left stays, for changes that come late.
const LINGER: Duration = Duration::from_secs(2);

/// The key among lookup records that says which mover is at work, and until when.
pub(super) const LOCK: &[u8] = b"\0lightcloud-mover";

/// What the keys begin with under which a node has, for each batch, the keys that were moved away from it and whose
/// copies are still there: each as 4 bytes of length, highest first, and the key.
const COPIES: &[u8] = b"\0lightcloud-copies-";
/// What all keys begin with that are not of users.
pub(super) const OWN: &[u8] = b"\0lightcloud-";

/// Moves the keys of one node. Only one mover is at work in a system at a time.
#[derive(Debug)]
pub struct Mover {
    /// Tells it from others.
    id: u64,
    rings: Arc<Rings>,
    from: Arc<Node>,
    adopt: bool,
    cursor: ScanCursor,
    /// Keys that were met and do not belong here.
    guests: Vec<Bytes>,
    left: Vec<Left>,
    has_begun: bool,
    is_done: bool,
}

/// What has been copied and is still at its old place.
#[derive(Debug)]
struct Left {
    /// When it may go.
    due: Instant,
    records: Vec<(Bytes, Bytes)>,
    /// Under which key the node has the list of it.
    list: Bytes,
}

/// What one step of a mover did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Keys that were looked at.
    pub seen: u64,
    /// Keys that are at a new place now.
    pub moved: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Copies at old places that were removed.
    pub removed: u64,
    /// Values without a lookup record that stayed where they are: nothing finds them.
    pub orphans: u64,
    /// Values of keys that live on another node by their records, which is neither this one nor the one where the ring
    /// would put them: nothing finds these, and they stayed.
    pub strays: u64,
    /// Changes that came to the old place after the copy was made, and were carried after it.
    pub late: u64,
}

impl System {
    /// The names of all storage nodes.
    pub fn storage_nodes(&self) -> Vec<String> {
        let mut names: Vec<_> = self.rings().storage_nodes.keys().cloned().collect();
        names.sort();
        names
    }

    /// A mover of the keys of a storage node. All other clients must know the present configuration, and be of this
    /// crate. With `adopt`, a value without a lookup record is moved as well, unless there is one where it would go.
    pub fn mover(&self, node: &str, adopt: bool) -> Result<Mover, Error> {
        let rings = self.rings();
        let from = rings.storage_nodes.get(node).cloned();
        let from = from.ok_or_else(|| Error::NoNode(node.to_owned()))?;
        if let Some(other) = rings.storage_nodes.values().find(|node| node.config().kind != Kind::Tyrant) {
            return Err(Error::NotMovable(other.name().to_owned()));
        }
        let cursor = ScanCursor::default();
        let (guests, left) = (Vec::new(), Vec::new());
        Ok(Mover {
            id: fastrand::u64(..),
            rings,
            from,
            adopt,
            cursor,
            guests,
            left,
            has_begun: false,
            is_done: false,
        })
    }
}

impl std::ops::AddAssign for Moved {
    fn add_assign(&mut self, other: Self) {
        self.seen += other.seen;
        self.moved += other.moved;
        self.bytes += other.bytes;
        self.removed += other.removed;
        self.orphans += other.orphans;
        self.strays += other.strays;
        self.late += other.late;
    }
}

impl Mover {
    /// Moves some keys, up to `batch`; none when all that the node had are where they belong and what was left of them is
    /// removed. After an error it can be called again: [`Error::TooSlow`] asks for a smaller batch.
    pub async fn step(&mut self, batch: usize) -> Result<Option<Moved>, Error> {
        if !self.has_begun {
            self.lock().await?;
            self.take_over().await?;
            self.has_begun = true;
        }
        let mut done = self.clear(Instant::now()).await?;
        while self.guests.len() < batch && !self.is_done {
            match self.from.scan(&mut self.cursor).await? {
                None => self.is_done = true,
                Some(records) => {
                    done.seen += records.len() as u64;
                    let is_guest = |key: &Bytes| {
                        !Arc::ptr_eq(self.rings.storage(key), &self.from) && !key.starts_with(OWN)
                    };
                    self.guests.extend(records.into_iter().map(|(key, _)| key).filter(is_guest));
                }
            }
        }
        if !self.guests.is_empty() {
            self.lock().await?;
            let some: Vec<Bytes> = self.guests.iter().take(batch).cloned().collect();
            done += self.move_all(&some).await?;
            self.guests.drain(..some.len());
        } else if self.is_done {
            let Some(last) = self.left.iter().map(|left| left.due).max() else { return Ok(None) };
            sleep(last.saturating_duration_since(Instant::now())).await;
            done += self.clear(last).await?;
        }
        Ok(Some(done))
    }

    /// Says that this mover is at work; an error where another is.
    async fn lock(&mut self) -> Result<(), Error> {
        let lookup = self.rings.first_lookup(LOCK);
        let mine = format!("{}@{}", self.id, now() + ABSENCE.as_millis() as u64);
        for confirmed in [false, true] {
            let there = lookup.get(LOCK).await?;
            let text = there.as_deref().map(String::from_utf8_lossy);
            let (id, until) = text.as_deref().and_then(|text| text.split_once('@')).unwrap_or(("0", "0"));
            let left = until.parse::<u64>().unwrap_or(0).saturating_sub(now());
            let is_mine = id.parse() == Ok(self.id);
            if left > 0 && !is_mine {
                return Err(Error::OtherMover(Duration::from_millis(left)));
            }
            if confirmed {
                break;
            }
            lookup.put(LOCK, mine.as_bytes()).await?;
            if is_mine {
                break;
            }
            // Another one may have come at the same moment.
            sleep(GRACE).await;
        }
        Ok(())
    }

    /// Lets others work. A mover that is dropped without it keeps them waiting until its time is over.
    pub async fn unlock(self) -> Result<(), Error> {
        self.rings.first_lookup(LOCK).delete(LOCK).await?;
        Ok(())
    }

    /// Moves those of the keys whose records say that they are on this node.
    async fn move_all(&mut self, guests: &[Bytes]) -> Result<Moved, Error> {
        let rings = Arc::clone(&self.rings);
        let (mut done, start) = (Moved::default(), Instant::now());
        let keys: Vec<&[u8]> = guests.iter().map(|key| &key[..]).collect();
        let (mut own, mut unrecorded) = (Vec::new(), Vec::new());
        for (key, found) in keys.iter().zip(rings.locate_many(&keys).await?) {
            match found {
                Found::At(node) | Found::Moving(node) if Arc::ptr_eq(&node, &self.from) => own.push(*key),
                Found::Nothing if self.adopt => unrecorded.push(*key),
                Found::Nothing => done.orphans += 1,
                Found::At(..) | Found::Moving(..) => done.strays += 1,
            }
        }
        // One that is found where it would go is not replaced by what nothing finds.
        let there = on_nodes::<Get>(unrecorded.iter().map(|key| (rings.storage(key), *key))).await?;
        own.extend(unrecorded.iter().zip(&there).filter(|(_, value)| value.is_none()).map(|(key, _)| *key));
        done.strays += there.iter().filter(|value| value.is_some()).count() as u64;
        if own.is_empty() {
            return Ok(done);
        }
        let until = now() + LEASE.0.as_millis() as u64;
        let marks: Vec<(&[u8], Vec<u8>)> = own
            .iter()
            .map(|key| {
                let moving = Moving { to: rings.storage(key).name().to_owned(), until };
                (*key, Record { node: self.from.name().to_owned(), moving: Some(moving) }.bytes())
            })
            .collect();
        rings.put_records(&marks).await?;
        sleep(GRACE).await;
        let values = self.from.get_many(&own).await.map_err(Error::from)?;
        let there = own.iter().zip(&values).filter_map(|(key, value)| Some((*key, &value.as_ref()?[..])));
        let there: Vec<(&[u8], &[u8])> = there.collect();
        check_lease(start)?;
        on_nodes::<Put>(there.iter().map(|record| (rings.storage(record.0), *record))).await?;
        let list = self.list_copies(there.iter().map(|(key, _)| *key)).await?;
        check_lease(start)?;
        let names = there.iter().map(|(key, _)| (*key, rings.storage(key).name().as_bytes().to_vec()));
        rings.put_records(&names.collect::<Vec<_>>()).await?;
        // Deleted while it was being marked.
        let gone: Vec<&[u8]> =
            own.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(key, _)| *key).collect();
        on_nodes::<Delete>(gone.iter().map(|key| (rings.first_lookup(key), *key))).await?;
        done.moved += there.len() as u64;
        done.bytes += there.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
        let copied =
            there.iter().map(|(key, value)| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
        self.left.push(Left { due: Instant::now() + LINGER, records: copied.collect(), list });
        Ok(done)
    }

    /// Notes on the node which keys are moved away from it; says under which key.
    async fn list_copies(&self, keys: impl Iterator<Item = &[u8]>) -> Result<Bytes, Error> {
        let mut list = Vec::new();
        for key in keys {
            list.extend_from_slice(&u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes());
            list.extend_from_slice(key);
        }
        let name = [COPIES, format!("{:016x}", fastrand::u64(..)).as_bytes()].concat();
        self.from.put(&name, &list).await?;
        Ok(name.into())
    }

    /// Takes over what a mover before this one has left: copies of keys that it had moved away, unless they came back.
    async fn take_over(&mut self) -> Result<(), Error> {
        let lists = self.from.keys_from(COPIES).await?;
        for name in lists {
            let Some(list) = self.from.get(&name).await? else { continue };
            let keys: Vec<&[u8]> = Items::from_wire(&list).unwrap_or_default().iter().collect();
            let found = self.rings.locate_many(&keys).await?;
            let is_here = |found: &Found| matches!(found, Found::At(at) | Found::Moving(at) if Arc::ptr_eq(at, &self.from));
            let gone: Vec<&[u8]> =
                keys.iter().zip(&found).filter(|(_, found)| !is_here(found)).map(|(key, _)| *key).collect();
            let values = self.from.get_many(&gone).await?;
            let records = gone.iter().zip(values);
            let records =
                records.filter_map(|(key, value)| Some((Bytes::copy_from_slice(key), value?))).collect();
            self.left.push(Left { due: Instant::now() + LINGER, records, list: name });
        }
        Ok(())
    }

    /// Removes what was left long enough ago. Where a change came after the copy, it is carried after it, unless the
    /// key was changed at its new place as well.
    async fn clear(&mut self, now: Instant) -> Result<Moved, Error> {
        let mut done = Moved::default();
        let due: Vec<Left> = self.left.extract_if(.., |left| left.due <= now).collect();
        for Left { records, list, .. } in due {
            let keys: Vec<&[u8]> = records.iter().map(|(key, _)| &key[..]).collect();
            let present = self.from.get_many(&keys).await?;
            for ((key, copied), value) in records.iter().zip(&present) {
                if let Some(value) = value.as_ref().filter(|value| *value != copied) {
                    let home = self.rings.storage(key);
                    if home.get(key).await?.as_ref() == Some(copied) {
                        home.put(key, value).await?;
                        done.late += 1;
                    }
                }
            }
            let removed = self.from.delete_many(&keys).await?;
            done.removed += removed.into_iter().filter(|removed| *removed).count() as u64;
            self.from.delete(&list).await?;
        }
        Ok(done)
    }
}

/// An error where the marks are no longer respected for long enough.
fn check_lease(start: Instant) -> Result<(), Error> {
    if start.elapsed() > LEASE.1 { Err(Error::TooSlow(start.elapsed())) } else { Ok(()) }
}

impl Rings {
    /// Replaces the lookup records of many keys.
    async fn put_records(&self, records: &[(&[u8], Vec<u8>)]) -> Result<(), Error> {
        let items = records.iter().map(|(key, value)| (self.first_lookup(key), (*key, &value[..])));
        on_nodes::<Put>(items).await.map(drop)
    }
}
