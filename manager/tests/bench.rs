//! `lcmgr bench` on each protocol, and on servers that are not what they say.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::children::Running;
use crate::support::cluster::{Cluster, addresses, eventually};
use crate::support::{lcmgr, lcnode};

fn loopback() -> SocketAddr {
    addresses(1)[0]
}

fn bench(words: &[&str]) -> Output {
    Command::new(lcmgr()).arg("bench").args(words).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The figures of a run that must be fine.
fn figures(words: &[&str]) -> Value {
    let output = bench(&[words, &["--json"]].concat());
    assert!(output.status.success(), "{words:?}: {}", stderr(&output));
    let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((figures["wrong"].as_u64(), figures["errors"].as_u64()), (Some(0), Some(0)), "{figures}");
    figures
}

fn start_node(folder: &Path) -> (Running, SocketAddr) {
    let address = loopback();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new(lcnode());
    command.args(["--host", &host, "--port", &port, "--segment-size", "1m", "a.tch"]);
    (Running::start(&mut command, folder, address), address)
}

/// Gets, sets and deletes, one by one and pipelined; then the keys are gone.
fn every_kind_of_load(address: SocketAddr, protocol: &str) {
    let address = address.to_string();
    let target = [&address[..], "--protocol", protocol, "--connections", "4", "--keys", "500"];
    for depth in ["1", "16"] {
        let load = ["--requests", "4000", "--depth", depth, "--mix", "get=2,set=1,delete=1", "--clean"];
        let kinds = &figures(&[&target[..], &load].concat())["kinds"];
        let count = |kind: &str| kinds[kind]["requests"].as_u64().unwrap();
        assert_eq!(count("all"), 4000, "{protocol} {kinds}");
        assert_eq!(count("get") + count("set") + count("delete"), 4000);
        assert!((1700..2300).contains(&count("get")), "{protocol} {kinds}");
        assert!(kinds["get"]["not_found"].as_u64().unwrap() > 0, "{protocol} {kinds}");
        let [p50, max] = ["p50_us", "max_us"].map(|name| kinds["all"][name].as_f64().unwrap());
        assert!(0.0 < p50 && p50 <= max, "{protocol} {kinds}");
    }
    // Nothing was stored, so that a missing record is fine; and there is none, as all were removed.
    let sets = figures(&[&target[..], &["--requests", "1000", "--mix", "delete=1"]].concat());
    assert_eq!(sets["kinds"]["delete"]["not_found"], 1000, "{protocol}");
    // Reads alone find all, of all sizes.
    for size in ["0", "5", "20000"] {
        let load = ["--requests", "1000", "--mix", "get=1", "--value-size", size, "--depth", "8"];
        assert_eq!(
            figures(&[&target[..], &load].concat())["kinds"]["get"]["not_found"],
            0,
            "{protocol} {size}"
        );
    }
}

#[test]
fn a_node_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let (_node, address) = start_node(folder.path());
    every_kind_of_load(address, "tyrant");
    every_kind_of_load(address, "memcached");
    let output = bench(&[&address.to_string(), "--seconds", "0.5", "--keys", "1000"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("p99.9") && text.contains("Every reply was right."),
        "{text}"
    );
    assert!(!text.contains('\x1b') && output.stderr.is_empty(), "{text} {}", stderr(&output));
}

#[test]
fn memcached_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let address = loopback();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new("memcached");
    command.args(["-u", "nobody", "-l", &host, "-p", &port]);
    let _memcached = Running::start(&mut command, folder.path(), address);
    every_kind_of_load(address, "memcached");
}

#[test]
fn redis_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let address = loopback();
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = Command::new("redis-server");
    command.args(["--bind", &host, "--port", &port, "--save", "", "--appendonly", "no"]);
    let _redis = Running::start(&mut command, folder.path(), address);
    every_kind_of_load(address, "redis");
}

#[test]
fn a_cluster_is_loaded_through_its_rings() {
    let cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 2), ("storage2_A", 1)]);
    for depth in ["1", "50"] {
        let words =
            ["bench", "--cluster", "--connections", "4", "--keys", "300", "--mix", "get=2,set=1,delete=1"];
        let more = ["--requests", "3000", "--depth", depth, "--clean", "--json"];
        let output = cluster.lcmgr(&[&words[..], &more].concat()).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let figures: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(figures["kinds"]["all"]["requests"], 3000, "{figures}");
    }
    // All keys and all records of their places are gone.
    for server in &cluster.servers {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        eventually("nothing is left", || runtime.block_on(server.client().rnum()).unwrap() == 0);
    }
    let nobody = cluster.lcmgr(&["bench", "--cluster", "--system", "other"]).output().unwrap();
    assert!(nobody.status.code() == Some(1) && stderr(&nobody).contains("other"), "{}", stderr(&nobody));
}

/// A server that says the same to every line that begins with a word.
fn parrot(word: &'static str, reply: &'static str, otherwise: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(loopback()).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).split(b'\n');
                for line in lines.map_while(Result::ok) {
                    let is_it = line.starts_with(word.as_bytes());
                    let is_request = is_it || line.starts_with(b"set");
                    let reply = if is_it { reply } else { otherwise };
                    if is_request && stream.write_all(reply.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

#[test]
fn a_wrong_reply_is_found() {
    let value = parrot("get", "VALUE k 0 3\r\nabc\r\nEND\r\n", "STORED\r\n");
    let missing = parrot("get", "END\r\n", "STORED\r\n");
    for (address, why) in [(value, "3 bytes that are not its value"), (missing, "though it was stored")] {
        let load = ["--protocol", "memcached", "--connections", "2", "--requests", "100", "--keys", "10"];
        let output = bench(&[&[&address.to_string()[..]], &load[..]].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(why) && text.contains("replies wrong"), "{text}");
    }
}

#[test]
fn what_cannot_be_loaded_is_named() {
    let nobody = loopback().to_string();
    let folder = tempfile::tempdir().unwrap();
    let (_node, node) = start_node(folder.path());
    let node = node.to_string();
    let cases: [(&[&str], i32, &str); 9] = [
        (&[&nobody], 1, &nobody),
        (&[&nobody, "--protocol", "redis"], 1, "is a server running there?"),
        // The node closes the connection of who speaks another protocol.
        (&[&node, "--protocol", "redis"], 1, &node),
        (&[], 2, "HOST:PORT"),
        (&[&node, "--cluster"], 2, "--cluster"),
        (&[&node, "--mix", "get=0"], 2, "above 0"),
        (&[&node, "--keys", "0"], 2, "--keys"),
        (&[&node, "--seconds", "0"], 2, "above 0"),
        (&[&node, "--depth", "10000", "--value-size", "1000000"], 1, "1 GiB"),
    ];
    for (words, code, why) in cases {
        let output = bench(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(why), "{words:?}: {}", stderr(&output));
    }
}
