//! A value is set, read and deleted on a cluster of two nodes.
//!
//! `cargo run -p lightcloud --example hello -- LOOKUP_HOST:PORT STORAGE_HOST:PORT`

#![allow(clippy::print_stdout, reason = "what it shows is for people")]

use std::error::Error;

use lightcloud::{Config, LightCloud, NodeConfig, Role};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let [lookup, storage] = addresses()?;
    let nodes = vec![
        NodeConfig::new("lookup1_A", Role::Lookup, [lookup.parse()?]),
        NodeConfig::new("storage1_A", Role::Storage, [storage.parse()?]),
    ];
    let cloud = LightCloud::new(Config { nodes, ..Config::default() })?;

    cloud.set(b"hello", b"world").await?;
    let value = cloud.get(b"hello").await?.unwrap_or_default();
    println!("hello is {}", String::from_utf8_lossy(&value));

    let place = cloud.locate(b"hello").await?;
    println!("it is on {}, says {}", place.record.unwrap_or_default(), place.lookup.join(" or "));

    println!("deleted: {}", cloud.delete(b"hello").await?);
    println!("hello is {:?}", cloud.get(b"hello").await?);
    Ok(())
}

/// The two servers that are given on the command line.
fn addresses() -> Result<[String; 2], String> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    given.try_into().map_err(|_| "give LOOKUP_HOST:PORT STORAGE_HOST:PORT, two running nodes".to_owned())
}
