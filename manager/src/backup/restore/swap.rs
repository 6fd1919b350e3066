//! A new database in the place of the old one, which is moved aside.
//!
//! Here both change places at once, so that there is no moment without a database. `new.meta` tells afterwards which
//! of them is the new one.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::target::hold;
use crate::backup::host::{Host, quoted};
use crate::context::Failure;

/// Swaps databases on this host. True where there was an old one.
pub fn here(database: &Path, work: &Path, before: &Path) -> Result<bool, Failure> {
    let new = work.join("new.tch");
    let rename = |from: &Path, to: &Path, flags: RenameFlags| {
        let renamed = match renameat_with(CWD, from, CWD, to, flags) {
            // Not every file system can.
            Err(Errno::INVAL | Errno::NOSYS) if flags == RenameFlags::NOREPLACE => fs::rename(from, to),
            renamed => renamed.map_err(io::Error::from),
        };
        let failed = |error: io::Error| {
            let kind = error.kind();
            io::Error::new(kind, format!("cannot rename {} to {}: {error}", from.display(), to.display()))
        };
        renamed.map_err(failed)
    };
    note(&new, work).map_err(|error| format!("cannot write in {}: {error}", work.display()))?;
    let _lock = hold(database)?;
    let was_there = database.symlink_metadata().is_ok();
    if !was_there {
        rename(&new, database, RenameFlags::NOREPLACE)?;
    } else {
        match rename(&new, database, RenameFlags::EXCHANGE) {
            Ok(()) => rename(&new, before, RenameFlags::NOREPLACE)?,
            Err(error)
                if error.kind() == io::ErrorKind::InvalidInput
                    || error.kind() == io::ErrorKind::Unsupported =>
            {
                rename(database, before, RenameFlags::NOREPLACE)?;
                rename(&new, database, RenameFlags::NOREPLACE)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let folder = database.parent().unwrap_or(Path::new("."));
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|error| format!("cannot sync {}: {error}", folder.display()))?;
    Ok(was_there)
}

/// Remembers durably how the new database is known.
fn note(new: &Path, work: &Path) -> io::Result<()> {
    let part = work.join("new.meta.part");
    fs::copy(new.join("meta"), &part)?;
    File::open(&part)?.sync_all()?;
    fs::rename(&part, work.join("new.meta"))?;
    File::open(work)?.sync_all()
}

/// The same on another host, where two renames follow each other.
pub fn there(host: &Host, database: &Path, work: &Path, before: &Path) -> Result<bool, Failure> {
    let (database, work, before) = (quoted(database)?, quoted(work)?, quoted(before)?);
    let swap = format!(
        "set -e; d={database}; w={work}; b={before}\n\
         if [ -e \"$b\" ]; then echo \"$b is in the way\" >&2; exit 1; fi\n\
         if [ -e \"$d\" ] || [ -L \"$d\" ]; then mv \"$d\" \"$b\"; echo aside; fi\n\
         mv \"$w/new.tch\" \"$d\"; sync"
    );
    let locked = quoted(Path::new(&swap))?;
    let script = format!(
        "if [ -e {database}/LOCK ]; then flock -n {database}/LOCK sh -c {locked}; else sh -c {locked}; fi"
    );
    Ok(host.run(&script)?.trim() == "aside")
}
