//! Reading an archive: first its manifest, then all of it once, in order.

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, copy, sink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use thiserror::Error;

use super::hashed::Hashed;
use super::trailer::{self, Trailer};
use crate::backup::manifest::{self, Copy, FORMAT, Manifest};
use crate::context::Failure;

/// With which every archive begins.
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
/// The longest manifest that is read, in bytes: some millions of files.
const MAX_MANIFEST: u64 = 1 << 30;
/// Bytes that are read at once.
const PIECE: usize = 256 << 10;

/// Why an archive cannot be used.
#[derive(Debug, Error)]
pub enum Unreadable {
    /// It cannot be opened or read.
    #[error("cannot read {}: {error}", path.display())]
    Io {
        /// The archive.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It was made by somebody else, or is newer than this program.
    #[error("{}: {why}", path.display())]
    Foreign {
        /// The archive.
        path: PathBuf,
        /// What it is.
        why: String,
    },
    /// It is not as it was made.
    #[error("{} is damaged: {why}; use another backup", path.display())]
    Damaged {
        /// The archive.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
}

impl Unreadable {
    /// How a command ends that met this: exit code 2 where the archive is damaged, else the error.
    pub fn outcome(self) -> Result<ExitCode, Failure> {
        match self {
            Self::Damaged { .. } => {
                eprintln!("lcmgr: {self}");
                Ok(ExitCode::from(2))
            }
            Self::Io { .. } | Self::Foreign { .. } => Err(self.into()),
        }
    }
}

/// An archive whose manifest was read.
pub struct Archive {
    path: PathBuf,
    file: File,
    /// Bytes before the trailer.
    frames: u64,
    /// Bytes before the hash, which the trailer ends with.
    hashed: u64,
    hash: [u8; 32],
    /// What it holds.
    pub manifest: Manifest,
}

/// Takes the files of an archive, in its order. Where something is damaged the last calls are missing.
pub trait Sink {
    /// A copy begins.
    fn begin(&mut self, copy: &Copy) -> Result<(), Failure>;
    /// A file of it begins.
    fn file(&mut self, copy: &Copy, file: &manifest::File) -> Result<(), Failure>;
    /// The next bytes of that, or none at all, which only asks whether to go on.
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure>;
    /// All files of a copy came; `is_sound` where they are as they were.
    fn end(&mut self, copy: &Copy, is_sound: bool) -> Result<(), Failure>;
}

impl Archive {
    /// Opens an archive and reads its manifest.
    pub fn open(path: &Path) -> Result<Self, Unreadable> {
        let io = |error| Unreadable::Io { path: path.to_owned(), error };
        let foreign = |why: String| Unreadable::Foreign { path: path.to_owned(), why };
        let damaged = |why: String| Unreadable::Damaged { path: path.to_owned(), why };
        let mut file = File::open(path).map_err(io)?;
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() {
            return Err(foreign("it is no file: name an archive that `lcmgr backup` made".to_owned()));
        }
        let len = metadata.len();
        let mut first = Vec::new();
        file.by_ref().take(ZSTD.len() as u64).read_to_end(&mut first).map_err(io)?;
        let end = read_end(&mut file, len).map_err(io)?;
        let parsed = end.and_then(|end| Trailer::parse(&end, len));
        if first != ZSTD && parsed.is_none() {
            return Err(foreign("it is no archive that `lcmgr backup` made".to_owned()));
        }
        let Some((trailer, hash)) = parsed else {
            let at = how_far(&mut file).map_err(io)?;
            return Err(damaged(format!(
                "its {len} bytes do not end as an archive does, so it was cut short or altered at its end; {at}"
            )));
        };
        let manifest = read_manifest(&mut file, trailer).map_err(|why| damaged(why.to_string()))?;
        if manifest.format > FORMAT {
            return Err(foreign(format!(
                "its format is {}, of which this lcmgr knows nothing: use a newer one",
                manifest.format
            )));
        }
        manifest.check().map_err(damaged)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            frames: len - trailer::LEN,
            hashed: len - hash.len() as u64,
            hash,
            manifest,
        })
    }

    /// Reads all of it and hands out its files. Returns what is damaged: nothing where it is sound.
    ///
    /// Errors: the sink's; the file cannot be read.
    pub fn read(&mut self, sink: &mut dyn Sink) -> Result<Vec<String>, Failure> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut stream = Hashed::new((&self.file).take(self.hashed));
        let mut damages = Vec::new();
        let whole = read_files((&mut stream).take(self.frames), &self.manifest, sink, &mut damages)?;
        if whole {
            let rest = copy_rest(&mut stream, sink)?;
            rest.map_err(|error| format!("cannot read {}: {error}", self.path.display()))?;
            if stream.digest() != self.hash && damages.is_empty() {
                damages.push(
                    "all its databases are whole, but bytes between or behind them are others than were written"
                        .to_owned(),
                );
            }
        }
        Ok(damages)
    }
}

