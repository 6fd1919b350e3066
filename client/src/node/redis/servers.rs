//! Redis servers that each hold everything: one that is written, its replicas behind it.

use std::sync::atomic::{AtomicUsize, Ordering};

use redis::{Cmd, Pipeline};

use super::connection::Server;
use super::error::{RedisFailure, RedisFailureKind};
use super::{Access, Answer, Repeat};
use crate::config::{Config, NodeConfig, ReadFrom};
use crate::node::replicas::{Fault, Replicas};

/// Servers of which one takes writes.
///
/// Redis replicates in one direction, so all keys prefer one server: the first of the list that is there and takes
/// writes. One that answers that it is a replica is passed over until no other takes writes.
#[derive(Debug)]
pub(super) struct Servers {
    servers: Vec<Server>,
    replicas: Replicas,
    read_from: ReadFrom,
    /// The one that took the last write.
    primary: AtomicUsize,
}

impl Servers {
    pub(super) fn new(config: &NodeConfig, cluster: &Config) -> Self {
        let addresses = config.replicas.iter().take(Replicas::MAX).cloned();
        let servers: Vec<_> = addresses.map(|address| Server::new(address, cluster.server.clone())).collect();
        let replicas = Replicas::new(servers.len());
        Self { servers, replicas, read_from: cluster.read_from, primary: AtomicUsize::new(0) }
    }

    pub(super) fn get(&self, number: usize) -> Option<&Server> {
        self.servers.get(number)
    }

    /// The server that is written, for messages.
    pub(super) fn name(&self) -> String {
        let primary = self.get(self.primary.load(Ordering::Relaxed));
        primary.map_or_else(String::new, |server| server.address().to_string())
    }

    pub(super) fn len(&self) -> usize {
        self.servers.len()
    }

    /// The server that is asked first.
    pub(super) fn first(&self, access: Access) -> usize {
        match (access, self.read_from) {
            (Access::Read, ReadFrom::Any) => self.replicas.any(),
            _ => self.primary.load(Ordering::Relaxed),
        }
    }

    /// The servers from number `first` on, in the order in which they are to be tried.
    pub(super) fn order(&self, first: usize) -> impl Iterator<Item = usize> {
        self.replicas.tries(first)
    }

    pub(super) async fn run(&self, command: &Cmd, access: Access, repeat: Repeat) -> Answer {
        let mut last = None;
        for number in self.order(self.first(access)) {
            let Some(server) = self.get(number) else { continue };
            let answer = server.run(command).await;
            match self.note(number, answer, access, repeat) {
                Ok(answer) => return answer,
                Err(failure) => last = Some(telling(last, failure)),
            }
        }
        Err(last.unwrap_or_else(nobody))
    }

    /// All on one server, as far as they come.
    pub(super) async fn run_many(
        &self,
        commands: &Pipeline,
        access: Access,
        repeat: Repeat,
    ) -> Result<Vec<Answer>, RedisFailure> {
        let mut last = None;
        for number in self.order(self.first(access)) {
            let Some(server) = self.get(number) else { continue };
            let answers = server.run_many(commands).await.and_then(all_or_none);
            match self.note(number, answers, access, repeat) {
                Ok(answers) => return answers,
                Err(failure) => last = Some(telling(last, failure)),
            }
        }
        Err(last.unwrap_or_else(nobody))
    }

    /// Takes note of what came of a call; `Err` where the next server is to be tried.
    pub(super) fn note<T>(
        &self,
        number: usize,
        outcome: Result<T, RedisFailure>,
        access: Access,
        repeat: Repeat,
    ) -> Result<Result<T, RedisFailure>, RedisFailure> {
        match outcome {
            Err(failure) if failure.is_of_transport() => {
                tracing::warn!(%failure, "a Redis server failed");
                // One that answers, if only that it is a replica, can be read.
                if !matches!(failure.kind, RedisFailureKind::Unready(_)) {
                    self.replicas.failed(number);
                }
                if failure.may_be_done && repeat == Repeat::IfNotDone {
                    Ok(Err(failure))
                } else {
                    Err(failure)
                }
            }
            outcome => {
                self.replicas.answered(number);
                if access == Access::Write && outcome.is_ok() {
                    self.primary.store(number, Ordering::Relaxed);
                }
                Ok(outcome)
            }
        }
    }
}

/// Of two failures the one that is told: that a server takes no writes rather than that another is not there.
fn telling(before: Option<RedisFailure>, failure: RedisFailure) -> RedisFailure {
    let Some(before) = before else { return failure };
    let may_be_done = before.may_be_done || failure.may_be_done;
    let told = if matches!(before.kind, RedisFailureKind::Unready(_)) { before } else { failure };
    RedisFailure { may_be_done, ..told }
}

/// One answer that another server may do better stands for all; what came before it may be done.
fn all_or_none(answers: Vec<Answer>) -> Result<Vec<Answer>, RedisFailure> {
    let is_unready =
        |answer: &Answer| matches!(answer, Err(RedisFailure { kind: RedisFailureKind::Unready(_), .. }));
    if !answers.iter().any(is_unready) {
        return Ok(answers);
    }
    let is_some_done = answers.iter().any(Result::is_ok);
    let unready = answers.into_iter().find(is_unready);
    match unready {
        Some(Err(failure)) => Err(RedisFailure { may_be_done: is_some_done, ..failure }),
        _ => Err(nobody()),
    }
}

pub(super) fn nobody() -> RedisFailure {
    RedisFailure::unsent("no server", RedisFailureKind::Unready("the node has none".to_owned()))
}
