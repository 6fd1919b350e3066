//! Opening: lock, meta, checkpoint, log.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize};
use std::time::Instant;

use arc_swap::ArcSwap;
use parking_lot::{Condvar, Mutex};
use tracing::info;

use crate::durability::Durability;
use crate::effort::Effort;
use crate::error::{Error, Result};
use crate::hash::KeyHasher;
use crate::index::checkpoint;
use crate::lock::{self, DatabaseLock};
use crate::log::memo;
use crate::log::record::{self, Kind};
use crate::log::recovery::{self, Known, Opened};
use crate::log::segment::{self, HEADER, Segment, Segments};
use crate::log::writer::{Active, Kit, Tail};
use crate::medium::{Directory, Medium, Memory, Region};
use crate::meta::{self, Meta};
use crate::options::{Options, Place};
use crate::store::checkpointing::{Newest, Pins};
use crate::store::evict::Bounds;
use crate::store::feed::Feed;
use crate::store::queue::Queue;
use crate::store::replay::Replay;
use crate::store::stripe::Stripe;
use crate::store::worker::{self, Signals};
use crate::store::{OpenedAt, Shared, Store, View};

impl Store {
    /// Opens a database, or creates it, or says why not.
    pub fn open(options: Options) -> Result<Self> {
        match options.place.clone() {
            Place::Memory => Self::on(Arc::new(Memory), options, None),
            Place::Directory(path) => {
                prepare(&path, &options)?;
                let lock = DatabaseLock::take(&path, options.read_only)?;
                if options.read_only {
                    return Self::on(Arc::new(Directory::for_reading(path)), options, Some(lock));
                }
                for folder in [segment::FOLDER, checkpoint::FOLDER] {
                    make_folder(&path.join(folder))?;
                }
                Self::on(Arc::new(Directory::new(path)), options, Some(lock))
            }
        }
    }

