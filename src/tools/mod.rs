//! Tools: what the program does instead of serving when its first word says so.
//!
//! Exit codes: 0 done, 1 wrong words or something that cannot be read or written, 2 damaged.

mod restore;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::config::Identity;

/// Exit code where a file holds other bytes than were written.
const DAMAGED: u8 = 2;

/// A tool, by the first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Restore,
}

/// Runs the tool that the command line names, if it names one. Called as `ttserver` the program has none: the
/// original takes any word for a database.
pub fn run_if_asked(mut argv: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let program = argv.next().unwrap_or_default();
    if Identity::from_program(Path::new(&program)) == Identity::Ttserver {
        return None;
    }
    let tool = match argv.next()?.to_str()? {
        "restore" => Tool::Restore,
        _ => return None,
    };
    Some(match tool {
        Tool::Restore => restore::run(argv),
    })
}

/// The exit code for an error of the engine, which is printed.
fn failure(error: &lcnode_storage::Error) -> ExitCode {
    eprintln!("lcnode: {error}");
    match error {
        lcnode_storage::Error::Damaged { .. } => ExitCode::from(DAMAGED),
        _ => ExitCode::FAILURE,
    }
}
