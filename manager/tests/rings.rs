//! The client's operations on real nodes: what they do, where records are, and what they cost on the wire.

use std::path::Path;

use lightcloud::{Config, Error, LightCloud, NodeConfig, Role, tyrant};

use crate::support::cluster::Cluster;

/// Options of servers that have the scripts of counters and lists.
fn scripts() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lua/scripts");
    ["incr.lua", "list.lua"]
        .iter()
        .flat_map(|file| ["--ext".to_owned(), folder.join(file).display().to_string()])
        .collect()
}

fn start(nodes: &[(&str, usize)]) -> Cluster {
    let scripts = scripts();
    let mut options = vec!["--segment-size", "256k"];
    options.extend(scripts.iter().map(|option| &option[..]));
    Cluster::start_with(nodes, &options)
}

fn config(cluster: &Cluster, nodes: &[&str]) -> Config {
    let nodes = nodes.iter().map(|name| {
        let replicas = cluster.node(name).map(|server| server.address.to_string().parse().unwrap());
        NodeConfig::new(*name, Role::of_name(name).unwrap(), replicas)
    });
    Config { nodes: nodes.collect(), ..Config::default() }
}

const TWO_AND_THREE: [(&str, usize); 5] =
    [("lookup1_A", 1), ("lookup2_A", 1), ("storage1_A", 1), ("storage2_A", 1), ("storage3_A", 1)];
const NAMES: [&str; 5] = ["lookup1_A", "lookup2_A", "storage1_A", "storage2_A", "storage3_A"];

/// A server of a node, asked directly.
fn server(cluster: &Cluster, node: &str) -> tyrant::Server {
    cluster.node(node).next().unwrap().client()
}

/// Requests that all servers have been sent, but for `stat`.
async fn requests(cluster: &Cluster) -> u64 {
    let mut sum = 0;
    for server in &cluster.servers {
        let stat = server.client().stat().await.unwrap();
        let counts = stat.iter().filter(|(name, _)| {
            ["cnt_put", "cnt_putkeep", "cnt_out", "cnt_get", "cnt_ext", "cnt_mget"].contains(&&name[..])
        });
        sum += counts.map(|(_, count)| count.parse::<u64>().unwrap()).sum::<u64>();
    }
    sum
}

#[tokio::test]
async fn keys_are_where_the_rings_have_them() {
    let cluster = start(&TWO_AND_THREE);
    let cloud = LightCloud::new(config(&cluster, &NAMES)).unwrap();
    // Vectors of the published rings, with two lookup nodes.
    for (key, node) in
        [("a", "storage3_A"), ("hello", "storage2_A"), ("bar", "storage1_A"), ("é", "storage3_A")]
    {
        cloud.set(key.as_bytes(), b"value").await.unwrap();
        assert_eq!(server(&cluster, node).get(key.as_bytes()).await.unwrap().as_deref(), Some(&b"value"[..]));
        let place = cloud.locate(key.as_bytes()).await.unwrap();
        assert_eq!((place.record.as_deref(), place.at, &place.ring[..]), (Some(node), Some(0), node));
        let record = server(&cluster, &place.lookup[0]).get(key.as_bytes()).await.unwrap();
        assert_eq!(record.as_deref(), Some(node.as_bytes()));
        assert_eq!(cloud.get(key.as_bytes()).await.unwrap().as_deref(), Some(&b"value"[..]));
        assert!(cloud.delete(key.as_bytes()).await.unwrap());
        assert_eq!(cloud.get(key.as_bytes()).await.unwrap(), None);
        assert!(!cloud.delete(key.as_bytes()).await.unwrap());
    }
    for server in &cluster.servers {
        assert_eq!(server.client().rnum().await.unwrap(), 0, "{}", server.name);
    }
}

