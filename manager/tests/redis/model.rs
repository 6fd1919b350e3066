//! Random operations on nodes of Redis servers and on nodes of lcnode: both answer the same.

use std::collections::BTreeMap;
use std::fmt::Debug;

use fastrand::Rng;
use lightcloud::{Error, Kind, LightCloud};

use super::servers::{Place, are_there, client};

/// Operations of a run.
fn operations() -> usize {
    std::env::var("LCNODE_OPERATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(3_000)
}

fn seed() -> u64 {
    let seed = std::env::var("LCNODE_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("LCNODE_SEED={seed}");
    seed
}

/// An operation with all that it is given.
#[derive(Debug)]
enum Operation {
    Get(String),
    Set(String, Vec<u8>),
    Delete(String),
    Incr(String, i64),
    ListInit(String),
    ListAdd(String, Vec<String>, Option<usize>),
    ListRemove(String, Vec<String>),
    ListSet(String, Vec<String>),
    ListGet(String),
    ListIsCreated(String),
    ListVarnish(String),
    GetMany(Vec<String>),
    SetMany(Vec<(String, Vec<u8>)>),
    DeleteMany(Vec<String>),
}

fn key(random: &mut Rng) -> String {
    format!("key{}", random.u8(..12))
}

fn list(random: &mut Rng) -> String {
    format!("list|{}", random.u8(..3))
}

/// Keys of which lists are records are among those that are read.
fn any_key(random: &mut Rng) -> String {
    if random.bool() { key(random) } else { format!("ll_{}", list(random)) }
}

fn value(random: &mut Rng) -> Vec<u8> {
    match random.u8(..8) {
        0 => Vec::new(),
        1 => b" 7 ".to_vec(),
        2 => b"1e3".to_vec(),
        3 => b"nan".to_vec(),
        4 => random.i64(..).to_string().into_bytes(),
        5 => (0..random.usize(..3000)).map(|_| random.u8(..)).collect(),
        _ => random.i32(..).to_string().into_bytes(),
    }
}

fn items(random: &mut Rng, most: usize) -> Vec<String> {
    let letters = ["%", "a", "é", "- .", "0"];
    let count = random.usize(..=most);
    (0..count).map(|_| format!("{}{}", letters[random.usize(..letters.len())], random.u8(..80))).collect()
}

fn many<T>(random: &mut Rng, make: impl Fn(&mut Rng) -> T) -> Vec<T> {
    (0..random.usize(..20)).map(|_| make(random)).collect()
}

fn operation(random: &mut Rng) -> Operation {
    match random.u8(..20) {
        0 | 1 => Operation::Get(any_key(random)),
        2 | 3 => Operation::Set(key(random), value(random)),
        4 => Operation::Delete(key(random)),
        5 | 6 => {
            let delta = if random.u8(..10) == 0 { random.i64(..) } else { random.i64(-1000..1000) };
            Operation::Incr(key(random), delta)
        }
        7 => Operation::ListInit(list(random)),
        8..=10 => {
            let limit = random.bool().then(|| random.usize(..60));
            Operation::ListAdd(list(random), items(random, 90), limit)
        }
        11 => Operation::ListRemove(list(random), items(random, 90)),
        12 => Operation::ListSet(list(random), items(random, 30)),
        13 => Operation::ListGet(list(random)),
        14 => Operation::ListIsCreated(list(random)),
        15 if random.u8(..4) == 0 => Operation::ListVarnish(list(random)),
        16 => Operation::SetMany(many(random, |random| (key(random), value(random)))),
        17 => Operation::DeleteMany(many(random, key)),
        // A list that has come as one value.
        18 => {
            let value: String = items(random, 40).iter().map(|item| format!("{item}~")).collect();
            Operation::Set(format!("ll_{}", list(random)), value.into_bytes())
        }
        _ => Operation::GetMany(many(random, any_key)),
    }
}

fn shown<T: Debug>(outcome: Result<T, Error>) -> String {
    match outcome {
        Ok(value) => format!("{value:?}"),
        Err(error) => {
            assert!(!error.may_be_done(), "{error}");
            "an error".to_owned()
        }
    }
}

async fn run(cloud: &LightCloud, operation: &Operation) -> String {
    let bytes = |items: &[String]| items.iter().map(|item| item.clone().into_bytes()).collect::<Vec<_>>();
    match operation {
        Operation::Get(key) => shown(cloud.get(key.as_bytes()).await),
        Operation::Set(key, value) => shown(cloud.set(key.as_bytes(), value).await),
        Operation::Delete(key) => shown(cloud.delete(key.as_bytes()).await),
        Operation::Incr(key, delta) => shown(cloud.incr(key.as_bytes(), *delta).await),
        Operation::ListInit(key) => shown(cloud.list_init(key.as_bytes()).await),
        Operation::ListAdd(key, items, limit) => {
            let items = bytes(items);
            let items: Vec<&[u8]> = items.iter().map(|item| &item[..]).collect();
            shown(cloud.list_add(key.as_bytes(), &items, *limit).await)
        }
        Operation::ListRemove(key, items) => {
            let items = bytes(items);
            let items: Vec<&[u8]> = items.iter().map(|item| &item[..]).collect();
            shown(cloud.list_remove(key.as_bytes(), &items).await)
        }
        Operation::ListSet(key, items) => {
            let items = bytes(items);
            let items: Vec<&[u8]> = items.iter().map(|item| &item[..]).collect();
            shown(cloud.list_set(key.as_bytes(), &items).await)
        }
        Operation::ListGet(key) => shown(cloud.list_get(key.as_bytes()).await),
        Operation::ListIsCreated(key) => shown(cloud.list_is_created(key.as_bytes()).await),
        Operation::ListVarnish(key) => shown(cloud.list_varnish(key.as_bytes()).await),
        Operation::GetMany(keys) => shown(cloud.get_many(keys).await),
        Operation::SetMany(records) => shown(cloud.set_many(records).await),
        Operation::DeleteMany(keys) => {
            // Of a key that is there twice, which one found it is not defined.
            let keys: std::collections::BTreeSet<&String> = keys.iter().collect();
            shown(cloud.delete_many(&keys.into_iter().collect::<Vec<_>>()).await)
        }
    }
}

async fn everything(cloud: &LightCloud) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut scan = cloud.scan();
    let mut all = BTreeMap::new();
    while let Some(page) = scan.next_page().await.unwrap() {
        all.extend(page.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())));
    }
    all
}

