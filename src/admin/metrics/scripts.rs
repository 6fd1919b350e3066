//! Scripts, where there are any.

use super::families::Families;
use crate::dispatch::Node;

pub(super) fn collect(node: &Node, families: &mut Families) {
    let Some(scripts) = node.scripts() else { return };
    let (figures, (busy, machines)) = (scripts.figures(), scripts.machines());
    families.counter(
        "lcnode_script_calls_total",
        "Calls of functions by clients, and of those that are called every so often.",
        figures.calls() as f64,
    );
    families.counter(
        "lcnode_script_errors_total",
        "Errors of scripts, those by a limit included.",
        figures.errors() as f64,
    );
    families.counter("lcnode_script_limits_total", "Calls ended by a limit.", figures.limits() as f64);
    families.gauge("lcnode_script_machines", "Virtual machines for calls.", machines as f64);
    families.gauge("lcnode_script_machines_busy", "Those of them that are in use.", busy as f64);
}
