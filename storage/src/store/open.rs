//! Opening: lock, meta, checkpoint, log.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};
use tracing::info;

use crate::durability::Durability;
use crate::error::{Error, Result};
use crate::hash::KeyHasher;
use crate::index::checkpoint::{self, State};
use crate::index::{Slot, Table, Target};
use crate::lock::{self, DatabaseLock};
use crate::log::address::Address;
use crate::log::record::{Kind, Record, Stamp};
use crate::log::recovery::{self, Opened};
use crate::log::segment::{self, Segment, Segments};
use crate::log::writer::{Kit, Tail};
use crate::medium::{Directory, Medium, Memory};
use crate::meta::{self, Meta};
use crate::options::{Options, Place};
use crate::store::evict::Bounds;
use crate::store::worker::{self, Signals};
use crate::store::{Shared, Store, View};

impl Store {
    /// Opens a database, or creates it, or says why not.
    pub fn open(options: Options) -> Result<Self> {
        match options.place.clone() {
            Place::Memory => Self::on(Arc::new(Memory), options, None),
            Place::Directory(path) => {
                prepare(&path, &options)?;
                let lock = DatabaseLock::take(&path)?;
                if options.truncate && !options.read_only {
                    empty(&path)?;
                }
                for folder in [segment::FOLDER, checkpoint::FOLDER] {
                    make_folder(&path.join(folder))?;
                }
                Self::on(Arc::new(Directory::new(path)), options, Some(lock))
            }
        }
    }

    /// Opens the database on a medium.
    pub fn on(medium: Arc<dyn Medium>, options: Options, lock: Option<DatabaseLock>) -> Result<Self> {
        let started = Instant::now();
        let meta = load_or_create_meta(&*medium)?;
        let kit = Kit {
            medium,
            id: meta.id,
            segment_size: options.segment_size(),
            origin: options.origin,
            next_number: AtomicU64::new(1),
            provided: Condvar::new(),
        };
        let mut replay = Replay::start(&kit, KeyHasher::new(meta.hash_key), options.buckets)?;
        let from = replay.state.position;
        let known = replay.state.clone();
        let known = |number| known.segments.iter().find(|state| state.number == number).copied();
        let opened = recovery::open(&kit, from, known, |segments, segment, offset, record| {
            replay.apply(segments, segment, offset, record)
        })?;
        let store = replay.into_store(kit, options, opened, lock)?;
        info!(
            records = store.records(),
            segments = store.figures().segments,
            milliseconds = started.elapsed().as_millis() as u64,
            "database opened"
        );
        Ok(store)
    }
}

/// Makes sure that `path` is a database, or becomes one where that is allowed.
fn prepare(path: &Path, options: &Options) -> Result<()> {
    let shown = path.display().to_string();
    let foreign = |why: &str| Error::Foreign { path: shown.clone(), why: why.to_owned() };
    match fs::metadata(path) {
        Ok(found) if !found.is_dir() => {
            let why = "it is a file, but a database of ours is a directory (Tokyo Cabinet's files are not read: \
                       name another path, and copy the records over the wire)";
            return Err(foreign(why));
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if !options.create || options.read_only {
                return Err(Error::Missing { path: shown });
            }
            return make_folder(path);
        }
        Err(source) => return Err(Error::Io { what: "open", path: shown, source }),
    }
    let mut has_meta = false;
    let mut strangers = Vec::new();
    for entry in fs::read_dir(path).map_err(Error::io("read", &shown))? {
        let name = entry.map_err(Error::io("read", &shown))?.file_name();
        match name.to_str() {
            Some(meta::NAME) => has_meta = true,
            Some(lock::NAME | segment::FOLDER | checkpoint::FOLDER | "meta.tmp") => {}
            _ => strangers.push(name),
        }
    }
    if has_meta {
        return Ok(());
    }
    if let Some(stranger) = strangers.first() {
        return Err(foreign(&format!("it has no file `meta`, but holds {}", Path::new(stranger).display())));
    }
    let has_log = fs::read_dir(path.join(segment::FOLDER)).is_ok_and(|mut files| files.next().is_some());
    if has_log {
        return Err(foreign("its file `meta` is missing; restore that file from a backup"));
    }
    if !options.create || options.read_only {
        return Err(Error::Missing { path: shown });
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<()> {
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        made => made.map_err(Error::io("create", path.display().to_string()))?,
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let synced = fs::File::open(parent).and_then(|folder| folder.sync_all());
    synced.map_err(Error::io("sync", parent.display().to_string()))
}

/// Removes a database's files, `meta` first, so that what is left of it is never opened.
fn empty(path: &Path) -> Result<()> {
    let shown = path.display().to_string();
    match fs::remove_file(path.join(meta::NAME)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::Io { what: "empty", path: shown, source: error });
        }
        _ => {}
    }
    for folder in [segment::FOLDER, checkpoint::FOLDER] {
        match fs::remove_dir_all(path.join(folder)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Io { what: "empty", path: shown, source: error });
            }
            _ => {}
        }
    }
    Ok(())
}

fn load_or_create_meta(medium: &dyn Medium) -> Result<Meta> {
    if medium.is_durable() {
        let files = medium.list("").map_err(Error::io("list", medium.describe("")))?;
        if files.iter().any(|(name, _)| name == meta::NAME) {
            return Meta::load(medium);
        }
    }
    let meta = Meta::random()?;
    meta.save(medium)?;
    Ok(meta)
}

/// The table while the log is read into it.
struct Replay {
    hasher: KeyHasher,
    table: Table,
    buckets: u64,
    state: State,
    records: i64,
    last_ts: u64,
}

