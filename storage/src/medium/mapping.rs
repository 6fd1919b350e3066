//! The one file with `unsafe`: memory mappings behind safe types.
//!
//! What is always true:
//! - A [`Region`] is written only at its end, by its one [`Appender`]; bytes below `written` never
//!   change again, so shared slices of them are sound. Bytes above it are never lent.
//! - [`Words`] is lent only as atomics, so any number of threads may write it.
//! - A mapping lives until the last borrow of its owner ends: nothing is unmapped under a slice.
//!
//! What is trusted: no other process changes or shortens a mapped file. The database's `LOCK`
//! keeps other nodes out; an operator who truncates a live segment gets a SIGBUS, as with any
//! mapped file.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use memmap2::{Advice, MmapMut, MmapOptions, MmapRaw, UncheckedAdvice};

/// Bytes that memory gives at once.
const CACHE_LINE: usize = 64;
/// Lines behind the end that are asked for with each append.
const LINES_AHEAD: usize = 3;
/// Bytes of the unit of a mapping; larger ones do no harm.
const PAGE: usize = 4096;
/// Bytes that are made ready for writing with one call. The system gives nobody else the processor
/// meanwhile: measured, 20 ms for 4 MiB where memory is scarce.
const PIECE: usize = 256 << 10;
/// Bytes of a range worth a call of its own before it is written back.
const LEAST_LET_GO: usize = 4 * PAGE;

/// Asks for the cache line at an address. Measured: a batch of 32 gets or puts costs about a third less
/// when the misses of its records overlap.
#[inline]
fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint that cannot fault, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// The same for a line about to be written.
#[inline]
fn prefetch_to_write(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint that cannot fault, whatever the address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// A range in pieces: where each begins, and its bytes.
fn pieces(from: usize, to: usize) -> impl Iterator<Item = (usize, usize)> {
    (from..to).step_by(PIECE).map(move |at| (at, PIECE.min(to - at)))
}

/// Memory that is appended to once and read by many: a segment of the log.
#[derive(Debug)]
pub struct Region {
    map: MmapRaw,
    /// Let go after the mapping.
    _user: Option<Arc<()>>,
    /// Whether a file is behind it.
    is_file: bool,
    name: String,
    written: AtomicUsize,
    populated: AtomicUsize,
    appended: AtomicBool,
}

impl Region {
    /// A region of `capacity` bytes of anonymous memory, nothing written.
    pub fn anonymous(name: String, capacity: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(capacity).map_anon()?;
        Ok(Self::new(MmapRaw::from(map), false, name, 0))
    }

    /// Maps the whole of `file`, of which the first `written` bytes count as written. The file need
    /// not stay open.
    ///
    /// `file` must be allocated in full: a hole that cannot be filled is a SIGBUS.
    pub fn of_file(name: String, file: &File, written: usize) -> io::Result<Self> {
        Ok(Self::new(MmapOptions::new().map_raw(file)?, true, name, written))
    }

    /// Maps a range of `file` that begins at a multiple of the page size; otherwise as [`Region::of_file`].
    /// While `user` is held by anybody else but the caller, the range is mapped and must not be changed.
    pub fn of_part(
        name: String,
        file: &File,
        range: std::ops::Range<u64>,
        written: usize,
        user: Arc<()>,
    ) -> io::Result<Self> {
        let len = usize::try_from(range.end.saturating_sub(range.start)).map_err(io::Error::other)?;
        let map = MmapOptions::new().offset(range.start).len(len).map_raw(file)?;
        Ok(Self { _user: Some(user), ..Self::new(map, true, name, written) })
    }

    /// Maps the whole of `file` for reading; all of it counts as written, and nothing is appended.
    pub fn of_file_for_reading(name: String, file: &File) -> io::Result<Self> {
        let region = Self::new(MmapOptions::new().map_raw_read_only(file)?, true, name, usize::MAX);
        region.appended.store(true, Ordering::Relaxed);
        Ok(region)
    }

    fn new(map: MmapRaw, is_file: bool, name: String, written: usize) -> Self {
        let written = written.min(map.len());
        Self {
            map,
            _user: None,
            is_file,
            name,
            written: AtomicUsize::new(written),
            populated: AtomicUsize::new(0),
            appended: AtomicBool::new(false),
        }
    }

    /// The name given by the medium: a path below the database directory.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Bytes that fit in all.
    pub fn capacity(&self) -> usize {
        self.map.len()
    }

    /// Bytes written so far.
    #[inline]
    pub fn written(&self) -> usize {
        self.written.load(Ordering::Acquire)
    }

    /// All that has been written. It never changes again, it only grows.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        let written = self.written();
        // SAFETY: `written` <= the mapping's length, the bytes below it are never written again
        // (module contract), and the slice cannot outlive the mapping.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr(), written) }
    }

    /// Sets how much counts as written, before the region is shared.
    pub fn set_written(&mut self, written: usize) {
        *self.written.get_mut() = written.min(self.map.len());
    }

    /// Has the cache lines of `bytes` bytes from `offset` on fetched, so that a read soon after does not
    /// wait for memory. A hint: nothing happens past the written bytes.
    #[inline]
    pub fn prefetch(&self, offset: usize, bytes: usize) {
        if let Some(bytes) = self.bytes().get(offset..(offset + bytes).min(self.written())) {
            bytes.chunks(CACHE_LINE).for_each(|line| prefetch(line.as_ptr()));
        }
    }

    /// Has all of it read from the disk, where it is not in memory, while the caller goes on. A hint.
    pub fn read_ahead(&self) {
        if self.is_file {
            let _ = self.map.advise(Advice::WillNeed);
        }
    }

    /// The right to append, given once in a region's life, and never for one mapped for reading.
    pub fn appender(self: &Arc<Self>) -> Option<Appender> {
        let taken = self.appended.swap(true, Ordering::AcqRel);
        (!taken).then(|| Appender { region: Arc::clone(self) })
    }

    /// Writes bytes `from..to` of the mapping back to the device and waits for it.
    pub fn sync(&self, from: usize, to: usize) -> io::Result<()> {
        if !self.is_file || from >= to {
            return Ok(());
        }
        self.let_go(from, to);
        self.map.flush_range(from, to - from)
    }

    /// Drops the page table's entries for the full pages of a range that will not be written again; they
    /// come back by themselves when they are read. Writing back a page that is mapped for writing
    /// interrupts every processor that uses the mapping, page by page: measured, a quarter of the time of a
    /// writer beside a sync. All at once it is one interrupt.
    fn let_go(&self, from: usize, to: usize) {
        let (from, to) = (from & !(PAGE - 1), to & !(PAGE - 1));
        if to.saturating_sub(from) >= LEAST_LET_GO {
            // SAFETY: the mapping is shared and of a file, so its pages lie in the page cache and what was
            // written to them stays: the advice drops no data. It is only a hint.
            let _ = unsafe { self.map.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) };
        }
    }

    /// Bytes from the start whose pages are ready for writing.
    #[inline]
    pub fn populated(&self) -> usize {
        self.populated.load(Ordering::Relaxed)
    }

    /// Bytes after what is written whose pages are ready for writing.
    #[inline]
    pub fn ahead(&self) -> usize {
        self.populated().saturating_sub(self.written())
    }

    /// Makes the pages up to `to` ready for writing, so that appends take no page fault.
    /// Best effort: where the kernel cannot, appends fault instead.
    pub fn populate(&self, to: usize) {
        let from = self.populated().max(self.written()) & !(PAGE - 1);
        let to = to.min(self.capacity());
        if from < to {
            for (from, len) in pieces(from, to) {
                // A kernel before 5.14 refuses the advice; nothing is lost but speed.
                let _ = self.map.advise_range(Advice::PopulateWrite, from, len);
                self.populated.store(from + len, Ordering::Relaxed);
            }
        }
    }
}

