//! A node of Redis servers.
//!
//! Values are Redis strings, counters are kept by `INCRBY`, lists are Redis lists. A list without items, which Redis
//! does not have, is an empty string, and any list may be a string in the form that lists have on servers of other
//! kinds: so a record can be moved between nodes of different kinds as it is. Each change of a list is one script,
//! carried out atomically. Records of other types, such as hashes, are no records of this client.

mod cluster;
mod connection;
mod error;
mod scan;
mod script;
mod servers;

use std::time::Duration;

use bytes::Bytes;
use redis::{Cmd, Pipeline, Value, cmd};

pub use error::{RedisFailure, RedisFailureKind};

use super::error::NodeErrorKind;
use super::{Record, ScanCursor};
use crate::config::{Config, ConfigError, Kind, NodeConfig};
use crate::list;
use cluster::Cluster;
use servers::Servers;

type Result<T> = std::result::Result<T, NodeErrorKind>;
/// What came of one command.
type Answer = std::result::Result<Value, RedisFailure>;

/// Items of a list where no limit is given, before it is cut.
const DEFAULT_LIMIT: usize = 200;
/// The largest limit that the script counts exactly.
const MAX_LIMIT: usize = 1 << 53;
/// Commands that are sent at once, of one call of many.
const AT_ONCE: usize = 1000;

#[derive(Debug)]
pub(super) struct RedisNode {
    backend: Backend,
}

#[derive(Debug)]
enum Backend {
    Servers(Servers),
    Cluster(Box<Cluster>),
}

/// What a command is to records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

/// Whether a call whose outcome is not known may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// It does the same twice as once.
    Always,
    /// Only where it is known not to have been carried out.
    IfNotDone,
}

/// The answers among values, of which there must be `count`.
fn answers(
    server: &impl ToString,
    values: Vec<Value>,
    count: usize,
    timeout: Duration,
) -> std::result::Result<Vec<Answer>, RedisFailure> {
    if values.len() != count {
        let kind = RedisFailureKind::Unexpected("many commands at once");
        return Err(RedisFailure { server: server.to_string(), kind, may_be_done: true });
    }
    let answer = |value: Value| {
        value.extract_error().map_err(|error| RedisFailure::of(server.to_string(), &error, timeout))
    };
    Ok(values.into_iter().map(answer).collect())
}

fn get(key: &[u8]) -> Cmd {
    cmd("GET").arg(key).take()
}

fn set(key: &[u8], value: &[u8]) -> Cmd {
    cmd("SET").arg(key).arg(value).take()
}

fn set_new(key: &[u8], value: &[u8]) -> Cmd {
    cmd("SET").arg(key).arg(value).arg("NX").take()
}

fn del(key: &[u8]) -> Cmd {
    cmd("DEL").arg(key).take()
}

impl RedisNode {
    pub(super) fn new(config: &NodeConfig, cluster: &Config) -> std::result::Result<Self, ConfigError> {
        let backend = match config.kind {
            Kind::RedisCluster => Backend::Cluster(Box::new(Cluster::new(config, cluster)?)),
            _ => Backend::Servers(Servers::new(config, cluster)),
        };
        Ok(Self { backend })
    }

    async fn run(&self, command: &Cmd, access: Access, repeat: Repeat) -> Answer {
        match &self.backend {
            Backend::Servers(servers) => servers.run(command, access, repeat).await,
            Backend::Cluster(cluster) => cluster.run(command, access, repeat).await,
        }
    }

    /// Makes many commands and carries them out, [`AT_ONCE`] at a time; an answer for each.
    async fn run_many(
        &self,
        mut commands: impl Iterator<Item = Cmd>,
        access: Access,
        repeat: Repeat,
    ) -> std::result::Result<Vec<Answer>, RedisFailure> {
        let mut all = Vec::new();
        loop {
            let mut some = Pipeline::new();
            for command in commands.by_ref().take(AT_ONCE) {
                some.add_command(command);
            }
            if some.is_empty() {
                return Ok(all);
            }
            all.extend(match &self.backend {
                Backend::Servers(servers) => servers.run_many(&some, access, repeat).await?,
                Backend::Cluster(cluster) => cluster.run_many(&some, access, repeat).await?,
            });
        }
    }

