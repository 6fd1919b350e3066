//! Reading the records of segments: one after the other, or several at once where each is known to be
//! whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::info;

use crate::error::Result;
use crate::log::manifest::Manifest;
use crate::log::record::{At, Kind, Record};
use crate::log::segment::{Segment, Segments};

/// Records handed over at once: enough for their cache misses to overlap.
pub const BATCH: usize = 32;
/// Between two lines about how far a start has come, and before the first.
const TELL: Duration = Duration::from_secs(2);

/// What takes records in, from several threads.
pub trait Sink: Sync {
    /// Takes up to [`BATCH`] records of one segment, each with its offset, in the order of the log. Other
    /// segments may be read before or after. `segments` are those that are known so far.
    fn take(
        &self,
        segments: &Segments,
        segment: &Arc<Segment>,
        records: &[(usize, Record<'_>)],
    ) -> Result<()>;
}

/// What a scan of a segment came to.
#[derive(Debug)]
pub enum Ending {
    /// Its seal ends here.
    Sealed(usize),
    /// Only zeros follow.
    Open(usize),
    /// Something follows that is no record, and why.
    Torn(usize, &'static str),
}

/// A segment that was read.
#[derive(Debug)]
pub struct Scanned {
    /// Where it ends.
    pub ending: Ending,
    /// Its last manifest.
    pub manifest: Option<Manifest>,
}

/// Reads the records of `segment` from offset `start` to its end.
pub fn scan(
    segments: &Segments,
    segment: &Arc<Segment>,
    start: usize,
    sink: &dyn Sink,
    progress: &Progress,
) -> Result<Scanned> {
    segment.region().read_ahead();
    let mut batch = Vec::with_capacity(BATCH);
    let (mut offset, mut manifest) = (start, None);
    let mut told = start;
    let ending = loop {
        match segment.at(offset) {
            At::Record(record) if record.kind == Kind::Seal => break Ending::Sealed(offset + record.len),
            At::Record(record) => {
                if record.kind == Kind::Manifest {
                    manifest = Manifest::decode(record.value).or(manifest);
                }
                batch.push((offset, record));
                offset += record.len;
                if batch.len() == BATCH {
                    sink.take(segments, segment, &batch)?;
                    progress.read(offset - told, batch.len());
                    told = offset;
                    batch.clear();
                }
            }
            At::End => {
                // Only zeros may follow: else something was written here, and torn.
                let rest = segment.region().bytes().get(offset..).unwrap_or_default();
                break match used(rest) {
                    0 => Ending::Open(offset),
                    _ => Ending::Torn(offset, "zeros where a record should begin"),
                };
            }
            At::Damage(why) => break Ending::Torn(offset, why),
        }
    };
    sink.take(segments, segment, &batch)?;
    progress.read(offset - told, batch.len());
    progress.segments.fetch_add(1, Ordering::Relaxed);
    Ok(Scanned { ending, manifest })
}

/// Reads whole segments, each from an offset, on all cores, or on one where it is done `alone`. What could not be read, or ends without its
/// seal, comes with all segments before it, but not with all after it.
pub fn scan_all(
    segments: &Segments,
    wanted: &[(Arc<Segment>, usize)],
    sink: &dyn Sink,
    progress: &Progress,
    alone: bool,
) -> Vec<Result<Scanned>> {
    let cores = if alone { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(wanted.len())));
    let work = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some((segment, start)) = wanted.get(index) else { return };
            let scanned = scan(segments, segment, *start, sink, progress);
            if !matches!(&scanned, Ok(Scanned { ending: Ending::Sealed(_), .. })) {
                // All before it were begun and will be ended; what comes after it is of no use.
                next.store(wanted.len(), Ordering::Relaxed);
            }
            results.lock().push((index, scanned));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..cores.min(wanted.len()) {
            scope.spawn(work);
        }
        work();
    });
    let mut results = results.into_inner();
    results.sort_by_key(|&(index, _)| index);
    results.into_iter().map(|(_, scanned)| scanned).collect()
}

/// Bytes up to the last that is not zero.
pub fn used(bytes: &[u8]) -> usize {
    const ZEROS: [u8; 4096] = [0; 4096];
    // A page at a time, as most of them are zeros: comparing is ten times faster than looking at each.
    let pages = bytes.rchunks(4096).take_while(|page| **page == ZEROS[..page.len()]).map(<[u8]>::len);
    let len = bytes.len() - pages.sum::<usize>();
    bytes[..len].iter().rposition(|&b| b != 0).map_or(0, |last| last + 1)
}

/// How far the reading of the log has come; what takes long says so now and then.
#[derive(Debug)]
pub struct Progress {
    total: u64,
    bytes: AtomicU64,
    records: AtomicU64,
    segments: AtomicU64,
    started: Instant,
    /// When the next line is due.
    next: Mutex<Instant>,
}

impl Progress {
    /// Nothing is read yet of `total` bytes.
    pub fn new(total: u64) -> Self {
        let started = Instant::now();
        Self {
            total,
            bytes: AtomicU64::new(0),
            records: AtomicU64::new(0),
            segments: AtomicU64::new(0),
            started,
            next: Mutex::new(started + TELL),
        }
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn read(&self, bytes: usize, records: usize) {
        let bytes = self.bytes.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        let records = self.records.fetch_add(records as u64, Ordering::Relaxed) + records as u64;
        // Another thread that is about to tell is enough.
        let Some(mut next) = self.next.try_lock() else { return };
        let now = Instant::now();
        if now < *next {
            return;
        }
        *next = now + TELL;
        info!(
            bytes,
            of = self.total,
            percent = bytes.saturating_mul(100) / self.total.max(1),
            segments = self.segments.load(Ordering::Relaxed),
            records,
            seconds = self.started.elapsed().as_secs(),
            "reading the log"
        );
    }
}
