//! Nodes that cannot reach each other for a while, and are written to on both sides.

use std::thread::scope;
use std::time::Duration;

use super::cable::Way;
use super::mesh::{AGREE, Mesh, digest, peer};
use super::rival::Rival;
use crate::support::{Client, HASH, SMALL, eventually, rng, wire};

const SEGMENTS: [&str; 3] = ["--segment-size", "64k", HASH];

/// Puts, appends, deletes and increments of the same keys on both sides of a cut, over and over: in the end each
/// record is as one of the last changes left it, everywhere.
#[test]
fn conflicting_changes_during_cuts_end_the_same_everywhere() {
    let mut rng = rng("conflicting_changes_during_cuts_end_the_same_everywhere");
    let mut mesh = Mesh::start_all_cabled(3, &SEGMENTS);
    let mut rivals: Vec<Rival> = (0..3).map(|name| Rival::new(name, rng.u64(..))).collect();
    for round in 0..6 {
        let alone = rng.usize(..3);
        match round % 3 {
            // Nothing gets through, and the nodes notice.
            0 => mesh.cables_of(alone).for_each(|cable| cable.cut()),
            // Nothing gets through, and they do not.
            1 => mesh.cables_of(alone).for_each(|cable| {
                cable.stall(Way::ToMaster);
                cable.stall(Way::ToFollower);
            }),
            // It hears the others and is not heard.
            _ => (0..3).filter(|other| *other != alone).for_each(|other| {
                mesh.cable(other, alone).cut();
            }),
        }
        scope(|threads| {
            for (number, rival) in rivals.iter_mut().enumerate() {
                let mut client = mesh.client(number);
                let pipelines = rng.u32(0..60);
                let tidies = rng.bool();
                threads.spawn(move || {
                    for _ in 0..pipelines {
                        rival.write_some(&mut client).unwrap();
                        std::thread::sleep(Duration::from_millis(2));
                    }
                    if tidies {
                        assert!(client.succeeds(&wire::optimize(b"")));
                    }
                });
            }
        });
        if rng.u8(..3) == 0 {
            // Whoever wrote is down when the others can be reached again.
            mesh.kill(alone);
            mesh.heal();
            mesh.start(alone);
        }
        mesh.heal();
        Rival::verify(&rivals, &mesh.agree());
    }
}

/// Deleted on one side of a cut, while the other has the records, tidies its log, and ends or is killed.
#[test]
fn what_is_deleted_during_a_cut_stays_deleted() {
    let mut mesh = Mesh::start_all_cabled(2, &SEGMENTS);
    let key = |number: u32| format!("k{number}");
    for round in 0..4 {
        let [mut a, mut b] = [mesh.client(0), mesh.client(1)];
        for number in 0..1000 {
            assert!(
                if number % 2 == 0 { &mut a } else { &mut b }.put(key(number), format!("{round}").repeat(50))
            );
        }
        assert_eq!(mesh.agree().len(), 1000 + round);
        mesh.cables_of(0).for_each(|cable| cable.cut());
        for number in 0..1000 {
            assert!(if number < 500 { &mut a } else { &mut b }.out(key(number)));
        }
        // More is written, and all of it tidied up: what was deleted is to be remembered nevertheless.
        for client in [&mut a, &mut b] {
            for number in 0..2000 {
                assert!(client.put("other", number.to_string().repeat(50)));
            }
            assert!(client.out("other"));
            assert!(client.succeeds(&wire::optimize(b"")));
            assert!(client.put(format!("kept {round}"), "v"));
        }
        match round {
            0 => {}
            1 => {
                mesh.kill(0);
                mesh.start(0);
            }
            2 => {
                mesh.stop(0);
                mesh.stop(1);
                mesh.start(1);
                mesh.start(0);
            }
            _ => {
                mesh.kill(1);
                mesh.heal();
                mesh.start(1);
            }
        }
        mesh.heal();
        let left = mesh.agree();
        assert_eq!(left.len(), round + 1, "{:?}", left.keys().next());
        assert!(left.keys().all(|key| key.starts_with(b"kept")));
    }
    // Neither does it come back when both begin anew.
    mesh.kill(0);
    mesh.kill(1);
    mesh.start(0);
    mesh.start(1);
    settled(&mut [mesh.client(0), mesh.client(1)]);
    assert_eq!(mesh.agree().len(), 4);
}

/// What `stat` says of a cut, and of its end.
#[test]
fn stat_tells_of_a_cut() {
    let mesh = Mesh::start_all_cabled(2, &SMALL);
    let mut a = mesh.client(0);
    settled(&mut [mesh.client(0), mesh.client(1)]);
    let state = |a: &mut Client| peer(a, "role", "master").get("state").cloned();
    mesh.cables_of(0).for_each(|cable| cable.cut());
    eventually("the cut in stat", AGREE, || state(&mut a).as_deref() == Some("waiting"));
    assert_ne!(peer(&mut a, "role", "master")["error"], "");
    mesh.heal();
    settled(&mut [mesh.client(0), mesh.client(1)]);
    assert_eq!(peer(&mut a, "role", "master")["error"], "");
    // Nothing comes though the connection stays: it is given up.
    mesh.cable(0, 1).stall(Way::ToFollower);
    eventually("the silence in stat", AGREE, || {
        peer(&mut a, "role", "master").get("error").is_some_and(|error| error.contains("nothing came"))
    });
    mesh.heal();
    settled(&mut [mesh.client(0), mesh.client(1)]);
}

/// Waits until nodes have compared themselves with their master and found the same.
fn settled(clients: &mut [Client; 2]) {
    for client in &mut *clients {
        eventually("agreement in stat", AGREE, || {
            let master = peer(client, "role", "master");
            master.get("agrees").is_some_and(|agrees| agrees == "yes")
                && master.get("state").is_some_and(|state| state == "live")
        });
    }
    let [one, other] = clients;
    assert_eq!(digest(one), digest(other));
}
