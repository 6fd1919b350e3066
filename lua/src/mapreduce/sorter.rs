//! Brings pairs into the order of their keys, in memory and, where that is not enough, in a temporary file for each
//! part. Pairs of one key stay in the order in which they came.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::PathBuf;

/// Parts that may be written, so that a script cannot fill the disk.
const MAX_RUNS: usize = 128;

/// A pair.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// Collects pairs.
#[derive(Debug, Default)]
pub(super) struct Sorter {
    pairs: Vec<Pair>,
    bytes: usize,
    /// Bytes that are held in memory.
    limit: usize,
    runs: Vec<File>,
    directory: Option<PathBuf>,
}

impl Sorter {
    /// Holds about `limit` bytes in memory; the rest goes to files in `directory`, or where the system wants them.
    pub(super) fn new(limit: usize, directory: Option<PathBuf>) -> Self {
        Self { limit, directory, ..Self::default() }
    }

    /// Takes a pair.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.bytes += key.len() + value.len() + 64;
        self.pairs.push((key.to_vec(), value.to_vec()));
        if self.bytes > self.limit { self.spill() } else { Ok(()) }
    }

    /// Writes what is in memory to a file of its own.
    fn spill(&mut self) -> io::Result<()> {
        if self.runs.len() >= MAX_RUNS {
            return Err(io::Error::other(format!(
                "more was emitted than {MAX_RUNS} times {} bytes; raise --ext-max-memory",
                self.limit
            )));
        }
        let mut pairs = std::mem::take(&mut self.pairs);
        self.bytes = 0;
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        let file = match &self.directory {
            Some(directory) => tempfile::tempfile_in(directory)?,
            None => tempfile::tempfile()?,
        };
        let mut writer = BufWriter::new(file);
        for (key, value) in &pairs {
            writer.write_all(&(key.len() as u64).to_le_bytes())?;
            writer.write_all(&(value.len() as u64).to_le_bytes())?;
            writer.write_all(key)?;
            writer.write_all(value)?;
        }
        let mut file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        self.runs.push(file);
        Ok(())
    }

    /// All pairs in order.
    pub(super) fn sorted(mut self) -> io::Result<impl Iterator<Item = io::Result<Pair>>> {
        self.pairs.sort_by(|a, b| a.0.cmp(&b.0));
        let files = self.runs.into_iter().map(|file| Run::File(BufReader::new(file)));
        let runs: Vec<Run> = files.chain([Run::Memory(self.pairs.into_iter())]).collect();
        let mut heads = Vec::with_capacity(runs.len());
        let mut runs = runs;
        for run in &mut runs {
            heads.push(run.next()?);
        }
        Ok(Merge { runs, heads, failed: false })
    }
}

/// Pairs in order.
#[derive(Debug)]
enum Run {
    File(BufReader<File>),
    Memory(std::vec::IntoIter<Pair>),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Pair>> {
        match self {
            Self::Memory(pairs) => Ok(pairs.next()),
            Self::File(reader) => {
                let mut lengths = [0; 16];
                match reader.read_exact(&mut lengths) {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
                    Err(error) => return Err(error),
                }
                let length =
                    |at: usize| u64::from_le_bytes(std::array::from_fn(|i| lengths[at + i])) as usize;
                // Written by this process into a file that nobody else can open.
                let (mut key, mut value) = (vec![0; length(0)], vec![0; length(8)]);
                reader.read_exact(&mut key)?;
                reader.read_exact(&mut value)?;
                Ok(Some((key, value)))
            }
        }
    }
}

/// The least of several runs, again and again; of equal keys that of the earliest run.
#[derive(Debug)]
struct Merge {
    runs: Vec<Run>,
    heads: Vec<Option<Pair>>,
    failed: bool,
}

impl Iterator for Merge {
    type Item = io::Result<Pair>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let heads = self.heads.iter().enumerate();
        let (least, _) =
            heads.filter_map(|(at, head)| Some((at, &head.as_ref()?.0))).min_by(|a, b| a.1.cmp(b.1))?;
        match self.runs[least].next() {
            Ok(next) => std::mem::replace(&mut self.heads[least], next).map(Ok),
            Err(error) => {
                self.failed = true;
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_on_disk_are_merged_in_order() {
        let mut sorter = Sorter::new(2000, None);
        for number in 0..1000_u32 {
            let key = format!("{:03}", number * 7 % 50);
            sorter.add(key.as_bytes(), &number.to_le_bytes()).unwrap();
        }
        assert!(sorter.runs.len() > 10, "{}", sorter.runs.len());
        let pairs: Vec<Pair> = sorter.sorted().unwrap().map(Result::unwrap).collect();
        assert_eq!(pairs.len(), 1000);
        for two in pairs.windows(2) {
            let number = |pair: &Pair| u32::from_le_bytes(pair.1[..].try_into().unwrap());
            assert!((&two[0].0, number(&two[0])) < (&two[1].0, number(&two[1])));
        }
    }

    #[test]
    fn a_script_cannot_fill_the_disk() {
        let mut sorter = Sorter::new(100, None);
        let ended = (0..100_000).find_map(|_| sorter.add(b"key", &[0; 100]).err()).unwrap();
        assert!(ended.to_string().contains("--ext-max-memory"), "{ended}");
    }
}
