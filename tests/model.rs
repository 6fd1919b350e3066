//! Random operations of several clients at once, each on its own keys, against a map in memory: every
//! reply is what the map says, through clean restarts.

use std::collections::BTreeMap;
use std::thread;

use fastrand::Rng;

use crate::support::{Client, HASH, MEMORY, Node, folder, number_from_env, rng, wire};

const CLIENTS: usize = 4;
/// Operations of a client between two restarts.
const OPERATIONS: usize = 2500;

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// A client and what it has stored.
struct Model {
    name: String,
    rng: Rng,
    records: Records,
}

#[test]
fn replies_are_those_of_a_map_through_restarts() {
    let mut rng = rng("replies_are_those_of_a_map_through_restarts");
    let folder = folder();
    let mut models: Vec<Model> = (0..CLIENTS).map(|number| Model::new(number, rng.u64(..))).collect();
    for round in 0..number_from_env("LCNODE_ROUNDS").unwrap_or(3) {
        let segment_size = rng.choice(["64k", "256k", "1m", "64m"]).unwrap();
        eprintln!("round {round}, segments of {segment_size}");
        let options = ["-thnum", "2", "--segment-size", segment_size, "casket.tch#bnum=1"];
        let node = Node::start(folder.path(), &options);
        run(&node, &mut models);
        node.stop();
    }
    let node = Node::start(folder.path(), &[HASH]);
    compare_all(&node, &models);
}

#[test]
fn replies_are_those_of_a_map_in_memory() {
    let mut rng = rng("replies_are_those_of_a_map_in_memory");
    let folder = folder();
    let mut models: Vec<Model> = (0..CLIENTS).map(|number| Model::new(number, rng.u64(..))).collect();
    let node = Node::start(folder.path(), &["-thnum", "2", "--segment-size", "256k", MEMORY]);
    run(&node, &mut models);
}

/// A record larger than a segment gets one of its own, which takes its place in the order of the log also
/// while others fill segments at the same time: nothing is lost, now or at the next start.
#[test]
fn records_larger_than_a_segment_come_between_small_ones() {
    let folder = folder();
    let options = ["-thnum", "2", "--segment-size", "64k", HASH];
    let node = Node::start(folder.path(), &options);
    // Half of the writers write large records of many sizes, the others fill segments.
    let writers = 0..8u8;
    let count = |writer: u8| if writer.is_multiple_of(2) { 20 } else { 80 };
    let record = |writer: u8, number: u32| {
        let len = if writer.is_multiple_of(2) { 70_000 + 1000 * (number * 37 % 100) } else { 20_000 };
        ([&[writer][..], &number.to_be_bytes()].concat(), vec![number as u8; len as usize])
    };
    thread::scope(|threads| {
        let writers: Vec<_> = writers
            .clone()
            .map(|writer| {
                let node = &node;
                threads.spawn(move || {
                    let mut client = node.client();
                    for number in 0..count(writer) {
                        let (key, value) = record(writer, number);
                        assert!(client.put(&key, &value) && client.put(key, value));
                    }
                })
            })
            .collect();
        // And the log is rewritten meanwhile, which fills segments too.
        let mut client = node.client();
        while writers.iter().any(|writer| !writer.is_finished()) {
            assert!(client.succeeds(&wire::optimize(b"")));
        }
    });
    let check = |node: &Node| {
        let mut client = node.client();
        assert_eq!(client.rnum(), u64::from(writers.clone().map(count).sum::<u32>()));
        for writer in writers.clone() {
            for number in 0..count(writer) {
                let (key, value) = record(writer, number);
                assert!(client.get(key) == Some(value), "writer {writer}, record {number}");
            }
        }
    };
    check(&node);
    node.kill();
    check(&Node::start(folder.path(), &options));
}

fn run(node: &Node, models: &mut [Model]) {
    compare_all(node, models);
    thread::scope(|threads| {
        for model in &mut *models {
            threads.spawn(|| {
                let mut client = node.client();
                for number in 0..OPERATIONS {
                    model.step(&mut client, number);
                }
            });
        }
    });
    compare_all(node, models);
}

fn compare_all(node: &Node, models: &[Model]) {
    let mut client = node.client();
    let all: usize = models.iter().map(|model| model.records.len()).sum();
    assert_eq!(client.rnum(), all as u64);
    for model in models {
        let keys: Vec<&[u8]> = model.records.keys().map(Vec::as_slice).collect();
        let found: Records = client.mget(&keys).into_iter().collect();
        assert!(found == model.records, "{}", model.difference(&found));
        assert_eq!(client.fwmkeys(model.name.as_bytes(), -1).len(), keys.len());
    }
    let mut keys = client.keys();
    keys.sort();
    let mut wanted: Vec<Vec<u8>> = models.iter().flat_map(|model| model.records.keys().cloned()).collect();
    wanted.sort();
    assert!(keys == wanted, "the iterator gave {} keys of {}", keys.len(), wanted.len());
}

impl Model {
    fn new(number: usize, seed: u64) -> Self {
        Self { name: format!("c{number}:"), rng: Rng::with_seed(seed), records: Records::new() }
    }

    fn key(&mut self) -> Vec<u8> {
        // Some keys often, others seldom.
        let bound = if self.rng.bool() { 30 } else { 1000 };
        let mut key = self.name.clone().into_bytes();
        let number = self.rng.u32(..bound);
        key.extend_from_slice(&number.to_be_bytes()[(4 - number as usize % 4)..]);
        key.extend_from_slice(&number.to_le_bytes());
        key
    }

