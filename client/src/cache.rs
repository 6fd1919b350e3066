//! A local cache of values, off unless asked for.
//!
//! A value that this process has written is read back at once, one that another process has written once the entry
//! is too old. Only values are kept: no errors, and not that a key has none. Where the outcome of a write is not known,
//! what is read afterwards may be from before it, and is kept as long as any entry.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use quick_cache::Equivalent;

use crate::config::CacheConfig;

/// The longest value that is kept, in bytes: so the cache takes at most 64 KiB and the key for each of its entries.
pub(crate) const MAX_VALUE: usize = 64 << 10;
/// The most entries, whatever is configured.
pub(crate) const MAX_ENTRIES: usize = 1 << 24;
/// Keys of one stripe are told apart only when they are looked up.
const STRIPES: usize = 1024;

/// Values of all systems by their keys. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    config: CacheConfig,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    values: quick_cache::sync::Cache<Key, Entry>,
    stripes: Box<[Mutex<Stripe>]>,
    hasher: RandomState,
    time_to_live: Duration,
}

/// What happens to the keys of a stripe. A value goes into the cache only if it is certain to be the newest.
#[derive(Debug, Default)]
struct Stripe {
    /// Grows when a write begins and when it ends.
    generation: u64,
    /// Writes that have begun and not ended.
    writes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    system: Arc<str>,
    key: Bytes,
}

/// A key that is looked up. It hashes as [`Key`] does.
#[derive(Hash)]
struct Wanted<'k> {
    system: &'k str,
    key: &'k [u8],
}

impl Equivalent<Key> for Wanted<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.system == &*key.system && self.key == key.key
    }
}

#[derive(Debug, Clone)]
struct Entry {
    value: Bytes,
    since: Instant,
}

/// A read that has begun; from before it asks a node.
#[derive(Debug)]
#[must_use]
pub(crate) struct Reading {
    stripe: usize,
    generation: u64,
}

/// A change of one key that has begun. It ends when it is dropped, and nothing is kept then.
#[derive(Debug)]
#[must_use]
pub(crate) struct Writing {
    shared: Arc<Shared>,
    stripe: usize,
    generation: u64,
    has_ended: bool,
}

impl Cache {
    /// An empty cache.
    pub(crate) fn new(config: &CacheConfig) -> Self {
        let entries = config.entries.clamp(1, MAX_ENTRIES);
        let shared = Shared {
            values: quick_cache::sync::Cache::new(entries),
            stripes: (0..STRIPES).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            time_to_live: config.time_to_live,
        };
        Self { config: config.clone(), shared: Arc::new(shared) }
    }

    /// As it was asked for.
    pub(crate) fn config(&self) -> &CacheConfig {
        &self.config
    }

    /// The value of a key, if it is known and young enough.
    pub(crate) fn get(&self, system: &str, key: &[u8]) -> Option<Bytes> {
        let entry = self.shared.values.get(&Wanted { system, key })?;
        (entry.since.elapsed() < self.shared.time_to_live).then_some(entry.value)
    }

    /// A read begins: to be called before a node is asked.
    pub(crate) fn begin_read(&self, system: &str, key: &[u8]) -> Reading {
        let stripe = self.shared.stripe(system, key);
        Reading { stripe, generation: self.shared.stripes[stripe].lock().generation }
    }

    /// A node has answered a read: its value is kept unless it may be older than one that was written meanwhile.
    pub(crate) fn fill(&self, reading: &Reading, system: &Arc<str>, key: &[u8], value: &[u8]) {
        let stripe = self.shared.stripes[reading.stripe].lock();
        if stripe.generation == reading.generation && stripe.writes == 0 {
            self.shared.keep(system, key, value);
        }
    }

    /// A change begins, of whatever kind: to be called before a node is told. What was known of the key is forgotten.
    pub(crate) fn begin_write(&self, system: &str, key: &[u8]) -> Writing {
        let number = self.shared.stripe(system, key);
        let mut stripe = self.shared.stripes[number].lock();
        stripe.generation += 1;
        stripe.writes += 1;
        self.shared.values.remove(&Wanted { system, key });
        let generation = stripe.generation;
        drop(stripe);
        Writing { shared: self.shared.clone(), stripe: number, generation, has_ended: false }
    }
}

impl Writing {
    /// The node has acknowledged that the key has this value now: it is kept, unless another change of it may be later.
    pub(crate) fn acknowledged(mut self, system: &Arc<str>, key: &[u8], value: &[u8]) {
        let mut stripe = self.shared.stripes[self.stripe].lock();
        if stripe.generation == self.generation && stripe.writes == 1 {
            self.shared.keep(system, key, value);
        }
        stripe.end();
        drop(stripe);
        self.has_ended = true;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.has_ended {
            self.shared.stripes[self.stripe].lock().end();
        }
    }
}

impl Stripe {
    fn end(&mut self) {
        // A read that began during the write may have the value from before it.
        self.generation += 1;
        self.writes -= 1;
    }
}

impl Shared {
    fn stripe(&self, system: &str, key: &[u8]) -> usize {
        (self.hasher.hash_one(Wanted { system, key }) % STRIPES as u64) as usize
    }

