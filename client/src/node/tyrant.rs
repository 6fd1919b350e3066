//! A node of servers that speak the Tokyo Tyrant protocol.

use std::str;

use bytes::Bytes;
use futures_util::future::try_join_all;
use lcnode_protocol::binary::client::Answer;
use lcnode_protocol::request::Request;

use super::error::NodeErrorKind;
use super::replicas::{Fault, Replicas};
use super::{Record, ScanCursor};
use crate::config::{Config, NodeConfig, ReadFrom};
use crate::list;
use crate::tyrant::{ErrorKind, Server, ServerError};

type Result<T> = std::result::Result<T, NodeErrorKind>;

/// Locks the record while a function of the scripts runs.
const RECORD_LOCK: u32 = 1;
/// Keys of a server that cannot walk in pages of which the values are read at once.
const PAGE: usize = 1000;
/// Records of a page, at most.
const SCANNED: &[u8] = b"1000";

#[derive(Debug)]
pub(super) struct TyrantNode {
    servers: Vec<Server>,
    replicas: Replicas,
    read_from: ReadFrom,
}

/// Whether a call whose outcome is not known may be made again, on another replica.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// It does the same twice as once.
    Always,
    /// Only where it is known not to have been carried out.
    IfNotDone,
}

/// Makes a call on one replica after the other, as long as another may do better.
macro_rules! attempt {
    ($node:expr, $first:expr, $repeat:expr, $server:ident => $call:expr) => {{
        let mut last = None;
        let mut outcome = None;
        for number in $node.replicas.tries($first) {
            let Some($server) = $node.servers.get(number) else { continue };
            match $call.await {
                Ok(value) => {
                    $node.replicas.answered(number);
                    outcome = Some(value);
                    break;
                }
                Err(error) => {
                    let goes_on = $node.note(number, &error, $repeat);
                    last = Some(error);
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        match (outcome, last) {
            (Some(value), _) => Ok(value),
            (None, Some(error)) => Err(NodeErrorKind::from(error)),
            (None, None) => Err(NodeErrorKind::from($node.nobody())),
        }
    }};
}

impl TyrantNode {
    pub(super) fn new(config: &NodeConfig, cluster: &Config) -> Self {
        let addresses = config.replicas.iter().take(Replicas::MAX).cloned();
        let servers: Vec<_> = addresses.map(|address| Server::new(address, cluster.server.clone())).collect();
        let replicas = Replicas::new(servers.len());
        Self { servers, replicas, read_from: cluster.read_from }
    }

    /// Takes note of a failure; says whether another replica is to be tried.
    fn note(&self, number: usize, error: &ServerError, repeat: Repeat) -> bool {
        if !error.is_of_transport() {
            return false;
        }
        tracing::warn!(%error, "a replica failed");
        self.replicas.failed(number);
        repeat == Repeat::Always || !error.may_be_done()
    }

    /// The error of a node of which no server is to be had.
    fn nobody(&self) -> ServerError {
        let address = self.servers.first().map(|server| server.address().clone());
        let address = address.unwrap_or_else(|| crate::Address::tcp("nowhere", 0));
        ServerError { address, kind: ErrorKind::Closed, may_be_done: false }
    }

    fn written(&self, key: &[u8]) -> usize {
        self.replicas.preferred(key)
    }

    fn read(&self, key: &[u8]) -> usize {
        match self.read_from {
            ReadFrom::Preferred => self.replicas.preferred(key),
            ReadFrom::Any => self.replicas.any(),
        }
    }

    pub(super) async fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        attempt!(self, self.read(key), Repeat::Always, server => server.get(key))
    }

    pub(super) async fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        attempt!(self, self.written(key), Repeat::Always, server => server.put(key, value))
    }

    pub(super) async fn put_keep(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        attempt!(self, self.written(key), Repeat::Always, server => server.put_keep(key, value))
    }

    pub(super) async fn delete(&self, key: &[u8]) -> Result<bool> {
        attempt!(self, self.written(key), Repeat::Always, server => server.out(key))
    }

    pub(super) async fn incr(&self, key: &[u8], delta: i64) -> Result<i64> {
        let sum = self.call(key, "incr", key, delta.to_string().as_bytes()).await?;
        let text = str::from_utf8(&sum).ok();
        let number = text.and_then(|text| text.parse().ok());
        number.ok_or_else(|| NodeErrorKind::NotANumber(String::from_utf8_lossy(&sum).into_owned()))
    }

    pub(super) async fn list_init(&self, key: &[u8]) -> Result<()> {
        self.put(key, b"").await
    }

    pub(super) async fn list_add(&self, key: &[u8], items: &[&[u8]], limit: Option<usize>) -> Result<()> {
        let value = list::encode(items).map_err(NodeErrorKind::Item)?;
        let limited = limit.map(|limit| [limit.to_string().as_bytes(), b"|", key].concat());
        self.call(key, "list_add", limited.as_deref().unwrap_or(key), &value).await.map(drop)
    }

    pub(super) async fn list_remove(&self, key: &[u8], items: &[&[u8]]) -> Result<()> {
        let value = list::encode(items).map_err(NodeErrorKind::Item)?;
        self.call(key, "list_remove", key, &value).await.map(drop)
    }

    pub(super) async fn list_set(&self, key: &[u8], items: &[&[u8]]) -> Result<()> {
        let value = list::encode(items).map_err(NodeErrorKind::Item)?;
        self.put(key, &value).await
    }

    pub(super) async fn list_get(&self, key: &[u8]) -> Result<Option<Vec<Bytes>>> {
        Ok(self.get(key).await?.map(|value| list::decode(&value)))
    }

    /// Calls a function of the scripts on the replica that `key` prefers.
    async fn call(&self, key: &[u8], function: &'static str, argument: &[u8], value: &[u8]) -> Result<Bytes> {
        let first = self.written(key);
        let called =
            attempt!(self, first, Repeat::IfNotDone, server => ext(server, function, argument, value))?;
        called.map_err(|address| NodeErrorKind::Script { address, function })
    }

    pub(super) async fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        let groups = self.groups(keys.iter().map(|key| self.read(key)));
        let each = groups.iter().map(|(first, members)| self.get_group(*first, keys, members));
        Ok(self.scatter(keys.len(), &groups, try_join_all(each).await?))
    }

    async fn get_group(&self, first: usize, keys: &[&[u8]], members: &[usize]) -> Result<Vec<Option<Bytes>>> {
        let requests = || members.iter().map(|at| Request::Get { key: keys[*at] });
        attempt!(self, first, Repeat::Always, server => answers(server, requests(), |answer| match answer {
            Answer::Value(value) => Some(Some(Bytes::copy_from_slice(value))),
            Answer::Failure => Some(None),
            _ => None,
        }))
    }

    pub(super) async fn put_many(&self, records: &[(&[u8], &[u8])]) -> Result<()> {
        let groups = self.groups(records.iter().map(|(key, _)| self.written(key)));
        let each = groups.iter().map(|(first, members)| self.put_group(*first, records, members));
        try_join_all(each).await.map(drop)
    }

    async fn put_group(&self, first: usize, records: &[(&[u8], &[u8])], members: &[usize]) -> Result<()> {
        let requests = || {
            members.iter().map(|at| {
                let (key, value) = records[*at];
                Request::Put { key, value }
            })
        };
        attempt!(self, first, Repeat::Always, server => successes(server, requests()))
    }

    pub(super) async fn put_keep_many(&self, records: &[(&[u8], &[u8])]) -> Result<Vec<bool>> {
        let groups = self.groups(records.iter().map(|(key, _)| self.written(key)));
        let each = groups.iter().map(|(first, members)| self.put_keep_group(*first, records, members));
        Ok(self.scatter(records.len(), &groups, try_join_all(each).await?))
    }

    async fn put_keep_group(
        &self,
        first: usize,
        records: &[(&[u8], &[u8])],
        members: &[usize],
    ) -> Result<Vec<bool>> {
        let requests = || {
            members.iter().map(|at| {
                let (key, value) = records[*at];
                Request::PutKeep { key, value }
            })
        };
        attempt!(self, first, Repeat::Always, server => answers(server, requests(), done))
    }

    pub(super) async fn delete_many(&self, keys: &[&[u8]]) -> Result<Vec<bool>> {
        let groups = self.groups(keys.iter().map(|key| self.written(key)));
        let each = groups.iter().map(|(first, members)| self.delete_group(*first, keys, members));
        Ok(self.scatter(keys.len(), &groups, try_join_all(each).await?))
    }

    async fn delete_group(&self, first: usize, keys: &[&[u8]], members: &[usize]) -> Result<Vec<bool>> {
        let requests = || members.iter().map(|at| Request::Out { key: keys[*at] });
        attempt!(self, first, Repeat::Always, server => answers(server, requests(), done))
    }

    pub(super) async fn keys_from(&self, prefix: &[u8]) -> Result<Vec<Bytes>> {
        attempt!(self, self.read(prefix), Repeat::Always, server => server.fwmkeys(prefix, None))
    }

    /// The numbers of those that prefer the same replica, with that replica.
    fn groups(&self, preferred: impl Iterator<Item = usize>) -> Vec<(usize, Vec<usize>)> {
        let mut groups: Vec<(usize, Vec<usize>)> = (0..self.servers.len()).map(|r| (r, Vec::new())).collect();
        for (at, replica) in preferred.enumerate() {
            groups[replica].1.push(at);
        }
        groups.retain(|(_, members)| !members.is_empty());
        groups
    }

    /// What the groups gave, in the order of all.
    fn scatter<T: Default>(&self, len: usize, groups: &[(usize, Vec<usize>)], given: Vec<Vec<T>>) -> Vec<T> {
        let mut all: Vec<T> = Vec::new();
        all.resize_with(len, T::default);
        for ((_, members), values) in groups.iter().zip(given) {
            for (&at, value) in members.iter().zip(values) {
                all[at] = value;
            }
        }
        all
    }

    pub(super) async fn scan(&self, cursor: &mut ScanCursor) -> Result<Option<Vec<Record>>> {
        loop {
            let replica = match cursor.replica {
                Some(replica) => replica,
                None => self.replicas.tries(self.replicas.any()).next().unwrap_or(0),
            };
            cursor.replica = Some(replica);
            let Some(server) = self.servers.get(replica) else { return Err(self.nobody().into()) };
            match page(server, cursor).await {
                Ok(page) => return Ok(page),
                Err(error) => {
                    // Another one has another order: it is walked over from its beginning.
                    let others = self.servers.len() > 1 && self.note(replica, &error, Repeat::Always);
                    let next = self.replicas.tries(replica + 1).find(|next| *next != replica);
                    let Some(next) = next.filter(|_| others && error.is_of_transport()) else {
                        return Err(error.into());
                    };
                    *cursor = ScanCursor {
                        replica: Some(next),
                        failures: cursor.failures + 1,
                        ..Default::default()
                    };
                    if cursor.failures > 2 * self.servers.len() {
                        return Err(error.into());
                    }
                }
            }
        }
    }
}

