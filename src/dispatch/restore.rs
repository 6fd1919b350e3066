//! The `restore` command: update logs of an original server, replayed from one of the directories that are
//! meant for it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use lcnode::replication::original::restore::{self, Replay};
use lcnode_protocol::{Command, Reply};

use super::{ErrorNumber, Node, Session, note};

/// Bit of the options: an entry with another outcome here is a failure.
const CHECK: u32 = 1;

/// Replays the update logs in the directory `path`, which a client names: relative to `-ulog` or the backup
/// directory, or absolute and inside one of them.
pub(super) fn restore(
    node: &Node,
    session: &mut Session,
    path: &[u8],
    ts: u64,
    options: u32,
    reply: &mut impl Reply,
) {
    tracing::info!("doing restore command");
    let allowed = [node.update_logs.as_deref(), node.backup_dir.as_deref()];
    let folder = match source(allowed, Path::new(OsStr::from_bytes(path))) {
        Ok(folder) => folder,
        Err(why) => {
            tracing::error!("do_restore: {why}");
            session.last_error = ErrorNumber::Other;
            return reply.failure();
        }
    };
    let replay = Replay { folder, ts, check: options & CHECK != 0, limits: node.limits };
    session.wrote = true;
    match restore::restore(&node.store, &replay, || node.commands.is_stopping()) {
        Ok(done) => {
            tracing::info!(
                "restored from {}: {} entries of {} files, {} earlier ones passed over, {} with another outcome",
                replay.folder.display(),
                done.entries,
                done.files,
                done.earlier,
                done.differences
            );
            reply.success();
        }
        Err(restore::RestoreError::Store { path, offset, source }) => {
            tracing::error!("do_restore: {} at byte {offset}:", path.display());
            note(session, Command::Restore, &source);
            reply.failure();
        }
        Err(error) => {
            tracing::error!("do_restore: {error}");
            session.last_error = ErrorNumber::Other;
            reply.failure();
        }
    }
}

/// The directory to read, or why not.
fn source(allowed: [Option<&Path>; 2], path: &Path) -> Result<PathBuf, String> {
    if path.as_os_str().is_empty() {
        return Err("no path was given".to_owned());
    }
    if allowed.iter().all(Option::is_none) {
        let why = "start the node with -ulog DIR to say where update logs may be read";
        return Err(format!("refused: {why}; asked for was {}", path.display()));
    }
    let mut why = format!("{} is neither inside -ulog nor inside --backup-dir", path.display());
    for folder in allowed.into_iter().flatten() {
        // Links are followed first: one inside may lead out.
        match (folder.join(path).canonicalize(), folder.canonicalize()) {
            (Ok(found), Ok(folder)) if found.starts_with(&folder) => return Ok(found),
            (Err(error), Ok(_)) => why = format!("cannot use {}: {error}", folder.join(path).display()),
            _ => {}
        }
    }
    Err(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_inside_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let [logs, backups] = ["logs", "backups"].map(|name| root.join(name));
        for path in [&logs.join("1"), &backups.join("2"), &root.join("other")] {
            std::fs::create_dir_all(path).unwrap();
        }
        std::os::unix::fs::symlink(root.join("other"), logs.join("out")).unwrap();
        let both = [Some(&*logs), Some(&*backups)];
        let read = |path: &str| source(both, Path::new(path));
        assert_eq!(read("."), Ok(logs.clone()));
        assert_eq!(read("1"), Ok(logs.join("1")));
        assert_eq!(read("2"), Ok(backups.join("2")));
        assert_eq!(read(logs.join("1").to_str().unwrap()), Ok(logs.join("1")));
        assert_eq!(read(backups.to_str().unwrap()), Ok(backups.clone()));
        let other = root.join("other");
        for outside in ["", "..", "/", "/etc", "out", "none", "../other", other.to_str().unwrap()] {
            assert!(read(outside).is_err(), "{outside}");
        }
        assert!(source([None, None], Path::new("1")).is_err());
        assert!(source([None, Some(&backups)], Path::new("1")).is_err());
        assert!(source([Some(&root.join("none")), None], Path::new("/etc")).is_err());
    }
}