#[tokio::test]
async fn what_operations_cost_on_the_wire() {
    let cluster = start(&TWO_AND_THREE);
    let cloud = LightCloud::new(config(&cluster, &NAMES)).unwrap();
    let mut before = requests(&cluster).await;
    macro_rules! costs {
        ($requests:expr, $call:expr) => {{
            let outcome = $call.await.unwrap();
            let now = requests(&cluster).await;
            assert_eq!(now - before, $requests, "{}", stringify!($call));
            before = now;
            let _ = before;
            outcome
        }};
    }
    costs!(3, cloud.get(b"missing"));
    costs!(4, cloud.set(b"key", b"one"));
    costs!(2, cloud.set(b"key", b"two"));
    costs!(1, cloud.get(b"key"));
    costs!(2, cloud.delete(b"key"));
    costs!(3, cloud.delete(b"key"));
    assert_eq!(costs!(4, cloud.incr(b"counter", 5)), 5);
    assert_eq!(costs!(2, cloud.incr(b"counter", -7)), -2);
    costs!(4, cloud.list_add(b"list", &[b"a", b"b"], None));
    costs!(2, cloud.list_add(b"list", &[b"c"], Some(5)));
    costs!(1, cloud.list_get(b"list"));
    let keys: Vec<String> = (0..100).map(|n| format!("key{n}")).collect();
    let records: Vec<(&String, &str)> = keys.iter().map(|key| (key, "value")).collect();
    costs!(400, cloud.set_many(&records));
    costs!(200, cloud.set_many(&records));
    costs!(100, cloud.get_many(&keys));
    costs!(200, cloud.delete_many(&keys));
    costs!(300, cloud.get_many(&keys));
    // A key on an older node, and a client that has not seen it elsewhere.
    cloud.set(b"foo", b"bar").await.unwrap();
    let cloud = LightCloud::new(config(&cluster, &NAMES)).unwrap();
    let place = cloud.locate(b"foo").await.unwrap();
    let other = if place.ring == "storage1_A" { "storage2_A" } else { "storage1_A" };
    server(&cluster, &place.lookup[0]).put(b"foo", other.as_bytes()).await.unwrap();
    server(&cluster, &place.ring).out(b"foo").await.unwrap();
    server(&cluster, other).put(b"foo", b"old").await.unwrap();
    before = requests(&cluster).await;
    assert_eq!(costs!(3, cloud.get(b"foo")).as_deref(), Some(&b"old"[..]));
    costs!(2, cloud.set(b"foo", b"new"));
    assert_eq!(server(&cluster, other).get(b"foo").await.unwrap().as_deref(), Some(&b"new"[..]));
}

#[tokio::test]
async fn lists_and_counters() {
    let cluster = start(&TWO_AND_THREE);
    let cloud = LightCloud::new(config(&cluster, &NAMES)).unwrap();
    assert!(!cloud.list_is_created(b"l").await.unwrap());
    assert!(cloud.list_get(b"l").await.unwrap().is_empty());
    assert_eq!(cloud.locate(b"ll_l").await.unwrap().record, None, "a read makes no record");
    cloud.list_init(b"l").await.unwrap();
    assert!(cloud.list_is_created(b"l").await.unwrap());
    cloud.list_add(b"l", &[b"a", b"b", b"a", b"c"], None).await.unwrap();
    assert_eq!(cloud.list_get(b"l").await.unwrap(), ["a", "b", "c"]);
    cloud.list_remove(b"l", &[b"b", b"x"]).await.unwrap();
    assert_eq!(cloud.list_get(b"l").await.unwrap(), ["a", "c"]);
    cloud.list_set(b"l", &[b"y", b"z"]).await.unwrap();
    assert_eq!(cloud.list_get(b"l").await.unwrap(), ["y", "z"]);
    let items: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    for item in &items {
        cloud.list_add(b"l", &[item.as_bytes()], Some(5)).await.unwrap();
    }
    let list = cloud.list_get(b"l").await.unwrap();
    assert!((5..=105).contains(&list.len()) && list.last().unwrap() == "199", "{list:?}");
    assert!(cloud.list_add(b"l", &[b"a~b"], None).await.is_err());
    assert!(cloud.list_varnish(b"l").await.unwrap());
    assert!(!cloud.list_is_created(b"l").await.unwrap());
    cloud.set(b"text", b"no number").await.unwrap();
    assert_eq!(cloud.incr(b"text", 3).await.unwrap(), 3, "as the script has it");
}

