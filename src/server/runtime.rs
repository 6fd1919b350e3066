//! Threads with an event loop each. A connection stays on the thread it was given to.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::server::aside::SLOW;

/// How long a slow command may go on after the stop.
const STOP: Duration = Duration::from_secs(10);

/// The event-loop threads.
#[derive(Debug)]
pub(crate) struct Workers {
    workers: Vec<Worker>,
    next: AtomicUsize,
}

#[derive(Debug)]
struct Worker {
    handle: Handle,
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Workers {
    /// Starts `threads` of them, for scripts in as many virtual machines. Where there are scripts another thread can take an
    /// event loop over while one of them takes long.
    pub(crate) fn start(threads: usize, machines: usize) -> io::Result<Self> {
        let workers =
            (0..threads.max(1)).map(|number| Worker::start(number, machines)).collect::<io::Result<_>>()?;
        Ok(Self { workers, next: AtomicUsize::new(0) })
    }

    /// The thread for the next connection, and its number.
    pub(crate) fn next(&self) -> (usize, &Handle) {
        let number = self.next.fetch_add(1, Ordering::Relaxed) % self.workers.len();
        (number, &self.workers[number].handle)
    }

    /// Waits until each event loop has come to a task.
    pub(crate) async fn answer(&self) {
        let answers: Vec<_> = self.workers.iter().map(|worker| worker.handle.spawn(async {})).collect();
        for answer in answers {
            // An empty task fails only where its loop has ended, and that is seen elsewhere.
            let _ = answer.await;
        }
    }

    /// Ends all threads; connections are dropped where they wait.
    pub(crate) fn stop(self) {
        let threads: Vec<JoinHandle<()>> = self
            .workers
            .into_iter()
            .map(|worker| {
                // A thread that has ended already needs no telling.
                let _ = worker.stop.send(());
                worker.thread
            })
            .collect();
        for thread in threads {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Worker {
    fn start(number: usize, machines: usize) -> io::Result<Self> {
        let mut builder = match machines {
            0 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        let runtime = builder
            .worker_threads(1)
            .enable_all()
            // A thread for each slow request, each script that takes long, and some that are about to end.
            .max_blocking_threads(SLOW + machines + 8)
            .thread_name(format!("slow-{number}"))
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::Builder::new().name(format!("serve-{number}")).spawn(move || {
            // Ends when told to, or when nobody can tell it any more.
            let _ = runtime.block_on(stopped);
            runtime.shutdown_timeout(STOP);
        })?;
        Ok(Self { handle, stop, thread })
    }
}
