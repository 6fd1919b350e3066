//! Commands that change one record. Each has a half that tells what happened, which `misc` uses too.

use lcnode::changes;
use lcnode_protocol::{Command, Reply};
use lcnode_storage::{Error, Result};

use super::counters::Miss;
use super::{Blocked, ErrorNumber, Node, Session, note};

/// Answers success or failure of a put of any kind.
#[inline]
fn answer_put(node: &Node, session: &mut Session, done: bool, reply: &mut impl Reply) {
    if done {
        reply.success();
    } else {
        if session.blocked.is_none() {
            node.counters.miss(session.shard, session.dialect, Miss::Put);
        }
        reply.failure();
    }
}

/// Notes what came of a change of a key; says whether it worked.
#[inline]
pub(super) fn changed(
    node: &Node,
    session: &mut Session,
    command: Command,
    key: &[u8],
    refused: ErrorNumber,
    result: Result<bool>,
) -> bool {
    match result {
        Ok(true) => {
            session.wrote = true;
            true
        }
        Ok(false) => {
            session.last_error = refused;
            false
        }
        Err(Error::Reserved) if session.waits => {
            session.blocked = Some(Blocked::Reserved(node.store.scope_of(key)));
            false
        }
        Err(error) => {
            note(session, command, &error);
            false
        }
    }
}

#[inline]
pub(super) fn put(node: &Node, session: &mut Session, key: &[u8], value: &[u8], reply: &mut impl Reply) {
    let done = do_put(node, session, key, value);
    answer_put(node, session, done, reply);
}

#[inline]
pub(super) fn do_put(node: &Node, session: &mut Session, key: &[u8], value: &[u8]) -> bool {
    let result = node.store.put(key, value).map(|()| true);
    changed(node, session, Command::Put, key, ErrorNumber::Other, result)
}

pub(super) fn put_keep(node: &Node, session: &mut Session, key: &[u8], value: &[u8], reply: &mut impl Reply) {
    let done = do_put_keep(node, session, key, value);
    answer_put(node, session, done, reply);
}

pub(super) fn do_put_keep(node: &Node, session: &mut Session, key: &[u8], value: &[u8]) -> bool {
    let result = node.store.update(key, |old| changes::keep(old, value));
    changed(node, session, Command::PutKeep, key, ErrorNumber::Exists, result)
}

pub(super) fn put_cat(node: &Node, session: &mut Session, key: &[u8], value: &[u8], reply: &mut impl Reply) {
    let done = do_put_cat(node, session, key, value);
    answer_put(node, session, done, reply);
}

pub(super) fn do_put_cat(node: &Node, session: &mut Session, key: &[u8], value: &[u8]) -> bool {
    let limit = node.limits.max_value as usize;
    let result = node.store.update(key, |old| changes::append(old, value, limit));
    changed(node, session, Command::PutCat, key, ErrorNumber::Write, result)
}

pub(super) fn put_shl(
    node: &Node,
    session: &mut Session,
    key: &[u8],
    value: &[u8],
    width: u32,
    reply: &mut impl Reply,
) {
    let limit = node.limits.max_value as usize;
    let result = node.store.update(key, |old| changes::shift(old, value, width, limit));
    let done = changed(node, session, Command::PutShl, key, ErrorNumber::Write, result);
    answer_put(node, session, done, reply);
}

pub(super) fn out(node: &Node, session: &mut Session, key: &[u8], reply: &mut impl Reply) {
    if do_out(node, session, key) {
        reply.success();
    } else {
        if session.blocked.is_none() {
            node.counters.miss(session.shard, session.dialect, Miss::Out);
        }
        reply.failure();
    }
}

pub(super) fn do_out(node: &Node, session: &mut Session, key: &[u8]) -> bool {
    let result = node.store.delete(key);
    changed(node, session, Command::Out, key, ErrorNumber::NoRecord, result)
}

pub(super) fn add_int(node: &Node, session: &mut Session, key: &[u8], num: i32, reply: &mut impl Reply) {
    match added(node, session, Command::AddInt, key, node.store.add_int(key, num)) {
        // The original takes this sum for its error mark: stored, but answered as a failure (observed).
        Some(sum) if sum != i32::MIN => reply.int(sum),
        _ => reply.failure(),
    }
}

pub(super) fn add_double(node: &Node, session: &mut Session, key: &[u8], num: f64, reply: &mut impl Reply) {
    match added(node, session, Command::AddDouble, key, node.store.add_double(key, num)) {
        // As for addint: stored, but answered as a failure (observed).
        Some(sum) if !sum.is_nan() => reply.double(sum),
        _ => reply.failure(),
    }
}

/// Notes what came of an addition; gives the sum where there is one.
#[inline]
fn added<T>(
    node: &Node,
    session: &mut Session,
    command: Command,
    key: &[u8],
    result: Result<Option<T>>,
) -> Option<T> {
    let mut sum = None;
    let done = result.map(|result| {
        sum = result;
        sum.is_some()
    });
    changed(node, session, command, key, ErrorNumber::Exists, done);
    sum
}