impl Replay {
    /// Begins with the checkpoint, or with nothing.
    fn start(kit: &Kit, hasher: KeyHasher, buckets: u64) -> Result<Self> {
        let no_memory = Error::io("allocate", "memory for the table");
        let (table, state) = match kit.medium.is_durable().then(|| checkpoint::load(&*kit.medium, kit.id)) {
            Some(Ok((table, state))) => (table, state),
            Some(Err(why)) => {
                info!(why, "no checkpoint is used: the table is built from the log");
                (Table::new(buckets).map_err(no_memory)?, State::default())
            }
            None => (Table::new(buckets).map_err(no_memory)?, State::default()),
        };
        let mut replay =
            Self { hasher, table, buckets, records: state.records as i64, last_ts: state.last_ts, state };
        replay.forget_missing(kit)?;
        Ok(replay)
    }

    /// Segments that compaction removed after the checkpoint are no loss: what was live in them was
    /// written again later. Their entries go.
    fn forget_missing(&mut self, kit: &Kit) -> Result<()> {
        if self.state.segments.is_empty() {
            return Ok(());
        }
        let files = kit.medium.list(segment::FOLDER);
        let files = files.map_err(Error::io("list", kit.medium.describe(segment::FOLDER)))?;
        let present: Vec<u64> = files.iter().filter_map(|(name, _)| segment::number_of(name)).collect();
        let is_gone = |state: &checkpoint::SegmentState| !present.contains(&state.number);
        let gone: Vec<u64> = self.state.segments.iter().filter(|s| is_gone(s)).map(|s| s.number).collect();
        if gone.is_empty() {
            return Ok(());
        }
        info!(segments = gone.len(), "forgetting entries of segments that were compacted away");
        let records = &mut self.records;
        self.table.retain(|entry| {
            let missing = gone.iter().any(|&number| entry.address().segments_after(number) == 0);
            if missing && !entry.is_tombstone() {
                *records -= 1;
            }
            !missing
        });
        Ok(())
    }

    /// Takes a record of the log into the table, unless the table has a newer one.
    fn apply(
        &mut self,
        segments: &Segments,
        segment: &Arc<Segment>,
        offset: usize,
        record: &Record<'_>,
    ) -> Result<()> {
        self.last_ts = self.last_ts.max(record.stamp.ts);
        if record.kind == Kind::Vanish {
            self.table = Table::new(self.buckets).map_err(Error::io("allocate", "memory for the table"))?;
            self.records = 0;
            segments.iter().for_each(|segment| segment.set_live(0, 0));
            return Ok(());
        }
        let hash = self.hasher.hash(record.key);
        let mut old: Option<(Stamp, usize, Target)> = None;
        let slot = self.table.slot(hash, |entry| {
            let address = entry.address();
            match segments.at(address).and_then(|segment| segment.peek(address.offset())) {
                Some(found) if found.key == record.key => {
                    old = Some((found.stamp, found.len, entry.target()));
                    true
                }
                _ => false,
            }
        });
        if old.is_some_and(|(stamp, ..)| stamp > record.stamp) {
            return Ok(());
        }
        let tombstone = record.kind == Kind::Delete;
        let target = Target { address: Address::new(segment.number(), offset), tombstone };
        let Some(slot) = slot else { return Ok(()) };
        let was_there = match (&slot, old) {
            (Slot::Found(..), Some((_, len, target))) => {
                if let Some(segment) = segments.at(target.address) {
                    segment.sub_live(len, target.tombstone);
                }
                !target.tombstone
            }
            _ => false,
        };
        self.table.point(slot, hash, target).map_err(Error::io("allocate", "memory for the table"))?;
        segment.add_live(record.len, tombstone);
        self.records += i64::from(!tombstone) - i64::from(was_there);
        while self.table.is_loaded() {
            let hash_of = |entry: crate::index::Entry| {
                let address = entry.address();
                Some(self.hasher.hash(segments.at(address)?.peek(address.offset())?.key))
            };
            self.table.grow(|_| (), hash_of).map_err(Error::io("allocate", "memory for the table"))?;
        }
        Ok(())
    }

    fn into_store(
        self,
        kit: Kit,
        options: Options,
        mut opened: Opened,
        lock: Option<DatabaseLock>,
    ) -> Result<Store> {
        if opened.replayed > 0 {
            info!(bytes = opened.replayed, from_segment = self.state.position.segment, "replayed the log");
        }
        let active = match opened.active.take() {
            Some(active) => active,
            None => {
                let active = kit.segment(kit.segment_size)?;
                opened.segments.push(Arc::clone(&active.segment));
                active
            }
        };
        let durability = Durability::new(Arc::clone(&kit.medium));
        for segment in opened.uncut.iter().chain([&active.segment]) {
            durability.watch(segment);
        }
        let end = active.segment.end();
        let tail = Tail {
            active,
            spare: opened.spare,
            own: None,
            wanted: 0,
            refused: None,
            full: None,
            last_ts: self.last_ts,
        };
        let shared = Arc::new(Shared {
            kit,
            hasher: self.hasher,
            view: ArcSwap::from_pointee(View { table: Arc::new(self.table), segments: opened.segments }),
            stripes: std::array::from_fn(|_| Mutex::default().into()),
            tail: Mutex::new(tail),
            appended: AtomicU64::new(end.to_word()),
            durability,
            records: AtomicI64::new(self.records),
            signals: Signals::default(),
            bounds: match options.place {
                Place::Memory => Bounds::new(options.max_records, options.max_bytes),
                Place::Directory(_) => Bounds::new(None, None),
            },
            compacting: Mutex::new(()),
            options,
        });
        let threads = worker::start(&shared)?;
        shared.signals.wake_allocator();
        shared.signals.wake_compactor();
        Ok(Store { shared, threads, _lock: lock })
    }
}
