//! What is answered to other nodes that want the changes made here.

use lcnode_protocol::Command;
use lcnode_protocol::peer::{FollowerHello, LeaderHello};

use crate::dispatch::{self, Node};

/// Answers `repl` as an original without an update log: its own id, and the end.
pub(super) fn answer_replica(node: &Node, shard: usize, ts: u64, sid: u32, output: &mut Vec<u8>) {
    let command = Command::Repl;
    node.counters.count(shard, command);
    if node.mask.forbids(dispatch::bits(command)) {
        tracing::info!("do_repl: forbidden");
    } else if sid == u32::from(node.server_id) {
        tracing::info!("do_repl: rejected circular replication");
    } else {
        tracing::error!("do_repl: server {sid} asks for changes since {ts}: replication is not built yet");
        output.extend_from_slice(&u32::from(node.server_id).to_be_bytes());
    }
}

/// Refuses an lcnode that wants to follow.
pub(super) fn answer_follower(node: &Node, shard: usize, hello: &FollowerHello, output: &mut Vec<u8>) {
    let command = Command::Repl;
    node.counters.count(shard, command);
    let reason = match node.mask.forbids(dispatch::bits(command)) {
        true => "the mask of this node forbids repl",
        false => "replication between lcnodes is not built yet",
    };
    tracing::info!("do_repl: server {} cannot follow: {reason}", hello.sid);
    LeaderHello::refusal(node.server_id, node.store.now(), reason).encode(output);
}
