//! The `copy` command: a copy of the database below the one directory that is meant for copies, or a
//! program that is given one.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use lcnode_protocol::{Command, Reply};

use super::{ErrorNumber, Node, Session, copy_command, note};

/// What the copy for a program has behind its name.
pub(super) const SNAPSHOT: &str = ".snapshot";

/// Copies the database to `path`, which a client names: relative to the backup directory, or absolute
/// and inside it.
pub(super) fn copy(node: &Node, session: &mut Session, path: &[u8], reply: &mut impl Reply) {
    tracing::info!("doing copy command");
    if let Some(name) = path.strip_prefix(b"@") {
        return match copy_command::run(node, name) {
            Ok(()) => reply.success(),
            Err(why) => {
                tracing::error!("do_copy: {why}");
                session.last_error = ErrorNumber::Other;
                reply.failure();
            }
        };
    }
    let target = match target(node.backup_dir.as_deref(), Path::new(OsStr::from_bytes(path))) {
        Ok(target) => target,
        Err(why) => {
            tracing::error!("do_copy: {why}");
            session.last_error = ErrorNumber::Other;
            return reply.failure();
        }
    };
    if node.store.is_memory() {
        // As the original, whose copy of a database in memory walks the shared iterator.
        *node.iterator.lock() = None;
    }
    match node.store.copy_to(&target) {
        Ok((backup, ways)) => {
            tracing::info!(
                "copied to {} as of log {}:{}: {} segments linked, {} cloned, {} copied ({} bytes)",
                target.display(),
                backup.position.segment,
                backup.position.offset,
                ways.linked,
                ways.cloned,
                ways.copied,
                ways.copied_bytes
            );
            reply.success();
        }
        Err(error) => {
            note(session, Command::Copy, &error);
            reply.failure();
        }
    }
}

/// The directory to write, or why not.
fn target(backup_dir: Option<&Path>, path: &Path) -> Result<PathBuf, String> {
    if path.as_os_str().is_empty() {
        return Err("no path was given".to_owned());
    }
    let Some(backup_dir) = backup_dir else {
        return Err("refused: start the node with --backup-dir DIR to say where copies may go".to_owned());
    };
    let inside = path.strip_prefix(backup_dir).unwrap_or(path);
    let is_plain = inside.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    let has_name = inside.components().any(|part| matches!(part, Component::Normal(_)));
    if !is_plain || !has_name || inside.as_os_str().as_bytes().contains(&0) {
        return Err(format!("{} is not inside {}", path.display(), backup_dir.display()));
    }
    let target = backup_dir.join(inside);
    if target.file_name().is_some_and(|name| name.as_bytes().ends_with(SNAPSHOT.as_bytes())) {
        return Err(format!("names that end in {SNAPSHOT} are for the copies that programs are given"));
    }
    // A link inside the directory may lead out of it.
    let parent = target.parent().unwrap_or(backup_dir);
    let resolve =
        |path: &Path| path.canonicalize().map_err(|error| format!("cannot use {}: {error}", path.display()));
    if !resolve(parent)?.starts_with(resolve(backup_dir)?) {
        return Err(format!("{} leads out of {}", path.display(), backup_dir.display()));
    }
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_stay_inside_the_backup_directory() {
        let folder = tempfile::tempdir().unwrap();
        let backups = folder.path();
        let inside = |path: &str| target(Some(backups), Path::new(path));
        assert_eq!(inside("a.tch"), Ok(backups.join("a.tch")));
        assert_eq!(inside(backups.join("b.tch").to_str().unwrap()), Ok(backups.join("b.tch")));
        std::os::unix::fs::symlink("/", backups.join("out")).unwrap();
        for outside in
            ["", "/etc/a.tch", "../a.tch", "x/../../a.tch", ".", "out/a.tch", "none/a.tch", "a.snapshot"]
        {
            assert!(inside(outside).is_err(), "{outside}");
        }
        assert!(target(None, Path::new("a.tch")).is_err());
    }
}
