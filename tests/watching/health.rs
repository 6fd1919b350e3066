//! `/health` and `/ready` through a node's life.

use std::time::Instant;

use nix::sys::signal::Signal;

use super::Admin;
use crate::support::{ANSWER, HASH, Launch, MEMORY, folder, wire};

/// Records, and MiB of values that the first of them have: long enough to read for it to be seen.
const RECORDS: usize = 100_000;
const LARGE: usize = 96;

/// Fills a log and kills the node before there is a checkpoint.
fn killed_with_a_long_log(folder: &std::path::Path) {
    let node = Launch::new(folder, &["--sync", "never", HASH]).start();
    let mut client = node.client();
    for from in (0..RECORDS).step_by(500) {
        let puts = (from..from + 500).flat_map(|number| wire::put(&number.to_be_bytes(), &[b'x'; 20]));
        client.send(&puts.collect::<Vec<u8>>());
        assert_eq!(client.take(500), [0; 500]);
    }
    let value = vec![b'x'; 1 << 20];
    for number in 0..LARGE {
        assert!(client.put(number.to_be_bytes(), &value));
    }
    node.kill();
}

#[test]
fn a_node_is_ready_once_its_database_is_open_and_until_it_stops() {
    let folder = folder();
    killed_with_a_long_log(folder.path());
    let (launch, admin) = Admin::launch(folder.path(), &[HASH]);
    let node = launch.spawn();
    let begin = Instant::now();
    let mut before = Vec::new();
    loop {
        assert!(begin.elapsed() < ANSWER, "never ready: {before:?}");
        let Some(ready) = admin.try_ask("GET", "/ready") else { continue };
        if ready.status == 200 {
            assert_eq!(ready.body, "ready\n");
            break;
        }
        assert_eq!(ready.status, 503);
        assert_eq!(admin.ask("GET", "/health").status, 200);
        let scrape = admin.scrape();
        if scrape.value("lcnode_serving") == 0.0 {
            assert!(!scrape.types.contains_key("lcnode_records"), "{scrape:?}");
            before.push(ready.body);
        }
    }
    assert!(!before.is_empty(), "the database was open before anybody could look");
    assert!(before.iter().all(|why| why == "opening the database\n"), "{before:?}");
    assert_eq!(node.client().rnum() as usize, RECORDS);
    assert_eq!(admin.scrape().value("lcnode_serving"), 1.0);

    node.signal(Signal::SIGTERM);
    let mut after = Vec::new();
    while let Some(ready) = admin.try_ask("GET", "/ready") {
        if ready.status == 503 {
            after.push(ready.body);
        }
    }
    assert!(!after.is_empty() && after.iter().all(|why| why == "stopping\n"), "{after:?}");
    assert_eq!(node.wait().code(), Some(0));
}

#[test]
fn a_scrape_under_way_does_not_hold_up_the_stop() {
    let folder = folder();
    let (node, admin) = Admin::start(folder.path(), &[MEMORY]);
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    let _ = admin.try_ask("GET", "/metrics");
                }
            });
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
        node.stop();
        over.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn an_address_that_cannot_be_had_is_refused_before_the_database_is_made() {
    let folder = folder();
    let (_node, Admin(taken)) = Admin::start(folder.path(), &[MEMORY]);
    for (admin, why) in [
        (taken.to_string(), "cannot listen there"),
        ("no-such-host.invalid:9178".to_owned(), "cannot resolve it"),
        ("192.0.2.1:9178".to_owned(), "choose an address of this machine"),
        ("localhost".to_owned(), "write host and port"),
    ] {
        let other = crate::support::folder();
        let output = Launch::new(other.path(), &["--admin", &admin, HASH]).output();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{admin}: {error}");
        assert!(error.contains(why) && error.contains(&admin), "{admin}: {error}");
        assert!(!other.path().join(HASH).exists());
    }
}
