//! The same operations on Redis servers; with `--cluster` the storage node is a Redis Cluster.
//!
//! `cargo run -p lightcloud --features redis --example redis -- [--cluster] LOOKUP_HOST:PORT STORAGE_HOST:PORT...`
//!
//! Further storage servers are replicas of the first, or further servers of the cluster.

#![allow(clippy::print_stdout, reason = "what it shows is for people")]

use std::error::Error;

use lightcloud::{Address, Config, Kind, LightCloud, NodeConfig, Role};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut given: Vec<String> = std::env::args().skip(1).collect();
    let is_cluster = given.first().is_some_and(|first| first == "--cluster");
    given.drain(..usize::from(is_cluster));
    let [lookup, storage @ ..] = &given[..] else {
        return Err("give [--cluster] LOOKUP_HOST:PORT STORAGE_HOST:PORT..., running Redis servers".into());
    };
    let storage: Vec<Address> = storage.iter().map(|address| address.parse()).collect::<Result<_, _>>()?;

    let mut lookup_node = NodeConfig::new("lookup1_A", Role::Lookup, [lookup.parse()?]);
    lookup_node.kind = Kind::Redis;
    let mut storage_node = NodeConfig::new("storage1_A", Role::Storage, storage);
    storage_node.kind = if is_cluster { Kind::RedisCluster } else { Kind::Redis };
    let config = Config { nodes: vec![lookup_node, storage_node], ..Config::default() };
    let cloud = LightCloud::new(config)?;

    let records: Vec<_> = (0..100).map(|n| (format!("redis{n}"), n.to_string())).collect();
    cloud.set_many(&records).await?;
    println!("redis7 is {:?}", cloud.get(b"redis7").await?);
    println!("35 more are {}", cloud.incr(b"redis7", 35).await?);

    cloud.list_init(b"redis").await?;
    cloud.list_add(b"redis", &[b"one", b"two", b"one", b"three"], None).await?;
    println!("the list has {:?}", cloud.list_get(b"redis").await?);
    cloud.list_varnish(b"redis").await?;

    let keys: Vec<&String> = records.iter().map(|(key, _)| key).collect();
    let deleted = cloud.delete_many(&keys).await?;
    println!("deleted: {}", deleted.iter().filter(|was_there| **was_there).count());
    Ok(())
}
