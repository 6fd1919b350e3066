//! The medium of the database `*`: anonymous memory, gone with the process.

use std::io;

use super::{Fill, Medium, Region};

/// Anonymous memory.
#[derive(Debug, Default)]
pub struct Memory;

fn nothing() -> io::Error {
    io::Error::from(io::ErrorKind::NotFound)
}

impl Medium for Memory {
    fn create(&self, name: &str, capacity: usize) -> io::Result<Region> {
        Region::anonymous(name.to_owned(), capacity)
    }

    fn open(&self, _name: &str) -> io::Result<Region> {
        Err(nothing())
    }

    fn sync(&self, _region: &Region, _from: usize, _to: usize) -> io::Result<()> {
        Ok(())
    }

    fn cut(&self, _region: &Region, _len: usize) -> io::Result<()> {
        Ok(())
    }

    fn wipe(&self, _name: &str, _from: u64, _to: u64) -> io::Result<()> {
        Err(nothing())
    }

    fn write_whole(&self, _name: &str, _fill: &mut Fill<'_>) -> io::Result<()> {
        Ok(())
    }

    fn read_at(&self, _name: &str, _offset: u64, _buffer: &mut [u8]) -> io::Result<()> {
        Err(nothing())
    }

    fn remove(&self, _name: &str) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, _folder: &str) -> io::Result<Vec<(String, u64)>> {
        Ok(Vec::new())
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn describe(&self, name: &str) -> String {
        format!("memory:{name}")
    }
}
