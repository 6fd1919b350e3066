//! A directory that fails as it is told: each call of the medium can fail a number of times, and its files
//! can be held to a number of bytes.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lcnode_storage::medium::{Directory, Fill, Medium, Region};
use parking_lot::Mutex;

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
    Open,
    ReadAt,
    List,
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
}

impl Faulty {
    /// On a directory, which is made; nothing fails yet.
    pub fn new(path: &Path) -> Arc<Self> {
        std::fs::create_dir_all(path.join("log")).unwrap();
        std::fs::create_dir_all(path.join("index")).unwrap();
        Arc::new(Self {
            inner: Directory::new(path),
            faults: Mutex::default(),
            space: AtomicU64::new(u64::MAX),
            failed: AtomicU64::new(0),
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
        self.inner.create(name, capacity)
    }

    fn open(&self, name: &str) -> io::Result<Region> {
        self.check(Call::Open)?;
        self.inner.open(name)
    }

    fn sync(&self, region: &Region, from: usize, to: usize) -> io::Result<()> {
        self.check(Call::Sync)?;
        self.inner.sync(region, from, to)
    }

    fn cut(&self, region: &Region, len: usize) -> io::Result<()> {
        self.check(Call::Cut)?;
        self.inner.cut(region, len)
    }

    fn wipe(&self, name: &str, from: u64, to: u64) -> io::Result<()> {
        self.check(Call::Wipe)?;
        self.inner.wipe(name, from, to)
    }

    fn write_whole(&self, name: &str, fill: &mut Fill<'_>) -> io::Result<()> {
        self.check(Call::WriteWhole)?;
        self.inner.write_whole(name, fill)
    }

    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.check(Call::ReadAt)?;
        self.inner.read_at(name, offset, buffer)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check(Call::Remove)?;
        self.inner.remove(name)?;
        self.check(Call::RemoveHalf)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<(String, u64)>> {
        self.check(Call::List)?;
        self.inner.list(folder)
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn describe(&self, name: &str) -> String {
        self.inner.describe(name)
    }
}