/// The exclusive right to append to one [`Region`].
#[derive(Debug)]
pub struct Appender {
    region: Arc<Region>,
}

impl Appender {
    /// The region it appends to.
    #[inline]
    pub fn region(&self) -> &Arc<Region> {
        &self.region
    }

    /// Appends `parts` one after the other and publishes them together; returns the offset of the
    /// first byte, or `None`, with nothing written, where they do not fit.
    #[inline]
    pub fn append(&mut self, parts: &[&[u8]]) -> Option<usize> {
        let start = self.region.written.load(Ordering::Relaxed);
        let mut at = start;
        let total: usize = parts.iter().map(|part| part.len()).sum();
        if total > self.region.map.len() - start {
            return None;
        }
        for part in parts {
            // SAFETY: `at + part.len()` is within the mapping (checked above). This is the only
            // appender and `&mut self` its only user, and no slice of these bytes was ever lent.
            // The parts may lie in this mapping too, but below `start`, so nothing overlaps.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    part.as_ptr(),
                    self.region.map.as_mut_ptr().add(at),
                    part.len(),
                );
            }
            at += part.len();
        }
        self.region.written.store(at, Ordering::Release);
        // The lines that come next are asked for now, so that the next lock taken does not wait until
        // memory has given them: in a profile without, a fifteenth of a put went there.
        for line in 1..=LINES_AHEAD {
            prefetch_to_write(self.region.map.as_ptr().wrapping_add(at + line * CACHE_LINE));
        }
        Some(start)
    }
}

/// A table of 64-bit words that any thread may read and write.
#[derive(Debug)]
pub struct Words {
    map: MmapMut,
}

impl Words {
    /// `count` zero words of anonymous memory.
    pub fn anonymous(count: usize) -> io::Result<Self> {
        let map = MmapOptions::new().len(count * 8).map_anon()?;
        // Fewer TLB misses; where huge pages are off nothing is lost but speed.
        let _ = map.advise(Advice::HugePage);
        Ok(Self { map })
    }

    /// The words.
    #[inline]
    pub fn get(&self) -> &[AtomicU64] {
        let ptr = self.map.as_ptr().cast::<AtomicU64>();
        // SAFETY: the mapping is page-aligned and writable, it is touched through these atomics
        // alone, and the slice cannot outlive it.
        unsafe { std::slice::from_raw_parts(ptr, self.map.len() / 8) }
    }

    /// Has the cache line of a word fetched. A hint.
    #[inline]
    pub fn prefetch(&self, index: usize) {
        if let Some(word) = self.get().get(index) {
            prefetch(std::ptr::from_ref(word).cast());
        }
    }

    /// Makes the pages of `count` words from `first` on ready for writing. Best effort.
    pub fn populate(&self, first: usize, count: usize) {
        let len = self.map.len();
        let from = (first * 8).min(len) & !(PAGE - 1);
        let to = ((first + count) * 8).min(len);
        for (from, len) in pieces(from, to) {
            let _ = self.map.advise_range(Advice::PopulateWrite, from, len);
        }
    }

    /// The words as bytes, before they are shared.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        &mut self.map
    }
}
