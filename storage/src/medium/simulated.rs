//! A disk in memory that outlives the databases on it and can lose its power: for tests and simulations.
//!
//! It promises what [`crate::medium::Directory`] does, and no more: a call that has returned is durable with all
//! that it says; what was written into a region is certain to last only once its bytes were synced.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};

use super::{Fill, Medium, Region};

/// Bytes that reach a disk together, or not.
const PAGE: usize = 4096;
/// Bytes of a page that are written whole or not at all.
const SECTOR: usize = 512;
/// Mapped files begin at multiples of this, which every page size divides.
const ALIGNMENT: u64 = 1 << 16;

/// The disk. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct Simulated {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// What regions map: all files that are mapped, one behind the other.
    memory: File,
    /// Where the next one begins.
    next: u64,
    files: BTreeMap<String, Held>,
    /// Places of files that were removed, until nobody maps them any more.
    removed: Vec<Place>,
    is_dead: bool,
    /// How often it has lost its power.
    boot: u64,
}

/// A part of the memory.
#[derive(Debug)]
struct Place {
    start: u64,
    len: usize,
    /// Held by every region that maps it.
    user: Arc<()>,
}

impl Place {
    fn region(&self, name: &str, memory: &File, len: usize, written: usize) -> io::Result<Region> {
        let range = self.start..self.start + len as u64;
        Region::of_part(name.to_owned(), memory, range, written, Arc::clone(&self.user))
    }
}

/// A file.
#[derive(Debug)]
struct Held {
    len: usize,
    /// Where it is in the memory; none for one that is never mapped: all of that is durable.
    place: Option<Place>,
    /// What is certain to last; zeros follow.
    durable: Vec<u8>,
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// Whether a file is mapped, and not just written whole and read.
fn is_mapped(name: &str) -> bool {
    name.starts_with("log/")
}

impl Held {
    /// The bytes as whoever reads the file now finds them.
    fn bytes(&self, memory: &File) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.len];
        match &self.place {
            Some(place) => memory.read_exact_at(&mut bytes, place.start)?,
            None => bytes.copy_from_slice(&self.durable),
        }
        Ok(bytes)
    }

    /// Makes bytes `from..to` as they are in the memory certain to last.
    fn settle(&mut self, memory: &File, from: usize, to: usize) -> io::Result<()> {
        let to = to.min(self.len);
        let Some(place) = self.place.as_ref().filter(|_| from < to) else { return Ok(()) };
        if self.durable.len() < to {
            self.durable.resize(to, 0);
        }
        memory.read_exact_at(&mut self.durable[from..to], place.start + from as u64)
    }
}

impl State {
    fn new() -> io::Result<Self> {
        let memory = File::from(memfd_create("lcnode", MemfdFlags::CLOEXEC)?);
        Ok(Self { memory, next: 0, files: BTreeMap::new(), removed: Vec::new(), is_dead: false, boot: 0 })
    }

    /// A place in the memory for `len` bytes, all zeros.
    fn place(&mut self, len: usize) -> io::Result<Place> {
        for unused in self.removed.extract_if(.., |place| Arc::strong_count(&place.user) == 1) {
            let how = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&self.memory, how, unused.start, unused.len as u64)?;
        }
        let start = self.next;
        let end = (start + len as u64).next_multiple_of(ALIGNMENT);
        self.memory.set_len(end)?;
        self.next = end;
        Ok(Place { start, len, user: Arc::default() })
    }

    fn add(&mut self, name: &str, bytes: Vec<u8>) -> io::Result<()> {
        self.forget(name);
        let (len, mut place) = (bytes.len(), None);
        if is_mapped(name) {
            let new = self.place(len)?;
            self.memory.write_all_at(&bytes, new.start)?;
            place = Some(new);
        }
        self.files.insert(name.to_owned(), Held { len, place, durable: bytes });
        Ok(())
    }

    /// Removes a file, if it is there. Whoever maps it goes on reading it.
    fn forget(&mut self, name: &str) {
        let place = self.files.remove(name).and_then(|held| held.place);
        self.removed.extend(place.filter(|place| place.len > 0));
    }
}

impl Simulated {
    /// An empty disk.
    ///
    /// Errors: as of a memory file (Linux's `memfd`) that cannot be had.
    pub fn new() -> io::Result<Self> {
        Ok(Self { state: Arc::new(Mutex::new(State::new()?)) })
    }

    /// The disk as a process that is killed leaves it to the next: all that was written is there, though not
    /// durable. This one fails every call from then on, so that a store on it can do no more harm.
    pub fn kill(&self) -> io::Result<Self> {
        let next = self.succeed(&mut |_, _| true)?;
        let before = self.state.lock();
        for (name, held) in &mut next.state.lock().files {
            if let Some(before) = before.files.get(name) {
                held.durable.clone_from(&before.durable);
            }
        }
        Ok(next)
    }

