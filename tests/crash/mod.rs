//! SIGKILL at random moments under concurrent writers, over and over on one database: every acknowledged
//! change is there, and what was under way is there whole or not at all, in the order it was sent.
//!
//! Now and then the node is killed while it starts or while it ends, or ends cleanly in between; segments are
//! small, so that kills meet full segments and compaction as well.

mod copies;
pub mod ledger;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use fastrand::Rng;
use nix::sys::signal::Signal;

use crate::support::{Client, HASH, Launch, Node, folder, number_from_env, rng, wire};
use ledger::Ledger;

const WRITERS: usize = 4;

#[test]
fn kills_under_sync_always() {
    kills("always");
}

#[test]
fn kills_under_sync_100() {
    kills("100");
}

#[test]
fn kills_under_sync_never() {
    kills("never");
}

/// What a run has seen.
#[derive(Debug, Default)]
struct Figures {
    kills: u64,
    kills_while_starting: u64,
    kills_while_ending: u64,
    clean_ends: u64,
    acknowledged: u64,
    in_flight: usize,
    in_flight_and_there: usize,
}

fn kills(mode: &str) {
    let wanted = number_from_env("LCNODE_KILLS").unwrap_or(8);
    let mut rng = rng(&format!("kills under --sync {mode}"));
    let folder = folder();
    let mut ledgers: Vec<Ledger> = (0..WRITERS).map(|writer| Ledger::new(writer, rng.u64(..))).collect();
    let mut figures = Figures::default();
    while figures.kills < wanted {
        let launch = launch(&mut rng, &folder, mode);
        if rng.u8(..6) == 0 {
            let node = launch.clone().spawn();
            sleep(Duration::from_micros(rng.u64(..60_000)));
            node.kill();
            figures.kills_while_starting += 1;
        }
        let mut node = launch.start();
        check(&node, &mut ledgers, &mut figures);
        if rng.u8(..6) == 0 {
            node.stop();
            figures.clean_ends += 1;
            node = launch_again(&mut rng, &folder, mode);
            check(&node, &mut ledgers, &mut figures);
        }
        figures.kills_while_ending += u64::from(write_until_killed(&mut rng, node, &mut ledgers));
        figures.kills += 1;
    }
    let node = launch_again(&mut rng, &folder, mode);
    check(&node, &mut ledgers, &mut figures);
    node.stop();
    let node = launch_again(&mut rng, &folder, mode);
    check(&node, &mut ledgers, &mut figures);
    figures.acknowledged = ledgers.iter().map(|ledger| ledger.acknowledged).sum();
    eprintln!("--sync {mode}: {figures:?}");
    assert!(figures.acknowledged > 100 * wanted, "too little was written to show anything: {figures:?}");
}

fn launch(rng: &mut Rng, folder: &tempfile::TempDir, mode: &str) -> Launch {
    let segment_size = rng.choice(["64k", "64k", "256k", "1m", "1m", "16m"]).unwrap();
    let options = ["-thnum", "2", "--sync", mode, "--segment-size", segment_size, "casket.tch#bnum=64"];
    Launch::new(folder.path(), &options)
}

fn launch_again(rng: &mut Rng, folder: &tempfile::TempDir, mode: &str) -> Node {
    launch(rng, folder, mode).start()
}

/// Lets all write at once, and kills the node at a random moment, or soon after it was asked to end: says
/// which.
fn write_until_killed(rng: &mut Rng, node: Node, ledgers: &mut [Ledger]) -> bool {
    let moment = Duration::from_micros(rng.u64(1_000..500_000));
    let ending = (rng.u8(..4) == 0).then(|| Duration::from_micros(rng.u64(..30_000)));
    let compacts = rng.bool();
    let done = AtomicBool::new(false);
    let address = node.address().clone();
    thread::scope(|threads| {
        for ledger in ledgers {
            let mut client = node.client();
            threads.spawn(move || ledger.write(&mut client));
        }
        if compacts {
            let (address, done) = (&address, &done);
            threads.spawn(move || {
                let Ok(mut client) = Client::open(address) else { return };
                while !done.load(Ordering::Relaxed) {
                    // Fails when the node is gone.
                    let asked = client.try_send(&wire::optimize(b"")).and_then(|()| client.try_take::<1>());
                    let Ok([0]) = asked else { return };
                    sleep(Duration::from_millis(20));
                }
            });
        }
        sleep(moment);
        if let Some(ending) = ending {
            node.signal(Signal::SIGTERM);
            sleep(ending);
        }
        node.kill();
        done.store(true, Ordering::Relaxed);
    });
    ending.is_some()
}

fn check(node: &Node, ledgers: &mut [Ledger], figures: &mut Figures) {
    let mut client = node.client();
    let mut records = 0;
    for ledger in ledgers {
        let (in_flight, there) = ledger
            .compare(&mut client)
            .unwrap_or_else(|why| panic!("after {} kills: {why}; so far {figures:?}", figures.kills));
        figures.in_flight += in_flight;
        figures.in_flight_and_there += there;
        records += ledger.records();
    }
    assert_eq!(client.rnum(), records as u64, "rnum after {} kills", figures.kills);
    assert_eq!(client.keys().len(), records, "keys of the iterator after {} kills", figures.kills);
}

#[test]
fn a_kill_right_after_the_first_reply_loses_nothing() {
    for mode in ["always", "100", "never"] {
        let folder = folder();
        for round in 0..5u8 {
            let node = Node::start(folder.path(), &["--sync", mode, "--segment-size", "64k", HASH]);
            let mut client = node.client();
            assert_eq!(client.rnum(), u64::from(round), "--sync {mode}");
            assert!(client.put([round], [round; 100]));
            node.kill();
        }
    }
}
