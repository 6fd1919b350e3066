//! Functions that are called every so often, each by a thread and in a virtual machine of its own.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use lcnode_lua::Scripts;

use crate::config::Periodic as Told;

/// One of them; being dropped it ends.
#[derive(Debug)]
pub(super) struct Periodic {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Periodic {
    /// Calls the function from one period on.
    pub(super) fn start(number: usize, told: Told, scripts: Arc<Scripts>) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new()
            .name(format!("periodic-{number}"))
            .spawn(move || run(number, &told, &scripts, &stopped))?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

fn run(number: usize, told: &Told, scripts: &Scripts, stopped: &Receiver<()>) {
    while stopped.recv_timeout(told.period) == Err(RecvTimeoutError::Timeout) {
        scripts.call_periodic(number, &told.name);
    }
}

impl Drop for Periodic {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}
