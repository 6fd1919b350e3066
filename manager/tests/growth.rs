//! A cluster under load whose replicas die in turn, that grows, and that is rebalanced: every key is found all the time.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use lightcloud::{Config, LightCloud, NodeConfig, Role};
use tokio::task::JoinHandle;

use crate::support::cluster::{Cluster, wait};
use crate::support::seed;

/// Keys at the beginning; `LIGHTCLOUD_TEST_KEYS` overrides it.
fn keys() -> usize {
    std::env::var("LIGHTCLOUD_TEST_KEYS").map_or(20_000, |keys| keys.parse().unwrap())
}

const OLD: [(&str, usize); 5] =
    [("lookup1_A", 2), ("lookup2_A", 2), ("storage1_A", 2), ("storage2_A", 2), ("storage3_A", 2)];
const WRITERS: usize = 4;

/// What must be there of each key.
type Model = HashMap<String, Option<String>>;

fn config(cluster: &Cluster, nodes: &[&str]) -> Config {
    let nodes = nodes.iter().map(|name| {
        let replicas = cluster.node(name).map(|server| server.address.to_string().parse().unwrap());
        NodeConfig::new(*name, Role::of_name(name).unwrap(), replicas)
    });
    Config { nodes: nodes.collect(), ..Config::default() }
}

/// What the load has done, and when it is to end.
struct Load {
    cloud: LightCloud,
    /// Whether reads are compared with what was written: not while a replica is away that has acknowledged what the
    /// other one does not have yet.
    is_strict: AtomicBool,
    is_over: AtomicBool,
    operations: AtomicU64,
    slowest: AtomicU64,
}

impl Load {
    /// Writers that each have keys of their own, and know what must be there.
    fn start(cloud: &LightCloud, seed: u64) -> (Arc<Self>, Vec<JoinHandle<Model>>) {
        let load = Arc::new(Self {
            cloud: cloud.clone(),
            is_strict: AtomicBool::new(true),
            is_over: AtomicBool::new(false),
            operations: AtomicU64::new(0),
            slowest: AtomicU64::new(0),
        });
        let writers = (0..WRITERS).map(|writer| tokio::spawn(write(Arc::clone(&load), writer, seed)));
        let writers = writers.collect();
        (load, writers)
    }

