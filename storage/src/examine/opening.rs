//! Opening a log for reading, as a start does, while a meter shows how far that has come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::examine::survey::Meter;
use crate::log::reading::Sink;
use crate::log::record::Record;
use crate::log::recovery::{self, Known, Opened};
use crate::log::segment::{Segment, Segments};
use crate::log::writer::Kit;

/// Between two looks at how far it has come.
const LOOK: Duration = Duration::from_millis(100);

/// Counts the bytes of records on their way into a table, or to nowhere.
struct Counted<'a> {
    bytes: AtomicU64,
    sink: Option<&'a dyn Sink>,
}

impl Sink for Counted<'_> {
    fn take(
        &self,
        segments: &Segments,
        segment: &Arc<Segment>,
        records: &[(usize, Record<'_>)],
    ) -> Result<()> {
        let bytes: usize = records.iter().map(|(_, record)| record.len).sum();
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.sink.map_or(Ok(()), |sink| sink.take(segments, segment, records))
    }
}

/// Opens the log, its records going to `sink` if there is one.
pub(super) fn open_log(
    kit: &Kit,
    known: &Known,
    sink: Option<&dyn Sink>,
    meter: &mut Meter<'_>,
) -> Result<Opened> {
    let counted = Counted { bytes: AtomicU64::new(0), sink };
    let waiting = thread::current();
    thread::scope(|scope| {
        let opening = scope.spawn(|| {
            let opened = recovery::open(kit, known, &counted);
            waiting.unpark();
            opened
        });
        while !opening.is_finished() {
            thread::park_timeout(LOOK);
            meter.add(counted.bytes.swap(0, Ordering::Relaxed));
        }
        opening.join().unwrap_or_else(|_| Err(Error::Failed("reading the log panicked".to_owned())))
    })
}