    /// Runs an operation of the script.
    async fn script(
        &self,
        key: &[u8],
        operation: &str,
        args: &[&[u8]],
        access: Access,
        repeat: Repeat,
    ) -> Answer {
        match self.run(&script::by_name(key, operation, args), access, repeat).await {
            Err(failure) if script::is_unknown(&failure) => {
                self.run(&script::by_text(key, operation, args), access, repeat).await
            }
            answer => answer,
        }
    }

    pub(super) async fn get(&self, key: &[u8]) -> Result<Option<Bytes>> {
        let answer = self.run(&get(key), Access::Read, Repeat::Always).await;
        self.value(key, answer).await
    }

    /// The value that an answer to `GET` stands for.
    async fn value(&self, key: &[u8], answer: Answer) -> Result<Option<Bytes>> {
        let answer = match answer {
            Err(failure) if failure.is_wrong_type() => {
                self.script(key, "value", &[], Access::Read, Repeat::Always).await
            }
            answer => answer,
        };
        self.bytes(answer?, "GET")
    }

    pub(super) async fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.run(&set(key, value), Access::Write, Repeat::Always).await?;
        Ok(())
    }

    pub(super) async fn put_keep(&self, key: &[u8], value: &[u8]) -> Result<bool> {
        let answer = self.run(&set_new(key, value), Access::Write, Repeat::IfNotDone).await?;
        Ok(answer != Value::Nil)
    }

    pub(super) async fn delete(&self, key: &[u8]) -> Result<bool> {
        let answer = self.run(&del(key), Access::Write, Repeat::Always).await?;
        Ok(self.int(answer, "DEL")? > 0)
    }

    pub(super) async fn incr(&self, key: &[u8], delta: i64) -> Result<i64> {
        let command = cmd("INCRBY").arg(key).arg(delta).take();
        let counted = self.run(&command, Access::Write, Repeat::IfNotDone).await;
        let answer = match counted {
            Err(RedisFailure { kind: RedisFailureKind::Refused(why), .. })
                if why.contains("not an integer") =>
            {
                let delta = delta.to_string();
                self.script(key, "count", &[delta.as_bytes()], Access::Write, Repeat::IfNotDone).await?
            }
            counted => counted?,
        };
        match answer {
            Value::Array(mut text) if text.len() == 1 => {
                let text = self.bytes(text.remove(0), "INCRBY")?.unwrap_or_default();
                Err(NodeErrorKind::NotANumber(String::from_utf8_lossy(&text).into_owned()))
            }
            Value::BulkString(text) => {
                let sum = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
                Ok(sum.ok_or_else(|| self.unexpected("INCRBY"))?)
            }
            answer => Ok(self.int(answer, "INCRBY")?),
        }
    }

    pub(super) async fn list_init(&self, key: &[u8]) -> Result<()> {
        self.put(key, b"").await
    }

    pub(super) async fn list_add(&self, key: &[u8], items: &[&[u8]], limit: Option<usize>) -> Result<()> {
        let value = list::encode(items).map_err(NodeErrorKind::Item)?;
        let limit = limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT).to_string();
        self.script(key, "add", &[limit.as_bytes(), &value], Access::Write, Repeat::IfNotDone).await?;
        Ok(())
    }

    pub(super) async fn list_remove(&self, key: &[u8], items: &[&[u8]]) -> Result<()> {
        let value = list::encode(items).map_err(NodeErrorKind::Item)?;
        self.script(key, "remove", &[&value], Access::Write, Repeat::IfNotDone).await?;
        Ok(())
    }

    pub(super) async fn list_set(&self, key: &[u8], items: &[&[u8]]) -> Result<()> {
        let value = list::encode(items).map_err(NodeErrorKind::Item)?;
        self.script(key, "set", &[&value], Access::Write, Repeat::Always).await?;
        Ok(())
    }

    pub(super) async fn list_get(&self, key: &[u8]) -> Result<Option<Vec<Bytes>>> {
        let command = cmd("LRANGE").arg(key).arg(0).arg(-1).take();
        let answer = match self.run(&command, Access::Read, Repeat::Always).await {
            // A list without items is none, a string, or nothing.
            Ok(Value::Array(items)) if items.is_empty() => {
                self.script(key, "items", &[], Access::Read, Repeat::Always).await?
            }
            Err(failure) if failure.is_wrong_type() => {
                self.script(key, "items", &[], Access::Read, Repeat::Always).await?
            }
            answer => answer?,
        };
        match answer {
            Value::Nil => Ok(None),
            Value::Array(items) => {
                let items = items.into_iter().map(|item| self.bytes(item, "LRANGE"));
                Ok(Some(items.filter_map(Result::transpose).collect::<Result<_>>()?))
            }
            _ => Err(self.unexpected("LRANGE").into()),
        }
    }

    pub(super) async fn get_many(&self, keys: &[&[u8]]) -> Result<Vec<Option<Bytes>>> {
        let commands = keys.iter().map(|key| get(key));
        let answers = self.run_many(commands, Access::Read, Repeat::Always).await?;
        let mut values = Vec::with_capacity(answers.len());
        for (key, answer) in keys.iter().zip(answers) {
            values.push(self.value(key, answer).await?);
        }
        Ok(values)
    }

    pub(super) async fn put_many(&self, records: &[(&[u8], &[u8])]) -> Result<()> {
        let commands = records.iter().map(|(key, value)| set(key, value));
        for answer in self.run_many(commands, Access::Write, Repeat::Always).await? {
            answer?;
        }
        Ok(())
    }

    pub(super) async fn put_keep_many(&self, records: &[(&[u8], &[u8])]) -> Result<Vec<bool>> {
        let commands = records.iter().map(|(key, value)| set_new(key, value));
        let answers = self.run_many(commands, Access::Write, Repeat::IfNotDone).await?;
        answers.into_iter().map(|answer| Ok(answer? != Value::Nil)).collect()
    }

    pub(super) async fn delete_many(&self, keys: &[&[u8]]) -> Result<Vec<bool>> {
        let commands = keys.iter().map(|key| del(key));
        let answers = self.run_many(commands, Access::Write, Repeat::Always).await?;
        answers.into_iter().map(|answer| Ok(self.int(answer?, "DEL")? > 0)).collect()
    }

    pub(super) async fn scan(&self, cursor: &mut ScanCursor) -> Result<Option<Vec<Record>>> {
        match &self.backend {
            Backend::Servers(servers) => scan::of_servers(self, servers, cursor).await,
            Backend::Cluster(cluster) => scan::of_cluster(self, cluster, cursor).await,
        }
    }

    fn bytes(&self, value: Value, command: &'static str) -> Result<Option<Bytes>> {
        match value {
            Value::Nil => Ok(None),
            Value::BulkString(bytes) => Ok(Some(bytes.into())),
            _ => Err(self.unexpected(command).into()),
        }
    }

    fn int(&self, value: Value, command: &'static str) -> std::result::Result<i64, RedisFailure> {
        if let Value::Int(number) = value { Ok(number) } else { Err(self.unexpected(command)) }
    }

    fn unexpected(&self, command: &'static str) -> RedisFailure {
        let server = match &self.backend {
            Backend::Servers(servers) => servers.name(),
            Backend::Cluster(cluster) => cluster.name().to_owned(),
        };
        RedisFailure { server, kind: RedisFailureKind::Unexpected(command), may_be_done: true }
    }
}
