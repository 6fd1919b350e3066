//! Calls of functions of scripts.

use lcnode_lua::Called;
use lcnode_protocol::Reply;
use lcnode_storage::Scope;

use super::{Blocked, Node, Session};

/// Of the options of a call: it has the record for itself.
const RECORD_LOCK: u32 = 1;
/// It has all records for itself.
const GLOBAL_LOCK: u32 = 2;

/// Calls a function with key and value. While it holds a lock nothing else changes what is locked, whatever the protocol
/// and also not replication; but readers go on.
#[inline]
pub(super) fn ext(
    node: &Node,
    session: &mut Session,
    name: &[u8],
    options: u32,
    (key, value): (&[u8], &[u8]),
    reply: &mut impl Reply,
) {
    let Some(scripts) = node.scripts() else { return reply.failure() };
    let scope = match options {
        all if all & GLOBAL_LOCK != 0 => Some(Scope::ALL),
        record if record & RECORD_LOCK != 0 => Some(node.store.scope_of(key)),
        _ => None,
    };
    let reservation = scope.map(|scope| (scope, node.store.try_reserve(scope, session.in_turn)));
    if let Some((scope, None)) = reservation {
        return blocked(session, name, Blocked::Reserved(scope), reply);
    }
    let mut wrote = false;
    let called = scripts.call(session.shard, name, key, value, |answer, changed| {
        wrote = changed;
        match answer.text() {
            Some(text) => reply.value(&text),
            None => reply.failure(),
        }
    });
    match called {
        Called::Done(()) => session.wrote |= wrote,
        Called::Failed { wrote } => {
            session.wrote |= wrote;
            reply.failure();
        }
        Called::Busy => {
            drop(reservation);
            blocked(session, name, Blocked::Machines, reply);
        }
    }
}

/// The call is to be made again; or fails where that has been waited for long enough.
#[cold]
fn blocked(session: &mut Session, name: &[u8], blocked: Blocked, reply: &mut impl Reply) {
    if session.waits {
        session.blocked = Some(blocked);
    } else {
        let name = name.escape_ascii();
        tracing::error!("do_ext: {name} was not called: {blocked} for as long as a call waits");
    }
    reply.failure();
}
