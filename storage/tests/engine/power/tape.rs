//! A disk in memory that writes down all that happens to it, in order.
//!
//! It promises what `Directory` does, and no more: a call that has returned is durable with all that it
//! says, one under way may have happened in part, and what was written into a region may reach the disk
//! page by page at any time, or never before a sync of its bytes has returned.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Duration;

use lcnode_storage::medium::{Fill, Medium, Region};
use parking_lot::{Condvar, Mutex};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::power::disk::Image;
use crate::random::Random;

/// The name of a file.
pub type Name = Arc<str>;

/// A call of the medium that changes the disk.
#[derive(Debug, Clone)]
pub enum Call {
    Create { capacity: usize },
    Sync { from: usize, to: usize },
    Cut { len: usize },
    Wipe { from: usize, to: usize },
    WriteWhole { bytes: Arc<[u8]> },
    Remove,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// Bytes were written into the pages of a file.
    Written { file: Name, at: usize, bytes: Arc<[u8]> },
    /// A call began.
    Begun { file: Name, call: Call },
    /// The call that began with that event returned.
    Done { begun: usize },
    /// The next change of a record began.
    Changing,
    /// So many changes are promised to last.
    Durable(usize),
}

/// A file.
#[derive(Debug)]
struct Held {
    /// What regions of it map; none for those that are never mapped.
    memory: Option<File>,
    /// Its bytes as they were when last looked at.
    bytes: Vec<u8>,
    /// Nothing is written into it any more.
    cut: bool,
}

#[derive(Debug)]
struct State {
    events: Vec<Event>,
    files: BTreeMap<Name, Held>,
    running: usize,
    dead: bool,
    /// Whether anything is written down at all.
    records: bool,
    random: Random,
}

/// The disk.
#[derive(Debug)]
pub struct Tape {
    state: Mutex<State>,
    idle: Condvar,
}

fn memory(bytes: &[u8], len: usize) -> io::Result<File> {
    let file = File::from(memfd_create("tape", MemfdFlags::CLOEXEC)?);
    file.set_len(len as u64)?;
    file.write_all_at(bytes, 0)?;
    Ok(file)
}

fn is_mapped(name: &str) -> bool {
    name.starts_with("log/")
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    /// Notes what was written into mapped files since the last look.
    fn look(&mut self) {
        for (name, held) in self.files.iter_mut().filter(|(_, held)| !held.cut) {
            let Some(memory) = &held.memory else { continue };
            let mut now = vec![0; held.bytes.len()];
            memory.read_exact_at(&mut now, 0).unwrap();
            for (index, page) in now.chunks(4096).enumerate() {
                let at = index * 4096;
                let old = &mut held.bytes[at..at + page.len()];
                if *old == *page {
                    continue;
                }
                let Some(first) = page.iter().zip(&*old).position(|(new, old)| new != old) else { continue };
                let last = page.iter().zip(&*old).rposition(|(new, old)| new != old).unwrap_or(first);
                let bytes = Arc::from(&page[first..=last]);
                self.events.push(Event::Written { file: name.clone(), at: at + first, bytes });
                old.copy_from_slice(page);
            }
        }
    }

    fn push(&mut self, event: Event) -> usize {
        if self.records && !self.dead {
            self.look();
            self.events.push(event);
        }
        self.events.len().saturating_sub(1)
    }
}

impl Tape {
    /// A disk that holds an image and writes down what happens from now on. Calls take a while, so that
    /// others come between.
    pub fn recording(image: &Image, random: Random) -> Arc<Self> {
        Self::with(image, Vec::new(), true, random)
    }

    /// A disk that holds an image and is no more than that.
    pub fn silent(image: &Image) -> Arc<Self> {
        Self::with(image, Vec::new(), false, Random::new(1))
    }

    fn with(image: &Image, events: Vec<Event>, records: bool, random: Random) -> Arc<Self> {
        let hold = |(name, bytes): (&Name, &Vec<u8>)| {
            let memory = is_mapped(name).then(|| memory(bytes, bytes.len()).unwrap());
            (name.clone(), Held { memory, bytes: bytes.clone(), cut: false })
        };
        let files = image.iter().map(hold).collect();
        let state = State { events, files, running: 0, dead: false, records, random };
        Arc::new(Self { state: Mutex::new(state), idle: Condvar::new() })
    }

    /// A change is about to be made.
    pub fn changing(&self) {
        self.state.lock().push(Event::Changing);
    }

    /// So many changes will last.
    pub fn durable(&self, changes: usize) {
        self.state.lock().push(Event::Durable(changes));
    }

    /// All that happened so far.
    pub fn events(&self) -> Vec<Event> {
        self.state.lock().events.clone()
    }