/// Carries out the same on both and compares each answer, and all that there is in the end.
async fn compare(redis: &LightCloud, lcnode: &LightCloud) {
    let mut random = Rng::with_seed(seed());
    let mut errors = 0;
    for number in 0..operations() {
        let operation = operation(&mut random);
        // A counter that is no whole number of 64 bits is an error of both; lcnode has counted all the same.
        if let Operation::Incr(key, _) = &operation
            && redis.get(key.as_bytes()).await.unwrap().is_some_and(|value| !is_counter(&value))
        {
            continue;
        }
        let (given, expected) = (run(redis, &operation).await, run(lcnode, &operation).await);
        assert_eq!(given, expected, "operation {number}: {operation:?}");
        errors += usize::from(given == "an error");
    }
    let all = everything(redis).await;
    assert_eq!(all, everything(lcnode).await);
    assert!(!all.is_empty());
    eprintln!("{} operations, {errors} of them errors, {} records left", operations(), all.len());
}

/// Whether both count on from it: not from a list, which is no string on Redis.
fn is_counter(value: &[u8]) -> bool {
    !value.contains(&b'~')
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_servers_answer_as_lcnode_does() {
    if !are_there() {
        return;
    }
    let mut place = Place::new();
    let servers = [place.redis(&[]), place.redis(&[])];
    let nodes = [place.lcnode(), place.lcnode()];
    let redis = client(Kind::Redis, &[&servers[0]], &[&servers[1]]);
    let lcnode = client(Kind::Tyrant, &[&nodes[0]], &[&nodes[1]]);
    compare(&redis, &lcnode).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_cluster_answers_as_lcnode_does() {
    if !are_there() {
        return;
    }
    let mut place = Place::new();
    let lookup = place.cluster();
    let storage = place.cluster();
    let nodes = [place.lcnode(), place.lcnode()];
    // One of its servers is enough to find a cluster.
    let redis = client(Kind::RedisCluster, &[&lookup[0]], &[&storage[0]]);
    let lcnode = client(Kind::Tyrant, &[&nodes[0]], &[&nodes[1]]);
    compare(&redis, &lcnode).await;
}
