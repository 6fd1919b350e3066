//! An empty node that joins nodes which are written to, and which do not have the beginning of their logs any more.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use super::mesh::{AGREE, Mesh, digest};
use super::rival::Rival;
use crate::crash::ledger::Ledger;
use crate::support::{HASH, eventually, rng, wire};

const RECORDS: u32 = 20_000;
const OVERWRITTEN: u32 = 4;

/// The oldest segment of the log in a folder.
fn oldest_segment(folder: &Path) -> u64 {
    let names =
        std::fs::read_dir(folder.join(HASH).join("log")).unwrap().map(|entry| entry.unwrap().file_name());
    let number = |name: std::ffi::OsString| name.to_str()?.split('.').next()?.parse().ok();
    names.filter_map(number).min().unwrap()
}

#[test]
fn an_empty_third_node_gets_everything_of_a_loaded_pair() {
    let mut rng = rng("an_empty_third_node_gets_everything_of_a_loaded_pair");
    let mut mesh = Mesh::new(3, &["--segment-size", "256k", HASH]);
    mesh.start_following(0, &[1]);
    mesh.start_following(1, &[0]);
    let [mut a, mut b] = [mesh.client(0), mesh.client(1)];
    let first = [0, 1].map(|number| oldest_segment(mesh.folder(number)));
    // Each record on one of the two, and overwritten by the other.
    for round in 0..OVERWRITTEN {
        for from in (0..RECORDS).step_by(100) {
            let client = if (from / 100 + round) % 2 == 0 { &mut a } else { &mut b };
            let puts = (from..from + 100).flat_map(|number| {
                wire::put(format!("k{number}").as_bytes(), format!("{round}").repeat(500).as_bytes())
            });
            client.send(&puts.collect::<Vec<u8>>());
            assert_eq!(client.take(100), [0; 100]);
        }
        eventually("the same on the pair", AGREE, || digest(&mut a) == digest(&mut b));
    }
    for number in (0..RECORDS).step_by(5) {
        assert!(a.out(format!("k{number}")));
    }
    eventually("the deletions", AGREE, || digest(&mut a) == digest(&mut b));
    for client in [&mut a, &mut b] {
        assert!(client.succeeds(&wire::optimize(b"")));
    }
    for (number, first) in first.iter().enumerate() {
        let gone = || oldest_segment(mesh.folder(number)) > *first;
        eventually("the beginning of the log is compacted away", AGREE, gone);
    }

    let mut ledgers = [0, 1].map(|writer| Ledger::new(writer, rng.u64(..)));
    let mut rivals: Vec<Rival> = (0..2).map(|name| Rival::new(name, rng.u64(..))).collect();
    let over = AtomicBool::new(false);
    let mut progress = Vec::new();
    let mut joined = Duration::ZERO;
    let clients: Vec<_> = (0..2).map(|number| [mesh.client(number), mesh.client(number)]).collect();
    scope(|threads| {
        for ((ledger, rival), clients) in ledgers.iter_mut().zip(&mut rivals).zip(clients) {
            let (over, [mut own, mut common]) = (&over, clients);
            threads.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    ledger.write_some(&mut own).unwrap();
                    rival.write_some(&mut common).unwrap();
                }
            });
        }
        sleep(Duration::from_millis(200));
        let start = Instant::now();
        mesh.start(2);
        let mut c = mesh.client(2);
        // Under load until both masters have sent everything.
        while joined == Duration::ZERO {
            let stat = c.stat();
            let states = stat.iter().filter(|(name, _)| name.ends_with("_state"));
            let states: Vec<&str> = states.map(|line| line.1.as_str()).collect();
            let told = stat.iter().filter(|(name, _)| name == "repl_full_sync");
            progress.extend(told.map(|line| line.1.clone()));
            if states.len() == 2 && states.iter().all(|state| ["live", "catching-up"].contains(state)) {
                joined = start.elapsed();
            }
            assert!(start.elapsed() < AGREE, "{states:?}, {:?}", progress.last());
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(300));
        over.store(true, Ordering::Relaxed);
    });
    let stopped = Instant::now();
    let records = mesh.agree();
    eprintln!(
        "joined {joined:?} after its start, the same {:?} after the load; {} changes meanwhile; \
         stat said {} times how far it was: {:?} to {:?}",
        stopped.elapsed(),
        ledgers.iter().map(|ledger| ledger.acknowledged).sum::<u64>()
            + rivals.iter().map(|rival| rival.acknowledged).sum::<u64>(),
        progress.len(),
        progress.first(),
        progress.last(),
    );
    let left = records.iter().filter(|(key, _)| key.starts_with(b"k"));
    let last = format!("{}", OVERWRITTEN - 1).repeat(500).into_bytes();
    assert_eq!(left.clone().count(), RECORDS as usize / 5 * 4);
    assert!(left.clone().all(|(_, value)| *value == last));
    for number in 0..3 {
        for ledger in &mut ledgers {
            ledger.compare(&mut mesh.client(number)).unwrap_or_else(|why| panic!("node {number}: {why}"));
        }
    }
    Rival::verify(&rivals, &records);
    assert!(!progress.is_empty(), "stat never told of a full sync");
    assert!(mesh.node(2).log().contains("everything"), "a full sync is logged");
}
