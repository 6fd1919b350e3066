//! The process: its memory, processor time, descriptors. What every program has bears the names that are usual for it.

use nix::sys::resource::{Resource, getrlimit};

use super::families::Families;
use crate::admin::state::State;
use crate::dispatch::stat::{cpu, memory};

pub(super) fn collect(state: &State, is_serving: bool, families: &mut Families) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    families.gauges("lcnode_build_info", "Always 1; the label is the version.").add(&version, 1.0);
    families.gauge("lcnode_serving", "Whether requests are carried out.", f64::from(u8::from(is_serving)));
    families.gauge(
        "lcnode_uptime_seconds",
        "Time since the start of the admin server.",
        state.started.elapsed().as_secs_f64(),
    );
    families.gauge(
        "process_start_time_seconds",
        "When the process was started, since the Unix epoch.",
        state.started_at,
    );
    let (user, system) = cpu();
    families.counter(
        "process_cpu_seconds_total",
        "Processor time, in the program and in the kernel.",
        user + system,
    );
    let (virtual_memory, resident) = memory();
    families.gauge("process_resident_memory_bytes", "Memory in RAM, files included.", resident as f64);
    families.gauge(
        "process_virtual_memory_bytes",
        "Addresses in use, mapped files included.",
        virtual_memory as f64,
    );
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        families.gauge("process_open_fds", "Open file descriptors.", open.count() as f64);
    }
    if let Ok((soft, _)) = getrlimit(Resource::RLIMIT_NOFILE) {
        families.gauge("process_max_fds", "File descriptors that may be open.", soft as f64);
    }
}
