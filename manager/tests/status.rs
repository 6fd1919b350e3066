//! `lcmgr status`: what is wrong is said, and nothing else.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::cluster::{eventually, wait};
use crate::support::daemons::Daemons;

const NODES: [(&str, usize); 2] = [("lookup1_A", 1), ("storage1_A", 2)];

/// The report for scripts, and the exit code.
fn report(cluster: &Daemons, words: &[&str]) -> (i32, Value) {
    let words: Vec<_> = ["status", "--json"].iter().chain(words).copied().collect();
    let (code, text) = cluster.run(&words);
    (code, serde_json::from_str(&text).unwrap())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_cluster_that_is_well_says_so() {
    let cluster = Daemons::start(&NODES);
    let runtime = runtime();
    let client = cluster.servers[1].client();
    for number in 0..100_u32 {
        runtime.block_on(client.put(&number.to_be_bytes(), b"value")).unwrap();
    }
    eventually("agreement", || report(&cluster, &[]).1["servers"][2]["agrees"] == "yes");
    let (code, all) = report(&cluster, &[]);
    assert_eq!((code, &all["ok"]), (0, &Value::Bool(true)), "{all:#}");
    let server = &all["servers"][2];
    for (field, value) in [
        ("node", "storage1_A"),
        ("server", "storage1_A-2"),
        ("role", "storage"),
        ("version", "1.1.41"),
        ("kind", "tyrant"),
    ] {
        assert_eq!(server[field], value, "{server:#}");
    }
    assert_eq!(server["records"], 100);
    assert!(
        server["bytes"].as_u64() > Some(500) && server["memory_bytes"].as_u64() > Some(1 << 20),
        "{server:#}"
    );
    assert_eq!(
        (server["lag_bytes"].as_u64(), server["lag_seconds"].as_f64()),
        (Some(0), Some(0.0)),
        "{server:#}"
    );
    assert_eq!(server["peers"].as_array().map(Vec::len), Some(2), "{server:#}");
    let text = cluster.succeed(&["status"]);
    assert!(text.contains("3 servers: all well") && !text.contains('\x1b'), "{text}");
    assert!(text.lines().next().unwrap().starts_with("NODE"), "{text}");
    // One alone.
    assert_eq!(report(&cluster, &["storage1_A-1"]).1["servers"].as_array().map(Vec::len), Some(1));
    // While it works, its work is counted.
    let busy = std::sync::atomic::AtomicBool::new(true);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while busy.load(std::sync::atomic::Ordering::Relaxed) {
                runtime.block_on(client.put(b"busy", b"value")).unwrap();
            }
        });
        let rate = report(&cluster, &[]).1["servers"][1]["operations_per_second"].as_f64();
        busy.store(false, std::sync::atomic::Ordering::Relaxed);
        assert!(rate > Some(50.0), "{rate:?}");
    });
}

#[test]
fn one_that_is_down_is_named_and_costs_no_time() {
    let cluster = Daemons::start(&NODES);
    cluster.succeed(&["stop", "storage1_A-2"]);
    let text = cluster.fail(&["status"]);
    assert!(text.contains("not running: nobody listens there") && text.contains("DOWN"), "{text}");
    eventually("its pair misses it", || {
        let text = cluster.fail(&["status"]);
        text.contains("cannot follow storage1_A-2, which is down")
            && text.contains("3 servers: 1 down, 1 more with a problem")
    });
    // A process that takes connections and says nothing costs the timeout, once.
    cluster.signal("lookup1_A-1", Signal::SIGSTOP);
    let since = Instant::now();
    let (code, all) = report(&cluster, &[]);
    assert!(since.elapsed() < Duration::from_millis(3500), "{:?}", since.elapsed());
    assert_eq!(code, 1);
    assert_eq!(all["servers"][0]["up"], false);
    assert_eq!(all["servers"][0]["problems"][0], "it listens, but gave no answer within 2s");
    assert_eq!(all["servers"][0]["records"], Value::Null);
    assert_eq!(all["servers"][1]["up"], true);
}

#[test]
fn a_pair_that_lags_is_wrong_until_it_has_caught_up() {
    let cluster = Daemons::start(&NODES);
    eventually("a start", || report(&cluster, &[]).0 == 0);
    cluster.signal("storage1_A-2", Signal::SIGSTOP);
    let runtime = runtime();
    let client = cluster.servers[1].client();
    let value = vec![7; 10_000];
    for number in 0..1000_u32 {
        runtime.block_on(client.put(&number.to_be_bytes(), &value)).unwrap();
    }
    eventually("the lag", || {
        let (code, all) = report(&cluster, &["--max-lag", "1"]);
        let problems = all["servers"][1]["problems"].to_string();
        code == 1 && problems.contains("its follower ") && problems.contains(" MiB)")
    });
    cluster.signal("storage1_A-2", Signal::SIGCONT);
    eventually("it has caught up", || {
        let (code, all) = report(&cluster, &["--max-lag", "1"]);
        code == 0 && all["servers"][2]["records"] == 1000
    });
}

#[test]
fn a_server_that_is_another_is_noticed() {
    let cluster = Daemons::start(&NODES);
    let port = cluster.servers[1].address.port();
    let id: u64 = report(&cluster, &[]).1["servers"][1]["id"].as_u64().unwrap();
    let other = id % 60_000 + 1;
    cluster.edit(&format!("port = {port}"), &format!("port = {port}, id = {other}"));
    let text = cluster.fail(&["status", "storage1_A-1"]);
    assert!(text.contains(&format!("its server id is {id}, the file says {other}")), "{text}");
    // A master that it was not started with.
    cluster.edit(&format!("port = {port}, id = {other}"), &format!("port = {port}"));
    let two = cluster.servers[2].address;
    cluster
        .edit(&format!("port = {port}"), &format!("port = {port}, masters = [\"{two}\", \"127.0.0.1:1\"]"));
    let text = cluster.fail(&["status", "storage1_A-1"]);
    assert!(text.contains("does not follow 127.0.0.1:1: lcmgr restart storage1_A-1"), "{text}");
    assert!(!text.contains("does not follow storage1_A-2"), "{text}");
}

#[test]
fn watching_goes_on_until_it_is_interrupted() {
    let cluster = Daemons::start(&NODES);
    eventually("a start", || report(&cluster, &[]).0 == 0);
    let mut child =
        cluster.lcmgr(&["status", "--json", "--watch", "0.2"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let times: Vec<_> = (0..3).map(|_| next()["time"].as_f64().unwrap()).collect();
    assert!(times[0] < times[1] && times[1] < times[2], "{times:?}");
    cluster.succeed(&["stop", "storage1_A-2"]);
    // The first line after it.
    while next()["ok"] == Value::Bool(true) {}
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(wait(&mut child).expect("it ends").code(), Some(1), "the code of what was shown last");
}
