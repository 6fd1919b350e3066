//! Moving from a running server.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lightcloud::tyrant::{Answer, Request, Server};
use lightcloud::{Address, Config, LightCloud, NodeConfig, Role};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::one_node::{Node, Program, Said, finish, free, original_path, parrot};
use crate::support::children::Running;
use crate::support::cluster::Cluster;

/// Everything that a server has.
async fn all(server: &Server) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let keys = server.fwmkeys(b"", None).await.unwrap();
    let mut records = BTreeMap::new();
    for some in keys.chunks(100) {
        for (key, value) in server.mget(some.iter().map(|key| &key[..])).await.unwrap() {
            records.insert(key.to_vec(), value.to_vec());
        }
    }
    records
}

/// Stores many records, and some that are no text, empty or large.
async fn fill(server: &Server, records: usize) {
    let keys: Vec<_> = (0..records).map(|n| format!("key{n}").into_bytes()).collect();
    let puts = keys.iter().map(|key| Request::Put { key, value: key });
    server.pipeline(puts, |_, answer| assert_eq!(answer, Answer::Success)).await.unwrap();
    for (key, size) in [(&b"\0\xff\n"[..], 3), (b"empty", 0), (b"", 5), (b"large", 9 << 20)] {
        server.put(key, &vec![0xFE; size]).await.unwrap();
    }
}

