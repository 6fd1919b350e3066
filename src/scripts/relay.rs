//! Event loops of threads that run a script which takes long: another thread goes on with them.
//!
//! An event loop can go to whoever is there once [`tokio::task::block_in_place`] has begun, and is taken back where nobody has it
//! when that ends. So whoever hands one over stays in it until another thread serves it. That thread may have a script which
//! takes long too, and hand the loop over in its turn: not before the first one is out, who would take it back otherwise, and
//! then nobody served it. And whoever has handed one over has none any more, whatever else he calls before he is back.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Handle, Id, RuntimeFlavor};

/// How long a call waits until another thread serves its event loop, before it goes on for a while. As a rule that takes a
/// tenth of a millisecond, and a few more where all cores are busy.
const PATIENCE: Duration = Duration::from_secs(1);

thread_local! {
    /// Whether this thread is in an event loop that it would have to hand over.
    static HAS_LOOP: Cell<bool> = const { Cell::new(false) };
}

/// A task of an event loop, from which it can be handed over.
pub async fn on_event_loop<F: Future>(task: F) -> F::Output {
    let mut task = pin!(task);
    poll_fn(|context| {
        // Whoever polls it has the loop.
        HAS_LOOP.set(true);
        let polled = task.as_mut().poll(context);
        HAS_LOOP.set(false);
        polled
    })
    .await
}

/// The event loops of a node.
#[derive(Debug, Default)]
pub(super) struct Relays(Mutex<HashMap<Id, Arc<Relay>>>);

/// One event loop.
#[derive(Debug, Default)]
struct Relay {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// A thread is handing the loop over.
    is_handed_over: bool,
    /// Another one serves it.
    is_served: bool,
}

impl Relays {
    /// Has another thread serve the event loop that this thread is in, if it is in one. False where none did in time.
    pub(super) fn hand_over(&self) -> bool {
        if !HAS_LOOP.get() {
            return true;
        }
        let Ok(handle) = Handle::try_current() else { return true };
        if handle.runtime_flavor() != RuntimeFlavor::MultiThread {
            return true;
        }
        let relay = Arc::clone(self.0.lock().entry(handle.id()).or_default());
        let is_served = relay.hand_over(&handle);
        HAS_LOOP.set(!is_served);
        is_served
    }
}

impl Relay {
    fn hand_over(self: &Arc<Self>, handle: &Handle) -> bool {
        let mut state = self.state.lock();
        while state.is_handed_over {
            // To me.
            state.is_served = true;
            self.changed.notify_all();
            self.changed.wait(&mut state);
        }
        *state = State { is_handed_over: true, is_served: false };
        drop(state);
        let is_served = tokio::task::block_in_place(|| {
            let relay = Arc::clone(self);
            handle.spawn(async move {
                relay.state.lock().is_served = true;
                relay.changed.notify_all();
            });
            let until = Instant::now() + PATIENCE;
            let mut state = self.state.lock();
            while !state.is_served && !self.changed.wait_until(&mut state, until).timed_out() {}
            state.is_served
        });
        self.state.lock().is_handed_over = false;
        self.changed.notify_all();
        if !is_served {
            tracing::warn!(
                "a script takes long, and no thread is free yet to serve the other clients of its event loop meanwhile"
            );
        }
        is_served
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::runtime::Builder;

    /// Tasks that block one after the other on one event loop: all of them get on at the same time.
    #[test]
    fn a_loop_is_handed_on_and_on() {
        let runtime = Builder::new_multi_thread().worker_threads(1).max_blocking_threads(20).build().unwrap();
        let relays = Arc::new(Relays::default());
        for _ in 0..200 {
            let blocked = Arc::new(AtomicUsize::new(0));
            let tasks: Vec<_> = (0..8)
                .map(|_| {
                    let (relays, blocked) = (Arc::clone(&relays), Arc::clone(&blocked));
                    runtime.spawn(on_event_loop(async move {
                        assert!(relays.hand_over());
                        // As a second call in the same batch does: it has nothing to hand over.
                        assert!(relays.hand_over());
                        blocked.fetch_add(1, Ordering::Relaxed);
                        let begin = Instant::now();
                        while blocked.load(Ordering::Relaxed) < 8 {
                            assert!(
                                begin.elapsed() < Duration::from_secs(20),
                                "one has to wait for the others"
                            );
                            std::thread::yield_now();
                        }
                        assert!(relays.hand_over());
                    }))
                })
                .collect();
            let done = async {
                for task in tasks {
                    task.await.unwrap();
                }
            };
            runtime.block_on(done);
        }
    }
}
