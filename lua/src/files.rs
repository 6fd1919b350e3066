//! `_stat`, `_glob`, `_mkdir`, `_remove`: files, for scripts that are allowed them. A path ends at a NUL.

mod glob;

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use nix::unistd::{AccessFlags, access};

pub use glob::glob;

use crate::meter::{LimitReached, Meter};
use crate::text::c_string;

/// What is known about a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stat {
    /// Numbers by their names: dev, ino, mode, nlink, uid, gid, rdev, size, blksize, blocks; atime, mtime and
    /// ctime in seconds since 1970.
    pub numbers: [(&'static str, f64); 13],
    /// Whether it is a regular file, a directory; whether the node may read, write and execute it. Of a symbolic link,
    /// the latter three are those of the link itself.
    pub flags: [(&'static str, bool); 5],
    /// Its absolute path, where symbolic links are followed; of a link that leads nowhere, the path as given.
    pub real_path: Vec<u8>,
}

fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(c_string(bytes)))
}

/// About a file, without following a symbolic link. None where there is none.
#[must_use]
pub fn stat(of: &[u8]) -> Option<Stat> {
    let of = path(of);
    let found = of.symlink_metadata().ok()?;
    // A link can be read and replaced by everyone.
    let may = |flag| found.is_symlink() || access(of, flag).is_ok();
    Some(Stat {
        numbers: [
            ("dev", found.dev() as f64),
            ("ino", found.ino() as f64),
            ("mode", f64::from(found.mode())),
            ("nlink", found.nlink() as f64),
            ("uid", f64::from(found.uid())),
            ("gid", f64::from(found.gid())),
            ("rdev", found.rdev() as f64),
            ("size", found.size() as f64),
            ("blksize", found.blksize() as f64),
            ("blocks", found.blocks() as f64),
            ("atime", found.atime() as f64),
            ("mtime", found.mtime() as f64),
            ("ctime", found.ctime() as f64),
        ],
        flags: [
            ("_regular", found.is_file()),
            ("_directory", found.is_dir()),
            ("_readable", may(AccessFlags::R_OK)),
            ("_writable", may(AccessFlags::W_OK)),
            ("_executable", may(AccessFlags::X_OK)),
        ],
        real_path: of.canonicalize().as_deref().unwrap_or(of).as_os_str().as_bytes().to_vec(),
    })
}

/// Makes a directory in one that is there; whether it is new.
#[must_use]
pub fn make_directory(at: &[u8]) -> bool {
    DirBuilder::new().mode(0o755).create(path(at)).is_ok()
}

/// Removes a file, a symbolic link (not what it leads to), or a directory with all that is in it. Whether that
/// was there and is gone.
///
/// # Errors
/// [`LimitReached`] as the meter says; what was removed until then is gone.
pub fn remove(at: &[u8], meter: &dyn Meter) -> Result<bool, LimitReached> {
    remove_path(path(at), 0, meter)
}

fn remove_path(at: &Path, depth: usize, meter: &dyn Meter) -> Result<bool, LimitReached> {
    const MAX_DEPTH: usize = 128;
    meter.work(20_000)?;
    if !at.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return Ok(std::fs::remove_file(at).is_ok());
    }
    let Some(entries) = std::fs::read_dir(at).ok().filter(|_| depth < MAX_DEPTH) else { return Ok(false) };
    for entry in entries.flatten() {
        remove_path(&entry.path(), depth + 1, meter)?;
    }
    Ok(std::fs::remove_dir(at).is_ok())
}

#[cfg(test)]
mod tests;
