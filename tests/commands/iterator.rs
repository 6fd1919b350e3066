//! The one iterator: shared by all clients and by misc, and safe while records come and go.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::{Client, HASH, Node, folder, on_both, rng, wire};

fn fill(client: &mut Client, prefix: &str, count: usize) -> BTreeSet<Vec<u8>> {
    let keys: BTreeSet<Vec<u8>> = (0..count).map(|number| format!("{prefix}{number}").into_bytes()).collect();
    let puts: Vec<u8> = keys.iter().flat_map(|key| wire::putnr(key, b"v")).collect();
    client.send(&puts);
    assert!(client.rnum() >= count as u64);
    keys
}

#[test]
fn nothing_comes_before_iterinit_or_from_nothing() {
    on_both(&[], |node| {
        let mut client = node.client();
        assert!(client.put("k", "v"));
        assert_eq!(client.iternext(), None);
        assert_eq!(client.misc("iternext", &[]), None);
        assert!(client.out("k"));
        assert!(client.succeeds(&wire::iterinit()), "also where there is nothing");
        assert_eq!(client.iternext(), None);
    });
}

#[test]
fn it_is_shared_by_connections_and_misc() {
    on_both(&[], |node| {
        let (mut one, mut two) = (node.client(), node.client());
        let keys = fill(&mut one, "k", 30);
        assert!(one.succeeds(&wire::iterinit()));
        let mut seen = BTreeSet::new();
        for round in 0..30 {
            let key = match round % 3 {
                0 => one.iternext().unwrap(),
                1 => two.iternext().unwrap(),
                _ => {
                    let record = two.misc("iternext", &[]).unwrap();
                    assert_eq!(record[1..], [b"v"]);
                    record[0].clone()
                }
            };
            assert!(seen.insert(key), "a key comes once");
        }
        assert_eq!(seen, keys);
        assert_eq!(two.iternext(), None);
        assert_eq!(two.misc("iterinit", &[]), Some(vec![]));
        assert!(one.iternext().is_some(), "any connection's iterinit starts it again");
    });
}

#[test]
fn a_deleted_key_is_skipped_and_the_one_just_returned_may_go() {
    on_both(&[], |node| {
        let mut client = node.client();
        let keys = fill(&mut client, "k", 500);
        assert!(client.succeeds(&wire::iterinit()));
        let mut seen = BTreeSet::new();
        while let Some(key) = client.iternext() {
            assert!(client.out(&key), "a deleted key was returned");
            // And one that may not have been reached.
            let other = keys.iter().rev().find(|other| !seen.contains(*other) && **other != key);
            if let Some(other) = other {
                client.out(other);
                seen.insert(other.clone());
            }
            seen.insert(key);
        }
        assert_eq!(seen, keys);
        assert_eq!(client.rnum(), 0);
    });
}

#[test]
fn misc_starts_it_at_a_key() {
    on_both(&[], |node| {
        let mut client = node.client();
        fill(&mut client, "k", 100);
        let order = client.keys();
        for at in [0, 1, 50, 99] {
            assert_eq!(client.misc("iterinit", &[&order[at]]), Some(vec![]));
            let rest: Vec<_> = std::iter::from_fn(|| client.iternext()).collect();
            assert_eq!(rest, order[at..], "from number {at}");
        }
        // A key that is not there leaves the position; a file calls that a failure.
        assert!(client.succeeds(&wire::iterinit()));
        client.iternext();
        let is_memory = client.stat_of("type").unwrap() == "on-memory hash";
        assert_eq!(client.misc("iterinit", &[b"none"]).is_some(), is_memory);
        assert_eq!(client.misc("iterinit", &[b""]), None, "an empty key that is not there");
        assert_eq!(client.iternext().as_ref(), Some(&order[1]));
    });
}

#[test]
fn what_ends_it_and_what_does_not() {
    let folder = folder();
    let backups = folder.path().to_str().unwrap();
    on_both(&["--backup-dir", backups], |node| {
        let mut client = node.client();
        let is_memory = client.stat_of("type").unwrap() == "on-memory hash";
        fill(&mut client, "k", 100);
        let mut survives = |request: &[u8]| {
            assert!(client.succeeds(&wire::iterinit()));
            assert!(client.iternext().is_some());
            assert!(client.succeeds(request));
            client.iternext().is_some()
        };
        assert!(survives(&wire::sync()));
        assert_eq!(survives(&wire::optimize(b"")), is_memory, "optimize");
        let name = if is_memory { "of-memory.tch" } else { "of-hash.tch" };
        assert_eq!(survives(&wire::copy(name.as_bytes())), !is_memory, "copy");
        assert!(!survives(&wire::vanish()));
        let mut client = node.client();
        fill(&mut client, "new", 10);
        assert_eq!(client.iternext(), None, "after a vanish it must be started again");
        assert_eq!(client.keys().len(), 10);
    });
}

/// Keys that are there all the time come exactly once, while others come and go, records move and the
/// table grows.
#[test]
fn a_walk_under_change_meets_what_stays_once() {
    let seed = rng("a_walk_under_change_meets_what_stays_once").u64(..);
    let folder = folder();
    // The least table, so that it grows while it is walked.
    let node = Node::start(folder.path(), &["casket.tch#bnum=1"]);
    let stays = fill(&mut node.client(), "stays", 2000);
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        for number in 0..2u64 {
            let (node, done) = (&node, &done);
            threads.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed ^ number);
                let mut client = node.client();
                while !done.load(Ordering::Relaxed) {
                    let key = format!("goes{number}-{}", rng.u32(..50_000));
                    match rng.u8(..4) {
                        0 => _ = client.out(key),
                        // What stays is overwritten too.
                        1 => _ = client.put(format!("stays{}", rng.u32(..2000)), "w"),
                        _ => _ = client.put(key, "v"),
                    }
                }
            });
        }
        let mut client = node.client();
        let mut walks = 0;
        let start = std::time::Instant::now();
        while walks < 2 || (walks < 5 && start.elapsed().as_secs() < 5) {
            let seen = client.keys();
            let distinct: BTreeSet<&Vec<u8>> = seen.iter().collect();
            let twice = seen.len() - distinct.len();
            let missed = stays.iter().filter(|key| !distinct.contains(key)).count();
            if twice + missed > 0 {
                done.store(true, Ordering::Relaxed);
                panic!("walk {walks}: {twice} keys came twice, {missed} that stay did not come");
            }
            let listed: BTreeSet<Vec<u8>> = client.fwmkeys(b"stays", -1).into_iter().collect();
            if listed != stays {
                done.store(true, Ordering::Relaxed);
                panic!("fwmkeys gave {} of 2000 keys", listed.len());
            }
            walks += 1;
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_restart_forgets_it() {
    let folder = folder();
    let node = Node::start(folder.path(), &[HASH]);
    fill(&mut node.client(), "k", 3);
    assert!(node.client().succeeds(&wire::iterinit()));
    node.stop();
    let node = Node::start(folder.path(), &[HASH]);
    assert_eq!(node.client().iternext(), None);
    assert_eq!(node.client().keys().len(), 3);
}
