//! A copy of the database while it is in use: the log as of one position, in a new directory that
//! can be opened like any other.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backup::{Backup, Unfinished, Way, Ways, remove_left_over, share, write_last, write_new};
use crate::error::{Error, Result};
use crate::log::address::Position;
use crate::log::segment::{self, HEADER, Header, Segment};
use crate::meta;
use crate::store::{Shared, Store};

impl Store {
    /// Copies the database into the directory `target`, which must not exist, and tells what the copy
    /// is of; its file `backup` says the same. Full segments are linked where the file system allows,
    /// else their blocks are shared, else they are copied. Blocks for as long as that takes; readers,
    /// writers and compaction go on. Nothing is left behind where it fails. The copy of a database in
    /// memory may still hold records that its bounds dropped.
    ///
    /// Errors: `target` is there or its name ends in `.unfinished`, a file cannot be written, or the
    /// log cannot be made durable.
    pub fn copy_to(&self, target: &Path) -> Result<(Backup, Ways)> {
        let unfinished = Unfinished::begin(target)?;
        let made = self.shared.copy_into(unfinished.path())?;
        unfinished.finish()?;
        Ok(made)
    }

    /// The same for a copy that is only looked at for a while: it is removed when dropped. What an
    /// interrupted process left in its place is removed first.
    ///
    /// Errors: as of [`Store::copy_to`]; or somebody else has a snapshot there.
    pub fn snapshot_at(&self, target: &Path) -> Result<Snapshot> {
        remove_left_over(target)?;
        let unfinished = Unfinished::begin(target)?;
        let (backup, _) = self.shared.copy_into(unfinished.path())?;
        Ok(Snapshot { backup, path: target.to_owned(), _lock: unfinished.finish()? })
    }

    /// Time of the last change, in microseconds since the Unix epoch; 0 where there was none.
    pub fn last_change(&self) -> u64 {
        self.shared.tail.lock().last_ts
    }
}

/// A copy that is removed when dropped.
#[derive(Debug)]
pub struct Snapshot {
    /// What it is of.
    pub backup: Backup,
    path: PathBuf,
    /// Tells it from one that was left behind.
    _lock: File,
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::error!(%error, path = %self.path.display(), "this snapshot cannot be removed");
        }
    }
}

/// The log as of one position.
struct Moment {
    backup: Backup,
    /// Segments that are not in the copy yet. Their bytes stay readable, whatever becomes of the files.
    left: Vec<Arc<Segment>>,
    ways: Ways,
}

impl Shared {
    fn copy_into(&self, folder: &Path) -> Result<(Backup, Ways)> {
        // Most of what has to be synced, before compaction is kept waiting.
        self.durability.sync(self.end())?;
        let Moment { backup, left, mut ways } = self.capture(folder)?;
        let end = backup.position;
        let target = |number| folder.join(segment::file_name(number));
        let failed = |path: &Path| Error::io("copy to", path.display().to_string());
        for segment in &left {
            let (number, path) = (segment.number(), target(segment.number()));
            let bytes = segment.region().bytes();
            let (written, copied) = match number == end.segment {
                true => (end.offset, write_last(&path, self.kit.id, number, bytes, end.offset, &mut |_| ())),
                false => (bytes.len() as u64, write_new(&path, &[bytes], &mut |_| ())),
            };
            copied.map_err(failed(&path))?;
            ways.count(Way::Copied, written);
        }
        if left.last().is_none_or(|last| last.number() < end.segment) {
            let path = target(end.segment);
            let written = write_last(&path, self.kit.id, end.segment, &[], end.offset, &mut |_| ());
            written.map_err(failed(&path))?;
        }
        let path = folder.join(meta::NAME);
        let meta = self.meta.of_copy()?;
        write_new(&path, &[&meta.encode()], &mut |_| ()).map_err(failed(&path))?;
        backup.save(folder)?;
        Ok((backup, ways))
    }

    /// Decides on the position, and shares the segments before it that can be shared.
    fn capture(&self, folder: &Path) -> Result<Moment> {
        // Segments are neither removed nor rewritten meanwhile.
        let _compacting = self.lock_compacting();
        let (mut position, last_change) = {
            let tail = self.tail.lock();
            (self.end(), tail.last_ts)
        };
        self.durability.sync(position)?;
        let view = self.view.load_full();
        let last = view.segments.iter().find(|segment| segment.number() == position.segment);
        if last.is_some_and(|last| last.is_sealed() && last.end() == position) {
            // A database that is only read may end there, where it lacks the segment to go on in.
            position = Position { segment: position.segment + 1, offset: HEADER as u64 };
        }
        let (mut left, mut ways) = (Vec::new(), Ways::default());
        for segment in view.segments.iter().filter(|segment| segment.number() <= position.segment) {
            let is_full = segment.number() < position.segment;
            match is_full.then(|| self.share(segment, folder)).flatten() {
                Some(way) => ways.count(way, 0),
                None => left.push(Arc::clone(segment)),
            }
        }
        let backup = Backup { id: self.kit.id.0, position, last_change, taken: self.options.clock.now() };
        Ok(Moment { backup, left, ways })
    }

    fn share(&self, segment: &Segment, folder: &Path) -> Option<Way> {
        let region = segment.region();
        let header = segment::check_header(region.bytes(), self.kit.id, segment.number());
        match (self.kit.medium.is_durable(), header) {
            (true, Header::Ours(capacity)) => {
                let source = self.kit.medium.describe(region.name());
                let target = folder.join(segment::file_name(segment.number()));
                share(Path::new(&source), &target, capacity, segment.written())
            }
            _ => None,
        }
    }
}
