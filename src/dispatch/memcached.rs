//! Commands that only memcached's dialect has.

use lcnode_protocol::{Reply, Storing, Words};

use super::{Node, Session};

pub(super) fn store(
    _node: &Node,
    _session: &mut Session,
    _record: (&[u8], &[u8]),
    _storing: Storing,
    _flags: u32,
    _exptime: i64,
    reply: &mut impl Reply,
) {
    reply.failure();
}

pub(super) fn fetch(
    _node: &Node,
    _session: &mut Session,
    _keys: Words<'_>,
    _touch: Option<i64>,
    reply: &mut impl Reply,
) {
    reply.failure();
}

pub(super) fn touch(
    _node: &Node,
    _session: &mut Session,
    _key: &[u8],
    _exptime: i64,
    reply: &mut impl Reply,
) {
    reply.failure();
}

pub(super) fn adjust(_node: &Node, _session: &mut Session, _key: &[u8], _by: i64, reply: &mut impl Reply) {
    reply.failure();
}

pub(super) fn flush(_node: &Node, _session: &mut Session, _delay: i64, reply: &mut impl Reply) {
    reply.failure();
}

pub(super) fn stats(_node: &Node, reply: &mut impl Reply) {
    reply.failure();
}
