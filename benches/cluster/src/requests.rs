//! How many requests an operation sends: what all servers have counted before and after it.

use std::fmt::Write as _;

use lightcloud::tyrant::Server;
use lightcloud::{Config, LightCloud, Role};

use crate::Failure;

/// What is done, and the state of the keys: `known` ones are where the ring has them, `moved` ones on another node.
const OPERATIONS: [&str; 22] = [
    "get, known",
    "get, missing",
    "get, on another node",
    "set, known",
    "set, new",
    "set, on another node",
    "delete, known",
    "delete, missing",
    "delete, on another node",
    "incr, known",
    "incr, new",
    "list_init, new",
    "list_add, known",
    "list_add, new",
    "list_get, known",
    "list_get, missing",
    "list_set, known",
    "list_remove, known",
    "list_is_created, known",
    "list_varnish, known",
    "get_many, 1,000 known",
    "set_many, 1,000 known",
];

/// A table of the requests of each operation. It leaves records behind that begin with `count:`.
pub async fn table(config: &Config) -> Result<String, Failure> {
    let cloud = LightCloud::new(config.clone())?;
    let servers = config.nodes.iter().flat_map(|node| &node.replicas);
    let servers: Vec<_> =
        servers.map(|address| Server::new(address.clone(), config.server.clone())).collect();
    let many: Vec<_> = (0..1000).map(|n| (format!("count:many:{n}"), "value")).collect();
    let keys: Vec<_> = many.iter().map(|(key, _)| key).collect();
    let mut text = String::from("| operation | requests |\n| --- | ---: |\n");
    for (number, operation) in OPERATIONS.into_iter().enumerate() {
        let key = format!("count:{number}");
        let key = key.as_bytes();
        match operation.split_once(", ") {
            Some(("get_many" | "set_many", _)) => cloud.set_many(&many).await?,
            Some(("incr", "known")) => drop(cloud.incr(key, 1).await?),
            Some((name, "known")) if name.starts_with("list") => {
                cloud.list_add(key, &[b"a", b"b"], None).await?
            }
            Some((_, "known")) => cloud.set(key, b"value").await?,
            Some((_, "on another node")) => place_elsewhere(&cloud, config, key).await?,
            _ => {}
        }
        let before = count(&servers).await?;
        match operation.split(',').next().unwrap_or_default() {
            "get" => drop(cloud.get(key).await?),
            "set" => cloud.set(key, b"value").await?,
            "delete" => drop(cloud.delete(key).await?),
            "incr" => drop(cloud.incr(key, 1).await?),
            "list_init" => cloud.list_init(key).await?,
            "list_add" => cloud.list_add(key, &[b"c"], None).await?,
            "list_get" => drop(cloud.list_get(key).await?),
            "list_set" => cloud.list_set(key, &[b"c"]).await?,
            "list_remove" => cloud.list_remove(key, &[b"a"]).await?,
            "list_is_created" => drop(cloud.list_is_created(key).await?),
            "list_varnish" => drop(cloud.list_varnish(key).await?),
            "get_many" => drop(cloud.get_many(&keys).await?),
            _ => cloud.set_many(&many).await?,
        }
        writeln!(text, "| {operation} | {} |", count(&servers).await? - before)?;
    }
    Ok(text)
}

/// Stores a record on another node than the storage ring has for its key.
async fn place_elsewhere(cloud: &LightCloud, config: &Config, key: &[u8]) -> Result<(), Failure> {
    cloud.set(key, b"value").await?;
    let location = cloud.locate(key).await?;
    let of = |name: &str| {
        let node = config.nodes.iter().find(|node| node.name == name);
        let address = node.and_then(|node| node.replicas.first()).ok_or("the node is not configured");
        Ok::<_, Failure>(Server::new(address?.clone(), config.server.clone()))
    };
    let other = config.nodes.iter().find(|node| node.role == Role::Storage && node.name != location.ring);
    let other = &other.ok_or("there is one storage node only")?.name;
    of(&location.ring)?.out(key).await?;
    of(other)?.put(key, b"value").await?;
    let lookup = location.lookup.first().ok_or("there is no lookup node")?;
    Ok(of(lookup)?.put(key, other.as_bytes()).await?)
}

/// Requests that all servers have counted, those for this apart.
async fn count(servers: &[Server]) -> Result<u64, Failure> {
    let mut sum = 0;
    for server in servers {
        let stat = server.stat().await?;
        let counts = stat
            .iter()
            .filter(|(name, _)| name.starts_with("cnt_") && name != "cnt_stat" && !name.ends_with("_miss"));
        sum += counts.filter_map(|(_, value)| value.parse::<u64>().ok()).sum::<u64>();
    }
    Ok(sum)
}