    fn value(&mut self) -> Vec<u8> {
        let bound = *self.rng.choice(&[1, 9, 9, 50, 50, 50, 300, 300, 3000, 70_000]).unwrap();
        let len = self.rng.usize(..bound);
        let first = self.rng.u8(..);
        (0..len).map(|at| first.wrapping_add(at as u8)).collect()
    }

    fn step(&mut self, client: &mut Client, number: usize) {
        let key = self.key();
        let old = self.records.get(&key).cloned();
        let at = format!("{key:02x?}, operation {number} of {}", self.name);
        let scene = |what: &str| format!("{what} of {at}");
        match self.rng.u8(..40) {
            0..8 => {
                let value = self.value();
                assert!(client.put(&key, &value));
                self.records.insert(key, value);
            }
            8..10 => {
                let value = self.value();
                client.send(&wire::putnr(&key, &value));
                self.records.insert(key, value);
            }
            10..12 => {
                let value = self.value();
                assert_eq!(
                    client.succeeds(&wire::putkeep(&key, &value)),
                    old.is_none(),
                    "{}",
                    scene("putkeep")
                );
                self.records.entry(key).or_insert(value);
            }
            12..15 => {
                let value = self.value();
                assert!(client.succeeds(&wire::putcat(&key, &value)));
                self.records.entry(key).or_default().extend(value);
            }
            15..17 => {
                let (value, width) = (self.value(), self.rng.usize(..200));
                assert!(client.succeeds(&wire::putshl(&key, &value, width as u32)));
                let new = match old {
                    None => value,
                    Some(old) => {
                        let whole = [old, value].concat();
                        whole[whole.len().saturating_sub(width)..].to_vec()
                    }
                };
                self.records.insert(key, new);
            }
            17..22 => {
                assert_eq!(client.out(&key), old.is_some(), "{}", scene("out"));
                self.records.remove(&key);
            }
            22..27 => assert!(client.get(&key) == old, "{}", scene("get")),
            27..29 => {
                let size = old.map(|old| old.len() as i32);
                assert_eq!(client.vsiz(&key), size, "{}", scene("vsiz"));
            }
            29..31 => {
                let more = [self.key(), self.key()];
                let keys: Vec<&[u8]> = [&key, &more[0], &key, &more[1]].map(Vec::as_slice).to_vec();
                let wanted: Vec<(Vec<u8>, Vec<u8>)> = keys
                    .iter()
                    .filter_map(|&key| self.records.get(key).map(|value| (key.to_vec(), value.clone())))
                    .collect();
                assert!(client.mget(&keys) == wanted, "{}", scene("mget"));
            }
            31..34 => {
                let number = self.rng.i32(-5..5);
                let sum = match old.as_deref().map(<[u8; 4]>::try_from) {
                    None => Some(number),
                    Some(Ok(bytes)) => Some(i32::from_le_bytes(bytes).wrapping_add(number)),
                    Some(Err(_)) => None,
                };
                let answered = sum.filter(|sum| *sum != i32::MIN);
                assert_eq!(client.addint(&key, number), answered, "{}", scene("addint"));
                if let Some(sum) = sum {
                    self.records.insert(key, sum.to_le_bytes().to_vec());
                }
            }
            34..37 => self.lists(client, key),
            // Seldom: these wait for the disk, or walk over everything.
            _ => match self.rng.u8(..50) {
                0..4 => {
                    let prefix =
                        &key[..self.name.len() + self.rng.usize(..3).min(key.len() - self.name.len())];
                    let mut found = client.fwmkeys(prefix, -1);
                    found.sort();
                    let wanted: Vec<&Vec<u8>> =
                        self.records.keys().filter(|key| key.starts_with(prefix)).collect();
                    assert!(found.iter().eq(wanted), "{}", scene("fwmkeys"));
                }
                4..6 => assert!(client.succeeds(&wire::sync())),
                6..8 => assert!(client.succeeds(&wire::optimize(b""))),
                _ => {}
            },
        }
    }

    fn lists(&mut self, client: &mut Client, key: Vec<u8>) {
        let other = self.key();
        let value = self.value();
        match self.rng.u8(..3) {
            0 => {
                assert_eq!(client.misc("putlist", &[&key, &value, &other, b"other"]), Some(vec![]));
                self.records.insert(key, value);
                self.records.insert(other, b"other".to_vec());
            }
            1 => {
                assert_eq!(client.misc("outlist", &[&key, &other]), Some(vec![]));
                self.records.remove(&key);
                self.records.remove(&other);
            }
            _ => {
                let found = client.misc("getlist", &[&key, &other]).unwrap();
                let wanted = [&key, &other].into_iter().filter_map(|key| self.records.get_key_value(key));
                let wanted: Vec<&Vec<u8>> = wanted.flat_map(|(key, value)| [key, value]).collect();
                assert!(found.iter().eq(wanted), "getlist of {key:02x?} and {other:02x?}");
            }
        }
    }

    fn difference(&self, found: &Records) -> String {
        let differing = self.records.iter().filter(|(key, value)| found.get(*key) != Some(value));
        let lines = differing.take(5).map(|(key, value)| {
            let there = found.get(key).map(Vec::len);
            format!("{key:02x?}: {} bytes were stored, found: {there:?}", value.len())
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
