//! Where bytes live: a directory of mapped files, or memory.
//!
//! The engine writes records through [`Region`]s and does everything else (create, sync, cut,
//! remove) through the [`Medium`] trait, so that tests can put a failing disk under it without
//! costing a get or a put anything.

mod directory;
mod mapping;
mod memory;
mod simulated;

use std::io::{self, Seek, Write};

pub use directory::Directory;
pub use mapping::{Appender, Region, Words};
pub use memory::Memory;
pub use simulated::Simulated;

/// A writer that can leave gaps.
pub trait WriteSeek: Write + Seek {}
impl<T: Write + Seek> WriteSeek for T {}

/// What writes the content of a new file.
pub type Fill<'a> = dyn FnMut(&mut dyn WriteSeek) -> io::Result<()> + 'a;

/// A place for named files. Names are relative, with `/` between folders.
pub trait Medium: Send + Sync + std::fmt::Debug {
    /// Creates a file of `capacity` bytes, allocated in full and its length durable, and maps it;
    /// a file of that name is replaced. Fails with nothing left behind where there is no space.
    fn create(&self, name: &str, capacity: usize) -> io::Result<Region>;

    /// Maps an existing file; all of it counts as written.
    fn open(&self, name: &str) -> io::Result<Region>;

    /// Makes bytes `from..to` of a region durable.
    fn sync(&self, region: &Region, from: usize, to: usize) -> io::Result<()>;

    /// Shortens a region's file to `len` bytes, durably. Nothing at or past `len` may be read.
    fn cut(&self, region: &Region, len: usize) -> io::Result<()>;

    /// Overwrites bytes `from..to` of a file, which lie within it, with zeros, durably.
    fn wipe(&self, name: &str, from: u64, to: u64) -> io::Result<()>;

    /// Writes a whole new file through `fill`, durably, and only then gives it its name: it is there
    /// in full or not at all. `fill` may seek past the end; what it skips reads as zeros.
    fn write_whole(&self, name: &str, fill: &mut Fill<'_>) -> io::Result<()>;

    /// Fills `buffer` from byte `offset` of a file.
    fn read_at(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Removes a file, durably. After an error it may be gone or not.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Names and lengths of the files in a folder, sorted by name.
    fn list(&self, folder: &str) -> io::Result<Vec<(String, u64)>>;

    /// Whether anything survives the process.
    fn is_durable(&self) -> bool;

    /// Changes whenever something unsynced may have been lost: with each start of the machine. Empty where nobody tells.
    fn boot(&self) -> String {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        boot.map(|boot| boot.trim_end().to_owned()).unwrap_or_default()
    }

    /// How the medium is named in messages.
    fn describe(&self, name: &str) -> String;
}
