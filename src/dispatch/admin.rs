//! Commands that manage the database.

use lcnode_protocol::{Command, Reply};
use lcnode_storage::{Error, Result, Scope};

use super::{Blocked, Node, Session, note};

/// Bytes that the database takes: the log on disk; log and table in memory.
pub(super) fn size(node: &Node) -> u64 {
    let figures = node.store.figures();
    if node.store.is_memory() { figures.live_bytes + figures.entries * 16 } else { figures.log_bytes }
}

fn answer(session: &mut Session, command: Command, result: Result<()>, reply: &mut impl Reply) {
    match result {
        Ok(()) => reply.success(),
        Err(error) => {
            note(session, command, &error);
            reply.failure();
        }
    }
}

pub(super) fn sync(node: &Node, session: &mut Session, reply: &mut impl Reply) {
    tracing::info!("doing sync command");
    let result = node.store.sync();
    answer(session, Command::Sync, result, reply);
}

/// Rewrites the log so that nearly all of it is live. The original's tuning of its file has no
/// meaning here; capacities of a database in memory are set by it.
pub(super) fn optimize(node: &Node, session: &mut Session, params: &[u8], reply: &mut impl Reply) {
    tracing::info!("doing optimize command");
    if node.store.is_memory() {
        let (max_records, max_bytes) = crate::config::capacities(&String::from_utf8_lossy(params));
        node.store.set_bounds(max_records, max_bytes);
    } else {
        // As the original: the iterator of a file is lost.
        *node.iterator.lock() = None;
    }
    let result = node.store.optimize();
    answer(session, Command::Optimize, result, reply);
}

pub(super) fn vanish(node: &Node, session: &mut Session, reply: &mut impl Reply) {
    tracing::info!("doing vanish command");
    *node.iterator.lock() = None;
    let result = node.store.vanish();
    session.wrote |= result.is_ok();
    if session.waits && matches!(result, Err(Error::Reserved)) {
        session.blocked = Some(Blocked::Reserved(Scope::ALL));
        return reply.failure();
    }
    answer(session, Command::Vanish, result, reply);
}
