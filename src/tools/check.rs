//! `lcnode check DB`.

use std::io::{Write, stdout};
use std::path::Path;

use lcnode_storage::examine::{self, Verdict};

use super::{Outcome, ToolError, meter};

/// Checks a database and prints what was found, then the verdict.
pub fn run(database: &Path) -> Result<Outcome, ToolError> {
    let report = meter::shown(|progress| examine::check(database, progress))?;
    let mut out = stdout().lock();
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    let name = database.display();
    let read =
        format!("{} bytes of log in {} segments, {} records", report.bytes, report.segments, report.records);
    let (outcome, verdict) = match report.verdict() {
        Verdict::Sound => (Outcome::Sound, format!("{name} is sound: {read}")),
        Verdict::Mended => (
            Outcome::Mended,
            format!(
                "{name} is sound but for what the next start mends by itself: {read}; nothing is to be done"
            ),
        ),
        Verdict::Damaged => (
            Outcome::Damaged,
            format!(
                "{name} is damaged: {read}; restore it from a backup or a replica, or save what is whole with \
                 `lcnode repair {name} NEW`"
            ),
        ),
    };
    writeln!(out, "{verdict}")?;
    Ok(outcome)
}
