//! What goes on while the disk writes it down: a random mix of all that a store does.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use lcnode_storage::{Change, Options, Place, Store, SyncMode};

use crate::power::disk::Image;
use crate::power::history::History;
use crate::power::tape::{Event, Tape};
use crate::random::Random;
use crate::scene::Model;

/// Bytes of a segment.
pub const SEGMENT: usize = 1 << 16;
/// Keys that there may be.
const KEYS: u64 = 90;

/// How a database on a tape is opened: with the smallest table, so that it grows.
pub fn options(sync: SyncMode) -> Options {
    Options { segment_size: SEGMENT, buckets: 1, sync, ..Options::new(Place::Directory("tape".into())) }
}

/// All keys that there may be.
pub fn keys() -> impl Iterator<Item = Vec<u8>> {
    (0..KEYS).map(key)
}

fn key(number: u64) -> Vec<u8> {
    match number {
        0 => Vec::new(),
        1 => vec![b'k'; 300],
        _ => format!("key:{number}").into_bytes(),
    }
}

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits as a connection does under `--sync always`.
pub fn wait_durable(store: &Store) {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match store.poll_durable(store.end(), &Context::from_waker(&waker)) {
            Poll::Ready(result) => return result.unwrap(),
            Poll::Pending => std::thread::park(),
        }
    }
}

/// A database at work.
struct Work {
    tape: Arc<Tape>,
    history: History,
    random: Random,
    sync: SyncMode,
    checkpoints: usize,
}

/// What happened to the disk, and to the database.
pub struct Record {
    pub events: Vec<Event>,
    pub history: History,
    /// Checkpoints written while the database was changed.
    pub checkpoints: usize,
}

/// Makes a database and changes it so many times.
pub fn record(sync: SyncMode, changes: usize, mut random: Random) -> Record {
    let tape = Tape::recording(&Image::new(), Random::new(random.next()));
    let mut work = Work { tape, history: History::new(Model::new()), random, sync, checkpoints: 0 };
    let mut store = work.open();
    while work.history.len() < changes {
        store = work.go_on(store);
    }
    while work.checkpoints == 0 {
        work.checkpoint(&store);
    }
    store.close().unwrap();
    work.promise();
    Record { events: work.tape.events(), history: work.history, checkpoints: work.checkpoints }
}

impl Work {
    fn open(&self) -> Store {
        Store::on(self.tape.clone(), options(self.sync), None).unwrap()
    }

    /// All changes so far will last.
    fn promise(&self) {
        self.tape.durable(self.history.len());
    }

    fn go_on(&mut self, store: Store) -> Store {
        match self.random.below(1_000) {
            0..4 => {
                store.close().unwrap();
                self.promise();
                self.open()
            }
            4..12 => {
                self.tape = self.tape.kill();
                drop(store);
                self.open()
            }
            12 => {
                store.close().unwrap();
                self.promise();
                self.tape.changing();
                self.history.clear();
                let truncating = Options { truncate: true, ..options(self.sync) };
                let store = Store::on(self.tape.clone(), truncating, None).unwrap();
                self.promise();
                store
            }
            13..40 => {
                store.optimize().unwrap();
                store
            }
            40..70 => {
                store.sync().unwrap();
                self.promise();
                store
            }
            70..85 => {
                self.checkpoint(&store);
                store
            }
            85 => {
                // Compaction and allocation catch up.
                std::thread::sleep(Duration::from_millis(3));
                store
            }
            _ => {
                self.change_and_wait(&store);
                store
            }
        }
    }

    /// Makes a few changes while a checkpoint is written.
    fn checkpoint(&mut self, store: &Store) {
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| store.checkpoint().unwrap());
            for _ in 0..=self.random.below(30) {
                self.change_and_wait(store);
            }
            self.checkpoints += usize::from(writing.join().unwrap());
        });
    }

    fn change_and_wait(&mut self, store: &Store) {
        self.change(store);
        if self.sync == SyncMode::Always {
            wait_durable(store);
            self.promise();
        }
    }

    fn change(&mut self, store: &Store) {
        self.tape.changing();
        let key = key(self.random.below(KEYS));
        match self.random.below(200) {
            0 => {
                store.vanish().unwrap();
                self.history.clear();
            }
            1..45 => {
                let there = store.delete(&key).unwrap();
                assert_eq!(there, self.history.delete(&key));
            }
            45..60 => {
                let more = self.value(40);
                store.update(&key, |old| Change::Put { kept: old.unwrap_or_default(), new: &more }).unwrap();
                let old = self.history.model().get(&key).cloned();
                self.history.put(key, [old.unwrap_or_default(), more].concat());
            }
            _ => {
                let len = match self.random.below(300) {
                    0 => 90_000,
                    1..4 => 30_000,
                    4..10 => 10_000,
                    10..80 => 4_000,
                    80..120 => 0,
                    _ => 600,
                };
                let value = self.value(len);
                store.put(&key, &value).unwrap();
                self.history.put(key, value);
            }
        }
    }

    /// Bytes that are not zero, so that the tape sees where they end.
    fn value(&mut self, most: u64) -> Vec<u8> {
        let len = self.random.below(most + 1);
        let mut value = self.random.bytes(len);
        value.iter_mut().for_each(|byte| *byte |= 1);
        value
    }
}
