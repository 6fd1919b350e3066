//! Ten thousand records one by one and a thousand at a time, and a walk over all of them.
//!
//! `cargo run --release -p lightcloud --example many -- LOOKUP_HOST:PORT STORAGE_HOST:PORT`

#![allow(clippy::print_stdout, reason = "what it shows is for people")]

use std::error::Error;
use std::time::Instant;

use lightcloud::{Config, LightCloud, NodeConfig, Role};

const RECORDS: usize = 10_000;
const AT_ONCE: usize = 1000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [lookup, storage] = &given[..] else {
        return Err("give LOOKUP_HOST:PORT STORAGE_HOST:PORT, two running nodes".into());
    };
    let nodes = vec![
        NodeConfig::new("lookup1_A", Role::Lookup, [lookup.parse()?]),
        NodeConfig::new("storage1_A", Role::Storage, [storage.parse()?]),
    ];
    let cloud = LightCloud::new(Config { nodes, ..Config::default() })?;

    let records: Vec<_> = (0..RECORDS).map(|n| (format!("many{n}"), format!("value {n}"))).collect();
    let keys: Vec<&str> = records.iter().map(|(key, _)| &key[..]).collect();

    let start = Instant::now();
    for some in records.chunks(AT_ONCE) {
        cloud.set_many(some).await?;
    }
    println!("set, {AT_ONCE} at a time: {}", rate(start));

    let start = Instant::now();
    for key in &keys {
        cloud.get(key.as_bytes()).await?;
    }
    println!("got, one by one: {}", rate(start));

    let start = Instant::now();
    let mut found = 0;
    for some in keys.chunks(AT_ONCE) {
        found += cloud.get_many(some).await?.iter().flatten().count();
    }
    println!("got, {AT_ONCE} at a time: {}; found {found}", rate(start));

    let mut scan = cloud.scan();
    let mut met = 0;
    while let Some(page) = scan.next_page().await? {
        met += page.iter().filter(|(key, _)| key.starts_with(b"many")).count();
    }
    println!("met on a walk: {met}");

    let mut deleted = 0;
    for some in keys.chunks(AT_ONCE) {
        deleted += cloud.delete_many(some).await?.into_iter().filter(|was_there| *was_there).count();
    }
    println!("deleted: {deleted}");
    Ok(())
}

fn rate(start: Instant) -> String {
    format!("{:.0} records a second", RECORDS as f64 / start.elapsed().as_secs_f64())
}