type Asked<T> = std::result::Result<T, ServerError>;

/// Calls a function; where it fails, says where.
async fn ext(
    server: &Server,
    function: &str,
    key: &[u8],
    value: &[u8],
) -> Asked<std::result::Result<Bytes, crate::Address>> {
    let answer = server.ext(function, RECORD_LOCK, key, value).await?;
    Ok(answer.ok_or_else(|| server.address().clone()))
}

fn done(answer: Answer<'_>) -> Option<bool> {
    match answer {
        Answer::Success => Some(true),
        Answer::Failure => Some(false),
        _ => None,
    }
}

/// The answers to many requests at once.
async fn answers<'r, T>(
    server: &Server,
    requests: impl Iterator<Item = Request<'r>>,
    make: impl Fn(Answer<'_>) -> Option<T>,
) -> Asked<Vec<T>> {
    let mut all = Vec::new();
    let mut wrong = None;
    server
        .pipeline(requests, |command, answer| match make(answer) {
            Some(value) => all.push(value),
            None => wrong = Some(command),
        })
        .await?;
    match wrong {
        None => Ok(all),
        Some(command) => Err(server.error(ErrorKind::Unexpected(command), true)),
    }
}

/// Makes many requests at once that all are to succeed.
async fn successes<'r>(server: &Server, requests: impl Iterator<Item = Request<'r>>) -> Asked<()> {
    let mut failed = None;
    server
        .pipeline(requests, |command, answer| match answer {
            Answer::Success => {}
            _ => failed = Some(command),
        })
        .await?;
    failed.map_or(Ok(()), |command| Err(server.error(ErrorKind::Failed(command), false)))
}

