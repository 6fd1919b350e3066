//! A walk over all records of the source.
//!
//! An lcnode is walked over by its own cursor. Any other server has but one iterator, which all its clients share: it
//! is set to a key that came last before each batch, so that another client that sets it does no harm. One that takes
//! keys from it during a batch does: nobody else should iterate meanwhile.

use bytes::Bytes;
use lightcloud::tyrant::{Answer, Items, Request};

use super::source::{Source, UNLOGGED};
use super::state::{Place, from_hex, to_hex};
use crate::context::Failure;

/// A key and its value.
pub type Record = (Bytes, Bytes);

/// Records that an lcnode is asked for at once.
const PAGE: &[u8] = b"1000";
/// Records that another server is asked for at once, at most and at first.
const MOST: usize = 256;
const FIRST: usize = 32;
/// Bytes that a batch should have, about.
const BATCH: usize = 4 << 20;
/// Keys that the iterator can be set to again: of these one will still be there.
const ANCHORS: usize = 16;
/// How often a walk is begun anew because none of them is.
const RESTARTS: u32 = 10;

/// A walk.
#[derive(Debug)]
pub struct Walk<'s> {
    source: &'s Source,
    at: At,
    /// Records of the next batch.
    size: usize,
    restarts: u32,
}

#[derive(Debug)]
enum At {
    Cursor(Vec<u8>),
    Behind(Vec<Vec<u8>>),
    End,
}

/// What a batch came to.
enum Batch {
    Records(Vec<Record>),
    /// The iterator was not where it was set to.
    Lost,
}

impl<'s> Walk<'s> {
    /// A walk from a place on.
    pub async fn start(source: &'s Source, place: &Place) -> Result<Self, Failure> {
        let hex = |text: &String| from_hex(text).ok_or("the place in the state file is no hex");
        let at = match place {
            Place::Cursor(cursor) => At::Cursor(hex(cursor)?),
            Place::Behind(keys) => At::Behind(keys.iter().map(hex).collect::<Result<_, _>>()?),
            Place::Start => {
                // Whoever does not know the function has to be walked over by the iterator.
                let is_known = source.server.misc("scan", UNLOGGED, [&b""[..], b"1"]).await?;
                match is_known.filter(|elements| !elements.is_empty()) {
                    Some(_) => At::Cursor(Vec::new()),
                    None => At::Behind(Vec::new()),
                }
            }
        };
        Ok(Self { source, at, size: FIRST, restarts: 0 })
    }

    /// Whether it is by the iterator that all clients share.
    pub fn is_by_iterator(&self) -> bool {
        matches!(self.at, At::Behind(_))
    }

    /// Where it is.
    pub fn place(&self) -> Place {
        match &self.at {
            At::Cursor(cursor) => Place::Cursor(to_hex(cursor)),
            At::Behind(keys) => Place::Behind(keys.iter().map(|key| to_hex(key)).collect()),
            At::End => Place::Start,
        }
    }

    /// Some more records; none at the end. Some come twice.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, Failure> {
        match &self.at {
            At::End => Ok(None),
            At::Cursor(cursor) => {
                let cursor = cursor.clone();
                self.page(&cursor).await.map(Some)
            }
            At::Behind(_) => self.batch().await,
        }
    }

    async fn page(&mut self, cursor: &[u8]) -> Result<Vec<Record>, Failure> {
        let server = &self.source.server;
        let elements = server.misc("scan", UNLOGGED, [cursor, PAGE]).await?.unwrap_or_default();
        let mut elements = elements.into_iter();
        let next = elements
            .next()
            .ok_or_else(|| format!("{}: misc scan failed there: its log says why", server.address()))?;
        let mut records = Vec::new();
        while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
            records.push((key, value));
        }
        self.at = if next.is_empty() { At::End } else { At::Cursor(next.to_vec()) };
        Ok(records)
    }

    async fn batch(&mut self) -> Result<Option<Vec<Record>>, Failure> {
        loop {
            let At::Behind(anchors) = &self.at else { return Ok(None) };
            let mut tried = Batch::Lost;
            if anchors.is_empty() {
                tried = self.records_behind(None).await?;
            }
            for anchor in anchors.iter().rev() {
                if let Batch::Lost = tried {
                    tried = self.records_behind(Some(anchor)).await?;
                }
            }
            match tried {
                Batch::Records(records) if records.is_empty() => {
                    self.at = At::End;
                    return Ok(None);
                }
                Batch::Records(records) => {
                    let bytes: usize = records.iter().map(|(key, value)| key.len() + value.len()).sum();
                    let mean = bytes / records.len();
                    self.size = (BATCH / mean.max(1)).clamp(1, MOST);
                    self.at = At::Behind(anchors_of(&records));
                    return Ok(Some(records));
                }
                Batch::Lost => {
                    self.restarts += 1;
                    if self.restarts > RESTARTS {
                        let address = self.source.server.address();
                        return Err(format!(
                            "{address}: the iterator was disturbed {RESTARTS} times, or records are removed faster \
                             than they are read: see that no other client iterates there, and run it again"
                        )
                        .into());
                    }
                    self.at = At::Behind(Vec::new());
                }
            }
        }
    }

    /// The records behind a key, or the first.
    async fn records_behind(&self, anchor: Option<&Vec<u8>>) -> Result<Batch, Failure> {
        let wire = anchor.map(|key| wire_of(key)).unwrap_or_default();
        let args = Items::from_wire(&wire).unwrap_or_default();
        let begin = Request::Misc { name: b"iterinit", options: UNLOGGED, args };
        let next = || Request::Misc { name: b"iternext", options: UNLOGGED, args: Items::EMPTY };
        let count = self.size + usize::from(anchor.is_some());
        let mut is_set = None;
        let mut records: Vec<Record> = Vec::new();
        let mut is_masked = false;
        let take = |_, answer: Answer<'_>| match (is_set, answer) {
            (None, Answer::List(_)) => is_set = Some(true),
            (None, _) => is_set = Some(false),
            (_, Answer::List(list)) => {
                let mut list = list.iter().map(Bytes::copy_from_slice);
                match (list.next(), list.next()) {
                    (Some(key), Some(value)) => records.push((key, value)),
                    // A key whose record is gone.
                    (Some(_), None) => {}
                    _ => is_masked = true,
                }
            }
            _ => {}
        };
        let requests = std::iter::once(begin).chain((0..count).map(|_| next()));
        self.source.server.pipeline(requests, take).await?;
        if is_masked {
            let address = self.source.server.address();
            return Err(format!("{address}: misc is masked there: start it without that mask").into());
        }
        let is_there = match anchor {
            None => true,
            Some(anchor) => is_set == Some(true) && records.first().is_some_and(|(key, _)| key == anchor),
        };
        if !is_there {
            return Ok(Batch::Lost);
        }
        if anchor.is_some() {
            records.remove(0);
        }
        Ok(Batch::Records(records))
    }
}

/// The keys of a batch that the iterator can be set to again. An empty key would kill an original.
fn anchors_of(records: &[Record]) -> Vec<Vec<u8>> {
    let keys = records.iter().map(|(key, _)| key).filter(|key| !key.is_empty());
    let mut keys: Vec<_> = keys.rev().take(ANCHORS).map(|key| key.to_vec()).collect();
    keys.reverse();
    keys
}

fn wire_of(key: &[u8]) -> Vec<u8> {
    // No key is longer than 256 MiB.
    let size = u32::try_from(key.len()).unwrap_or(u32::MAX);
    [&size.to_be_bytes()[..], key].concat()
}