#[tokio::test]
async fn records_that_the_lookup_ring_has_grown_away_from_are_repaired() {
    let cluster =
        start(&[("lookup1_A", 1), ("lookup2_A", 1), ("lookup3_A", 1), ("storage1_A", 1), ("storage2_A", 1)]);
    let old = ["lookup1_A", "lookup2_A", "storage1_A"];
    let new = ["lookup1_A", "lookup2_A", "lookup3_A", "storage1_A", "storage2_A"];
    let cloud = LightCloud::new(config(&cluster, &old)).unwrap();
    let keys: Vec<String> = (0..300).map(|n| format!("key{n}")).collect();
    for key in &keys {
        cloud.set(key.as_bytes(), key.as_bytes()).await.unwrap();
    }
    cloud.reconfigure(config(&cluster, &new)).unwrap();
    let mut repaired = 0;
    for (at, key) in keys.iter().enumerate() {
        let before = cloud.locate(key.as_bytes()).await.unwrap();
        match at % 3 {
            0 => assert_eq!(cloud.get(key.as_bytes()).await.unwrap().unwrap(), key.as_bytes()),
            1 => cloud.set(key.as_bytes(), key.as_bytes()).await.unwrap(),
            _ => assert!(cloud.delete(key.as_bytes()).await.unwrap()),
        }
        let after = cloud.locate(key.as_bytes()).await.unwrap();
        match at % 3 {
            // Found without a look at the record.
            0 if before.ring == "storage1_A" => assert_eq!(after, before),
            0 | 1 => assert_eq!(after.at, Some(0)),
            _ => assert_eq!(after.record, None, "{key}"),
        }
        repaired += u32::from(before.at == Some(1) && after.at == Some(0));
    }
    assert!(repaired > 20, "{repaired}");
    let values = cloud.get_many(&keys).await.unwrap();
    for (at, (key, value)) in keys.iter().zip(values).enumerate() {
        assert_eq!(value.as_deref(), (at % 3 != 2).then_some(key.as_bytes()), "{key}");
    }
}

#[tokio::test]
async fn a_walk_meets_everything_once_and_nothing_else() {
    let cluster = start(&TWO_AND_THREE);
    let cloud =
        LightCloud::new(config(&cluster, &["lookup1_A", "lookup2_A", "storage1_A", "storage2_A"])).unwrap();
    let records: Vec<(String, String)> =
        (0..5000).map(|n| (format!("key{n}"), format!("value{n}"))).collect();
    cloud.set_many(&records).await.unwrap();
    cloud.reconfigure(config(&cluster, &NAMES)).unwrap();
    // What is left of keys that live elsewhere now is not met.
    for n in 0..100 {
        server(&cluster, "storage1_A").put(format!("garbage{n}").as_bytes(), b"old").await.unwrap();
    }
    let mut met = Vec::new();
    let mut walk = cloud.scan();
    while let Some(page) = walk.next_page().await.unwrap() {
        met.extend(page);
    }
    met.sort();
    // Garbage on the node where it would be is what a get finds as well.
    let found = met.iter().filter(|(key, _)| key.starts_with(b"garbage"));
    for (key, _) in found {
        assert_eq!(cloud.get(key).await.unwrap().as_deref(), Some(&b"old"[..]));
    }
    met.retain(|(key, _)| !key.starts_with(b"garbage"));
    let mut expected: Vec<_> =
        records.iter().map(|(key, value)| (key.clone().into(), value.clone().into())).collect();
    expected.sort();
    assert_eq!(met, expected);
}

#[tokio::test]
async fn errors_are_errors() {
    let mut cluster = start(&[("lookup1_A", 1), ("storage1_A", 1)]);
    let cloud = LightCloud::new(config(&cluster, &["lookup1_A", "storage1_A"])).unwrap();
    cloud.set(b"key", b"value").await.unwrap();
    cluster.server("lookup1_A-1").kill();
    assert_eq!(cloud.get(b"key").await.unwrap().as_deref(), Some(&b"value"[..]));
    // Its place is known.
    let error = cloud.set(b"key", b"other").await.unwrap_err();
    assert!(matches!(&error, Error::Unrecorded(_)) && error.may_be_done(), "{error}");
    assert_eq!(cloud.get(b"key").await.unwrap().as_deref(), Some(&b"other"[..]));
    // To another client it is not.
    let cloud = LightCloud::new(config(&cluster, &["lookup1_A", "storage1_A"])).unwrap();
    let error = cloud.set(b"key", b"third").await.unwrap_err();
    assert!(
        matches!(&error, Error::Node(node) if node.node == "lookup1_A") && !error.may_be_done(),
        "{error}"
    );
    assert_eq!(cloud.get(b"key").await.unwrap().as_deref(), Some(&b"other"[..]));
    assert!(cloud.get(b"missing").await.is_err(), "it may be somewhere");
    cluster.server("lookup1_A-1").start();
    cluster.server("storage1_A-1").kill();
    assert!(cloud.get(b"key").await.unwrap_err().to_string().contains("storage1_A"));
    cluster.server("storage1_A-1").start();
    assert_eq!(cloud.get(b"key").await.unwrap().as_deref(), Some(&b"other"[..]));
}