    /// The disk as a loss of power leaves it: of what was not synced each page is kept, lost or torn, as chance
    /// has it, which follows from the seed. This one fails every call from then on.
    pub fn power_loss(&self, seed: u64) -> io::Result<Self> {
        let mut chance = Chance(seed);
        // Some losses take nearly all, some nearly nothing.
        let kept = chance.next() % 9;
        let mut torn = 0;
        let next = self.succeed(&mut |first, sector| {
            if first {
                torn = match chance.next() % 4 {
                    0 => chance.next() as u8,
                    _ => {
                        if chance.next() % 8 < kept {
                            u8::MAX
                        } else {
                            0
                        }
                    }
                };
            }
            torn >> (sector % 8) & 1 == 1
        })?;
        next.state.lock().boot += 1;
        Ok(next)
    }

    /// All files, by name, with their bytes as whoever reads them now finds them.
    pub fn files(&self) -> io::Result<BTreeMap<String, Vec<u8>>> {
        let state = self.state.lock();
        let bytes = |(name, held): (&String, &Held)| Ok((name.clone(), held.bytes(&state.memory)?));
        state.files.iter().map(bytes).collect()
    }

    /// A disk with what is certain to last, and those sectors of the rest that `is_kept`, which is told whether
    /// the sector is the first of its page that is not certain, and its number.
    fn succeed(&self, is_kept: &mut dyn FnMut(bool, usize) -> bool) -> io::Result<Self> {
        let mut state = self.state.lock();
        let mut next = State::new()?;
        for (name, held) in &state.files {
            let mut bytes = held.durable.clone();
            bytes.resize(held.len, 0);
            let now = held.bytes(&state.memory)?;
            for (old, new) in bytes.chunks_mut(PAGE).zip(now.chunks(PAGE)) {
                let mut first = true;
                for (sector, (old, new)) in old.chunks_mut(SECTOR).zip(new.chunks(SECTOR)).enumerate() {
                    if old != new {
                        if is_kept(first, sector) {
                            old.copy_from_slice(new);
                        }
                        first = false;
                    }
                }
            }
            next.add(name, bytes)?;
        }
        state.is_dead = true;
        next.boot = state.boot;
        Ok(Self { state: Arc::new(Mutex::new(next)) })
    }

    fn call<T>(&self, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state.lock();
        if state.is_dead {
            return Err(io::Error::other("this disk has lost its power"));
        }
        act(&mut state)
    }
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

impl Medium for Simulated {
    fn create(&self, name: &str, capacity: usize) -> io::Result<Region> {
        self.call(|state| {
            state.forget(name);
            let place = state.place(capacity)?;
            let region = place.region(name, &state.memory, capacity, 0)?;
            let held = Held { len: capacity, place: Some(place), durable: Vec::new() };
            state.files.insert(name.to_owned(), held);
            Ok(region)
        })
    }

    fn open(&self, name: &str) -> io::Result<Region> {
        self.call(|state| {
            let held = state.files.get(name).ok_or_else(not_found)?;
            let place = held.place.as_ref().ok_or_else(not_found)?;
            place.region(name, &state.memory, held.len, usize::MAX)
        })
    }

    fn sync(&self, region: &Region, from: usize, to: usize) -> io::Result<()> {
        self.call(|state| match state.files.get_mut(region.name()) {
            Some(held) => held.settle(&state.memory, from, to),
            // Removed since.
            None => Ok(()),
        })
    }

    fn cut(&self, region: &Region, len: usize) -> io::Result<()> {
        self.call(|state| {
            let held = state.files.get_mut(region.name()).ok_or_else(not_found)?;
            held.settle(&state.memory, 0, len)?;
            held.len = held.len.min(len);
            held.durable.truncate(len);
            Ok(())
        })
    }

    fn wipe(&self, name: &str, from: u64, to: u64) -> io::Result<()> {
        self.call(|state| {
            let held = state.files.get_mut(name).ok_or_else(not_found)?;
            let start = held.place.as_ref().ok_or_else(not_found)?.start;
            let (from, to) = (from as usize, to as usize);
            if from > to || to > held.len {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            state.memory.write_all_at(&vec![0; to - from], start + from as u64)?;
            held.settle(&state.memory, 0, held.len)
        })
    }

    fn write_whole(&self, name: &str, fill: &mut Fill<'_>) -> io::Result<()> {
        let mut content = Cursor::new(Vec::new());
        fill(&mut content)?;
        self.call(|state| state.add(name, content.into_inner()))
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.call(|state| {
            let bytes = state.files.get(name).ok_or_else(not_found)?.bytes(&state.memory)?;
            let from = usize::try_from(offset).unwrap_or(usize::MAX);
            let part = bytes.get(from..).and_then(|rest| rest.get(..buffer.len()));
            buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(|state| {
            state.forget(name);
            Ok(())
        })
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, u64)>> {
        let inside = |name: &str| match name.rsplit_once('/') {
            Some((parent, file)) => (parent == folder).then(|| file.to_owned()),
            None => folder.is_empty().then(|| name.to_owned()),
        };
        self.call(|state| {
            let files = state.files.iter();
            Ok(files.filter_map(|(name, held)| Some((inside(name)?, held.len as u64))).collect())
        })
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn boot(&self) -> String {
        self.state.lock().boot.to_string()
    }

    fn describe(&self, name: &str) -> String {
        format!("simulated:{name}")
    }
}