    /// The disk as a process that is killed leaves it to the next: what was written is there, though not
    /// durable. This one fails from now on.
    pub fn kill(&self) -> Arc<Self> {
        let mut state = self.state.lock();
        while state.running > 0 {
            self.idle.wait(&mut state);
        }
        // Until nothing came while it looked: what it saw is then of one moment.
        loop {
            let before = state.events.len();
            state.look();
            if state.events.len() == before {
                break;
            }
        }
        state.dead = true;
        let image = state.files.iter().map(|(name, held)| (name.clone(), held.bytes.clone())).collect();
        let events = std::mem::take(&mut state.events);
        let random = Random::new(state.random.next());
        Self::with(&image, events, state.records, random)
    }

    /// Carries out a call, noting its beginning and its end.
    fn call<T>(
        &self,
        name: &str,
        call: Call,
        act: impl FnOnce(&mut BTreeMap<Name, Held>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state.lock();
        if state.dead {
            return Err(io::Error::other("the process was killed"));
        }
        let begun = state.push(Event::Begun { file: name.into(), call });
        state.running += 1;
        if state.records {
            let pause = state.random.below(3) * 80;
            parking_lot::MutexGuard::unlocked(&mut state, || {
                std::thread::sleep(Duration::from_micros(pause));
            });
            state.look();
        }
        let result = act(&mut state.files);
        if state.records {
            state.events.push(Event::Done { begun });
        }
        state.running -= 1;
        self.idle.notify_all();
        result
    }

    fn read<T>(&self, name: &str, act: impl FnOnce(&Held) -> io::Result<T>) -> io::Result<T> {
        act(self.state.lock().files.get(name).ok_or_else(not_found)?)
    }
}

fn part(held: &Held, offset: u64, len: usize) -> io::Result<&[u8]> {
    let from = offset as usize;
    held.bytes.get(from..from + len).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

impl Medium for Tape {
    fn create(&self, name: &str, capacity: usize) -> io::Result<Region> {
        self.call(name, Call::Create { capacity }, |files| {
            let memory = memory(&[], capacity)?;
            let region = Region::of_file(name.to_owned(), &memory, 0);
            files.insert(name.into(), Held { memory: Some(memory), bytes: vec![0; capacity], cut: false });
            region
        })
    }

    fn open(&self, name: &str) -> io::Result<Region> {
        self.read(name, |held| {
            let memory = held.memory.as_ref().ok_or_else(not_found)?;
            Region::of_file(name.to_owned(), memory, usize::MAX)
        })
    }

    fn sync(&self, region: &Region, from: usize, to: usize) -> io::Result<()> {
        self.call(region.name(), Call::Sync { from, to }, |_| Ok(()))
    }

    fn cut(&self, region: &Region, len: usize) -> io::Result<()> {
        self.call(region.name(), Call::Cut { len }, |files| {
            let held = files.get_mut(region.name()).ok_or_else(not_found)?;
            if let Some(memory) = &held.memory {
                memory.set_len(len as u64)?;
            }
            held.bytes.truncate(len);
            held.cut = true;
            Ok(())
        })
    }

    fn wipe(&self, name: &str, from: u64, to: u64) -> io::Result<()> {
        let (from, to) = (from as usize, to as usize);
        self.call(name, Call::Wipe { from, to }, |files| {
            let held = files.get_mut(name).ok_or_else(not_found)?;
            held.bytes[from..to].fill(0);
            match &held.memory {
                Some(memory) => memory.write_all_at(&held.bytes[from..to], from as u64),
                None => Ok(()),
            }
        })
    }

    fn write_whole(&self, name: &str, fill: &mut Fill<'_>) -> io::Result<()> {
        let mut content = Cursor::new(Vec::new());
        fill(&mut content)?;
        let bytes = content.into_inner();
        self.call(name, Call::WriteWhole { bytes: bytes.clone().into() }, |files| {
            files.insert(name.into(), Held { memory: None, bytes, cut: true });
            Ok(())
        })
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.read(name, |held| {
            buffer.copy_from_slice(part(held, offset, buffer.len())?);
            Ok(())
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.call(name, Call::Remove, |files| {
            files.remove(name);
            Ok(())
        })
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, u64)>> {
        let state = self.state.lock();
        let inside = |name: &Name| match name.rsplit_once('/') {
            Some((parent, file)) if parent == folder => Some(file.to_owned()),
            None if folder.is_empty() => Some(name.to_string()),
            _ => None,
        };
        let files = state.files.iter();
        Ok(files.filter_map(|(name, held)| Some((inside(name)?, held.bytes.len() as u64))).collect())
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn describe(&self, name: &str) -> String {
        format!("tape:{name}")
    }
}