    /// Opens the database on a medium, or creates it there. The folders `log` and `index` exist.
    pub fn on(medium: Arc<dyn Medium>, options: Options, lock: Option<DatabaseLock>) -> Result<Self> {
        let started = Instant::now();
        let found = load_or_make_meta(&*medium, &options)?;
        let meta = if options.read_only { found } else { found.with_identity(options.seed)? };
        let kit = Kit {
            medium,
            id: meta.id,
            segment_size: options.segment_size(),
            origin: if options.origin == 0 { meta.origin } else { options.origin },
            next_number: AtomicU64::new(1),
            provided: Condvar::new(),
        };
        let hasher = KeyHasher::new(meta.hash_key);
        let (replay, opened) = match meta.complete {
            true => read(&kit, hasher, &options)?,
            false => create(&kit, hasher, &options, meta)?,
        };
        let meta = mark_as_open(&kit, &options, &found, meta)?;
        let opened_at = OpenedAt { clean: found.closed, identity: meta.identity, ..OpenedAt::default() };
        let store = into_store(replay, kit, options, opened, lock, meta, opened_at)?;
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
    let holds_files = |folder| fs::read_dir(path.join(folder)).is_ok_and(|mut files| files.next().is_some());
    let has_data = holds_files(segment::FOLDER) || holds_files(checkpoint::FOLDER);
    if has_data && (options.read_only || !options.truncate) {
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

/// The meta of the database that is there; else that of a new one, which is not complete yet.
fn load_or_make_meta(medium: &dyn Medium, options: &Options) -> Result<Meta> {
    let found = if medium.is_durable() { Meta::load(medium)? } else { None };
    match found {
        Some(meta) if meta.complete && !options.truncate => return Ok(meta),
        Some(meta) if meta.complete && options.read_only => return Ok(meta),
        _ if options.read_only && medium.is_durable() => {
            return Err(Error::Missing { path: medium.describe("") });
        }
        _ => {}
    }
    let meta = Meta::random(options.seed)?;
    meta.save(medium)?;
    Ok(meta)
}

/// Sees to it, before anything is written to a database, that it does not say any more that it was closed.
/// `found` is what its meta says.
fn mark_as_open(kit: &Kit, options: &Options, found: &Meta, meta: Meta) -> Result<Meta> {
    if options.read_only {
        return Ok(meta);
    }
    let open = Meta { complete: true, closed: false, ..meta };
    // One that was just made says so already.
    if found.complete && open != *found {
        open.save(&*kit.medium)?;
    }
    Ok(open)
}

/// Makes what a new database lacks. Interrupted, it is begun again: the meta says so until the end.
fn create(kit: &Kit, hasher: KeyHasher, options: &Options, meta: Meta) -> Result<(Replay, Opened)> {
    checkpoint::remove(&*kit.medium)?;
    let opened = recovery::create(kit)?;
    Meta { complete: true, ..meta }.save(&*kit.medium)?;
    Ok((Replay::start(kit, hasher, options.buckets)?, opened))
}

/// Reads a database that exists.
fn read(kit: &Kit, hasher: KeyHasher, options: &Options) -> Result<(Replay, Opened)> {
    if !options.read_only {
        checkpoint::remove_unfinished(&*kit.medium)?;
    }
    let mut replay = Replay::start(kit, hasher, options.buckets)?;
    let known = Known {
        position: replay.state.position,
        counted: replay.state.counted,
        segments: replay.state.segments.clone(),
        read_only: options.read_only,
        alone: !options.background,
    };
    let opened = recovery::open(kit, &known, &replay)?;
    replay.finish(kit, &opened.segments, opened.replayed > 0)?;
    if opened.replayed > 0 {
        info!(bytes = opened.replayed, from_segment = known.position.segment, "replayed the log");
    }
    Ok((replay, opened))
}

fn into_store(
    replay: Replay,
    kit: Kit,
    options: Options,
    opened: Opened,
    lock: Option<DatabaseLock>,
    meta: Meta,
    opened_at: OpenedAt,
) -> Result<Store> {
    let end = opened.segments.iter().next_back().map(|last| last.end()).unwrap_or_default();
    let durability = Durability::new(Arc::clone(&kit.medium));
    let active = match opened.active {
        Some(active) => {
            for segment in opened.uncut.iter().chain([&active.segment]) {
                durability.watch(segment);
            }
            active
        }
        None => placeholder(end.segment + 1)?,
    };
    let last_ts = replay.last_ts.into_inner();
    let tail = Tail {
        waiting: opened.spares.into(),
        owed: None,
        starved: false,
        wanted: 0,
        refused: None,
        cramped: false,
        full: None,
        order: order_at(&active, &opened.segments, last_ts),
        last_ts,
        vanished: replay.memos.get(memo::VANISHED).map(memo::decode_stamp).unwrap_or_default(),
        memos: replay.memos,
        active,
        appended: 0,
    };
    let view = Arc::new(View { table: Arc::new(replay.table), segments: opened.segments });
    let shared = Arc::new(Shared {
        meta,
        opened: OpenedAt { end, last_ts, ..opened_at },
        kit,
        hasher: replay.hasher,
        stripes: std::array::from_fn(|_| Stripe::new(Arc::clone(&view), last_ts).into()),
        view: ArcSwap::new(view),
        view_version: AtomicU64::new(0),
        tail: Mutex::new(tail).into(),
        appended: AtomicU64::new(end.to_word()).into(),
        durability,
        records: AtomicI64::new(replay.records).into(),
        signals: Signals::default(),
        bounds: match options.place {
            Place::Memory => Bounds::new(options.max_records, options.max_bytes),
            Place::Directory(_) => Bounds::new(None, None),
        },
        feed: Feed::default(),
        hold: Mutex::new(options.hold),
        holds: AtomicU64::new(0),
        compacting: Mutex::new(Pins(replay.state.pins())),
        hurried: AtomicUsize::new(0),
        providing: Mutex::default(),
        queue: Queue::default(),
        worked_up_to: AtomicU64::new(0),
        newest: Newest::of(&replay.state),
        effort: Effort::default(),
        run: Mutex::new(None),
        options,
    });
    let threads = worker::start(&shared)?;
    shared.signals.wake_allocator();
    shared.signals.wake_compactor();
    if replay.has_torn_memo && !shared.options.read_only {
        // Whatever is appended behind it must not make it count.
        let memos = shared.tail.lock().memos.encode();
        shared.say(&memos)?;
    }
    Ok(Store { shared, threads, is_open: true, _lock: lock })
}

/// No less than the order that counting the records of the log leads to: see [`crate::log::writer`].
fn order_at(active: &Active, segments: &Segments, last_ts: u64) -> u64 {
    let Some(last) = segments.iter().next_back() else { return 0 };
    let begun = active.segment.peek(HEADER).filter(|first| first.kind == Kind::Memo);
    let begun = begun.or_else(|| last.peek(HEADER)).map_or(0, |first| first.stamp.ts);
    begun.max(last_ts).saturating_add(last.written() / record::HEADER as u64)
}

/// Stands where the active segment would be in a database that is only read. Nothing is ever appended.
fn placeholder(number: u64) -> Result<Active> {
    let region = Region::anonymous(String::new(), HEADER).map_err(Error::io("allocate", "memory"))?;
    let segment = Segment::new(number, Arc::new(region));
    match segment.region().appender() {
        Some(appender) => Ok(Active { segment: Arc::new(segment), appender }),
        None => Err(Error::ReadOnly),
    }
}