/// The last bytes of a file; none where it is too short.
fn read_end(file: &mut File, len: u64) -> io::Result<Option<[u8; trailer::LEN as usize]>> {
    let Some(at) = len.checked_sub(trailer::LEN) else { return Ok(None) };
    let mut end = [0; trailer::LEN as usize];
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(&mut end)?;
    Ok(Some(end))
}

fn read_manifest(file: &mut File, trailer: Trailer) -> Result<Manifest, Failure> {
    let what =
        |error: &dyn fmt::Display| format!("the manifest at offset {} is damaged: {error}", trailer.manifest);
    file.seek(SeekFrom::Start(trailer.manifest))?;
    let frame = zstd::Decoder::new(file.take(trailer.manifest_len)).map_err(|error| what(&error))?;
    let mut tar = tar::Archive::new(frame);
    let mut entries = tar.entries()?.raw(true);
    let entry = entries.next().ok_or_else(|| what(&"it is missing"))?.map_err(|error| what(&error))?;
    if entry.path_bytes() != manifest::NAME.as_bytes() {
        return Err(what(&"it has another name").into());
    }
    let mut text = Vec::new();
    entry.take(MAX_MANIFEST).read_to_end(&mut text).map_err(|error| what(&error))?;
    // The sum of the frame is checked at its end.
    copy(&mut tar.into_inner(), &mut sink()).map_err(|error| what(&error))?;
    Ok(serde_json::from_slice(&text).map_err(|error| what(&error))?)
}

/// Hands out all files. False where it had to stop.
fn read_files(
    stream: impl Read,
    manifest: &Manifest,
    sink: &mut dyn Sink,
    damages: &mut Vec<String>,
) -> Result<bool, Failure> {
    let passed = Cell::new(0);
    let counted = Counted { stream, passed: &passed };
    let Ok(frames) = zstd::Decoder::new(counted) else {
        damages.push("it does not begin as an archive does".to_owned());
        return Ok(false);
    };
    let mut tar = tar::Archive::new(frames);
    let mut entries = tar.entries()?.raw(true);
    let mut piece = vec![0; PIECE];
    for database in &manifest.copies {
        sink.begin(database)?;
        let before = damages.len();
        for file in &database.files {
            let name = format!("{}/{}", database.folder(), file.path);
            let stop = |damages: &mut Vec<String>, offset: u64, why: &dyn fmt::Display| {
                damages.push(format!(
                    "{name} cannot be read from its byte {offset} on, near byte {} of the archive: {why}",
                    passed.get()
                ));
                Ok(false)
            };
            let mut entry = match entries.next() {
                Some(Ok(entry)) => entry,
                Some(Err(error)) => return stop(damages, 0, &error),
                None => return stop(damages, 0, &"the archive ends before it"),
            };
            if *entry.path_bytes() != *name.as_bytes() || entry.size() != file.bytes {
                return stop(damages, 0, &"there is something else in its place");
            }
            sink.file(database, file)?;
            let mut entry = Hashed::new(&mut entry);
            loop {
                match entry.read(&mut piece) {
                    Ok(0) => break,
                    Ok(len) => sink.bytes(piece.get(..len).unwrap_or_default())?,
                    Err(error) => return stop(damages, entry.bytes, &error),
                }
            }
            if entry.bytes != file.bytes {
                return stop(damages, entry.bytes, &"the archive ends within it");
            }
            if entry.digits() != file.sha256 {
                damages.push(format!("{name} has other bytes than were written: its SHA-256 is another"));
            }
        }
        sink.end(database, damages.len() == before)?;
    }
    // The rest of the frames, whose sums are checked at their ends.
    if let Err(error) = copy(&mut tar.into_inner(), &mut io::sink()) {
        damages.push(format!(
            "what follows the databases cannot be read, near byte {} of the archive: {error}",
            passed.get()
        ));
    }
    Ok(true)
}

/// Reads what zstd left, for the hash.
fn copy_rest<R: Read>(stream: &mut Hashed<R>, sink: &mut dyn Sink) -> Result<io::Result<()>, Failure> {
    let mut piece = vec![0; PIECE];
    loop {
        sink.bytes(&[])?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(Ok(())),
            Ok(_) => {}
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// Says how far an archive without its end can be read.
fn how_far(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut tar = tar::Archive::new(zstd::Decoder::new(file)?);
    let mut last = None;
    for entry in tar.entries()?.raw(true) {
        let Ok(mut entry) = entry else { break };
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let size = entry.size();
        let mut passed = Hashed::new(&mut entry);
        let ended = copy(&mut passed, &mut sink());
        if ended.is_err() || passed.bytes != size {
            return Ok(format!("it breaks off within {name:?}, after {} of {size} bytes", passed.bytes));
        }
        last = Some(name);
    }
    Ok(match last {
        Some(name) => format!("it breaks off behind {name:?}"),
        None => "nothing in it can be read".to_owned(),
    })
}

/// Counts what passes, for messages.
struct Counted<'c, R> {
    stream: R,
    passed: &'c Cell<u64>,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.stream.read(buffer)?;
        self.passed.set(self.passed.get() + len as u64);
        Ok(len)
    }
}
