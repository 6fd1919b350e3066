//! The whole way: a backup while all nodes are written to, everything deleted, and all of it back.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lightcloud::tyrant::Server;

use super::{block, digest, files, lcmgr, names, records, text};
use crate::support::cluster::{Cluster, eventually};
use crate::support::lcnode;

/// Keys of a writer.
const KEYS: u64 = 400;

/// Writes rising numbers to the servers of a node in turn, until it is told to stop.
struct Writer {
    node: String,
    /// The number that is being written.
    issued: Arc<AtomicU64>,
    /// What was acknowledged last.
    acknowledged: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    fn start(node: &str, servers: Vec<Server>, stop: &Arc<AtomicBool>) -> Self {
        let [issued, acknowledged] = [(); 2].map(|()| Arc::new(AtomicU64::new(0)));
        let (issuing, acknowledging, stop) =
            (Arc::clone(&issued), Arc::clone(&acknowledged), Arc::clone(stop));
        let thread = std::thread::spawn(move || {
            block(async {
                for number in 1.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    issuing.store(number, Ordering::SeqCst);
                    let server = &servers[number as usize % servers.len()];
                    server.put(key(number).as_bytes(), &value(number)).await.unwrap();
                    acknowledging.store(number, Ordering::SeqCst);
                }
            });
        });
        Self { node: node.to_owned(), issued, acknowledged, thread: Some(thread) }
    }
}

fn key(number: u64) -> String {
    format!("key-{}", number % KEYS)
}

fn value(number: u64) -> Vec<u8> {
    let mut value = number.to_string().into_bytes();
    value.resize(300, b' ');
    value
}

fn number_in(value: &[u8]) -> u64 {
    std::str::from_utf8(value).unwrap().trim().parse().unwrap()
}

#[test]
fn what_was_backed_up_under_load_comes_back_after_everything_was_deleted() {
    let nodes = ["lookup1_A", "lookup2_B", "storage1_A", "storage2_B", "storage3_C"];
    let mut cluster = Cluster::start(&nodes.map(|node| (node, 2)));
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers: Vec<Writer> = nodes
        .iter()
        .map(|node| Writer::start(node, cluster.node(node).map(|server| server.client()).collect(), &stop))
        .collect();
    let has_rounds = |writers: &[Writer]| {
        writers.iter().all(|writer| writer.acknowledged.load(Ordering::SeqCst) > 2 * KEYS)
    };
    eventually("all keys were written twice", || has_rounds(&writers));

    let archive = cluster.folder().join("all.tar.zst");
    let before: Vec<u64> = writers.iter().map(|writer| writer.acknowledged.load(Ordering::SeqCst)).collect();
    lcmgr(&cluster, &["backup", "all", "-o", text(&archive)]).expect(0, &["5 databases", "storage3_C"]);
    let after: Vec<u64> = writers.iter().map(|writer| writer.issued.load(Ordering::SeqCst)).collect();
    let went_on = |writers: &[Writer]| {
        writers
            .iter()
            .zip(&after)
            .all(|(writer, after)| writer.acknowledged.load(Ordering::SeqCst) > after + KEYS)
    };
    eventually("all keys were written again", || went_on(&writers));
    stop.store(true, Ordering::SeqCst);
    writers.iter_mut().for_each(|writer| writer.thread.take().unwrap().join().unwrap());
    lcmgr(&cluster, &["verify", text(&archive), "--deep"]).expect(0, &["each database is sound"]);

    // Deleted: records of some, the databases of others.
    let ids: Vec<String> = cluster.servers.iter().map(|server| sid(&server.client())).collect();
    for server in cluster.servers.iter().filter(|server| server.node.starts_with("storage")) {
        block(server.client().vanish()).unwrap();
    }
    cluster.stop();
    for server in cluster.servers.iter().filter(|server| server.node.starts_with("lookup")) {
        std::fs::remove_dir_all(server.database()).unwrap();
    }
    let said =
        lcmgr(&cluster, &["restore", text(&archive), "--force"]).expect(0, &["storage3_C-2 is restored"]);
    super::assert_nothing_left(&cluster);
    for server in &cluster.servers {
        let aside = names(&server.data_dir).into_iter().filter(|name| name.contains(".tch.before-")).count();
        assert_eq!(aside, usize::from(server.node.starts_with("storage")), "{}", said.text);
    }

    // As copies by themselves say, before the servers of a node speak to each other.
    let out = cluster.folder().join("out");
    lcmgr(&cluster, &["restore", text(&archive), "--to", text(&out)]).expect(0, &["unpacked"]);
    let copies = names(&out);
    assert_eq!(copies.len(), nodes.len(), "{copies:?}");
    for server in &cluster.servers {
        let copy = out.join(copies.iter().find(|copy| copy.starts_with(&server.node)).unwrap());
        let again = cluster.folder().join("again.tch");
        let made = Command::new(lcnode()).arg("restore").arg(&copy).arg(&again).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let (ours, theirs) = (files(&server.database().join("log")), files(&again.join("log")));
        let values = |files: std::collections::BTreeMap<_, Vec<u8>>| files.into_values().collect::<Vec<_>>();
        assert!(values(ours) == values(theirs), "the log of {} is not the one that was copied", server.name);
        std::fs::remove_dir_all(&again).unwrap();
    }

    cluster.start_all();
    for (at, server) in cluster.servers.iter().enumerate() {
        assert!(!ids.contains(&sid(&server.client())), "{} has an id of its own", ids[at]);
    }
    for ((writer, before), after) in writers.iter().zip(&before).zip(&after) {
        let [one, other] = cluster.node(&writer.node).collect::<Vec<_>>()[..] else { panic!("a pair") };
        assert_eq!(digest(one), digest(other), "{}", writer.node);
        assert_eq!(records(one), KEYS);
        for slot in 0..KEYS {
            // The last number up to one that was written to this key.
            let last = |number: u64| number - (number + KEYS - slot) % KEYS;
            let value = block(one.client().get(key(slot).as_bytes())).unwrap().unwrap();
            let number = number_in(&value);
            assert_eq!(number % KEYS, slot);
            assert!(number >= last(*before), "{}: {slot}: {number} is older than {before}", writer.node);
            assert!(number <= *after, "{}: {slot}: {number} is newer than {after}", writer.node);
        }
    }
    eventually("all agree", || lcmgr(&cluster, &["verify"]).code == Some(0));
}

