//! Signs of life for the service manager, as long as each event loop answers.

use std::time::Duration;

use tokio::time::{interval, timeout};

use super::runtime::Workers;

/// Calls `alive` three times within `limit` for ever, but not while an event loop does not come to a task within a third of
/// it: a node that accepts connections and never answers them is to be ended and started anew.
pub(super) async fn watch(workers: &Workers, limit: Duration, alive: impl Fn()) {
    let third = (limit / 3).max(Duration::from_millis(1));
    let mut ticks = interval(third);
    let mut was_alive = true;
    loop {
        ticks.tick().await;
        let is_alive = timeout(third, workers.answer()).await.is_ok();
        match (was_alive, is_alive) {
            (true, false) => tracing::error!(
                "an event loop has not answered for {third:?}: systemd ends the node {limit:?} after the last sign of life"
            ),
            (false, true) => tracing::warn!("all event loops answer again"),
            _ => {}
        }
        if is_alive {
            alive();
        }
        was_alive = is_alive;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    #[test]
    fn signs_of_life_stop_while_one_loop_is_stuck() {
        for machines in [0, 1] {
            let workers = Arc::new(Workers::start(2, machines).unwrap());
            let signs = Arc::new(AtomicUsize::new(0));
            let (watched, counted) = (Arc::clone(&workers), Arc::clone(&signs));
            let main =
                tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            main.spawn(async move {
                watch(&watched, Duration::from_millis(600), || _ = counted.fetch_add(1, Ordering::Relaxed))
                    .await;
            });
            let comes = |more: usize| {
                let (from, start) = (signs.load(Ordering::Relaxed), Instant::now());
                while signs.load(Ordering::Relaxed) < from + more {
                    assert!(start.elapsed() < Duration::from_secs(60), "no sign of life");
                    std::thread::sleep(Duration::from_millis(5));
                }
            };
            comes(3);
            let (go_on, stuck) = mpsc::channel::<()>();
            let (began, begun) = mpsc::channel();
            workers.next().1.spawn(async move {
                began.send(()).unwrap();
                let _ = stuck.recv();
            });
            begun.recv().unwrap();
            // One sign may have been under way.
            std::thread::sleep(Duration::from_millis(300));
            let before = signs.load(Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(1200));
            assert_eq!(signs.load(Ordering::Relaxed), before, "{machines}");
            drop(go_on);
            comes(3);
        }
    }
}
