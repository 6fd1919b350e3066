//! `lcnode repair DB NEW`.

use std::io::{Write, stdout};
use std::path::Path;

use lcnode_storage::examine::{self, Weight};

use super::{Outcome, ToolError, meter};

/// Saves what is whole and prints what was lost, then what was saved.
pub fn run(database: &Path, target: &Path) -> Result<Outcome, ToolError> {
    let repaired = meter::shown(|progress| examine::repair(database, target, progress))?;
    let mut out = stdout().lock();
    for finding in &repaired.lost {
        writeln!(out, "{finding}")?;
    }
    let lost = repaired.lost.iter().filter(|finding| finding.weight == Weight::Damage).count();
    let lost = match lost {
        0 => "nothing was lost".to_owned(),
        1 => "1 part was lost".to_owned(),
        _ => format!("{lost} parts were lost"),
    };
    writeln!(
        out,
        "{} is made: {} records of {} bytes saved, of {} changes that could be read; {lost}; {} is as it was",
        target.display(),
        repaired.saved,
        repaired.bytes,
        repaired.found,
        database.display()
    )?;
    let is_whole = repaired.lost.iter().all(|finding| finding.weight == Weight::Mended);
    Ok(if is_whole { Outcome::Sound } else { Outcome::Damaged })
}
