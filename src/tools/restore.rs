//! `lcnode restore`: a database out of a backup, rolled forward to a time.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use lcnode_storage::{Phase, Restore, Restored, restore};

use super::{Outcome, ToolError};

/// Make a database out of a backup, as of a time
///
/// BACKUP is a directory that the copy command made, and stays as it is. Files that are never written again
/// are linked where the file system allows, the others copied; every record is checked on the way.
#[derive(Debug, Args)]
#[command(
    after_help = "With --log the changes that came after the backup are restored too, as far back as compaction \
                  has left them. TIME is as 2026-11-22T10:00:00Z, with any offset and fraction, or in \
                  microseconds since 1970. Interrupted or failed, nothing is left but TARGET.unfinished, \
                  which the next try removes.\n\n\
                  Exit codes: 0 done, 1 wrong words, or something cannot be used, read or written, \
                  2 the backup or the log is damaged."
)]
pub(super) struct Words {
    /// Directory of the backup
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    /// Directory of the new database, which must not be there; a name ending in .tch can be served
    #[arg(value_name = "TARGET")]
    target: PathBuf,
    /// Go on with the log of this database, the one that the backup was made of: its node must be stopped,
    /// or name a copy of its directory
    #[arg(long, value_name = "DB")]
    log: Option<PathBuf>,
    /// Stop before the first change that is later than this; needs --log [default: all of the log]
    #[arg(long, value_name = "TIME", requires = "log", value_parser = time)]
    until: Option<u64>,
}

/// Runs the tool.
pub(super) fn run(words: &Words) -> Result<Outcome, ToolError> {
    let Words { backup, target, log, until } = words;
    let what = Restore { backup: backup.clone(), target: target.clone(), log: log.clone(), until: *until };
    let bar = bar();
    let mut phase = None;
    let restored = restore(&what, &mut |now, done, total| {
        if phase.replace(now) != Some(now) {
            bar.set_message(match now {
                Phase::Log => "reading the log",
                Phase::Segments => "checking and placing segments",
            });
        }
        bar.set_length(total);
        bar.set_position(done.min(total));
    });
    bar.finish_and_clear();
    std::io::stdout().write_all(summary(&what, &restored?).as_bytes())?;
    Ok(Outcome::Sound)
}

/// On standard error, and only where that is a terminal.
fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    let template = "{msg} [{wide_bar}] {bytes} of {total_bytes}, {bytes_per_sec}";
    // The default style where the template should not be understood.
    bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

fn summary(what: &Restore, restored: &Restored) -> String {
    let Restored { backup, position, last_change, ways, bytes, torn } = restored;
    let mut lines = vec![
        format!("restored {} from {}", what.target.display(), what.backup.display()),
        format!("backup taken:  {}", shown(backup.taken)),
        format!("last change:   {}", shown(*last_change)),
        format!("end of log:    {}:{}", position.segment, position.offset),
        format!(
            "segments:      {} linked, {} cloned, {} copied ({} bytes)",
            ways.linked, ways.cloned, ways.copied, ways.copied_bytes
        ),
        format!("bytes of log:  {bytes}"),
    ];
    if let Some((file, offset)) = torn {
        lines.push(format!(
            "left out:      what is behind offset {offset} of {file}: half a record, as a crash leaves it"
        ));
    }
    lines.join("\n") + "\n"
}

/// A time as text, and in microseconds.
fn shown(micros: u64) -> String {
    match i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok()) {
        Some(_) if micros == 0 => "none".to_owned(),
        Some(time) => format!("{time:.6} ({micros})"),
        None => micros.to_string(),
    }
}

/// Reads a time as RFC 3339 or in microseconds since 1970.
fn time(text: &str) -> Result<u64, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.parse().map_err(|_| "too large for microseconds since 1970".to_owned());
    }
    let hint = "write a time as 2026-11-22T10:00:00Z, or microseconds since 1970";
    let time: Timestamp = text.parse().map_err(|error| format!("{error}; {hint}"))?;
    u64::try_from(time.as_microsecond()).map_err(|_| format!("it is before 1970; {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, micros) in [
            ("1790000000000000", 1_790_000_000_000_000),
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-22T10:00:00Z", 1_795_341_600_000_000),
            ("2026-11-22t10:00:00.000001z", 1_795_341_600_000_001),
            ("2026-11-22T12:30:00.5+02:30", 1_795_341_600_500_000),
            ("2026-11-22T05:00:00-05:00", 1_795_341_600_000_000),
            ("18446744073709551615", u64::MAX),
        ] {
            assert_eq!(time(text), Ok(micros), "{text}");
        }
        for text in ["", " ", "yesterday", "2026-11-22", "2026-11-22T10:00:00", "-1", "1e9", "+5"] {
            assert!(time(text).is_err(), "{text}");
        }
        for text in ["1969-12-31T23:59:59Z", "18446744073709551616", "2026-13-01T00:00:00Z"] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_shown_with_microseconds() {
        assert_eq!(shown(1_795_341_600_500_001), "2026-11-22T10:00:00.500001Z (1795341600500001)");
        assert_eq!(shown(0), "none");
        assert_eq!(shown(u64::MAX), u64::MAX.to_string());
    }
}
