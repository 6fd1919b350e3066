//! The calls that are measured.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use lcnode_storage::Store;

pub const KEY: usize = 16;
pub const VALUE: usize = 200;
/// Bytes of a record in the log.
pub const RECORD: u64 = 20 + KEY as u64 + VALUE as u64;
/// How long before a call is due the thread stops sleeping.
const SPIN: Duration = Duration::from_micros(40);
/// The longest latency that is told from longer ones, in nanoseconds.
const LONGEST: u64 = 600_000_000_000;

/// Room for a key and its value, which begins with the key.
#[derive(Debug)]
pub struct Record([u8; KEY + VALUE]);

impl Record {
    pub fn new() -> Self {
        Self([b'.'; KEY + VALUE])
    }

    /// Writes the key of a number, and its value.
    pub fn set(&mut self, number: u64) {
        let (key, value) = self.0.split_at_mut(KEY);
        // 64 bits in hexadecimal: always fits.
        let _ = write!(&mut *key, "{number:016x}");
        value[..KEY].copy_from_slice(key);
    }

    pub fn key(&self) -> &[u8] {
        &self.0[..KEY]
    }

    pub fn value(&self) -> &[u8] {
        &self.0[KEY..]
    }
}

/// A call that took long, and not because the one before it did. Times in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Slow {
    /// Since the slice began.
    pub due: u64,
    pub is_put: bool,
    /// From when it was due.
    pub latency: u64,
    /// From when it was made.
    pub took: u64,
}

/// What the calls of some time took, in nanoseconds.
#[derive(Debug, Clone)]
pub struct Latencies {
    pub gets: Histogram<u64>,
    pub puts: Histogram<u64>,
    /// The slowest calls, in the order in which they were due.
    pub slowest: Vec<Slow>,
    /// How long it went on.
    pub lasted: Duration,
    /// How long the thread was ready to run but had no processor; none where the system doesn't tell.
    pub waited: Option<Duration>,
}

impl Latencies {
    pub fn new() -> Result<Self, Box<dyn Error>> {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3)?;
        Ok(Self {
            gets: histogram.clone(),
            puts: histogram,
            slowest: Vec::new(),
            lasted: Duration::ZERO,
            waited: Some(Duration::ZERO),
        })
    }

    /// Adds those of another slice.
    pub fn add(&mut self, other: &Self) -> Result<(), Box<dyn Error>> {
        self.gets.add(&other.gets)?;
        self.puts.add(&other.puts)?;
        self.lasted += other.lasted;
        self.waited = self.waited.zip(other.waited).map(|(one, other)| one + other);
        Ok(())
    }

    fn count(&mut self, is_put: bool, latency: u64) {
        let histogram = if is_put { &mut self.puts } else { &mut self.gets };
        histogram.saturating_record(latency);
    }

    fn keep_if_slow(&mut self, slow: Slow, keep: usize) {
        if self.slowest.len() < keep {
            self.slowest.push(slow);
        } else if let Some((at, least)) = self.slowest.iter().enumerate().min_by_key(|(_, slow)| slow.latency)
            && least.latency < slow.latency
        {
            self.slowest.remove(at);
            self.slowest.push(slow);
        }
    }
}

/// The thread that calls.
#[derive(Debug)]
pub struct Load<'a> {
    store: &'a Store,
    records: u64,
    interval: Duration,
    random: fastrand::Rng,
    record: Record,
}

impl<'a> Load<'a> {
    /// Of the thread that makes it: has it woken up when it asks to be, not later.
    pub fn new(store: &'a Store, records: u64, rate: u32, seed: u64) -> Result<Self, Box<dyn Error>> {
        nix::sys::prctl::set_timerslack(1)?;
        let random = fastrand::Rng::with_seed(seed);
        Ok(Self { store, records, interval: Duration::from_secs(1) / rate, random, record: Record::new() })
    }

