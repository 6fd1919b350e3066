//! How a file comes into a new directory: by a link, by sharing its blocks, or byte by byte.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{Advice, fadvise, ioctl_ficlone};

use crate::log::record::SEAL;
use crate::log::segment::{self, HEADER};
use crate::meta::DatabaseId;

/// Bytes written at once, so that progress can be told.
const PIECE: usize = 4 << 20;

/// How one file came to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// A second name of the same file.
    Linked,
    /// A file of its own that shares blocks until one of the two is changed.
    Cloned,
    /// Byte by byte.
    Copied,
}

/// How many segments came which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ways {
    /// Segments that are a second name of the source's file, which nobody writes any more.
    pub linked: u64,
    /// Segments that share blocks with the source's file (reflink).
    pub cloned: u64,
    /// Segments that were copied.
    pub copied: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
}

impl Ways {
    /// One more, of `bytes` bytes.
    pub(crate) fn count(&mut self, way: Way, bytes: u64) {
        match way {
            Way::Linked => self.linked += 1,
            Way::Cloned => self.cloned += 1,
            Way::Copied => {
                self.copied += 1;
                self.copied_bytes += bytes;
            }
        }
    }
}

/// Brings a sealed segment to `target` without copying it, where its file and the file system allow:
/// none where they don't. `header` and `written` are what it begins with, and its bytes.
///
/// A file that was cut to its seal is never written again: a start would sooner refuse it. Any other
/// may still be cut, or be taken for the end of the log, so it is not shared by name.
pub(crate) fn share(source: &Path, target: &Path, capacity: u64, written: u64) -> Option<Way> {
    let is_cut = written < capacity && fs::metadata(source).is_ok_and(|found| found.len() == written);
    if !is_cut {
        return None;
    }
    if fs::hard_link(source, target).is_ok() {
        return Some(Way::Linked);
    }
    // Where it is not possible, copying is, or says why not.
    clone(source, target).is_ok().then_some(Way::Cloned)
}

fn clone(source: &Path, target: &Path) -> io::Result<()> {
    let source = File::open(source)?;
    let file = create(target)?;
    let cloned = ioctl_ficlone(&file, &source).map_err(io::Error::from).and_then(|()| file.sync_all());
    if cloned.is_err() {
        fs::remove_file(target)?;
    }
    cloned
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)
}

/// Writes a new file, durably; tells of bytes written as they are.
pub(crate) fn write_new(path: &Path, parts: &[&[u8]], progress: &mut dyn FnMut(u64)) -> io::Result<()> {
    let mut file = create(path)?;
    for piece in parts.iter().flat_map(|part| part.chunks(PIECE)) {
        file.write_all(piece)?;
        progress(piece.len() as u64);
    }
    file.sync_all()?;
    // Nobody reads it soon: it need not push out what is read. A hint.
    let _ = fadvise(&file, 0, None, Advice::DontNeed);
    Ok(())
}

/// Writes the last segment of a log that ends at `end`: with room for nothing but its seal. `bytes` are
/// those of the segment that it is taken from.
pub(crate) fn write_last(
    target: &Path,
    id: DatabaseId,
    number: u64,
    bytes: &[u8],
    end: u64,
    progress: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let header = segment::header(id, number, end + SEAL as u64);
    let records = bytes.get(HEADER..end as usize).unwrap_or_default();
    write_new(target, &[&header, records, &[0; SEAL]], progress)
}
