//! What an archive holds, as a table.

use comfy_table::{CellAlignment, Table, presets};
use indicatif::HumanBytes;
use jiff::Timestamp;

use super::manifest::Manifest;
use crate::context::Failure;

/// A line for each database.
pub fn of(manifest: &Manifest) -> Result<String, Failure> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["node", "server", "records", "bytes", "end of log", "last change", "standing"]);
    for copy in &manifest.copies {
        table.add_row([
            copy.node.clone(),
            copy.server.clone(),
            copy.records.to_string(),
            HumanBytes(copy.bytes()).to_string(),
            format!("{}:{}", copy.position.segment, copy.position.offset),
            time(copy.position.last_change),
            copy.standing.clone(),
        ]);
    }
    for column in [2, 3, 4] {
        let column = table.column_mut(column).ok_or("the table lacks a column")?;
        column.set_cell_alignment(CellAlignment::Right);
    }
    Ok(format!("{}\n", table.trim_fmt()))
}

fn time(micros: u64) -> String {
    match i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok()) {
        Some(_) if micros == 0 => "none".to_owned(),
        Some(time) => format!("{time:.3}"),
        None => micros.to_string(),
    }
}
