//! A copy of the database while it is in use: the log as of one position, in a new directory that
//! can be opened like any other.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::index::checkpoint;
use crate::log::address::Position;
use crate::log::record::SEAL;
use crate::log::segment::{self, HEADER, Segment};
use crate::meta::{self, Meta};
use crate::store::{Shared, Store};

impl Store {
    /// Copies the database into the directory `target`, which must not exist, and returns the
    /// position that the copy is of. Full segments are linked where the file system allows, else
    /// copied. Blocks for as long as that takes; readers and writers go on. Nothing is left behind
    /// where it fails. The copy of a database in memory may still hold records that its bounds dropped.
    pub fn copy_to(&self, target: &Path) -> Result<Position> {
        let shown = target.display().to_string();
        if target.symlink_metadata().is_ok() {
            let source = io::Error::from(io::ErrorKind::AlreadyExists);
            return Err(Error::Io { what: "copy to", path: shown, source });
        }
        let mut unfinished = target.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        let made = self.shared.copy_into(&unfinished).and_then(|position| {
            fs::rename(&unfinished, target)
                .and_then(|()| sync_folder(target.parent()))
                .map_err(Error::io("name", &shown))?;
            Ok(position)
        });
        if made.is_err() {
            // What cannot be removed keeps its telling name, and does no harm.
            let _ = fs::remove_dir_all(&unfinished);
        }
        made
    }
}

impl Shared {
    fn copy_into(&self, folder: &Path) -> Result<Position> {
        let failed = || Error::io("copy to", folder.display().to_string());
        // An earlier try may have been interrupted.
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed()(error)),
            _ => {}
        }
        for path in [folder.to_owned(), folder.join(segment::FOLDER), folder.join(checkpoint::FOLDER)] {
            DirBuilder::new().mode(0o755).create(path).map_err(failed())?;
        }
        // Segments are neither removed nor rewritten meanwhile.
        let _compacting = self.lock_compacting();
        let position = self.end();
        self.durability.sync(position)?;
        let view = self.view.load_full();
        for segment in view.segments.iter().filter(|segment| segment.number() <= position.segment) {
            let target = folder.join(segment::file_name(segment.number()));
            let whole = segment.number() < position.segment;
            self.copy_segment(segment, &target, (!whole).then_some(position.offset)).map_err(failed())?;
        }
        let meta = Meta { complete: true, id: self.kit.id, hash_key: self.hasher.key() };
        write_file(&folder.join(meta::NAME), &[&meta.encode()]).map_err(failed())?;
        for path in [folder.join(segment::FOLDER), folder.to_owned()] {
            sync_folder(Some(&path)).map_err(failed())?;
        }
        Ok(position)
    }

    /// Links or copies a full segment; copies the first `end` bytes of the last one, as a segment
    /// that has room for nothing but its seal.
    fn copy_segment(&self, segment: &Segment, target: &Path, end: Option<u64>) -> io::Result<()> {
        let bytes = segment.region().bytes();
        match end {
            Some(end) => {
                let capacity = end + SEAL as u64;
                let header = segment::header(self.kit.id, segment.number(), capacity);
                let records = bytes.get(HEADER..end as usize).unwrap_or_default();
                write_file(target, &[&header, records, &[0; SEAL]])
            }
            None => {
                let source = self.kit.medium.describe(segment.region().name());
                let linked = self.kit.medium.is_durable() && fs::hard_link(source, target).is_ok();
                if linked { Ok(()) } else { write_file(target, &[bytes]) }
            }
        }
    }
}

fn write_file(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()
}

fn sync_folder(path: Option<&Path>) -> io::Result<()> {
    let path = path.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(path)?.sync_all()
}
