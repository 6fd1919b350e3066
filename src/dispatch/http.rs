//! Commands that only HTTP has.

use lcnode_protocol::Reply;

use super::{Node, Session};

pub(super) fn options(_node: &Node, _session: &Session, reply: &mut impl Reply) {
    reply.failure();
}
