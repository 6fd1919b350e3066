//! Redis servers that die, hang, and are others than they were taken for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lightcloud::{Config, Error, Kind, LightCloud, NodeErrorKind, RedisFailureKind};
use nix::sys::signal::Signal;

use super::servers::{CLUSTER, Place, Server, are_there, client, config, until};

const LIMIT: Duration = Duration::from_secs(30);

fn key(number: usize) -> String {
    format!("key{number}")
}

/// What a Redis node failed with.
fn kind(error: &Error) -> &RedisFailureKind {
    match error {
        Error::Node(error) => match &error.kind {
            NodeErrorKind::Redis(failure) => &failure.kind,
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    }
}

/// A client that gives up soon.
fn hasty(config: Config) -> LightCloud {
    let mut config = config;
    config.server.connect_timeout = Duration::from_millis(500);
    config.server.timeout = Duration::from_millis(500);
    LightCloud::new(config).unwrap()
}

fn follow(place: &mut Place, leader: &Server) -> Server {
    let replica = place.redis(&["--replicaof", &format!("{} 6379", leader.host)]);
    in_step(&replica);
    replica
}

fn in_step(replica: &Server) {
    until(LIMIT, || replica.cli(&["info", "replication"]).contains("master_link_status:up"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_takes_over() {
    if !are_there() {
        return;
    }
    let mut place = Place::new();
    let lookup = place.redis(&[]);
    let first = place.redis(&[]);
    let second = follow(&mut place, &first);
    let cloud = hasty(config(Kind::Redis, &[&lookup], &[&first, &second]));
    for number in 0..200 {
        cloud.set(key(number).as_bytes(), b"old").await.unwrap();
    }
    until(LIMIT, || second.cli(&["dbsize"]) == "200");

    // Whoever reads notices nothing.
    let is_over = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (cloud, is_over) = (cloud.clone(), Arc::clone(&is_over));
        async move {
            let mut reads = 0;
            while !is_over.load(Ordering::Relaxed) {
                let value = cloud.get(key(reads % 200).as_bytes()).await;
                assert!(value.unwrap().is_some_and(|value| value == "old" || value == "new"));
                reads += 1;
            }
            reads
        }
    });
    let host = first.kill();
    for number in 0..200 {
        assert_eq!(cloud.get(key(number).as_bytes()).await.unwrap().unwrap(), "old");
    }
    let error = cloud.set(b"key0", b"new").await.unwrap_err();
    assert!(matches!(kind(&error), RedisFailureKind::Unready(_)), "{error}");
    assert!(error.to_string().contains(&second.host), "{error}");
    assert!(!error.may_be_done());

    // Somebody makes it the master, as Sentinel would; the other comes back as its replica.
    assert_eq!(second.cli(&["replicaof", "no", "one"]), "OK");
    for number in 0..200 {
        cloud.set(key(number).as_bytes(), b"new").await.unwrap();
        assert_eq!(cloud.incr(b"counter", 1).await.unwrap(), number as i64 + 1);
    }
    let first = place.redis_at(host, &["--replicaof", &format!("{} 6379", second.host)]);
    in_step(&first);
    for number in 0..200 {
        assert_eq!(cloud.get(key(number).as_bytes()).await.unwrap().unwrap(), "new");
    }
    // One that does not know yet who is the master finds out.
    let fresh = client(Kind::Redis, &[&lookup], &[&first, &second]);
    assert_eq!(fresh.incr(b"counter", 1).await.unwrap(), 201);
    assert_eq!(second.cli(&["get", "counter"]), "201");
    is_over.store(true, Ordering::Relaxed);
    eprintln!("{} reads meanwhile", reader.await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_increment_is_never_made_twice() {
    if !are_there() {
        return;
    }
    let mut place = Place::new();
    let lookup = place.redis(&[]);
    let storage = place.redis(&[]);
    let cloud = hasty(config(Kind::Redis, &[&lookup], &[&storage]));
    assert_eq!(cloud.incr(b"counter", 1).await.unwrap(), 1);
    cloud.list_add(b"list", &[b"a"], None).await.unwrap();

    // It hangs, with the request in its hands.
    storage.signal(Signal::SIGSTOP);
    let start = Instant::now();
    let error = cloud.incr(b"counter", 1).await.unwrap_err();
    assert!(matches!(kind(&error), RedisFailureKind::Timeout(_)), "{error}");
    assert!(error.may_be_done() && start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    storage.signal(Signal::SIGCONT);
    until(LIMIT, || storage.cli(&["get", "counter"]) == "2");
    assert_eq!(cloud.incr(b"counter", 1).await.unwrap(), 3);

    // A connection that was closed meanwhile is noticed before anything is sent on it.
    let host = storage.kill();
    let storage = place.redis_at(host, &[]);
    assert_eq!(cloud.incr(b"counter", 1).await.unwrap(), 4);
    assert_eq!(cloud.list_get(b"list").await.unwrap(), ["a"]);
    // The script is not known to a server that has forgotten it.
    assert_eq!(storage.cli(&["script", "flush"]), "OK");
    cloud.list_add(b"list", &[b"b"], None).await.unwrap();
    assert_eq!(cloud.list_get(b"list").await.unwrap(), ["a", "b"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_have_stored_is_read_or_named() {
    if !are_there() {
        return;
    }
    let mut place = Place::new();
    let lookup = place.redis(&[]);
    let storage = place.redis(&[]);
    let cloud = client(Kind::Redis, &[&lookup], &[&storage]);
    assert!(cloud.scan().next_page().await.unwrap().is_none_or(|page| page.is_empty()), "nothing is there");
    // A list of LightCloud's own Redis client, which may have an item twice.
    storage.cli(&["rpush", "ll_old", "a", "b", "a"]);
    assert_eq!(cloud.list_get(b"old").await.unwrap(), ["a", "b", "a"]);
    assert!(cloud.list_is_created(b"old").await.unwrap());
    cloud.list_add(b"old", &[b"b", b"c"], None).await.unwrap();
    assert_eq!(cloud.list_get(b"old").await.unwrap(), ["a", "b", "a", "c"]);
    assert_eq!(storage.cli(&["lrange", "ll_old", "0", "-1"]), "a\nb\na\nc");
    cloud.list_remove(b"old", &[b"a", b"b", b"c"]).await.unwrap();
    assert!(cloud.list_is_created(b"old").await.unwrap());
    assert!(cloud.list_get(b"old").await.unwrap().is_empty());

    storage.cli(&["hset", "hash", "field", "value"]);
    for error in [
        cloud.get(b"hash").await.unwrap_err(),
        cloud.get_many(&["hash"]).await.unwrap_err(),
        cloud.incr(b"hash", 1).await.unwrap_err(),
    ] {
        assert!(matches!(kind(&error), RedisFailureKind::WrongType), "{error}");
    }
    let mut scan = cloud.scan();
    let mut keys = Vec::new();
    while let Some(page) = scan.next_page().await.unwrap() {
        keys.extend(page.into_iter().map(|(key, _)| key));
    }
    assert_eq!(keys, ["ll_old"], "a hash is no record");

    storage.cli(&["set", "fraction", "0.5"]);
    let error = cloud.incr(b"fraction", 1).await.unwrap_err();
    assert!(error.to_string().contains("0.5"), "{error}");
    assert_eq!(storage.cli(&["get", "fraction"]), "0.5", "nothing changed");

    // No Redis at all.
    let node = place.lcnode();
    let error = hasty(config(Kind::Redis, &[&lookup], &[&node])).get(b"key").await.unwrap_err();
    assert!(error.to_string().contains(&node.host), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_goes_on_without_one_of_its_masters() {
    if !are_there() {
        return;
    }
    let mut place = Place::new();
    let mut masters = place.cluster();
    let lookup = place.redis(&[]);
    let mut config = config(Kind::RedisCluster, &[&lookup], &[&masters[0], &masters[1]]);
    config.nodes[0].kind = Kind::Redis;
    let cloud = hasty(config.clone());
    let records: Vec<_> = (0..3000).map(|number| (key(number), format!("value{number}"))).collect();
    cloud.set_many(&records).await.unwrap();
    for master in &masters {
        let count: usize = master.cli(&["dbsize"]).parse().unwrap();
        assert!((500..1500).contains(&count), "{count} keys on {}", master.host);
    }
    let keys: Vec<_> = records.iter().map(|(key, _)| key).collect();
    let values = cloud.get_many(&keys).await.unwrap();
    assert!(values.iter().zip(&records).all(|(value, record)| value.as_deref() == Some(record.1.as_bytes())));
    let mut scan = cloud.scan();
    let mut met = std::collections::BTreeSet::new();
    while let Some(page) = scan.next_page().await.unwrap() {
        met.extend(page.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())));
    }
    assert!(
        records
            .iter()
            .all(|(key, value)| met.contains(&(key.clone().into_bytes(), value.clone().into_bytes())))
    );
    assert_eq!(met.len(), records.len());

    let of_each: Vec<Vec<usize>> = masters.iter().map(|master| sample(&master.cli(&["--scan"]))).collect();
    let host = masters.remove(0).kill();
    for &number in of_each[1].iter().chain(&of_each[2]) {
        let value = cloud.get(key(number).as_bytes()).await.unwrap();
        assert_eq!(value.unwrap(), format!("value{number}"));
    }
    for &number in &of_each[0][..2] {
        let start = Instant::now();
        let error = cloud.get(key(number).as_bytes()).await.unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        assert!(error.to_string().contains(&host), "{error}");
    }
    let master = place.redis_at(host, &CLUSTER);
    until(LIMIT, || master.cli(&["cluster", "info"]).contains("cluster_state:ok"));
    let start = Instant::now();
    for &number in of_each.iter().flatten() {
        // The other masters take a moment to hear of it.
        loop {
            match cloud.get(key(number).as_bytes()).await {
                Ok(value) => break assert_eq!(value.unwrap(), format!("value{number}")),
                Err(error) => assert!(start.elapsed() < LIMIT, "{error}"),
            }
        }
    }

    // Taken for another kind, it says so.
    config.nodes[1].kind = Kind::Redis;
    let cloud = hasty(config.clone());
    let error = loop {
        if let Err(error) = cloud.get(key(fastrand::usize(..3000)).as_bytes()).await {
            break error;
        }
    };
    assert!(matches!(kind(&error), RedisFailureKind::IsCluster), "{error}");
    config.nodes[0].kind = Kind::RedisCluster;
    let error = hasty(config).locate(b"key0").await.unwrap_err();
    assert!(error.to_string().contains(&lookup.host), "{error}");
}

/// The numbers of some keys.
fn sample(keys: &str) -> Vec<usize> {
    let numbers = keys.lines().filter_map(|key| key.strip_prefix("key")?.parse().ok());
    let numbers: Vec<_> = numbers.take(10).collect();
    assert_eq!(numbers.len(), 10, "{keys}");
    numbers
}
