//! Clients that read and write through the rings, and know what they must read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lightcloud::LightCloud;
use parking_lot::Mutex;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::context::Failure;

/// Clients that call at the same time. Each has keys of its own.
pub const CLIENTS: usize = 8;
/// Keys altogether.
pub const KEYS: u64 = 1000;
/// Between two calls of a client: the machine is not what is shown here.
const PAUSE: Duration = Duration::from_millis(1);

/// What happened in a while.
#[derive(Debug, Clone, Default)]
pub struct Interval {
    /// Calls that returned.
    pub calls: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Reads of an older value than the last one that was written.
    pub behind: u64,
    /// The longest call.
    pub slowest: Duration,
    /// The first failure.
    pub first_error: Option<String>,
}

impl Interval {
    /// Takes a later one in.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.errors += other.errors;
        self.behind += other.behind;
        self.slowest = self.slowest.max(other.slowest);
        if self.first_error.is_none() {
            self.first_error.clone_from(&other.first_error);
        }
    }
}

/// What a client knows of one of its keys: its value counts how often it was written.
#[derive(Debug, Clone)]
struct Entry {
    key: String,
    /// The last write that returned.
    written: u64,
    /// The last write that was begun, which may have failed.
    begun: u64,
}

/// The clients while they run.
pub struct Workload {
    cloud: LightCloud,
    interval: Arc<Mutex<Interval>>,
    is_over: Arc<AtomicBool>,
    clients: JoinSet<Vec<Entry>>,
}

/// What all keys were found to hold in the end.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Keys that hold what was written last.
    pub right: u64,
    /// Others, with what they hold.
    pub wrong: Vec<String>,
}

impl Workload {
    /// Lets the clients begin.
    pub fn begin(cloud: &LightCloud) -> Self {
        let mut own: Vec<Vec<Entry>> = vec![Vec::new(); CLIENTS];
        for number in 0..KEYS {
            own[number as usize % CLIENTS].push(Entry {
                key: format!("user:{number}"),
                written: 0,
                begun: 0,
            });
        }
        let (interval, is_over) = <(Arc<Mutex<Interval>>, Arc<AtomicBool>)>::default();
        let mut clients = JoinSet::new();
        for entries in own {
            clients.spawn(client(cloud.clone(), entries, Arc::clone(&interval), Arc::clone(&is_over)));
        }
        Self { cloud: cloud.clone(), interval, is_over, clients }
    }

    /// What happened since it was asked last.
    pub fn take(&self) -> Interval {
        std::mem::take(&mut *self.interval.lock())
    }

    /// Lets the clients end, and reads all keys once more.
    ///
    /// What happened since it was asked last, and what the keys hold.
    pub async fn end(mut self) -> Result<(Interval, Verdict), Failure> {
        self.is_over.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        while let Some(entries) = self.clients.join_next().await {
            all.push(entries?);
        }
        let mut verdict = Verdict::default();
        for entries in all {
            let keys: Vec<_> = entries.iter().map(|entry| entry.key.as_bytes()).collect();
            let values = self.cloud.get_many(&keys).await?;
            for (Entry { key, written, begun }, value) in entries.iter().zip(values) {
                match count_of(value.as_deref()) {
                    Some(count) if (*written..=*begun).contains(&count) => verdict.right += 1,
                    _ => verdict.wrong.push(format!("{key} holds {value:?}, last written was {written}")),
                }
            }
        }
        Ok((self.take(), verdict))
    }
}

/// The count in a value; a key that is not there was written 0 times.
fn count_of(value: Option<&[u8]>) -> Option<u64> {
    let Some(value) = value else { return Some(0) };
    std::str::from_utf8(value).ok()?.strip_prefix("visits ")?.parse().ok()
}

async fn client(
    cloud: LightCloud,
    mut entries: Vec<Entry>,
    interval: Arc<Mutex<Interval>>,
    is_over: Arc<AtomicBool>,
) -> Vec<Entry> {
    let mut random = fastrand::Rng::new();
    while !is_over.load(Ordering::Relaxed) {
        let at = random.usize(..entries.len());
        let entry = &mut entries[at];
        let start = Instant::now();
        let mut happened = Interval { calls: 1, ..Interval::default() };
        let outcome = if random.u8(..3) == 0 {
            entry.begun += 1;
            let value = format!("visits {}", entry.begun);
            let outcome = cloud.set(entry.key.as_bytes(), value.as_bytes()).await;
            outcome.map(|_| entry.written = entry.begun)
        } else {
            let outcome = cloud.get(entry.key.as_bytes()).await;
            outcome.map(|value| match count_of(value.as_deref()) {
                Some(count) if (entry.written..=entry.begun).contains(&count) => {}
                Some(count) if count < entry.written => happened.behind = 1,
                _ => {
                    happened.errors = 1;
                    happened.first_error = Some(format!("{} holds {value:?}", entry.key));
                }
            })
        };
        happened.slowest = start.elapsed();
        if let Err(error) = outcome {
            happened.errors = 1;
            happened.first_error = Some(error.to_string());
        }
        interval.lock().add(&happened);
        sleep(PAUSE).await;
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_count_how_often_they_were_written() {
        assert_eq!(count_of(None), Some(0));
        assert_eq!(count_of(Some(b"visits 12")), Some(12));
        for other in [&b""[..], b"visits", b"visits x", b"\xff"] {
            assert_eq!(count_of(Some(other)), None);
        }
    }

    #[test]
    fn intervals_add_up() {
        let mut sum = Interval { calls: 1, slowest: Duration::from_secs(1), ..Interval::default() };
        let error = Some("first".to_owned());
        sum.add(&Interval { calls: 2, errors: 1, first_error: error.clone(), ..Interval::default() });
        sum.add(&Interval { behind: 3, first_error: Some("second".to_owned()), ..Interval::default() });
        assert_eq!((sum.calls, sum.errors, sum.behind), (3, 1, 3));
        assert_eq!((sum.slowest, sum.first_error), (Duration::from_secs(1), error));
    }
}
