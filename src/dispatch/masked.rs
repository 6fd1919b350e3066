//! Which bits of a mask forbid a request, and how it is refused.

use lcnode_protocol::{Class, Command, Dialect, Reply, Request};

use super::counters::{Miss, Outcome};
use super::{Node, Session};
use crate::config::Mask;

/// The mask bits that forbid a request of a dialect.
pub fn bits(dialect: Dialect, request: &Request<'_>) -> Mask {
    let command = request.command();
    match dialect {
        Dialect::Binary => of_binary(command),
        Dialect::Memcached => of_memcached(request),
        Dialect::Http => of_http(request),
    }
}

/// The same for a command of the binary dialect.
pub fn of_binary(command: Command) -> Mask {
    let own = Mask::of(command);
    match command.class() {
        Class::Read => own.union(Mask::ALLORG).union(Mask::ALLREAD),
        Class::Write => own.union(Mask::ALLORG).union(Mask::ALLWRITE),
        Class::Manage => own.union(Mask::ALLORG).union(Mask::ALLMANAGE),
        Class::Script => own.union(Mask::ALLORG),
        Class::Replication => own,
    }
}

fn of_memcached(request: &Request<'_>) -> Mask {
    let command = request.command();
    let own = Mask::of(command).union(Mask::ALLMC);
    match (request, command.class()) {
        // Reads that change when a record ends.
        (Request::Fetch { touch: Some(_), .. }, _) => {
            own.union(Mask::of(Command::Put)).union(Mask::ALLREAD).union(Mask::ALLWRITE)
        }
        (_, Class::Read) => own.union(Mask::ALLREAD),
        _ => own.union(Mask::ALLWRITE),
    }
}

fn of_http(request: &Request<'_>) -> Mask {
    match request {
        // The original takes the bit of the binary dialect here (observed).
        Request::Options => Mask::of(Command::Stat).union(Mask::ALLORG).union(Mask::ALLREAD),
        Request::Ext { .. } | Request::Misc { .. } => Mask::of(request.command()).union(Mask::ALLHTTP),
        // In each of its modes, which the original calls one command (observed).
        Request::Put { .. } | Request::PutKeep { .. } | Request::PutCat { .. } => {
            Mask::of(Command::Put).union(Mask::ALLHTTP).union(Mask::ALLWRITE)
        }
        Request::Out { .. } => Mask::of(Command::Out).union(Mask::ALLHTTP).union(Mask::ALLWRITE),
        _ => Mask::of(request.command()).union(Mask::ALLHTTP).union(Mask::ALLREAD),
    }
}

/// Answers a masked request as the original does.
#[cold]
pub(super) fn refuse(node: &Node, session: &mut Session, request: &Request<'_>, reply: &mut impl Reply) {
    let command = request.command();
    tracing::info!("do_{}: forbidden", command.name());
    session.refused = true;
    match (session.dialect, request) {
        (Dialect::Memcached, Request::Fetch { keys, .. }) => {
            for _ in keys.iter() {
                node.counters.count(session.shard, Dialect::Memcached, Command::Get);
                node.counters.miss(session.shard, Dialect::Memcached, Miss::Get);
                node.counters.came_to(session.shard, Dialect::Memcached, Command::Get, Outcome::Refused);
            }
            reply.begin_list();
            reply.end_list();
        }
        (Dialect::Memcached | Dialect::Http, _) => reply.forbidden(),
        (Dialect::Binary, _) => refuse_binary(node, session, command, reply),
    }
}

fn refuse_binary(node: &Node, session: &mut Session, command: Command, reply: &mut impl Reply) {
    match command {
        Command::MGet | Command::FwmKeys | Command::Misc => reply.success(),
        Command::Rnum | Command::Size => reply.count(0),
        Command::Stat => reply.value(node.counters.text().as_bytes()),
        Command::Get => {
            node.counters.miss(session.shard, Dialect::Binary, Miss::Get);
            reply.failure();
        }
        _ => reply.failure(),
    }
}
