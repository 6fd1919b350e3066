//! `lcnode eval CODE [DB]`.

use std::ffi::OsString;
use std::io::{Read, Write, stdin, stdout};
use std::path::Path;
use std::sync::Arc;

use clap::{ArgAction, Args};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;

use super::{Outcome, ToolError, alone};
use crate::config::{LimitArgs, ScriptConfig, ScriptSource};
use crate::scripts::Extension;

/// Run Lua on a database and print what that returns
///
/// CODE is an expression or statements with return. It has the functions and the limits that scripts have in a node
/// and is run once. Each value that it returns is printed on a line of its own: strings as they are, tables as one
/// would write them in Lua, cut after 10,000 elements. Lines of the log go to standard error.
#[derive(Debug, Args)]
#[command(
    after_help = "DB is a database as it is named to a node, such as lcnode.tch; it must be there, and no node may have \
                  it open. With #mode=r behind its name nothing in it can be changed. What was changed is on the disk \
                  at the end. _begin and _end of scripts are called as in a node.\n\n\
                  Exit codes: 0 done, 1 the code or a script has failed, or the database cannot be opened (in use, no \
                  database, an error of the system), 2 the database is damaged: lcnode check says more."
)]
pub(super) struct Words {
    /// Code to run, such as '_get("key")'; - reads it from standard input
    #[arg(value_name = "CODE", allow_hyphen_values = true)]
    code: OsString,
    /// The database, or * for an empty one in memory
    #[arg(value_name = "DB", default_value = "*")]
    database: String,
    /// Load this script first, or the text of one after @; can be given several times, in order
    #[arg(long, value_name = "PATH|@CODE", action = ArgAction::Append)]
    ext: Vec<OsString>,
    #[command(flatten)]
    limits: LimitArgs,
}

/// Runs the tool.
pub(super) fn run(words: &Words) -> Result<Outcome, ToolError> {
    let code = code(words)?;
    let sources = words.ext.iter().map(|word| ScriptSource::new(word.clone(), Path::new(""))).collect();
    let config = ScriptConfig::for_tool(sources, &words.limits);
    let node = alone::open(&words.database)?;
    // Only now: how the database was opened is of no interest here.
    log_to_standard_error();
    let ran = Extension::load(&node, &config).map_err(|error| error.to_string()).and_then(|extension| {
        // Nothing is set twice.
        let _ = node.scripts.set(Arc::downgrade(extension.scripts()));
        let ran = extension.scripts().run("eval", &code);
        extension.end();
        ran
    });
    let closed = alone::close(node);
    let values = ran.map_err(ToolError::Other)?;
    closed?;
    let mut out = stdout().lock();
    for value in values {
        out.write_all(&value)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(Outcome::Sound)
}

fn code(words: &Words) -> Result<Vec<u8>, ToolError> {
    if words.code != "-" {
        return Ok(words.code.as_encoded_bytes().to_vec());
    }
    let mut code = Vec::new();
    stdin()
        .read_to_end(&mut code)
        .map_err(|error| ToolError::Other(format!("cannot read standard input: {error}")))?;
    Ok(code)
}

/// What scripts write, and errors; of the rest only what went wrong.
fn log_to_standard_error() {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .without_time();
    let shown = Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("lcnode::scripts", LevelFilter::INFO)
        .with_target("lcnode_lua", LevelFilter::INFO)
        .with_target(crate::logging::SYSTEM, LevelFilter::INFO);
    // A process has one log at most, and this is the first.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(shown).with(lines));
}
