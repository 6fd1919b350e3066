//! The loops that are timed.

use std::io::Write;
use std::thread;

use clap::ValueEnum;
use lcnode_storage::{Error, Result, Store};

/// In which order keys come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// 0, 1, 2 … in a range of its own for each thread.
    Seq,
    /// Drawn evenly from all keys, with repetition.
    Rand,
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    pub store: &'a Store,
    pub records: u64,
    pub key_size: usize,
    pub value_size: usize,
    pub order: Order,
    pub threads: u64,
    pub batch: usize,
    pub seed: u64,
    /// Waits for the disk after each batch of puts.
    pub sync_each: bool,
}

impl Load<'_> {
    /// Calls of a phase: what all threads do together.
    pub fn calls(&self) -> u64 {
        self.records / self.threads * self.threads
    }

    /// Puts, on all threads; how many.
    pub fn puts(&self) -> Result<u64> {
        self.on_all_threads(|slots| {
            for slot in slots {
                self.store.put(slot.key(), slot.value())?;
            }
            if self.sync_each {
                self.store.sync()?;
            }
            Ok(slots.len() as u64)
        })
    }

    /// Gets, on all threads; how many records there were. Another value than the one that was put is an
    /// error.
    pub fn gets(&self) -> Result<u64> {
        self.on_all_threads(|slots| {
            let mut found = 0;
            for slot in slots {
                match self.store.get(slot.key(), |value| value == slot.value())? {
                    Some(true) => found += 1,
                    Some(false) => {
                        let key = String::from_utf8_lossy(slot.key());
                        return Err(Error::Failed(format!("key {key} has another value than was put")));
                    }
                    None => {}
                }
            }
            Ok(found)
        })
    }

    /// Hands batch after batch of keys and values to `each`, on all threads; what it returns, added up.
    fn on_all_threads(&self, each: impl Fn(&[Slot]) -> Result<u64> + Sync) -> Result<u64> {
        if self.threads == 1 {
            return self.thread(0, &each);
        }
        thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|id| {
                    scope.spawn({
                        let each = &each;
                        move || self.thread(id, each)
                    })
                })
                .collect();
            threads.into_iter().try_fold(0, |sum, thread| match thread.join() {
                Ok(counted) => Ok(sum + counted?),
                Err(_) => Err(Error::Failed("a thread panicked".to_owned())),
            })
        })
    }

    fn thread(&self, id: u64, each: &impl Fn(&[Slot]) -> Result<u64>) -> Result<u64> {
        let share = self.records / self.threads;
        let mut random = Random::new(self.seed + id);
        let mut slots: Vec<Slot> =
            (0..self.batch).map(|_| Slot::new(self.key_size, self.value_size)).collect();
        let mut sum = 0;
        let mut done = 0;
        while done < share {
            let count = (share - done).min(self.batch as u64);
            let batch = &mut slots[..count as usize];
            for (slot, at) in batch.iter_mut().zip(done..) {
                slot.set(match self.order {
                    Order::Seq => id * share + at,
                    Order::Rand => random.below(self.records),
                });
            }
            if self.batch > 1 {
                self.store.prefetch(batch.iter().map(Slot::key));
            }
            sum += each(batch)?;
            done += count;
        }
        Ok(sum)
    }
}

/// Room for a key and its value, which begins with the key.
#[derive(Debug)]
struct Slot {
    /// The key, then the value.
    bytes: Vec<u8>,
    key_size: usize,
}

impl Slot {
    fn new(key_size: usize, value_size: usize) -> Self {
        Self { bytes: vec![0; key_size + value_size], key_size }
    }

    /// Writes the key of a number, and its value.
    fn set(&mut self, number: u64) {
        let (key, value) = self.bytes.split_at_mut(self.key_size);
        // A number with more digits than the key has bytes loses its last ones.
        let _ = write!(&mut *key, "{number:0width$}", width = self.key_size);
        for part in value.chunks_mut(self.key_size) {
            part.copy_from_slice(&key[..part.len()]);
        }
    }

    fn key(&self) -> &[u8] {
        &self.bytes[..self.key_size]
    }

    fn value(&self) -> &[u8] {
        &self.bytes[self.key_size..]
    }
}

/// SplitMix64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        let mut random = Self(seed);
        random.0 = random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_repeats_its_key() {
        let mut slot = Slot::new(8, 20);
        slot.set(1234);
        assert_eq!(slot.key(), b"00001234");
        assert_eq!(slot.value(), b"00001234000012340000");
    }

    #[test]
    fn random_numbers_stay_below_their_end_and_reach_it() {
        let mut random = Random::new(1);
        let drawn: Vec<u64> = (0..1000).map(|_| random.below(10)).collect();
        assert!((0..10).all(|number| drawn.contains(&number)));
        assert!(drawn.iter().all(|&number| number < 10));
    }
}
