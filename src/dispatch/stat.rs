//! The text of `stat`: the original's lines, in its order.

use std::fmt::{Display, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

use super::{Node, Session, admin};

/// The version of the original whose behaviour and protocol this node has.
pub const ORIGINAL_VERSION: &str = "1.1.41";

/// Lines of name, TAB, value.
pub(super) fn text(node: &Node, session: &Session) -> String {
    let mut text = String::with_capacity(1500);
    // Writing to a string cannot fail.
    facts(node, session, |name, value| _ = writeln!(text, "{name}\t{value}"));
    text.push_str(&node.counters.text());
    if let Some(scripts) = node.scripts() {
        let figures = scripts.figures();
        _ = writeln!(text, "ext_errors\t{}\next_limits\t{}", figures.errors(), figures.limits());
    }
    node.replication.stat(&mut text);
    text
}

/// What there is to say but for counters: names and values in the original's order.
pub(super) fn facts(node: &Node, session: &Session, mut line: impl FnMut(&str, &dyn Display)) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    line("version", &ORIGINAL_VERSION);
    line("libver", &324);
    line("protver", &"0.91");
    line("os", &"Linux");
    line("time", &format_args!("{now:.6}"));
    line("pid", &std::process::id());
    line("sid", &node.store.origin());
    line("type", &if node.store.is_memory() { "on-memory hash" } else { "hash" });
    line("path", &node.database_name);
    line("rnum", &node.store.records());
    line("size", &admin::size(node));
    if let Some(why) = node.store.failure() {
        line("fatal", &format_args!("10: {}", why.replace(['\t', '\n'], " ")));
    }
    if let Some(why) = node.store.full() {
        line("disk_full", &why.replace(['\t', '\n'], " "));
    }
    line("bigend", &0);
    if let Some(master) = node.master.shown(&node.store, node.replication.named().as_ref()) {
        line("mhost", &master.host.replace(['\t', '\n'], " "));
        line("mport", &master.port);
        line("rts", &master.rts);
        line("delay", &format_args!("{:.6}", master.delay));
    }
    line("fd", &session.descriptor);
    line("loadavg", &format_args!("{:.6}", load_average()));
    let (memsize, memrss) = memory();
    line("memsize", &memsize);
    line("memrss", &memrss);
    let (user, system) = cpu();
    line("ru_user", &format_args!("{user:.6}"));
    line("ru_sys", &format_args!("{system:.6}"));
    line("ru_real", &format_args!("{:.6}", node.started.elapsed().as_secs_f64()));
}

/// The load of the last five minutes; 0 where the system does not tell.
fn load_average() -> f64 {
    let file = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    file.split(' ').nth(1).and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// Virtual and resident bytes of this process; 0 where the system does not tell.
pub fn memory() -> (u64, u64) {
    let file = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten().unwrap_or(4096) as u64;
    let mut pages = file.split(' ').map(|pages| pages.parse::<u64>().unwrap_or(0) * page);
    (pages.next().unwrap_or(0), pages.next().unwrap_or(0))
}

/// Seconds of CPU time in user code and in the kernel.
pub fn cpu() -> (f64, f64) {
    let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    match getrusage(UsageWho::RUSAGE_SELF) {
        Ok(usage) => (seconds(usage.user_time()), seconds(usage.system_time())),
        Err(_) => (0.0, 0.0),
    }
}
