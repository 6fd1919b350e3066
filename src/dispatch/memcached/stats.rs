//! The lines of `stats`: the original's, in its order.

use std::fmt::Display;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use arrayvec::ArrayVec;
use lcnode_protocol::{Command, Reply};

use crate::dispatch::counters::Miss;
use crate::dispatch::{Node, admin, stat};

/// Counters are of all dialects together.
pub(in crate::dispatch) fn stats(node: &Node, reply: &mut impl Reply) {
    let counters = &node.counters;
    let calls = |command| counters.calls(command);
    let sets = [Command::Put, Command::PutKeep, Command::PutCat, Command::PutShl, Command::PutNr];
    let sets: u64 = sets.into_iter().map(calls).sum();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (user, system) = stat::cpu();
    reply.begin_list();
    line(reply, "pid", std::process::id());
    line(reply, "uptime", node.started.elapsed().as_secs());
    line(reply, "time", now);
    line(reply, "version", stat::ORIGINAL_VERSION);
    line(reply, "pointer_size", usize::BITS);
    line(reply, "rusage_user", format_args!("{user:.6}"));
    line(reply, "rusage_system", format_args!("{system:.6}"));
    for (name, calls, misses) in [
        ("cmd_set", sets, counters.misses(Miss::Put)),
        ("cmd_delete", calls(Command::Out), counters.misses(Miss::Out)),
        ("cmd_get", calls(Command::Get), counters.misses(Miss::Get)),
    ] {
        line(reply, name, calls);
        // Both are counted one after the other while this looks.
        line(reply, &format!("{name}_hits"), calls.saturating_sub(misses));
        line(reply, &format!("{name}_misses"), misses);
    }
    line(reply, "cmd_flush", calls(Command::Vanish));
    let records = node.store.records();
    line(reply, "curr_items", records);
    line(reply, "total_items", records);
    line(reply, "bytes", admin::size(node));
    line(reply, "threads", node.threads);
    reply.end_list();
}

fn line(reply: &mut impl Reply, name: &str, value: impl Display) {
    let mut text = ArrayVec::<u8, 64>::new();
    // Numbers and the version are shorter.
    let _ = write!(text, "{value}");
    reply.record(name.as_bytes(), &text);
}
