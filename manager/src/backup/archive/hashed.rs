//! A stream whose SHA-256 is taken as it passes.

use std::io::{Read, Result, Write};

use sha2::{Digest, Sha256};

/// A reader or writer, what has passed, and its hash.
pub struct Hashed<S> {
    pub stream: S,
    pub bytes: u64,
    hash: Sha256,
}

impl<S> Hashed<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, bytes: 0, hash: Sha256::new() }
    }

    /// The hash of what has passed so far.
    pub fn digest(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// The same, 64 digits of base 16.
    pub fn digits(&self) -> String {
        self.digest().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn passed(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.hash.update(bytes);
    }
}

impl<S: Read> Read for Hashed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = self.stream.read(buffer)?;
        self.passed(buffer.get(..len).unwrap_or_default());
        Ok(len)
    }
}

impl<S: Write> Write for Hashed<S> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let len = self.stream.write(bytes)?;
        self.passed(bytes.get(..len).unwrap_or_default());
        Ok(len)
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.flush()
    }
}
