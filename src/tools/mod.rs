//! What the program does instead of serving when its first word says so: `lcnode check`, `inspect`, `repair`,
//! `restore`, `check-ext` and `eval`.

mod alone;
mod check;
mod check_ext;
mod eval;
mod inspect;
mod meter;
mod repair;
mod restore;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use thiserror::Error;

use crate::config::Identity;

/// How a tool ends; scripts rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Done: the database is sound, a repair has lost nothing.
    Sound = 0,
    /// The command line is wrong, or the database cannot be looked at.
    Failed = 1,
    /// Data is lost, or the database does not open; a script has mistakes.
    Damaged = 2,
    /// Sound but for what the next start of a node mends by itself; for a script there are only hints.
    Mended = 3,
}

/// What was typed after the program's name.
#[derive(Debug, Parser)]
#[command(name = "lcnode", max_term_width = 100, disable_help_subcommand = true)]
enum Tool {
    /// Read every byte of a database and say what is not as it was written
    ///
    /// Goes on after a damage and prints each finding on a line: file, offset, bytes, what is wrong, what it
    /// means. The last line says how the database is, and what to do. No node may have it open; nothing in it is
    /// changed.
    #[command(after_help = CODES)]
    Check {
        /// The database: a directory, such as lcnode.tch
        #[arg(value_name = "DB")]
        database: PathBuf,
    },
    /// Show segments, live and dead bytes, the table and the checkpoint of a database
    ///
    /// Reads what the next start of a node would: the checkpoint and the log behind it, or the whole log where
    /// there is no checkpoint, and says which. No node may have it open; nothing in it is changed.
    #[command(
        after_help = "Exit codes: 0 shown, 1 it cannot be looked at (in use, no database, an error of the \
                            system), 2 it is damaged and does not open: lcnode check says more."
    )]
    Inspect {
        /// The database: a directory, such as lcnode.tch
        #[arg(value_name = "DB")]
        database: PathBuf,
        /// Print it as JSON: bytes as numbers, times in microseconds since the Unix epoch
        #[arg(long)]
        json: bool,
    },
    /// Save every whole record of a damaged database into a new one
    ///
    /// Of each key the newest record that is whole is taken over as it is; deletes that can be read count. Where the
    /// newest record is lost, an older value may come back. What was lost is printed, a line each: file, offset,
    /// bytes, and the key where it can be read. The damaged database is not changed; no node may have it open. Takes
    /// some 14 bytes of memory a key, and space for the records that are saved.
    #[command(
        after_help = "Exit codes: 0 nothing was lost, 1 no new database was made (in use, no database, NEW \
                            exists, an error of the system), 2 the new database lacks what was lost."
    )]
    Repair {
        /// The damaged database: a directory, such as lcnode.tch
        #[arg(value_name = "DB")]
        database: PathBuf,
        /// The new database: a directory that does not exist yet
        #[arg(value_name = "NEW")]
        target: PathBuf,
    },
    Restore(restore::Words),
    CheckExt(check_ext::Words),
    Eval(eval::Words),
}

const CODES: &str = "Exit codes: 0 sound, 1 it cannot be looked at (in use, no database, an error of the system), 2 \
                     damaged: data is lost or it does not open, 3 sound but for what the next start mends by \
                     itself (a torn end of the log, a checkpoint that is old or cannot be used).";

/// The first words that select a tool. No database is called so: names of files end in a suffix.
const NAMES: [&str; 6] = ["check", "inspect", "repair", "restore", "check-ext", "eval"];

/// Why a tool came to no result.
#[derive(Debug, Error)]
enum ToolError {
    #[error("{0}")]
    Engine(#[from] lcnode_storage::Error),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    #[error("{0}")]
    Other(String),
}

/// Runs the tool that the command line asks for, if it does. Under the name `ttserver` there are none.
pub fn run(words: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let words: Vec<OsString> = words.into_iter().collect();
    let program = words.first().map(Path::new).unwrap_or(Path::new(""));
    let is_tool = words.get(1).is_some_and(|word| NAMES.iter().any(|name| word == name));
    if !is_tool || Identity::from_program(program) != Identity::Lcnode {
        return None;
    }
    let outcome = match Tool::try_parse_from(words) {
        Ok(tool) => tool.run().unwrap_or_else(|error| {
            eprintln!("lcnode: {error}");
            match error {
                ToolError::Engine(lcnode_storage::Error::Damaged { .. }) => Outcome::Damaged,
                _ => Outcome::Failed,
            }
        }),
        Err(answer) => {
            let printed = answer.print().is_ok();
            if printed && !answer.use_stderr() { Outcome::Sound } else { Outcome::Failed }
        }
    };
    Some(ExitCode::from(outcome as u8))
}

impl Tool {
    fn run(&self) -> Result<Outcome, ToolError> {
        match self {
            Self::Check { database } => check::run(database),
            Self::Inspect { database, json } => inspect::run(database, *json),
            Self::Repair { database, target } => repair::run(database, target),
            Self::Restore(words) => restore::run(words),
            Self::CheckExt(words) => check_ext::run(words),
            Self::Eval(words) => eval::run(words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn clap_finds_no_fault() {
        Tool::command().debug_assert();
        let names: Vec<String> =
            Tool::command().get_subcommands().map(|one| one.get_name().to_owned()).collect();
        assert_eq!(names, NAMES);
    }

    #[test]
    fn other_lines_are_left_to_the_server() {
        for line in ["lcnode", "lcnode check.tch", "lcnode -port 1 check", "ttserver check a.tch"] {
            assert!(run(line.split(' ').map(OsString::from)).is_none(), "{line}");
        }
    }
}
