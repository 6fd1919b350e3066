//! A directory that fails as it is told: each call of the medium can fail a number of times, its files
//! can be held to a number of bytes, and it tells what would be left of it after a power loss.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lcnode_storage::medium::{Directory, Fill, Medium, Region, Words};
use parking_lot::Mutex;

use crate::random::Random;
use crate::scene::{copy_files, segments, used};

/// A call that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    Create,
    Sync,
    Cut,
    Wipe,
    Remove,
    /// The file is gone, but that it stays gone is not promised.
    RemoveHalf,
    WriteWhole,
}

/// Fails `times` times after `pass` calls that go well.
#[derive(Debug)]
struct Fault {
    pass: u64,
    times: u64,
    kind: io::ErrorKind,
}

/// The directory.
#[derive(Debug)]
pub struct Faulty {
    inner: Directory,
    faults: Mutex<HashMap<Call, Fault>>,
    /// Bytes that all segments may have together.
    space: AtomicU64,
    /// Calls that failed.
    failed: AtomicU64,
    /// Bytes of each segment that are durable, from its beginning. Held while anything changes.
    durable: Mutex<HashMap<String, u64>>,
}

impl Faulty {
    /// On a directory, which is made; nothing fails yet.
    pub fn new(path: &Path) -> Arc<Self> {
        std::fs::create_dir_all(path.join("log")).unwrap();
        std::fs::create_dir_all(path.join("index")).unwrap();
        // What is there already is there to stay.
        let name = |file: &Path| format!("log/{}", file.file_name().unwrap().to_str().unwrap());
        let durable = segments(path).iter().map(|file| (name(file), used(file))).collect();
        Arc::new(Self {
            inner: Directory::new(path),
            faults: Mutex::default(),
            space: AtomicU64::new(u64::MAX),
            failed: AtomicU64::new(0),
            durable: Mutex::new(durable),
        })
    }

    /// Has a call fail `times` times, after `pass` that go well.
    pub fn fail(&self, call: Call, pass: u64, times: u64) {
        let kind = match call {
            Call::Create => io::ErrorKind::StorageFull,
            _ => io::ErrorKind::Other,
        };
        self.faults.lock().insert(call, Fault { pass, times, kind });
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.faults.lock().clear();
        self.space.store(u64::MAX, Ordering::Relaxed);
    }

    /// Holds the segments to so many bytes.
    pub fn limit(&self, bytes: u64) {
        self.space.store(bytes, Ordering::Relaxed);
    }

    /// Calls that failed so far.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Writes into `to` what a power loss now might leave: what is durable, and of the rest each page
    /// whole, torn or not at all.
    pub fn lose_power(&self, to: &Path, random: &mut Random) {
        let durable = self.durable.lock();
        copy_files(Path::new(&self.inner.describe("")), to);
        for file in segments(to) {
            let name = format!("log/{}", file.file_name().unwrap().to_str().unwrap());
            let mut bytes = std::fs::read(&file).unwrap();
            let kept = durable.get(&name).map_or(0, |&kept| kept as usize).min(bytes.len());
            let mut at = kept;
            let chance = random.below(4);
            while at < bytes.len() {
                let end = (at / 4096 * 4096 + 4096).min(bytes.len());
                match random.below(4) {
                    lost if lost < chance => bytes[at..end].fill(0),
                    3 if random.below(3) == 0 => {
                        // Sectors are never torn themselves.
                        let half = (at + random.below((end - at) as u64) as usize) / 512 * 512;
                        bytes[half.max(at)..end].fill(0);
                    }
                    _ => {}
                }
                at = end;
            }
            std::fs::write(&file, &bytes).unwrap();
        }
    }

    fn check(&self, call: Call) -> io::Result<()> {
        let mut faults = self.faults.lock();
        let Some(fault) = faults.get_mut(&call) else { return Ok(()) };
        if fault.pass > 0 {
            fault.pass -= 1;
            return Ok(());
        }
        if fault.times == 0 {
            return Ok(());
        }
        fault.times -= 1;
        self.failed.fetch_add(1, Ordering::Relaxed);
        Err(io::Error::new(fault.kind, "as scripted"))
    }
}

impl Medium for Faulty {
    fn create(&self, name: &str, capacity: usize) -> io::Result<Region> {
        self.check(Call::Create)?;
        let used: u64 = self.inner.list("log")?.iter().map(|(_, len)| len).sum();
        if used + capacity as u64 > self.space.load(Ordering::Relaxed) {
            self.failed.fetch_add(1, Ordering::Relaxed);
            return Err(io::ErrorKind::StorageFull.into());
        }
        let mut durable = self.durable.lock();
        durable.insert(name.to_owned(), 0);
        self.inner.create(name, capacity)
    }

    fn open(&self, name: &str) -> io::Result<Region> {
        self.inner.open(name)
    }

    fn sync(&self, region: &Region, from: usize, to: usize) -> io::Result<()> {
        self.check(Call::Sync)?;
        self.inner.sync(region, from, to)?;
        let mut durable = self.durable.lock();
        let kept = durable.entry(region.name().to_owned()).or_default();
        if *kept >= from as u64 {
            *kept = (to as u64).max(*kept);
        }
        Ok(())
    }

    fn cut(&self, region: &Region, len: usize) -> io::Result<()> {
        self.check(Call::Cut)?;
        let _durable = self.durable.lock();
        self.inner.cut(region, len)
    }

    fn wipe(&self, name: &str, from: u64, to: u64) -> io::Result<()> {
        self.check(Call::Wipe)?;
        let _durable = self.durable.lock();
        self.inner.wipe(name, from, to)
    }

    fn write_whole(&self, name: &str, fill: &mut Fill<'_>) -> io::Result<()> {
        self.check(Call::WriteWhole)?;
        // Not under the lock: a checkpoint syncs the log before it gets its name.
        self.inner.write_whole(name, fill)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(name, offset, buffer)
    }

    fn load_words(&self, name: &str, offset: u64, count: usize) -> io::Result<Words> {
        self.inner.load_words(name, offset, count)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check(Call::Remove)?;
        let mut durable = self.durable.lock();
        durable.remove(name);
        self.inner.remove(name)?;
        drop(durable);
        self.check(Call::RemoveHalf)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, u64)>> {
        self.inner.list(folder)
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn describe(&self, name: &str) -> String {
        self.inner.describe(name)
    }
}
