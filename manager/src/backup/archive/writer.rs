//! Writing an archive: under another name until all of it is on the disk.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::hashed::Hashed;
use super::trailer::Trailer;
use crate::backup::manifest::{self, Manifest};
use crate::context::Failure;

/// What an archive that is not finished has behind its name.
const ENDING: &str = ".unfinished";
/// Of zstd: its default.
const LEVEL: i32 = 3;

/// An archive that is being written. Dropped, it is removed.
pub struct Writer {
    path: PathBuf,
    unfinished: PathBuf,
    /// None once it has its name.
    tar: Option<tar::Builder<Frames>>,
}

/// The frames of zstd in the file.
struct Frames {
    /// None between frames.
    frame: Option<zstd::Encoder<'static, Hashed<File>>>,
}

/// A file that goes into the archive.
struct Source<'s> {
    stream: Hashed<&'s mut dyn Read>,
    progress: &'s mut dyn FnMut(u64) -> Result<(), Failure>,
    /// Why it ended before its end.
    failed: Option<Failure>,
}

impl Writer {
    /// Begins an archive. What an interrupted try left is written over.
    ///
    /// Errors: something of its name is there; it cannot be made.
    pub fn begin(path: &Path) -> Result<Self, Failure> {
        if path.symlink_metadata().is_ok() {
            return Err(format!("{} is there: name another with -o, or move it away", path.display()).into());
        }
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(ENDING);
        let unfinished = PathBuf::from(unfinished);
        let mut frames = Frames { frame: None };
        let begun = File::create(&unfinished).and_then(|file| frames.begin(Hashed::new(file)));
        begun.map_err(|error| cannot_write(&unfinished, &error))?;
        Ok(Self { path: path.to_owned(), unfinished, tar: Some(tar::Builder::new(frames)) })
    }

    /// Adds a file of `bytes` bytes; `progress` is told of each piece, and says whether to go on.
    pub fn add(
        &mut self,
        folder: &str,
        path: &str,
        bytes: u64,
        from: &mut dyn Read,
        progress: &mut dyn FnMut(u64) -> Result<(), Failure>,
    ) -> Result<manifest::File, Failure> {
        let name = format!("{folder}/{path}");
        let mut source = Source { stream: Hashed::new(from), progress, failed: None };
        let header = header(&name, bytes)?;
        let added = self.tar()?.append(&header, &mut source);
        if let Some(why) = source.failed {
            return Err(format!("{name}: {why}").into());
        }
        added.map_err(|error| cannot_write(&self.unfinished, &error))?;
        if source.stream.bytes != bytes {
            let found = source.stream.bytes;
            return Err(format!("{name} had {bytes} bytes and has {found} now: back up again").into());
        }
        Ok(manifest::File { path: path.to_owned(), bytes, sha256: source.stream.digits() })
    }

    /// Adds the manifest, makes all durable and gives the archive its name. Returns its bytes.
    pub fn finish(mut self, manifest: &Manifest) -> Result<u64, Failure> {
        let text = serde_json::to_vec_pretty(manifest)?;
        let failed = |error: io::Error| cannot_write(&self.unfinished, &error);
        let mut tar = self.tar.take().ok_or("the archive is finished already")?;
        let end = |frames: &mut Frames| {
            let hashed = frames.end()?;
            let position = hashed.bytes;
            frames.begin(hashed)?;
            Ok(position)
        };
        let at = end(tar.get_mut()).map_err(failed)?;
        tar.append(&header(manifest::NAME, text.len() as u64)?, &text[..]).map_err(failed)?;
        let mut file = tar.into_inner().and_then(|mut frames| frames.end()).map_err(failed)?;
        let head = Trailer { manifest: at, manifest_len: file.bytes - at }.head();
        file.write_all(&head).map_err(failed)?;
        let hash = file.digest();
        file.write_all(&hash).map_err(failed)?;
        file.stream.sync_all().map_err(failed)?;
        self.name().map_err(|error| format!("cannot name the archive {}: {error}", self.path.display()))?;
        Ok(file.bytes)
    }

    fn tar(&mut self) -> Result<&mut tar::Builder<Frames>, Failure> {
        self.tar.as_mut().ok_or_else(|| "the archive is finished already".into())
    }

    fn name(&self) -> io::Result<()> {
        match renameat_with(CWD, &self.unfinished, CWD, &self.path, RenameFlags::NOREPLACE) {
            // Not every file system can: then what came since the beginning is not noticed.
            Err(Errno::INVAL | Errno::NOSYS) => fs::rename(&self.unfinished, &self.path)?,
            renamed => renamed?,
        }
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // It has its name, or cannot be removed: then it keeps its telling name, and the next try writes over it.
        let _ = fs::remove_file(&self.unfinished);
    }
}

impl Frames {
    fn begin(&mut self, file: Hashed<File>) -> io::Result<()> {
        let mut frame = zstd::Encoder::new(file, LEVEL)?;
        frame.include_checksum(true)?;
        self.frame = Some(frame);
        Ok(())
    }

    fn end(&mut self) -> io::Result<Hashed<File>> {
        self.frame.take().ok_or(io::ErrorKind::BrokenPipe)?.finish()
    }
}

impl Write for Frames {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.frame.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.frame.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.flush()
    }
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(buffer).map_err(|error| format!("cannot read it: {error}").into());
        match read.and_then(|len| (self.progress)(len as u64).map(|()| len)) {
            Ok(len) => Ok(len),
            Err(why) => {
                self.failed = Some(why);
                Err(io::ErrorKind::Other.into())
            }
        }
    }
}

/// Of the plain kind, without entries of their own for long names, so that a reader need not believe those.
fn header(name: &str, bytes: u64) -> Result<tar::Header, Failure> {
    let mut header = tar::Header::new_ustar();
    let named = header.set_path(name);
    named.map_err(|_| format!("{name} is too long for an archive: give the server a shorter name"))?;
    header.set_size(bytes);
    header.set_mode(0o644);
    header.set_cksum();
    Ok(header)
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let what = format!("cannot write {}: {error}", path.display());
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            format!("{what}: free some space there, or write the archive elsewhere with -o").into()
        }
        _ => what.into(),
    }
}