    /// Makes calls until `done`, which is asked after each, and is told for how long it has gone on. Keeps
    /// the `slowest` slowest.
    pub fn run(
        &mut self,
        slowest: usize,
        done: impl Fn(Duration) -> bool,
    ) -> Result<Latencies, Box<dyn Error>> {
        let mut latencies = Latencies::new()?;
        let waited = waited_for_processor();
        let began = Instant::now();
        let mut due = Duration::ZERO;
        let mut is_behind = false;
        while !done(due) {
            let is_put = self.random.bool();
            self.record.set(self.random.u64(..self.records));
            wait_until(began + due);
            let called = began.elapsed();
            if is_put {
                self.store.put(self.record.key(), self.record.value())?;
            } else if self.store.get(self.record.key(), |value| value == self.record.value())? != Some(true) {
                let key = String::from_utf8_lossy(self.record.key());
                return Err(format!("key {key} is missing or has another value than was put").into());
            }
            let ended = began.elapsed();
            let nanoseconds = |from: Duration| ended.saturating_sub(from).as_nanos() as u64;
            let (latency, took) = (nanoseconds(due), nanoseconds(called));
            latencies.count(is_put, latency);
            if !is_behind {
                latencies.keep_if_slow(Slow { due: due.as_nanos() as u64, is_put, latency, took }, slowest);
            }
            is_behind = ended >= due + self.interval;
            due += self.interval;
        }
        latencies.lasted = began.elapsed();
        latencies.waited =
            waited.zip(waited_for_processor()).map(|(before, after)| after.saturating_sub(before));
        Ok(latencies)
    }
}

fn wait_until(due: Instant) {
    let left = due.saturating_duration_since(Instant::now());
    if left > SPIN {
        std::thread::sleep(left - SPIN);
    }
    while Instant::now() < due {
        std::hint::spin_loop();
    }
}

/// The second number of the thread's scheduler statistics, in nanoseconds.
fn waited_for_processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_begins_with_its_key() {
        let mut record = Record::new();
        record.set(0xabc);
        assert_eq!(record.key(), b"0000000000000abc");
        assert!(record.value().starts_with(record.key()));
        assert_eq!((record.key().len() + record.value().len() + 20) as u64, RECORD);
    }

    #[test]
    fn the_slowest_calls_are_kept_in_their_order() {
        let mut latencies = Latencies::new().unwrap();
        for (due, latency) in [5, 9, 1, 7, 8].into_iter().enumerate() {
            latencies.keep_if_slow(Slow { due: due as u64, is_put: true, latency, took: 0 }, 3);
        }
        let kept: Vec<_> = latencies.slowest.iter().map(|slow| slow.latency).collect();
        assert_eq!(kept, [9, 7, 8]);
    }

    #[test]
    fn a_stall_is_seen_by_every_call_that_was_due_meanwhile() {
        let store = Store::open(lcnode_storage::Options::new(lcnode_storage::Place::Memory)).unwrap();
        let mut record = Record::new();
        record.set(0);
        store.put(record.key(), record.value()).unwrap();
        let mut load = Load::new(&store, 1, 1_000, 1).unwrap();
        let stalled = std::cell::Cell::new(false);
        let latencies = load.run(100, |due| {
            if due >= Duration::from_millis(10) && !stalled.replace(true) {
                std::thread::sleep(Duration::from_millis(50));
            }
            due >= Duration::from_millis(100)
        });
        let latencies = latencies.unwrap();
        let calls = latencies.gets.len() + latencies.puts.len();
        assert_eq!(calls, 100);
        let listed = latencies.slowest.iter().filter(|slow| slow.latency > 20_000_000).count();
        assert!(listed < 5, "one call stands for the stall, not {listed}");
        let late = |histogram: &Histogram<u64>| histogram.count_between(20_000_000, u64::MAX);
        let late = late(&latencies.gets) + late(&latencies.puts);
        assert!(late >= 25, "{late} of the 50 calls that were due during the stall count as late");
    }
}