    fn keep(&self, system: &Arc<str>, key: &[u8], value: &[u8]) {
        if value.len() > MAX_VALUE {
            return;
        }
        let entry = Entry { value: Bytes::copy_from_slice(value), since: Instant::now() };
        self.values.insert(Key { system: system.clone(), key: Bytes::copy_from_slice(key) }, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        cache: Cache,
        system: Arc<str>,
    }

    impl Fixture {
        fn new(entries: usize, time_to_live: Duration) -> Self {
            Self { cache: Cache::new(&CacheConfig { entries, time_to_live }), system: "default".into() }
        }

        fn hour() -> Self {
            Self::new(100, Duration::from_secs(3600))
        }

        fn get(&self) -> Option<Bytes> {
            self.cache.get("default", b"key")
        }

        fn read(&self) -> Reading {
            self.cache.begin_read("default", b"key")
        }

        fn fill(&self, reading: &Reading, value: &'static str) {
            self.cache.fill(reading, &self.system, b"key", value.as_bytes());
        }

        fn write(&self) -> Writing {
            self.cache.begin_write("default", b"key")
        }

        fn acknowledged(&self, writing: Writing, value: &'static str) {
            writing.acknowledged(&self.system, b"key", value.as_bytes());
        }
    }

    #[test]
    fn what_was_read_and_written_is_kept() {
        let fixture = Fixture::hour();
        assert_eq!(fixture.get(), None);
        fixture.fill(&fixture.read(), "read");
        assert_eq!(fixture.get().as_deref(), Some(&b"read"[..]));
        assert_eq!(fixture.cache.get("other", b"key"), None, "systems are apart");
        fixture.acknowledged(fixture.write(), "written");
        assert_eq!(fixture.get().as_deref(), Some(&b"written"[..]));
        drop(fixture.write());
        assert_eq!(fixture.get(), None, "what became of the write is not known");
    }

    #[test]
    fn entries_grow_old() {
        for (time_to_live, is_kept) in [(Duration::ZERO, false), (Duration::MAX, true)] {
            let fixture = Fixture::new(100, time_to_live);
            fixture.acknowledged(fixture.write(), "value");
            assert_eq!(fixture.get().is_some(), is_kept);
        }
    }

    #[test]
    fn an_older_value_never_covers_a_newer_one() {
        let fixture = Fixture::hour();
        // The read began before the write, during it, and ends during it, and after it.
        let before = fixture.read();
        let writing = fixture.write();
        let during = fixture.read();
        fixture.fill(&before, "old");
        fixture.fill(&during, "old");
        assert_eq!(fixture.get(), None);
        fixture.acknowledged(writing, "new");
        fixture.fill(&before, "old");
        fixture.fill(&during, "old");
        assert_eq!(fixture.get().as_deref(), Some(&b"new"[..]));
        fixture.fill(&fixture.read(), "newer");
        assert_eq!(fixture.get().as_deref(), Some(&b"newer"[..]));
    }

    #[test]
    fn of_two_writes_at_once_none_is_taken_for_the_last() {
        for first_ends_first in [true, false] {
            let fixture = Fixture::hour();
            let (first, second) = (fixture.write(), fixture.write());
            let ends = if first_ends_first { [first, second] } else { [second, first] };
            for writing in ends {
                fixture.acknowledged(writing, "value");
                assert_eq!(fixture.get(), None);
            }
            fixture.acknowledged(fixture.write(), "value");
            assert!(fixture.get().is_some(), "both have ended");
        }
    }

    #[test]
    fn entries_and_values_are_bounded() {
        let fixture = Fixture::new(1000, Duration::from_secs(3600));
        for number in 0..10_000_u32 {
            let key = number.to_be_bytes();
            fixture.cache.begin_write("default", &key).acknowledged(&fixture.system, &key, b"v");
        }
        assert!(fixture.cache.shared.values.len() <= 1000, "{}", fixture.cache.shared.values.len());
        assert!(fixture.cache.shared.values.len() > 500, "{}", fixture.cache.shared.values.len());
        let long = Bytes::from(vec![0; MAX_VALUE + 1]);
        fixture.write().acknowledged(&fixture.system, b"key", &long);
        assert_eq!(fixture.get(), None);
        fixture.write().acknowledged(&fixture.system, b"key", &long.slice(1..));
        assert!(fixture.get().is_some());
    }

    /// A register that many threads read and write through the cache: nobody reads what is older than a write that had
    /// ended before the read began.
    #[test]
    fn under_load_no_thread_sees_an_older_value() {
        use std::sync::atomic::{AtomicU64, Ordering};
        let fixture = Fixture::hour();
        let (node, acknowledged) = (AtomicU64::new(0), AtomicU64::new(0));
        let value = |number: u64| Bytes::copy_from_slice(&number.to_be_bytes());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 1..=50_000 {
                    let writing = fixture.write();
                    node.store(number, Ordering::SeqCst);
                    writing.acknowledged(&fixture.system, b"key", &value(number));
                    acknowledged.store(number, Ordering::SeqCst);
                }
            });
            for _ in 0..3 {
                scope.spawn(|| {
                    while acknowledged.load(Ordering::SeqCst) < 50_000 {
                        let at_least = acknowledged.load(Ordering::SeqCst);
                        let got = fixture.get().unwrap_or_else(|| {
                            let reading = fixture.read();
                            let got = value(node.load(Ordering::SeqCst));
                            std::thread::yield_now();
                            fixture.cache.fill(&reading, &fixture.system, b"key", &got);
                            got
                        });
                        let got = u64::from_be_bytes(got[..].try_into().unwrap());
                        assert!(got >= at_least, "read {got} after {at_least} was acknowledged");
                    }
                });
            }
        });
    }
}
