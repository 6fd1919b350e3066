//! Requests and the connections they come over.

use lcnode_protocol::{Command, Dialect};

use super::families::Families;
use crate::dispatch::{Counters, Outcome};
use crate::server::Shared;

pub(super) fn collect(shared: &Shared, families: &mut Families) {
    requests(&shared.node.counters, families);
    let watch = &shared.watch;
    let mut durations = families.histograms(
        "lcnode_request_duration_seconds",
        "From the bytes of requests being there to their replies being written, for each request of a batch.",
    );
    for command in Command::ALL {
        let times = watch.latencies(command);
        if times.count() > 0 {
            durations.add_times(&[("command", command.name())], &times);
        }
    }
    drop(durations);
    families.counter(
        "lcnode_slow_requests_total",
        "Requests that took as long as --slow-log says.",
        watch.slow_requests() as f64,
    );
    let (accepted, open) = watch.connections();
    let listening = [("listener", watch.listening())];
    families
        .counters("lcnode_connections_accepted_total", "Connections of clients.")
        .add(&listening, accepted as f64);
    families.gauges("lcnode_connections_open", "Connections of clients now.").add(&listening, open as f64);
    let (received, sent) = watch.bytes();
    families.counter("lcnode_received_bytes_total", "Bytes of requests.", received as f64);
    families.counter("lcnode_sent_bytes_total", "Bytes of replies.", sent as f64);
    families.gauge(
        "lcnode_buffered_bytes",
        "Bytes of half-received requests and unsent replies, of those connections that hold more than 64 KiB.",
        shared.budget.held() as f64,
    );
    families.gauge(
        "lcnode_buffered_limit_bytes",
        "What these may come to (--max-buffered).",
        shared.budget.limit() as f64,
    );
}

fn requests(counters: &Counters, families: &mut Families) {
    let mut requests =
        families.counters("lcnode_requests_total", "Requests by dialect and command, and what came of them.");
    for dialect in Dialect::ALL {
        for command in Command::ALL {
            // First, so that what is counted meanwhile makes nothing negative.
            let [failed, refused, malformed] =
                Outcome::ALL.map(|outcome| counters.outcomes(dialect, command, outcome));
            let calls = counters.calls_in(dialect, command);
            if calls == 0 {
                continue;
            }
            let ok = calls.saturating_sub(failed + refused + malformed);
            let mut add = |outcome: &str, count: u64| {
                let labels = [("dialect", dialect.name()), ("command", command.name()), ("outcome", outcome)];
                requests.add(&labels, count as f64);
            };
            add("ok", ok);
            for (outcome, count) in Outcome::ALL.iter().zip([failed, refused, malformed]) {
                add(outcome.name(), count);
            }
        }
    }
    drop(requests);
    let mut rejected = families.counters(
        "lcnode_rejected_requests_total",
        "Bytes that could not become a request, by the dialect they began in; none: of no dialect.",
    );
    for dialect in Dialect::ALL.map(Some).into_iter().chain([None]) {
        let name = dialect.map_or("none", Dialect::name);
        rejected.add(&[("dialect", name)], counters.rejected(dialect) as f64);
    }
}