    async fn timed<T>(&self, call: impl Future<Output = Result<T, lightcloud::Error>>) -> T {
        let start = Instant::now();
        let outcome = call.await;
        self.slowest.fetch_max(start.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.operations.fetch_add(1, Ordering::Relaxed);
        outcome.unwrap_or_else(|error| panic!("after {:?}: {error}", start.elapsed()))
    }

    /// The slowest call since it was last asked.
    fn slowest(&self) -> Duration {
        Duration::from_millis(self.slowest.swap(0, Ordering::Relaxed))
    }
}

async fn write(load: Arc<Load>, writer: usize, seed: u64) -> Model {
    let mut rng = Rng::with_seed(seed + writer as u64);
    let mut model: Model = (0..keys())
        .filter(|n| n % WRITERS == writer)
        .map(|n| (format!("key{n}"), Some(format!("first{n}"))))
        .collect();
    let mut count = 0;
    while !load.is_over.load(Ordering::Relaxed) {
        count += 1;
        let key = format!("key{}", rng.usize(..keys() * 11 / 10) / WRITERS * WRITERS + writer);
        // Changes that are made while it goes over are not compared.
        let was_strict = load.is_strict.load(Ordering::Relaxed);
        match rng.u32(..100) {
            0..40 => {
                let value = format!("{writer}.{count}");
                load.timed(load.cloud.set(key.as_bytes(), value.as_bytes())).await;
                model.insert(key, Some(value));
            }
            40..45 => {
                load.timed(load.cloud.delete(key.as_bytes())).await;
                model.insert(key, None);
            }
            45..50 => {
                let keys: Vec<String> = (0..50)
                    .map(|_| format!("key{}", rng.usize(..keys()) / WRITERS * WRITERS + writer))
                    .collect();
                let values = load.timed(load.cloud.get_many(&keys)).await;
                for (key, value) in keys.iter().zip(values) {
                    let expected = model.get(key).cloned().flatten();
                    let is_strict = was_strict && load.is_strict.load(Ordering::Relaxed);
                    assert!(
                        !is_strict || value.as_deref() == expected.as_deref().map(str::as_bytes),
                        "{key}: {value:?}, {expected:?}"
                    );
                }
            }
            _ => {
                let value = load.timed(load.cloud.get(key.as_bytes())).await;
                let expected = model.get(&key).cloned().flatten();
                let is_strict = was_strict && load.is_strict.load(Ordering::Relaxed);
                assert!(
                    !is_strict || value.as_deref() == expected.as_deref().map(str::as_bytes),
                    "{key}: {value:?}, {expected:?}"
                );
            }
        }
    }
    model
}

/// Whether all replicas of all nodes follow each other and have the same records.
async fn agree(cluster: &Cluster) -> bool {
    for server in &cluster.servers {
        let stat: HashMap<_, _> = server.client().stat().await.unwrap().into_iter().collect();
        let states = stat.iter().filter(|(name, _)| name.starts_with("peer_") && name.ends_with("_state"));
        if !states.clone().all(|(_, state)| state == "live") || states.count() == 0 {
            return false;
        }
    }
    true
}

async fn settled(cluster: &Cluster) {
    let start = Instant::now();
    while !agree(cluster).await {
        assert!(start.elapsed() < Duration::from_secs(60), "the replicas do not come together");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // What was on its way arrives.
    for pair in ["lookup1_A", "lookup2_A", "storage1_A", "storage2_A", "storage3_A"] {
        let servers: Vec<_> = cluster.node(pair).map(|server| server.client()).collect();
        let start = Instant::now();
        loop {
            let mut digests = Vec::new();
            for server in &servers {
                digests.push(server.misc("digest", 0, []).await.unwrap().unwrap());
            }
            if digests.iter().all(|digest| *digest == digests[0]) {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{pair} does not agree");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

async fn gets(cluster: &Cluster) -> u64 {
    let mut sum = 0;
    for server in &cluster.servers {
        let stat = server.client().stat().await.unwrap();
        sum += stat
            .iter()
            .filter(|(name, _)| name == "cnt_get")
            .map(|(_, n)| n.parse::<u64>().unwrap())
            .sum::<u64>();
    }
    sum
}

fn lcmgr(cluster: &Cluster, words: &[&str]) -> Child {
    let mut command: Command = cluster.lcmgr(words);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for a command without keeping others waiting; its output.
async fn output(child: Child) -> String {
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {text}", output.status);
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_key_is_missed_while_replicas_die_and_nodes_come() {
    let seed = seed();
    let mut cluster = Cluster::start(&OLD);
    let old: Vec<&str> = OLD.iter().map(|node| node.0).collect();
    let cloud = LightCloud::new(config(&cluster, &old)).unwrap();
    let all: Vec<(String, String)> = (0..keys()).map(|n| (format!("key{n}"), format!("first{n}"))).collect();
    for some in all.chunks(5000) {
        cloud.set_many(some).await.unwrap();
    }
    settled(&cluster).await;

    let (load, writers) = Load::start(&cloud, seed);
    let limit = config(&cluster, &old).server;
    let limit = 2 * (limit.timeout + limit.connect_timeout);
    load.is_strict.store(false, Ordering::Relaxed);
    for node in &old {
        let name = format!("{node}-{}", 1 + seed % 2);
        cluster.server(&name).kill();
        tokio::time::sleep(Duration::from_millis(500)).await;
        cluster.server(&name).start();
        let before = Instant::now();
        while !agree(&cluster).await {
            assert!(before.elapsed() < Duration::from_secs(60));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        eprintln!(
            "{name} was killed: {} operations, slowest {:?}",
            load.operations.load(Ordering::Relaxed),
            load.slowest()
        );
    }
    load.is_over.store(true, Ordering::Relaxed);
    let mut model = HashMap::new();
    for writer in writers {
        model.extend(writer.await.unwrap());
    }
    settled(&cluster).await;
    let check = async |cloud: &LightCloud, model: &Model| {
        let keys: Vec<&String> = model.keys().collect();
        for some in keys.chunks(5000) {
            for (key, value) in some.iter().zip(cloud.get_many(some).await.unwrap()) {
                assert_eq!(value.as_deref(), model[*key].as_deref().map(str::as_bytes), "{key}");
            }
        }
    };
    check(&cloud, &model).await;
    assert!(load.slowest() < limit);

    // Everything anew, so that the writers know what is there.
    for some in all.chunks(5000) {
        cloud.set_many(some).await.unwrap();
    }
    let more: Vec<String> = (keys()..keys() * 11 / 10 + WRITERS).map(|n| format!("key{n}")).collect();
    cloud.delete_many(&more).await.unwrap();
    let (load, writers) = Load::start(&cloud, seed + 1000);
    cluster.add("storage4_A", 2);
    let new: Vec<&str> = old.iter().copied().chain(["storage4_A"]).collect();
    let addresses: Vec<String> =
        cluster.node("storage4_A").map(|server| server.address.to_string()).collect();
    let text = output(lcmgr(&cluster, &["add-node", "storage4_A", &addresses[0], &addresses[1]])).await;
    eprintln!("{text}");
    cloud.reconfigure(config(&cluster, &new)).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    eprintln!("a node was added: slowest {:?}", load.slowest());
    // A mover that dies in the middle.
    let mut killed = lcmgr(&cluster, &["rebalance", "--batch", "200"]);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    killed.kill().unwrap();
    wait(&mut killed).unwrap();
    let start = Instant::now();
    let text = output(lcmgr(&cluster, &["rebalance"])).await;
    eprintln!("{text}after {:?}: slowest {:?}", start.elapsed(), load.slowest());
    load.is_over.store(true, Ordering::Relaxed);
    let mut model = HashMap::new();
    for writer in writers {
        model.extend(writer.await.unwrap());
    }
    check(&cloud, &model).await;
    // Each is where the ring has it now: one request for each.
    let there: Vec<&String> = model.iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key).collect();
    let before = gets(&cluster).await;
    for some in there.chunks(5000) {
        assert!(cloud.get_many(some).await.unwrap().iter().all(Option::is_some));
    }
    assert_eq!(gets(&cluster).await - before, there.len() as u64);
    // And nothing is left of them anywhere else.
    settled(&cluster).await;
    let mut records = 0;
    for node in new.iter().filter(|node| node.contains("storage")) {
        records += cluster.node(node).next().unwrap().client().rnum().await.unwrap();
    }
    assert_eq!(records, there.len() as u64);

    // And away again.
    let text = output(lcmgr(&cluster, &["remove-node", "storage1_A", "--now"])).await;
    eprintln!("{text}");
    let left: Vec<&str> = new.iter().copied().filter(|node| *node != "storage1_A").collect();
    cloud.reconfigure(config(&cluster, &left)).unwrap();
    check(&cloud, &model).await;
    for server in cluster.node("storage1_A") {
        let start = Instant::now();
        while server.client().rnum().await.unwrap() > 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "{} is not empty", server.name);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}
