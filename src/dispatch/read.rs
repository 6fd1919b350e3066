//! Commands that look at records.

use std::ops::ControlFlow;

use lcnode_protocol::{Command, Items, Reply};
use lcnode_storage::KeyIterator;

use super::counters::Miss;
use super::{ErrorNumber, Node, Session, note};

#[inline]
pub(super) fn get(node: &Node, session: &mut Session, key: &[u8], reply: &mut impl Reply) {
    match node.store.get(key, |value| reply.value(value)) {
        Ok(Some(())) => return,
        Ok(None) => {
            session.last_error = ErrorNumber::NoRecord;
            reply.missing();
        }
        Err(error) => {
            note(session, Command::Get, &error);
            reply.failure();
        }
    }
    node.counters.miss(session.shard, session.dialect, Miss::Get);
}

pub(super) fn vsiz(node: &Node, session: &mut Session, key: &[u8], reply: &mut impl Reply) {
    match node.store.get(key, <[u8]>::len) {
        Ok(Some(size)) => reply.int(size as i32),
        Ok(None) => {
            session.last_error = ErrorNumber::NoRecord;
            reply.missing();
        }
        Err(error) => {
            note(session, Command::Vsiz, &error);
            reply.failure();
        }
    }
}

pub(super) fn mget(node: &Node, session: &mut Session, keys: Items<'_>, reply: &mut impl Reply) {
    reply.begin_list();
    for key in keys.iter() {
        if let Err(error) = node.store.get(key, |value| reply.record(key, value)) {
            note(session, Command::MGet, &error);
            return reply.abandon_list();
        }
        if reply.len() > node.max_reply {
            return too_large(node, session, Command::MGet, reply);
        }
    }
    reply.end_list();
}

pub(super) fn iter_init(node: &Node, reply: &mut impl Reply) {
    *node.iterator.lock() = Some(KeyIterator::new());
    reply.success();
}

/// The next key of the shared iterator.
pub(super) fn next_key(node: &Node, session: &mut Session, command: Command) -> Option<Box<[u8]>> {
    let mut iterator = node.iterator.lock();
    let Some(running) = iterator.as_mut() else {
        session.last_error = ErrorNumber::Invalid;
        return None;
    };
    match running.next(&node.store) {
        Ok(Some(key)) => Some(key),
        Ok(None) => {
            session.last_error = ErrorNumber::NoRecord;
            None
        }
        Err(error) => {
            note(session, command, &error);
            None
        }
    }
}

pub(super) fn iter_next(node: &Node, session: &mut Session, reply: &mut impl Reply) {
    match next_key(node, session, Command::IterNext) {
        Some(key) => reply.value(&key),
        None => reply.failure(),
    }
}

pub(super) fn fwm_keys(
    node: &Node,
    session: &mut Session,
    prefix: &[u8],
    max: Option<u32>,
    reply: &mut impl Reply,
) {
    reply.begin_list();
    let mut left = max.unwrap_or(u32::MAX);
    let walked = node.store.for_each(|key, _| {
        if left == 0 || reply.len() > node.max_reply {
            return ControlFlow::Break(());
        }
        if key.starts_with(prefix) {
            left -= 1;
            reply.item(key);
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = walked {
        note(session, Command::FwmKeys, &error);
        return reply.abandon_list();
    }
    if reply.len() > node.max_reply {
        return too_large(node, session, Command::FwmKeys, reply);
    }
    reply.end_list();
}

/// Ends a list that has grown past what a reply may have.
#[cold]
pub(super) fn too_large(node: &Node, session: &mut Session, command: Command, reply: &mut impl Reply) {
    session.last_error = ErrorNumber::Other;
    tracing::error!(
        "do_{}: the reply is larger than --max-buffered ({} bytes); ask for fewer records at once",
        command.name(),
        node.max_reply
    );
    reply.abandon_list();
}
