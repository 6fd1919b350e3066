//! Nodes that are killed and started again under load.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::mesh::Mesh;
use crate::support::{SMALL, number_from_env, rng, wire};

/// Of one key: what was acknowledged last, and what was sent and not acknowledged.
type Sent = (Option<u64>, Option<u64>);

#[test]
fn killed_under_load_they_have_the_same_and_lose_nothing() {
    let mut rng = rng("killed_under_load_they_have_the_same_and_lose_nothing");
    let kills = number_from_env("LCNODE_KILLS").unwrap_or(8);
    let mut mesh = Mesh::start_all(2, &SMALL);
    // Each writer has keys of its own, so that it knows what must be there; both write a few that they share.
    let mut books: [BTreeMap<u64, Sent>; 2] = Default::default();
    let mut version = 0;
    for _ in 0..kills {
        let victim = rng.usize(..2);
        let moment = Duration::from_millis(rng.u64(20..400));
        let over = AtomicBool::new(false);
        let starts = [version, version + 1_000_000];
        version += 2_000_000;
        std::thread::scope(|threads| {
            let pid = mesh.node(victim).pid();
            for (number, book) in books.iter_mut().enumerate() {
                let (mut client, over, start) = (mesh.client(number), &over, starts[number]);
                threads.spawn(move || {
                    for version in start.. {
                        if over.load(Ordering::Relaxed) {
                            return;
                        }
                        let key = version % 50;
                        let sent = book.entry(key).or_default();
                        sent.1 = Some(version);
                        let own = wire::put(format!("own{number}-{key}").as_bytes(), &version.to_be_bytes());
                        let shared = wire::put(format!("shared{key}").as_bytes(), &version.to_be_bytes());
                        let asked =
                            client.try_send(&[own, shared].concat()).and_then(|()| client.try_take::<2>());
                        match asked {
                            Ok(codes) => assert_eq!(codes, [0, 0]),
                            Err(_) => return,
                        }
                        *sent = (Some(version), None);
                    }
                });
            }
            std::thread::sleep(moment);
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid.cast_signed()),
                nix::sys::signal::Signal::SIGKILL,
            )
            .unwrap();
            std::thread::sleep(Duration::from_millis(50));
            over.store(true, Ordering::Relaxed);
        });
        mesh.kill(victim);
        mesh.start(victim);
    }
    let records = mesh.agree();
    for (number, book) in books.iter().enumerate() {
        for (key, (acknowledged, in_flight)) in book {
            let there = records.get(format!("own{number}-{key}").as_bytes());
            let there = there.map(|value| u64::from_be_bytes(value.as_slice().try_into().unwrap()));
            assert!(
                there == *acknowledged || in_flight.is_some() && there == *in_flight,
                "writer {number}, key {key}: {there:?} is there, {acknowledged:?} was acknowledged"
            );
        }
    }
}

#[test]
fn a_node_that_follows_ends_soon() {
    let mut mesh = Mesh::new(2, &SMALL);
    // Its master is not there, which is tried for ever.
    mesh.start(0);
    std::thread::sleep(Duration::from_millis(300));
    let start = std::time::Instant::now();
    mesh.stop(0);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    mesh.start(0);
    mesh.start(1);
    assert!(mesh.client(1).put("k", "v"));
    mesh.agree();
    let start = std::time::Instant::now();
    mesh.stop(0);
    mesh.stop(1);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}
