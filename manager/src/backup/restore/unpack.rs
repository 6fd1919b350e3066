//! The files of an archive on their way to the servers that get them.

use std::io::{self, Write};
use std::process::ChildStdin;

use indicatif::ProgressBar;

use super::plan::Order;
use crate::backup::archive::Sink;
use crate::backup::host::Running;
use crate::backup::manifest::{Copy, File};
use crate::backup::work::Interrupt;
use crate::context::Failure;

/// Bytes of a block of tar.
const BLOCK: u64 = 512;

/// Sends each copy to the servers that get it.
pub struct Unpack<'u> {
    orders: Vec<Order>,
    /// Those that get the copy that is being read.
    receivers: Vec<Receiver>,
    bar: &'u ProgressBar,
    interrupt: &'u Interrupt,
}

/// A `tar` that unpacks for a server.
struct Receiver {
    name: String,
    running: Running,
    stdin: ChildStdin,
    /// Bytes that the last file lacks to full blocks.
    padding: u64,
}

impl<'u> Unpack<'u> {
    /// For these servers.
    pub fn new(orders: Vec<Order>, bar: &'u ProgressBar, interrupt: &'u Interrupt) -> Self {
        Self { orders, receivers: Vec::new(), bar, interrupt }
    }

    /// Writes to all receivers. The error is what `tar` says.
    fn write(&mut self, what: impl Fn(&mut Receiver) -> io::Result<()>) -> Result<(), Failure> {
        let failed = self.receivers.iter_mut().position(|receiver| what(receiver).is_err());
        let Some(failed) = failed else { return Ok(()) };
        Err(self.receivers.swap_remove(failed).failure())
    }
}

impl Sink for Unpack<'_> {
    fn begin(&mut self, copy: &Copy) -> Result<(), Failure> {
        self.bar.set_message(format!("unpacking {}", copy.server));
        for order in self.orders.iter().filter(|order| order.copy == copy.server) {
            let mut running = order.target.receive()?;
            let stdin = running.child.stdin.take().ok_or("tar has no input")?;
            self.receivers.push(Receiver { name: order.target.name.clone(), running, stdin, padding: 0 });
        }
        Ok(())
    }

    fn file(&mut self, _: &Copy, file: &File) -> Result<(), Failure> {
        let mut header = tar::Header::new_ustar();
        header.set_path(&file.path)?;
        header.set_size(file.bytes);
        header.set_mode(0o644);
        header.set_cksum();
        self.write(|receiver| {
            receiver.pad()?;
            receiver.padding = file.bytes.next_multiple_of(BLOCK) - file.bytes;
            receiver.stdin.write_all(header.as_bytes())
        })
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.interrupt.check()?;
        self.bar.inc(bytes.len() as u64 * self.receivers.len() as u64);
        self.write(|receiver| receiver.stdin.write_all(bytes))
    }

    fn end(&mut self, _: &Copy, _: bool) -> Result<(), Failure> {
        self.write(|receiver| {
            receiver.pad()?;
            receiver.stdin.write_all(&[0; 2 * BLOCK as usize])
        })?;
        for receiver in self.receivers.drain(..) {
            receiver.end()?;
        }
        Ok(())
    }
}

impl Receiver {
    fn pad(&mut self) -> io::Result<()> {
        let zeros = [0; BLOCK as usize];
        let padding = usize::try_from(std::mem::take(&mut self.padding)).unwrap_or(0);
        self.stdin.write_all(zeros.get(..padding).unwrap_or_default())
    }

    fn end(self) -> Result<(), Failure> {
        drop(self.stdin);
        self.running
            .end()
            .map_err(|error| format!("{}: cannot unpack its database: {error}", self.name).into())
    }

    /// Why it takes no more.
    fn failure(self) -> Failure {
        let name = self.name.clone();
        match self.end() {
            Err(error) => error,
            Ok(()) => format!("{name}: tar ended before the database was unpacked").into(),
        }
    }
}
