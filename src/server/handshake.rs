//! Other nodes that want the changes made here: their connections go to replication.

use lcnode::replication::Socket;
use lcnode_protocol::peer::{FollowerHello, LeaderHello};
use lcnode_protocol::{Command, Dialect};

use crate::dispatch::{Node, Outcome, masked};

/// Who wants them, and from where on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Handover {
    /// An original server, or a reader of its dialect.
    Original { ts: u64, sid: u32 },
    /// An lcnode.
    Follower(FollowerHello),
}

/// Whether the mask lets a node follow; an lcnode is told why not, an original is answered by the end.
pub(super) fn is_allowed(node: &Node, shard: usize, handover: &Handover, output: &mut Vec<u8>) -> bool {
    let command = Command::Repl;
    node.counters.count(shard, Dialect::Binary, command);
    let is_allowed = !node.mask.forbids(masked::of_binary(command));
    if !is_allowed {
        tracing::info!("do_repl: forbidden");
        node.counters.came_to(shard, Dialect::Binary, command, Outcome::Refused);
        if let Handover::Follower(_) = handover {
            let reason = "the mask of this node forbids repl";
            LeaderHello::refusal(node.store.origin(), node.store.now(), reason).encode(output);
        }
    }
    is_allowed
}

/// Gives a connection away.
pub(super) fn hand_over(node: &Node, socket: Socket, handover: Handover, peer: String) {
    match handover {
        Handover::Original { ts, sid } => node.replication.lead_original(socket, ts, sid, peer),
        Handover::Follower(hello) => node.replication.lead(socket, hello, peer),
    }
}
