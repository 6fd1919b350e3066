//! The engine: its log, its table, and what it does by itself.

use lcnode_storage::Store;

use super::families::Families;

pub(super) fn collect(store: &Store, families: &mut Families) {
    let figures = store.figures();
    let mut gauge = |name: &str, help: &str, value: f64| families.gauge(name, help, value);
    gauge("lcnode_records", "Records.", figures.records as f64);
    gauge("lcnode_log_bytes", "Bytes of the log.", figures.log_bytes as f64);
    gauge(
        "lcnode_log_live_bytes",
        "Bytes of the log that are records, or tombstones of deleted ones.",
        figures.live_bytes as f64,
    );
    gauge(
        "lcnode_log_dead_bytes",
        "Bytes of the log that compaction can give back.",
        figures.log_bytes.saturating_sub(figures.live_bytes) as f64,
    );
    gauge("lcnode_log_segments", "Files of the log.", figures.segments as f64);
    gauge("lcnode_table_entries", "Entries of the table: records and tombstones.", figures.entries as f64);
    gauge("lcnode_table_bytes", "Bytes of the table in memory.", figures.table_bytes as f64);
    let is_full = f64::from(u8::from(store.full().is_some()));
    gauge("lcnode_disk_full", "Whether changes are refused for want of space.", is_full);
    let has_failed = f64::from(u8::from(store.failure().is_some()));
    gauge("lcnode_store_failed", "Whether changes are refused because a write or sync failed.", has_failed);
    efforts(store, families);
}

fn efforts(store: &Store, families: &mut Families) {
    let efforts = store.efforts();
    let is_compacting = f64::from(u8::from(efforts.is_compacting));
    families.gauge("lcnode_compaction_running", "Whether a file of the log is being emptied.", is_compacting);
    families.gauge(
        "lcnode_log_since_checkpoint_bytes",
        "Bytes of log that a start after a crash would read.",
        efforts.log_since_checkpoint as f64,
    );
    if let Some(age) = efforts.checkpoint_age {
        families.gauge(
            "lcnode_checkpoint_age_seconds",
            "Time since the last checkpoint of this process.",
            age.as_secs_f64(),
        );
    }
    let mut counter = |name: &str, help: &str, value: f64| families.counter(name, help, value);
    let (compactions, checkpoints, syncs) = (efforts.compactions, efforts.checkpoints, efforts.syncs);
    counter("lcnode_compactions_total", "Files of the log given back.", compactions.count as f64);
    counter(
        "lcnode_compaction_seconds_total",
        "Time that emptying them took, rests included.",
        compactions.time.as_secs_f64(),
    );
    counter(
        "lcnode_compaction_moved_bytes_total",
        "Bytes of records moved out of them.",
        efforts.moved_bytes as f64,
    );
    counter("lcnode_checkpoints_total", "Checkpoints written.", checkpoints.count as f64);
    counter(
        "lcnode_checkpoint_seconds_total",
        "Time that they took, rests included.",
        checkpoints.time.as_secs_f64(),
    );
    counter("lcnode_syncs_total", "Syncs of the log.", syncs.count as f64);
    counter("lcnode_sync_seconds_total", "Time that they took.", syncs.time.as_secs_f64());
}