fn sid(server: &Server) -> String {
    let stat = block(server.stat()).unwrap();
    stat.into_iter().find(|line| line.0 == "sid").unwrap().1
}

/// What is written to the other server is in the copy too, and a server that is away is no hindrance.
#[test]
fn copies_have_what_any_server_of_the_node_acknowledged() {
    let mut cluster = Cluster::start(&[("lookup1_A", 1), ("storage1_A", 2)]);
    let mut stored = 0;
    for round in 0..3 {
        for name in ["storage1_A-1", "storage1_A-2"] {
            let client = cluster.server(name).client();
            let key = format!("{round}-{name}");
            block(client.put(key.as_bytes(), b"value")).unwrap();
            stored += 1;
        }
        let archive = cluster.folder().join(format!("{round}.tar.zst"));
        lcmgr(&cluster, &["backup", "-o", text(&archive)]).expect(0, &["2 databases"]);
        let out = cluster.folder().join(format!("{round}"));
        lcmgr(&cluster, &["restore", text(&archive), "--to", text(&out)]).expect(0, &[]);
        let copy = names(&out).into_iter().find(|name| name.starts_with("storage")).unwrap();
        let shown = Command::new(lcnode()).args(["inspect", "--json"]).arg(out.join(copy)).output().unwrap();
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains(&format!("\"records\": {stored},")), "{shown}");
    }
    cluster.server("storage1_A-2").kill();
    let archive = cluster.folder().join("one.tar.zst");
    lcmgr(&cluster, &["backup", "-o", text(&archive)]).expect(0, &["storage1_A-2 at ", "nobody listens"]);
    cluster.server("storage1_A-2").start();
    let archive = cluster.folder().join("every.tar.zst");
    lcmgr(&cluster, &["backup", "--all-servers", "-o", text(&archive)]).expect(0, &["3 databases"]);
    super::assert_nothing_left(&cluster);
}

/// All servers of a host may be told one directory for copies.
#[test]
fn servers_may_share_a_directory_for_copies() {
    let folder = tempfile::tempdir().unwrap();
    let options = ["--segment-size", "256k", "--backup-dir", text(folder.path())];
    let mut cluster = Cluster::start_with(&[("lookup1_A", 1), ("storage1_A", 2)], &options);
    block(cluster.server("lookup1_A-1").client().put(b"key", b"value")).unwrap();
    let archive = cluster.folder().join("a.tar.zst");
    lcmgr(&cluster, &["backup", "--all-servers", "-o", text(&archive)]).expect(0, &["3 databases"]);
    assert_eq!(names(folder.path()), [""; 0]);
    cluster.stop();
    lcmgr(&cluster, &["restore", text(&archive), "--force"]).expect(0, &["storage1_A-2 is restored"]);
    cluster.start_all();
    assert_eq!(records(cluster.server("lookup1_A-1")), 1);
}
