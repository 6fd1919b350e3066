//! `lcnode inspect DB`.

use std::io::{Write, stdout};
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use jiff::Timestamp;
use lcnode_storage::Error;
use lcnode_storage::examine::{self, CheckpointView, Inspection, SegmentState, SegmentView};
use serde_json::{Value, json};

use super::{Outcome, ToolError, meter};

/// Prints an overview, for people or as JSON.
pub fn run(database: &Path, json: bool) -> Result<Outcome, ToolError> {
    let view = match meter::shown(|progress| examine::inspect(database, progress)) {
        Ok(view) => view,
        Err(error @ (Error::Damaged { .. } | Error::Newer { .. })) => {
            eprintln!("lcnode: {error}; `lcnode check {}` says more", database.display());
            return Ok(Outcome::Damaged);
        }
        Err(error) => return Err(error.into()),
    };
    let mut out = stdout().lock();
    match json {
        true => writeln!(out, "{:#}", as_json(&view))?,
        false => out.write_all(as_text(&view).as_bytes())?,
    }
    Ok(Outcome::Sound)
}

fn id(view: &Inspection) -> String {
    view.id.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn state(state: SegmentState) -> &'static str {
    match state {
        SegmentState::Sealed => "sealed",
        SegmentState::Active => "active",
        SegmentState::Spare => "spare",
        SegmentState::Leftover => "leftover",
    }
}

/// Bytes on disk for each live byte; none where none is live.
fn ratio(disk: u64, live: u64) -> Option<f64> {
    (live > 0).then(|| disk as f64 / live as f64)
}

fn per_key(view: &Inspection) -> Option<f64> {
    ratio(view.table_bytes, view.entries)
}

/// What a start would do, a sentence each.
fn recovery(view: &Inspection) -> Vec<String> {
    let mut steps = vec![match (&view.checkpoint, view.replayed) {
        (CheckpointView::Used(_), 0) => "uses the checkpoint as it is".to_owned(),
        (CheckpointView::Used(_), bytes) => {
            format!("uses the checkpoint and reads {bytes} bytes of log behind it")
        }
        (CheckpointView::Unused(_), bytes) => format!("reads the whole log, {bytes} bytes"),
    }];
    if view.torn > 0 {
        steps.push(format!("drops a torn end of {} bytes", view.torn));
    }
    let leftover = view.segments.iter().filter(|one| one.state == SegmentState::Leftover).count();
    if leftover > 0 {
        steps.push(format!("removes or uses anew {leftover} files behind the end of the log"));
    }
    steps
}

fn as_json(view: &Inspection) -> Value {
    let segments = view.segments.iter().map(|one| {
        json!({
            "number": one.number, "file_bytes": one.file_bytes, "written": one.written, "live": one.live,
            "dead": one.dead, "tombstones": one.tombstones, "first": one.first, "last": one.last,
            "state": state(one.state),
        })
    });
    let (disk, live, dead, tombstones) = view.totals();
    let checkpoint = match &view.checkpoint {
        CheckpointView::Used(position) => json!({
            "used": true, "segment": position.segment, "offset": position.offset, "bytes_behind": view.replayed,
        }),
        CheckpointView::Unused(why) => json!({ "used": false, "why": why }),
    };
    json!({
        "id": id(view),
        "format": view.format,
        "state": if view.complete { "complete" } else { "incomplete" },
        "records": view.records,
        "segments": segments.collect::<Vec<_>>(),
        "totals": {
            "file_bytes": disk, "live": live, "dead": dead, "tombstones": tombstones,
            "disk_to_live": ratio(disk, live),
        },
        "table": {
            "entries": view.entries, "buckets": view.buckets, "overflow_buckets": view.overflow,
            "longest_chain": view.longest, "bytes": view.table_bytes, "bytes_per_key": per_key(view),
        },
        "checkpoint": checkpoint,
        "end": { "segment": view.end.segment, "offset": view.end.offset },
        "torn": view.torn,
        "recovery": if view.complete { recovery(view) } else { vec!["begins with an empty database".to_owned()] },
    })
}

/// Microseconds as a date and time in UTC, to the second.
fn time(micros: Option<u64>) -> String {
    let Some(micros) = micros else { return "-".to_owned() };
    let time =
        i64::try_from(micros / 1_000_000).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("{micros} us"), |time| time.to_string())
}

fn row(one: &SegmentView) -> [String; 9] {
    [
        one.number.to_string(),
        state(one.state).to_owned(),
        one.file_bytes.to_string(),
        one.written.to_string(),
        one.live.to_string(),
        one.dead.to_string(),
        one.tombstones.to_string(),
        time(one.first),
        time(one.last),
    ]
}

fn as_text(view: &Inspection) -> String {
    let state = if view.complete { "complete" } else { "being made or emptied" };
    let mut lines = vec![format!("id          {}, format {}, {state}", id(view), view.format)];
    if !view.complete {
        lines.push("next start  begins with an empty database".to_owned());
        return lines.join("\n") + "\n";
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["segment", "state", "file", "written", "live", "dead", "tombstones", "first", "last"]);
    for segment in &view.segments {
        table.add_row(row(segment));
    }
    let (disk, live, dead, tombstones) = view.totals();
    let total =
        ["all", "", &disk.to_string(), "", &live.to_string(), &dead.to_string(), &tombstones.to_string()];
    table.add_row(total);
    for index in [0, 2, 3, 4, 5, 6] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    lines.push(format!("records     {}", view.records));
    let ratio = ratio(disk, live)
        .map_or("no record is live".to_owned(), |ratio| format!("{ratio:.2} times the live"));
    lines.push(format!("on disk     {disk} bytes of segments, {ratio}"));
    let per_key = per_key(view).map_or(String::new(), |bytes| format!(", {bytes:.1} bytes an entry"));
    lines.push(format!(
        "table       {} entries in {} buckets and {} overflow buckets, longest chain {}{per_key}",
        view.entries, view.buckets, view.overflow, view.longest
    ));
    lines.push(match &view.checkpoint {
        CheckpointView::Used(at) => format!(
            "checkpoint  at offset {} of segment {}, {} bytes of log behind it",
            at.offset, at.segment, view.replayed
        ),
        CheckpointView::Unused(why) => {
            format!("checkpoint  none is used: {why}; the whole log was read for this")
        }
    });
    lines.push(format!("next start  {}", recovery(view).join(", ")));
    lines.push(String::new());
    lines.extend(table.lines().map(|line| line.trim_end().to_owned()));
    lines.push("(bytes; times in UTC)".to_owned());
    lines.join("\n") + "\n"
}
