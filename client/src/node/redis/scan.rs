//! Walks over all records of a node, in pages, by `SCAN`.

use bytes::Bytes;
use redis::{Cmd, Pipeline, Value, cmd};

use super::cluster::Cluster;
use super::error::{RedisFailure, RedisFailureKind};
use super::servers::Servers;
use super::{Access, Answer, RedisNode, Repeat, Result, get};
use crate::node::replicas::Fault;
use crate::node::{Record, ScanCursor};

/// Keys that a server is asked for at once.
const PAGE: usize = 1000;

/// A page of keys, and where the next one begins; `0` at the end.
struct Page {
    next: String,
    keys: Vec<Vec<u8>>,
}

fn scan(position: &str) -> Cmd {
    cmd("SCAN").arg(position).arg("COUNT").arg(PAGE).take()
}

fn gets(keys: &[Vec<u8>]) -> Pipeline {
    let mut gets = Pipeline::with_capacity(keys.len());
    for key in keys {
        gets.add_command(get(key));
    }
    gets
}

fn page(server: &impl ToString, answer: Value) -> std::result::Result<Page, RedisFailure> {
    let unexpected = || RedisFailure::unsent(server.to_string(), RedisFailureKind::Unexpected("SCAN"));
    let Value::Array(parts) = answer else { return Err(unexpected()) };
    let Ok([Value::BulkString(next), Value::Array(keys)]) = <[Value; 2]>::try_from(parts) else {
        return Err(unexpected());
    };
    let next = String::from_utf8(next).ok().filter(|next| next.bytes().all(|digit| digit.is_ascii_digit()));
    let next = next.filter(|next| !next.is_empty()).ok_or_else(unexpected)?;
    let key = |key| if let Value::BulkString(key) = key { Ok(key) } else { Err(unexpected()) };
    Ok(Page { next, keys: keys.into_iter().map(key).collect::<std::result::Result<_, _>>()? })
}

/// The records of keys whose values were asked for. What is no record of this client is left out, and what is gone.
async fn records(node: &RedisNode, keys: Vec<Vec<u8>>, answers: Vec<Answer>) -> Result<Vec<Record>> {
    let mut records = Vec::with_capacity(keys.len());
    for (key, answer) in keys.into_iter().zip(answers) {
        let value = match node.value(&key, answer).await {
            Err(super::NodeErrorKind::Redis(failure)) if failure.is_wrong_type() => None,
            value => value?,
        };
        records.extend(value.map(|value| (Bytes::from(key), value)));
    }
    Ok(records)
}

/// Walks over one of the servers; over another one from its beginning where that fails.
pub(super) async fn of_servers(
    node: &RedisNode,
    servers: &Servers,
    cursor: &mut ScanCursor,
) -> Result<Option<Vec<Record>>> {
    let position = match &cursor.position {
        Some(position) if position.is_empty() => return Ok(None),
        Some(position) => String::from_utf8_lossy(position).into_owned(),
        None => "0".to_owned(),
    };
    let first = cursor.replica.unwrap_or_else(|| servers.first(Access::Read));
    let mut last = None;
    for number in servers.order(first) {
        let Some(server) = servers.get(number) else { continue };
        // Positions are a server's own.
        let goes_on = cursor.replica == Some(number);
        let from = if goes_on { &position[..] } else { "0" };
        let read = async {
            let page = page(server.address(), server.run(&scan(from)).await?)?;
            let answers = server.run_many(&gets(&page.keys)).await?;
            Ok((page, answers))
        };
        match servers.note(number, read.await, Access::Read, Repeat::Always) {
            Ok(read) => {
                let (page, answers) = read?;
                cursor.replica = Some(number);
                let next = if page.next == "0" { String::new() } else { page.next };
                cursor.position = Some(next.into());
                return records(node, page.keys, answers).await.map(Some);
            }
            Err(failure) => {
                cursor.failures += 1;
                last = Some(failure);
                if cursor.failures > 2 * servers.len() {
                    break;
                }
            }
        }
    }
    Err(last.unwrap_or_else(super::servers::nobody).into())
}

/// Walks over the masters in the order of their addresses. A position is `HOST PORT CURSOR`.
pub(super) async fn of_cluster(
    node: &RedisNode,
    cluster: &Cluster,
    cursor: &mut ScanCursor,
) -> Result<Option<Vec<Record>>> {
    let position = cursor.position.clone();
    let (master, from) = match position.as_deref().map(parse) {
        Some(None) => return Ok(None),
        Some(Some(position)) => position,
        None => match next_master(cluster, None).await? {
            Some(master) => (master, "0".to_owned()),
            None => return Ok(None),
        },
    };
    let read = async {
        let page = page(&cluster.name(), cluster.run_at(&master, &scan(&from)).await?)?;
        let answers = cluster.run_many_at(&master, gets(&page.keys)).await?;
        Ok((page, answers))
    };
    let (page, answers) = match read.await {
        Ok(read) => read,
        Err(failure) => return anew(cluster, cursor, failure, &master).await.map(Some),
    };
    let next = match &page.next[..] {
        "0" => next_master(cluster, Some(&master)).await?.map(|master| (master, "0")),
        next => Some((master, next)),
    };
    let next = next.map(|((host, port), next)| format!("{host} {port} {next}"));
    cursor.position = Some(next.unwrap_or_default().into());
    records(node, page.keys, answers).await.map(Some)
}

/// Where a master is gone, its keys are on another one: the walk begins anew.
async fn anew(
    cluster: &Cluster,
    cursor: &mut ScanCursor,
    failure: RedisFailure,
    master: &(String, u16),
) -> Result<Vec<Record>> {
    cursor.failures += 1;
    if !failure.is_of_transport() || cursor.failures > 3 {
        return Err(failure.into());
    }
    if !masters(cluster).await?.contains(master) {
        cursor.position = None;
    }
    Ok(Vec::new())
}

/// None at the end.
fn parse(position: &[u8]) -> Option<((String, u16), String)> {
    let mut parts = std::str::from_utf8(position).ok()?.split(' ');
    let master = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
    Some((master, parts.next()?.to_owned()))
}

async fn next_master(
    cluster: &Cluster,
    after: Option<&(String, u16)>,
) -> std::result::Result<Option<(String, u16)>, RedisFailure> {
    let masters = masters(cluster).await?;
    Ok(masters.into_iter().filter(|master| after.is_none_or(|after| master > after)).min())
}

/// The addresses of all masters that have slots.
async fn masters(cluster: &Cluster) -> std::result::Result<Vec<(String, u16)>, RedisFailure> {
    let command = cmd("CLUSTER").arg("SLOTS").take();
    let unexpected = || RedisFailure::unsent(cluster.name(), RedisFailureKind::Unexpected("CLUSTER SLOTS"));
    let Value::Array(ranges) = cluster.run_anywhere(&command).await? else { return Err(unexpected()) };
    let master = |range| {
        // First slot, last slot, master, replicas.
        let Value::Array(mut parts) = range else { return None };
        let Value::Array(server) = parts.drain(..).nth(2)? else { return None };
        match (server.first()?, server.get(1)?) {
            (Value::BulkString(host), Value::Int(port)) => {
                Some((String::from_utf8(host.clone()).ok()?, u16::try_from(*port).ok()?))
            }
            _ => None,
        }
    };
    ranges.into_iter().map(|range| master(range).ok_or_else(unexpected)).collect()
}