/// The next records of a server; none at the end.
async fn page(server: &Server, cursor: &mut ScanCursor) -> Asked<Option<Vec<Record>>> {
    if cursor.keys.is_none() {
        match &cursor.position {
            Some(position) if position.is_empty() => return Ok(None),
            _ => {}
        }
        let from = cursor.position.clone().unwrap_or_default();
        let answer = server.misc("scan", 1, [&from[..], SCANNED]).await?;
        let mut elements = answer.unwrap_or_default().into_iter();
        if let Some(next) = elements.next() {
            cursor.position = Some(next);
            let mut records = Vec::with_capacity(elements.len() / 2);
            while let (Some(key), Some(value)) = (elements.next(), elements.next()) {
                records.push((key, value));
            }
            return Ok(Some(records));
        }
        if cursor.position.is_some() {
            return Err(server.error(ErrorKind::Failed(lcnode_protocol::Command::Misc), false));
        }
        // An original server, which has no walk of one's own: all keys at once.
        cursor.keys = Some(server.fwmkeys(b"", None).await?.into_iter());
    }
    let keys: Vec<_> = cursor.keys.iter_mut().flatten().take(PAGE).collect();
    if keys.is_empty() {
        return Ok(None);
    }
    server.mget(keys.iter().map(|key| &key[..])).await.map(Some)
}
