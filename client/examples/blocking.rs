//! The client in a program that is not asynchronous: several threads share one, and count together.
//!
//! `cargo run -p lightcloud --example blocking -- LOOKUP_HOST:PORT STORAGE_HOST:PORT`
//!
//! Counters need the script `lua/scripts/incr.lua` on the storage node: `lcnode --ext lua/scripts/incr.lua`.

#![allow(clippy::print_stdout, reason = "what it shows is for people")]

use std::error::Error;
use std::thread;
use std::time::Duration;

use lightcloud::blocking::LightCloud;
use lightcloud::{CacheConfig, Config, NodeConfig, Role};

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [lookup, storage] = &given[..] else {
        return Err("give LOOKUP_HOST:PORT STORAGE_HOST:PORT, two running nodes".into());
    };
    let nodes = vec![
        NodeConfig::new("lookup1_A", Role::Lookup, [lookup.parse()?]),
        NodeConfig::new("storage1_A", Role::Storage, [storage.parse()?]),
    ];
    // What was read less than a second ago is not asked for again.
    let cache = Some(CacheConfig { entries: 10_000, time_to_live: Duration::from_secs(1) });
    let cloud = LightCloud::new(Config { nodes, cache, ..Config::default() })?;

    cloud.delete(b"visits")?;
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let cloud = cloud.clone();
            thread::spawn(move || (0..250).try_for_each(|_| cloud.incr(b"visits", 1).map(drop)))
        })
        .collect();
    for worker in workers {
        worker.join().map_err(|_| "a thread has panicked")??;
    }
    let visits = cloud.get(b"visits")?.unwrap_or_default();
    println!("4 threads have counted to {}", String::from_utf8_lossy(&visits));

    for record in cloud.records().take(3) {
        let (key, value) = record?;
        println!("there is {} with {} bytes", String::from_utf8_lossy(&key), value.len());
    }
    cloud.delete(b"visits")?;
    Ok(())
}
