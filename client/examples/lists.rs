//! The last ten visitors of a page: a list that never grows long, and has nobody twice.
//!
//! `cargo run -p lightcloud --example lists -- LOOKUP_HOST:PORT STORAGE_HOST:PORT`
//!
//! Lists need the script `lua/scripts/list.lua` on the storage node: `lcnode --ext lua/scripts/list.lua`.

#![allow(clippy::print_stdout, reason = "what it shows is for people")]

use std::error::Error;

use lightcloud::{Config, LightCloud, NodeConfig, Role};

const LIST: &[u8] = b"visitors";

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

    cloud.list_init(LIST).await?;
    for visit in 0..1000 {
        // The list is cut to 10 whenever it has grown to 110, so that most additions only append.
        cloud.list_add(LIST, &[format!("user{}", visit % 400).as_bytes()], Some(10)).await?;
    }
    cloud.list_add(LIST, &[b"eve"], Some(10)).await?;
    cloud.list_remove(LIST, &[b"eve"]).await?;

    let visitors = cloud.list_get(LIST).await?;
    let last = visitors.iter().rev().take(10).map(|user| String::from_utf8_lossy(user));
    println!(
        "{} visitors are known, the last ones were: {}",
        visitors.len(),
        last.collect::<Vec<_>>().join(", ")
    );

    cloud.list_varnish(LIST).await?;
    println!("is there a list still? {}", cloud.list_is_created(LIST).await?);
    Ok(())
}