/// Changes of all kinds, until told to stop; as many as a client can make.
async fn disturb(server: Server, stop: Arc<AtomicBool>) -> u64 {
    let seed = fastrand::u64(..);
    eprintln!("changes of seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut changes = 0;
    while !stop.load(Ordering::Relaxed) {
        let key = format!("key{}", random.u32(..5000)).into_bytes();
        let counter = format!("count{}", random.u32(..10)).into_bytes();
        match random.u32(..8) {
            0 => server.put(&key, format!("new{changes}").as_bytes()).await.unwrap(),
            1 => drop(server.out(&key).await.unwrap()),
            2 => drop(server.put_keep(&key, b"kept").await.unwrap()),
            3 => server.put_cat(&key, b"+").await.unwrap(),
            4 => server.put_shl(&key, b"shift", 8).await.unwrap(),
            5 => drop(server.add_int(&counter, random.i32(1..10)).await.unwrap()),
            6 => drop(server.add_double(&[&counter[..], b"d"].concat(), 0.25).await.unwrap()),
            _ => drop(server.misc("putlist", 0, [&key[..], b"by misc", b"other", &key]).await.unwrap()),
        }
        changes += 1;
    }
    changes
}

fn start(args: &[&str]) -> Child {
    let mut command = Program::lcmgr().command();
    command.arg("migrate").args(args).spawn().unwrap()
}

fn run(args: &[&str]) -> Said {
    finish(start(args), Vec::new())
}

/// Sends a signal to a command.
fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

/// Copies while everything changes, follows, switches: afterwards both have the same.
async fn moves_under_load(source: &Node, target: &Node, folder: &Path) {
    fill(&source.server(), 5000).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2).map(|_| tokio::spawn(disturb(source.server(), Arc::clone(&stop)))).collect();
    let state = folder.join("state");
    let args = ["--from", &source.address, "--to", &target.address, "--state", state.to_str().unwrap()];
    let following = start(&args);
    let is_copied = || std::fs::read_to_string(&state).is_ok_and(|text| text.contains("\"is_copied\": true"));
    let started = std::time::Instant::now();
    while !is_copied() {
        assert!(started.elapsed() < crate::support::cluster::PATIENCE, "the copy does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Some changes more, which only the log has.
    tokio::time::sleep(Duration::from_millis(500)).await;
    signal(&following, Signal::SIGINT);
    let said = tokio::task::spawn_blocking(|| finish(following, Vec::new())).await.unwrap();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.text().contains("copied ") && said.text().contains("stopped after "), "{said:?}");
    tokio::time::sleep(Duration::from_millis(200)).await;
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        assert!(writer.await.unwrap() > 100);
    }
    let again = args.map(str::to_owned);
    let said = tokio::task::spawn_blocking(move || {
        let args: Vec<_> = again.iter().map(|arg| &arg[..]).chain(["--until-caught-up"]).collect();
        run(&args)
    });
    let said = said.await.unwrap();
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.text().starts_with("caught up after "), "{said:?}");
    let (left, right) = (all(&source.server()).await, all(&target.server()).await);
    assert!(left.len() > 4000);
    let differing: Vec<_> = left.iter().filter(|(key, value)| right.get(*key) != Some(value)).collect();
    assert!(differing.is_empty(), "{} differ, such as {:?}", differing.len(), differing[0].0);
    assert_eq!(left.len(), right.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn from_an_lcnode_under_load() {
    let (source, target) = (Node::start(&[]), Node::start(&[]));
    moves_under_load(&source, &target, target.dir.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs LCNODE_ORIGINAL"]
async fn from_an_original_server_under_load() {
    for options in [&[][..], &["-uas"]] {
        let (source, target) = (Node::original(&original_path(), options, true), Node::start(&[]));
        moves_under_load(&source, &target, target.dir.path()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs LCNODE_ORIGINAL"]
async fn from_an_original_server_without_an_update_log() {
    let (source, target) = (Node::original(&original_path(), &[], false), Node::start(&[]));
    fill(&source.server(), 1000).await;
    let said = run(&["--from", &source.address, "--to", &target.address]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("no update log") && said.err.contains("-ulog"), "{said:?}");
    assert!(said.text().ends_with("only the copy was made, as the source has no update log\n"), "{said:?}");
    assert_eq!(all(&source.server()).await, all(&target.server()).await);
}

#[tokio::test]
async fn what_cannot_be_followed_is_copied() {
    let (source, target) = (Node::start(&["--mask", "repl"]), Node::start(&[]));
    fill(&source.server(), 1000).await;
    target.server().put(b"own", b"stays").await.unwrap();
    let said = run(&["--from", &source.address, "--to", &target.address, "--until-caught-up"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.contains("Only a copy is made"), "{said:?}");
    assert!(said.err.contains("has 1 records already"), "{said:?}");
    let mut expected = all(&source.server()).await;
    expected.insert(b"own".to_vec(), b"stays".to_vec());
    assert_eq!(all(&target.server()).await, expected);
}

#[tokio::test]
async fn an_interrupted_copy_goes_on() {
    let (source, target) = (Node::start(&[]), Node::start(&[]));
    fill(&source.server(), 50_000).await;
    let state = target.path("state");
    let args = ["--from", &source.address, "--to", &target.address, "--state", state.to_str().unwrap()];
    let child = start(&args);
    let server = target.server();
    while server.rnum().await.unwrap() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    signal(&child, Signal::SIGTERM);
    let said = finish(child, Vec::new());
    let met = server.rnum().await.unwrap();
    let is_whole = said.text().contains("copied ");
    assert!(is_whole || (said.code == 1 && said.err.contains("run it again to go on")), "{said:?}");
    // One that was copied is removed while nobody follows.
    let copied = server.fwmkeys(b"key", Some(1)).await.unwrap();
    source.server().out(&copied[0]).await.unwrap();
    let said = run(&[&args[..], &["--until-caught-up"]].concat());
    assert_eq!(said.code, 0, "{met} of 50004: {said:?}");
    assert_eq!(all(&source.server()).await, all(&server).await);

    let other = Node::start(&[]);
    let said = run(&["--from", &source.address, "--to", &other.address, "--state", state.to_str().unwrap()]);
    assert!(said.code == 1 && said.err.contains("is of the migration from"), "{said:?}");
    std::fs::write(&state, "{").unwrap();
    let said = run(&args);
    assert!(said.code == 1 && said.err.contains("is no state of a migration"), "{said:?}");
}

#[tokio::test]
async fn a_vanish_is_followed_by_a_server() {
    let (source, target) = (Node::start(&[]), Node::start(&[]));
    fill(&source.server(), 100).await;
    let child = start(&["--from", &source.address, "--to", &target.address]);
    let server = target.server();
    while server.rnum().await.unwrap() != 104 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    source.server().vanish().await.unwrap();
    source.server().put(b"after", b"it").await.unwrap();
    while server.get(b"after").await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(server.rnum().await.unwrap(), 1);
    signal(&child, Signal::SIGINT);
    assert_eq!(finish(child, Vec::new()).code, 0);
}

#[tokio::test]
async fn a_source_that_is_away_for_a_moment() {
    let (source, target) = (Node::start(&[]), Node::start(&[]));
    source.server().put(b"before", b"1").await.unwrap();
    let mut child = Running(start(&["--from", &source.address, "--to", &target.address]));
    let server = target.server();
    while server.get(b"before").await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let source = source.restart();
    source.server().put(b"after", b"2").await.unwrap();
    while server.get(b"after").await.unwrap().is_none() {
        assert!(child.0.try_wait().unwrap().is_none(), "it has given up");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A cluster of one lookup node and two storage nodes, and a client of it.
fn cluster() -> (Cluster, LightCloud) {
    let cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 1), ("storage2_A", 1)]);
    let mut config = Config::default();
    for server in &cluster.servers {
        let role = if server.node.starts_with("lookup") { Role::Lookup } else { Role::Storage };
        let address: Address = server.address.to_string().parse().unwrap();
        config.nodes.push(NodeConfig::new(&server.node[..], role, [address]));
    }
    (cluster, LightCloud::new(config).unwrap())
}

#[tokio::test]
async fn into_a_cluster() {
    let source = Node::start(&[]);
    let server = source.server();
    fill(&server, 2000).await;
    let (cluster, cloud) = cluster();
    let args = ["-c", cluster.file().to_str().unwrap(), "--from", &source.address, "--cluster"];
    let child = start(&args);
    while cloud.get(b"key7").await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.put(b"key7", b"other").await.unwrap();
    server.out(b"key8").await.unwrap();
    server.put_cat(b"key9", b"+").await.unwrap();
    while cloud.get(b"key9").await.unwrap().as_deref() != Some(b"key9+") {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    signal(&child, Signal::SIGINT);
    assert_eq!(finish(child, Vec::new()).code, 0);
    for (key, value) in all(&server).await {
        assert_eq!(cloud.get(&key).await.unwrap().as_deref(), Some(&value[..]), "{key:?}");
    }
    assert_eq!(cloud.get(b"key8").await.unwrap(), None);
    for node in &cluster.servers[1..] {
        assert!(node.client().rnum().await.unwrap() > 100, "all went to one node");
    }

    let child = start(&args);
    let marked = async || server.put(b"mark", b"1").await.unwrap();
    marked().await;
    while cloud.get(b"mark").await.unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    server.vanish().await.unwrap();
    let said = finish(child, Vec::new());
    assert!(said.code == 1 && said.err.contains("lcmgr delete-data"), "{said:?}");
    assert!(cloud.get(b"key7").await.unwrap().is_some(), "nothing is removed");
}

#[test]
fn what_is_wrong_is_named() {
    let node = Node::start(&[]);
    let (host, port) = free();
    let nobody = format!("{host}:{port}");
    let garbage = parrot(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let here = &node.address[..];
    for (args, code, err) in [
        (&["--from", &nobody, "--to", here][..], 1, "cannot connect"),
        (&["--from", here, "--to", &nobody], 1, "cannot connect"),
        (&["--from", &garbage, "--to", here], 1, "not a Tokyo Tyrant server"),
        (&["--from", here, "--to", here], 1, "is the source and the target"),
        (&["--from", here], 2, "--to"),
        (&["--from", here, "--to", &nobody, "--cluster"], 2, "--cluster"),
        (&["--from", "a b", "--to", here], 2, "is no address"),
        (&["-c", "/nobody/has/this", "--from", here, "--cluster"], 1, "/nobody/has/this"),
        (&["--from", here, "--to", &nobody, "--state", "/nobody/has/this"], 1, "cannot connect"),
    ] {
        let said = run(args);
        assert!(said.code == code && said.err.contains(err), "{args:?}: {said:?}");
    }
    let other = Node::start(&[]);
    let said = run(&["--from", here, "--to", &other.address, "--state", "/nobody/has/this"]);
    assert!(said.code == 1 && said.err.contains("/nobody/has/this"), "{said:?}");
    let cluster = Cluster::new(&[("lookup1_A", 1), ("storage1_A", 1)], &[]);
    let said =
        run(&["-c", cluster.file().to_str().unwrap(), "--from", here, "--cluster", "--system", "nobody"]);
    assert!(said.code == 1 && said.err.contains("no system nobody"), "{said:?}");
}
