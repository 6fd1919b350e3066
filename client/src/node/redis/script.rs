//! The script that carries out on a server what Redis has no command for.

use std::sync::LazyLock;

use redis::{Cmd, Script, cmd};

use super::error::{RedisFailure, RedisFailureKind};

const TEXT: &str = include_str!("script.lua");
/// Knows the name under which servers keep the script.
static SCRIPT: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));

/// Runs the script, by its name where the server should know it already, else with its text.
fn command(by: &str, script: &str, key: &[u8], operation: &str, args: &[&[u8]]) -> Cmd {
    let mut command = cmd(by);
    command.arg(script).arg(1).arg(key).arg(operation).arg(args);
    command
}

pub(super) fn by_name(key: &[u8], operation: &str, args: &[&[u8]]) -> Cmd {
    command("EVALSHA", SCRIPT.get_hash(), key, operation, args)
}

pub(super) fn by_text(key: &[u8], operation: &str, args: &[&[u8]]) -> Cmd {
    command("EVAL", TEXT, key, operation, args)
}

/// Whether a server does not know the script yet.
pub(super) fn is_unknown(failure: &RedisFailure) -> bool {
    matches!(failure.kind, RedisFailureKind::NoScript)
}
