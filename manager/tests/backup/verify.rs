//! Servers that hold the same, and such that don't.

use std::fs::{read_to_string, write};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;

use super::{block, fill, lcmgr, rng};
use crate::support::cluster::{Cluster, eventually};

#[test]
fn servers_that_agree_and_one_that_is_away() {
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 2)]);
    fill(&cluster.server("storage1_A-1").client(), &mut rng("verify"), 1000, 100);
    let agreed = ["lookup1_A: one server", "storage1_A: 2 servers agree: 1000 records"];
    eventually("they agree", || lcmgr(&cluster, &["verify"]).code == Some(0));
    lcmgr(&cluster, &["verify", "all"]).expect(0, &agreed);
    lcmgr(&cluster, &["verify", "storage1_A"]).expect(0, &agreed[1..]);
    lcmgr(&cluster, &["verify", "--deep"]).expect(1, &["--deep is for an archive"]);

    // One that takes connections and says nothing.
    let config = read_to_string(cluster.file()).unwrap();
    write(cluster.file(), config.replace("timeout = 20.0", "timeout = 0.5")).unwrap();
    cluster.server("storage1_A-2").signal(Signal::SIGSTOP);
    lcmgr(&cluster, &["verify"])
        .expect(1, &["storage1_A: NOT known to be the same", "storage1_A-2 at ", "gave no answer"]);
    cluster.server("storage1_A-2").signal(Signal::SIGCONT);
    write(cluster.file(), config).unwrap();
    cluster.server("storage1_A-2").kill();
    lcmgr(&cluster, &["verify"])
        .expect(1, &["storage1_A-2 at ", "nobody listens", "storage1_A-1: 1000 records"]);
}

#[test]
fn servers_that_agree_while_they_are_written_to() {
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 2)]);
    fill(&cluster.server("storage1_A-1").client(), &mut rng("busy"), 1000, 100);
    let agrees = |name: &str| {
        let stat =
            block(cluster.node("storage1_A").find(|server| server.name == name).unwrap().client().stat())
                .unwrap();
        stat.iter().any(|line| line.0.starts_with("peer_") && line.0.ends_with("_agrees") && line.1 == "yes")
    };
    eventually("they have compared themselves", || agrees("storage1_A-1") && agrees("storage1_A-2"));
    let client = cluster.server("storage1_A-2").client();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            block(async {
                for number in 0_u64.. {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    client.put(format!("{}", number % 1000).as_bytes(), &number.to_be_bytes()).await.unwrap();
                    // Some hundred a second, so that the servers keep up in a debug build.
                    tokio::time::sleep(std::time::Duration::from_millis(2)).await;
                }
            });
        });
        let run = std::panic::catch_unwind(|| lcmgr(&cluster, &["verify", "--tries", "3"]));
        stop.store(true, Ordering::SeqCst);
        run.unwrap().expect(0, &["storage1_A: 2 servers agree"]);
    });
}

/// Two that never heard of each other.
#[test]
fn servers_that_differ() {
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 1), ("storage2_B", 1)]);
    fill(&cluster.server("storage1_A-1").client(), &mut rng("one"), 10, 10);
    fill(&cluster.server("storage2_B-1").client(), &mut rng("other"), 11, 10);
    let config = read_to_string(cluster.file()).unwrap();
    let between = "]\n\n[[node]]\nname = \"storage2_B\"\nservers = [\n";
    assert!(config.contains(between));
    write(cluster.file(), config.replace(between, "")).unwrap();
    let says = ["storage1_A: NOT known to be the same", "10 records, digest", "11 records, digest"];
    lcmgr(&cluster, &["verify", "--tries", "2"]).expect(1, &says);
}
