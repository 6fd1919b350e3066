//! Nodes that are killed and started again under load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use super::mesh::Mesh;
use super::rival::Rival;
use crate::crash::ledger::Ledger;
use crate::support::{Address, Client, HASH, SMALL, number_from_env, rng};

/// Writers of each node that have keys of their own.
const WRITERS: usize = 2;

/// Ends the load, also when the test fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Two nodes are killed at any moment, one or both, also while they start. Who writes notices by the connection and
/// comes again.
#[test]
fn killed_under_load_they_have_the_same_and_lose_nothing() {
    let mut rng = rng("killed_under_load_they_have_the_same_and_lose_nothing");
    let kills = number_from_env("LCNODE_KILLS").unwrap_or(8);
    let mut mesh = Mesh::start_all(2, &["--segment-size", "256k", HASH]);
    let mut ledgers: Vec<Ledger> = (0..2 * WRITERS).map(|writer| Ledger::new(writer, rng.u64(..))).collect();
    let mut rivals: Vec<Rival> = (0..2).map(|name| Rival::new(name, rng.u64(..))).collect();
    let addresses = [0, 1].map(|number| Address::Tcp(mesh.address(number)));
    let over = AtomicBool::new(false);
    let (mut while_starting, mut in_flight) = (0, 0);
    let loaded = Instant::now();
    scope(|threads| {
        let ending = Ending(&over);
        let mut writers = Vec::new();
        for (number, ledger) in ledgers.iter_mut().enumerate() {
            let (address, over) = (&addresses[number % 2], &over);
            writers.push(threads.spawn(move || keep_a_ledger(ledger, address, over)));
        }
        for (rival, address) in rivals.iter_mut().zip(&addresses) {
            let over = &over;
            threads.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let Some(mut client) = connect(address) else { continue };
                    while !over.load(Ordering::Relaxed) && rival.write_some(&mut client).is_ok() {}
                }
            });
        }
        let mut killed = 0;
        while killed < kills {
            sleep(Duration::from_millis(rng.u64(1..500)));
            let victim = rng.usize(..2);
            let victims = if rng.u8(..8) == 0 { vec![victim, 1 - victim] } else { vec![victim] };
            for victim in &victims {
                mesh.kill(*victim);
                killed += 1;
            }
            if rng.bool() {
                sleep(Duration::from_millis(rng.u64(..300)));
            }
            for victim in victims {
                if rng.u8(..4) == 0 {
                    let node = mesh.launch(victim, &[1 - victim]).spawn();
                    sleep(Duration::from_micros(rng.u64(..60_000)));
                    node.kill();
                    while_starting += 1;
                }
                mesh.start(victim);
            }
        }
        sleep(Duration::from_millis(200));
        drop(ending);
        in_flight = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
    });
    let (loaded, healing) = (loaded.elapsed(), Instant::now());
    let records = mesh.agree();
    let agreed = healing.elapsed();
    for number in 0..2 {
        let mut client = mesh.client(number);
        for ledger in &mut ledgers {
            ledger.compare(&mut client).unwrap_or_else(|why| panic!("node {number}: {why}"));
        }
        let mut keys = client.keys();
        keys.sort_unstable();
        assert!(keys.iter().eq(records.keys()), "the iterator of node {number}");
    }
    Rival::verify(&rivals, &records);
    let own: u64 = ledgers.iter().map(|ledger| ledger.acknowledged).sum();
    let common: u64 = rivals.iter().map(|rival| rival.acknowledged).sum();
    eprintln!(
        "{kills} kills, and {while_starting} while starting, in {loaded:?}; acknowledged {own} changes of own keys \
         and {common} of common ones, {in_flight} were under way; agreed after {agreed:?}"
    );
    assert!(own > 100 * kills && common > 100 * kills, "too little was written to show anything");
}

/// Writes until told to end, over one connection after another. What was under way when one ended is there to some
/// point, which is found out on the next. Says how many changes were under way.
fn keep_a_ledger(ledger: &mut Ledger, address: &Address, over: &AtomicBool) -> usize {
    let mut in_flight = 0;
    while !over.load(Ordering::Relaxed) {
        let Some(mut client) = connect(address) else { continue };
        let Ok(found) = ledger.find(&mut client) else { continue };
        in_flight += ledger.settle(&found).unwrap_or_else(|why| panic!("after a kill: {why}")).0;
        while !over.load(Ordering::Relaxed) && ledger.write_some(&mut client).is_ok() {}
    }
    in_flight
}

fn connect(address: &Address) -> Option<Client> {
    let client = Client::open(address).ok();
    if client.is_none() {
        sleep(Duration::from_millis(1));
    }
    client
}

#[test]
fn a_node_that_follows_ends_soon() {
    let mut mesh = Mesh::new(2, &SMALL);
    // Its master is not there, which is tried for ever.
    mesh.start(0);
    sleep(Duration::from_millis(300));
    let start = Instant::now();
    mesh.stop(0);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    mesh.start(0);
    mesh.start(1);
    assert!(mesh.client(1).put("k", "v"));
    mesh.agree();
    let start = Instant::now();
    mesh.stop(0);
    mesh.stop(1);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}
