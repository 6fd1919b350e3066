//! Increments of the same keys on three masters add up, whatever happens in between: those by addint, and those by the
//! function `incr` of a script.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use fastrand::Rng;

use super::cable::Way;
use super::mesh::Mesh;
use crate::support::{Client, SMALL, number_from_env, rng, wire};

const KEYS: usize = 10;
/// The most increments that are under way at once.
const PIPELINE: u64 = 20;

/// One that counts on one node.
struct Counter {
    client: Client,
    rng: Rng,
    left: u64,
    added: [u64; KEYS],
    /// The last sum that it was told, which only grows.
    seen: [i64; KEYS],
}

fn key(number: usize) -> Vec<u8> {
    format!("count {number}").into_bytes()
}

/// Whether a key is counted by a script.
fn by_script(number: usize) -> bool {
    number % 2 == 1
}

fn request(number: usize) -> Vec<u8> {
    match by_script(number) {
        true => wire::ext(b"incr", 0, &key(number), b"1"),
        false => wire::addint(&key(number), 1),
    }
}

impl Counter {
    fn add_some(&mut self) {
        let count = self.rng.u64(1..=PIPELINE).min(self.left);
        let keys: Vec<usize> = (0..count).map(|_| self.rng.usize(..KEYS)).collect();
        let requests: Vec<u8> = keys.iter().flat_map(|number| request(*number)).collect();
        self.client.send(&requests);
        for number in keys {
            let reply = self.client.take(5);
            assert_eq!(reply[0], 0);
            let word = i32::from_be_bytes(reply[1..].try_into().unwrap());
            let sum = match by_script(number) {
                true => String::from_utf8(self.client.take(word as usize)).unwrap().parse().unwrap(),
                false => i64::from(word),
            };
            assert!(sum > self.seen[number], "count {number} was {}, and 1 more is {sum}", self.seen[number]);
            self.seen[number] = sum;
            self.added[number] += 1;
        }
        self.left -= count;
    }
}

/// What happened to the nodes.
#[derive(Debug, Default)]
struct Faults {
    cut: u32,
    stalled: u32,
    stalled_for_long: u32,
    killed: u32,
    stopped: u32,
}

/// While nodes are cut off, hear only half, are killed and end. A node ends only between pipelines, so that each
/// increment is acknowledged; what the others have heard of it by then is left to chance.
#[test]
fn they_add_up_through_partitions_and_restarts() {
    let mut rng = rng("they_add_up_through_partitions_and_restarts");
    let each = number_from_env("LCNODE_INCREMENTS").unwrap_or(1000);
    let mut mesh = Mesh::start_all_cabled(3, &[&["-ext", "@incr = _incr"], &SMALL[..]].concat());
    let counter = |number: usize| Counter {
        client: mesh.client(number),
        rng: rng.fork(),
        left: each,
        added: [0; KEYS],
        seen: [0; KEYS],
    };
    let counters: Vec<Mutex<Counter>> = (0..3).map(counter).map(Mutex::new).collect();
    let mut faults = Faults::default();
    let start = Instant::now();
    scope(|threads| {
        for (number, counter) in counters.iter().enumerate() {
            let mut pauses = Rng::with_seed(number as u64);
            threads.spawn(move || {
                while lock(counter).left > 0 {
                    lock(counter).add_some();
                    sleep(Duration::from_millis(pauses.u64(..60)));
                }
            });
        }
        while counters.iter().any(|counter| lock(counter).left > 0) {
            fail(&mut rng, &mut mesh, &counters, &mut faults);
        }
        mesh.heal();
    });
    let (worked, healed) = (start.elapsed(), Instant::now());
    let records = mesh.agree();
    let agreed = healed.elapsed();
    let mut expected = BTreeMap::new();
    for number in 0..KEYS {
        let sum: u64 = counters.iter().map(|counter| lock(counter).added[number]).sum();
        let value = match by_script(number) {
            true => sum.to_string().into_bytes(),
            false => i32::try_from(sum).unwrap().to_le_bytes().to_vec(),
        };
        expected.insert(key(number), value);
    }
    assert_eq!(records, expected);
    let total: u64 = counters.iter().map(|counter| lock(counter).added.iter().sum::<u64>()).sum();
    assert_eq!(total, 3 * each);
    eprintln!("{total} in sum after {worked:?}, agreed {agreed:?} after the last healing; {faults:?}");
}

fn lock(counter: &Mutex<Counter>) -> MutexGuard<'_, Counter> {
    // One that failed has said why.
    counter.lock().unwrap()
}

/// One fault, which lasts for a while, or longer.
fn fail(rng: &mut Rng, mesh: &mut Mesh, counters: &[Mutex<Counter>], faults: &mut Faults) {
    let number = rng.usize(..3);
    let other = (number + rng.usize(1..3)) % 3;
    let mut lasts = rng.u64(20..400);
    match rng.u8(..10) {
        0..2 => {
            mesh.cables_of(number).for_each(|cable| cable.cut());
            faults.cut += 1;
        }
        2..4 => {
            mesh.cable(number, other).cut();
            faults.cut += 1;
        }
        4..7 => {
            mesh.cable(number, other).stall(if rng.bool() { Way::ToMaster } else { Way::ToFollower });
            faults.stalled += 1;
            if rng.u8(..8) == 0 {
                // Longer than nodes wait for each other.
                lasts = rng.u64(5_000..7_000);
                faults.stalled_for_long += 1;
            }
        }
        is => {
            let mut counter = lock(&counters[number]);
            if is < 9 {
                mesh.kill(number);
                faults.killed += 1;
            } else {
                mesh.stop(number);
                faults.stopped += 1;
            }
            mesh.start(number);
            counter.client = mesh.client(number);
        }
    }
    sleep(Duration::from_millis(lasts));
    // Else the next comes on top of it.
    if rng.u8(..3) > 0 {
        mesh.heal();
    }
}
