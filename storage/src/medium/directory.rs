//! A directory of ordinary files: the medium of a database on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FallocateFlags;

use super::{Fill, Medium, Region};

/// A database directory. Files are created with mode 0644, as the process's umask allows.
#[derive(Debug)]
pub struct Directory {
    root: PathBuf,
    writable: bool,
}

impl Directory {
    /// The directory `root`, which must exist.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), writable: true }
    }

    /// The same, for reading: its files need no more than the right to be read, and calls that would
    /// change anything are not to be made.
    pub fn for_reading(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), writable: false }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Makes the entries of the folder that holds `name` durable.
    fn sync_folder_of(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        File::open(path.parent().unwrap_or(&self.root))?.sync_all()
    }
}

/// Allocates `len` bytes, so that later writes through a mapping cannot run out of space.
fn allocate(file: &mut File, len: usize) -> io::Result<()> {
    match rustix::fs::fallocate(&*file, FallocateFlags::empty(), 0, len as u64) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::OPNOTSUPP) => write_zeros(file, len),
        Err(error) => Err(error.into()),
    }
}

/// Zeros from where the file stands: the slow way to allocate, for file systems without `fallocate`.
fn write_zeros(file: &mut File, len: usize) -> io::Result<()> {
    let block = vec![0u8; 1 << 20];
    let mut left = len;
    while left > 0 {
        let part = left.min(block.len());
        file.write_all(&block[..part])?;
        left -= part;
    }
    Ok(())
}

fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(path)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl Medium for Directory {
    fn create(&self, name: &str, capacity: usize) -> io::Result<Region> {
        let path = self.path(name);
        // Left behind by a try that failed, and could not be removed then.
        remove_if_there(&path)?;
        let mut file = create_new(&path)?;
        let made = allocate(&mut file, capacity)
            .and_then(|()| file.sync_all())
            .and_then(|()| self.sync_folder_of(name))
            .and_then(|()| Region::of_file(name.to_owned(), &file, 0));
        if made.is_err() {
            // Nothing is in it yet; if it cannot be removed either, the next start sees an empty file.
            let _ = fs::remove_file(&path);
        }
        made
    }

    fn open(&self, name: &str) -> io::Result<Region> {
        let file = OpenOptions::new().read(true).write(self.writable).open(self.path(name))?;
        match self.writable {
            true => Region::of_file(name.to_owned(), &file, usize::MAX),
            false => Region::of_file_for_reading(name.to_owned(), &file),
        }
    }

    fn sync(&self, region: &Region, from: usize, to: usize) -> io::Result<()> {
        region.sync(from, to)
    }

    fn cut(&self, region: &Region, len: usize) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(self.path(region.name()))?;
        file.set_len(len as u64)?;
        file.sync_all()
    }

    fn wipe(&self, name: &str, from: u64, to: u64) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).open(self.path(name))?;
        if file.metadata()?.nlink() > 1 {
            // Backups never share what may still be written; but somebody else may have linked it.
            let why = "it has another name too, as in a backup: put a copy of the file in its place";
            return Err(io::Error::other(why));
        }
        file.seek(SeekFrom::Start(from))?;
        write_zeros(&mut file, to.saturating_sub(from) as usize)?;
        file.sync_all()
    }

    fn write_whole(&self, name: &str, fill: &mut Fill<'_>) -> io::Result<()> {
        let unfinished = self.path(&format!("{name}.tmp"));
        remove_if_there(&unfinished)?;
        let mut writer = BufWriter::with_capacity(1 << 20, create_new(&unfinished)?);
        let written = fill(&mut writer)
            .and_then(|()| writer.flush())
            .and_then(|()| writer.get_ref().sync_all())
            .and_then(|()| fs::rename(&unfinished, self.path(name)));
        if let Err(error) = written {
            let _ = fs::remove_file(&unfinished);
            return Err(error);
        }
        self.sync_folder_of(name)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        File::open(self.path(name))?.read_exact_at(buffer, offset)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        remove_if_there(&self.path(name))?;
        self.sync_folder_of(name)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.path(folder))? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                // Removed since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            if let (true, Ok(name)) = (metadata.is_file(), entry.file_name().into_string()) {
                files.push((name, metadata.len()));
            }
        }
        files.sort();
        Ok(files)
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn describe(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}
