//! `lcmgr locate`: where a key is, and what does not fit together.

use crate::support::daemons::Daemons;

const NODES: [(&str, usize); 4] = [("lookup1_A", 2), ("lookup2_A", 1), ("storage1_A", 2), ("storage2_A", 1)];

fn put(cluster: &Daemons, at: usize, key: &[u8], value: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(cluster.servers[at].client().put(key, value)).unwrap();
}

fn out(cluster: &Daemons, at: usize, key: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(cluster.servers[at].client().out(key)).unwrap();
}

/// Both servers of a pair have it a moment later.
fn eventually(cluster: &Daemons, code: i32, said: &str) {
    crate::support::cluster::eventually(said, || {
        let (ended, text) = cluster.run(&["locate", "bar"]);
        ended == code && text.contains(said)
    });
}

/// By the published vectors `bar` is of storage1_A on a ring of two.
#[test]
fn a_key_is_found_with_all_that_is_wrong_with_it() {
    let cluster = Daemons::start(&NODES);
    let (one, two) = (cluster.servers[3].address, cluster.servers[4].address);
    let text = cluster.fail(&["locate", "bar"]);
    assert!(text.contains("storage ring  storage1_A\n") && text.contains("the key is not there"), "{text}");
    // Which of the lookup nodes is the first.
    let is_first = text.contains("lookup ring   lookup1_A, then lookup2_A\n");
    assert!(is_first || text.contains("lookup ring   lookup2_A, then lookup1_A\n"), "{text}");
    let first = if is_first { 0 } else { 2 };

    put(&cluster, 3, b"bar", b"a value");
    eventually(&cluster, 1, "it has no record: it is found only as long as the ring says storage1_A");
    put(&cluster, first, b"bar", b"storage1_A");
    eventually(&cluster, 0, "record        storage1_A (on ");
    crate::support::cluster::eventually("both have it", || {
        let text = cluster.succeed(&["locate", "626172", "--hex"]);
        [one, two].iter().all(|server| text.contains(&format!("{server}  value of 7 bytes")))
    });
    // Another copy, which is not looked for.
    put(&cluster, 5, b"bar", b"old");
    eventually(&cluster, 1, "storage2_A has a value too, which clients do not look for");
    // The record names that one, and the ring the other.
    put(&cluster, first, b"bar", b"storage2_A");
    eventually(&cluster, 1, "storage1_A has a value too, which clients read first");
    out(&cluster, 3, b"bar");
    eventually(&cluster, 0, "storage2_A-1");
    out(&cluster, 5, b"bar");
    eventually(&cluster, 1, "storage2_A, which the record names, has no value");
    put(&cluster, first, b"bar", b"storage7_A");
    eventually(&cluster, 1, "the record names storage7_A, which is no storage node of ");
    put(&cluster, first, b"bar", b"storage1_A>storage2_A@99999999999999");
    eventually(&cluster, 0, "it is being moved from storage1_A to storage2_A");

    put(&cluster, 3, b"bar", b"a value");
    put(&cluster, first, b"bar", b"storage1_A");
    cluster.succeed(&["stop", "storage1_A-2"]);
    eventually(&cluster, 1, "NO ANSWER: cannot connect");
    assert!(cluster.fail(&["locate", "bar"]).contains("not all servers answered: see lcmgr status"));
}

#[test]
fn without_servers_the_rings_are_shown() {
    let cluster = Daemons::new(&NODES);
    let text = cluster.succeed(&["locate", "--offline", "bar"]);
    assert!(text.contains("key           \"bar\" (3 bytes), system default\n"), "{text}");
    assert!(
        text.contains(&format!(
            "storage1_A    {} {}\n",
            cluster.servers[3].address, cluster.servers[4].address
        )),
        "{text}"
    );
    assert!(!text.contains(&cluster.servers[5].address.to_string()), "{text}");
    // Lists are behind a prefix; `ll_hello` is of storage1_A, `hello` of storage2_A.
    assert!(
        cluster.succeed(&["locate", "--offline", "--list", "hello"]).contains("storage ring  storage1_A\n")
    );
    assert!(cluster.succeed(&["locate", "--offline", "hello"]).contains("storage ring  storage2_A\n"));
    for bad in ["6", "6x", "é"] {
        assert!(
            cluster
                .fail(&["locate", "--offline", "--hex", bad])
                .contains("is not pairs of hexadecimal digits")
        );
    }
    assert!(cluster.fail(&["locate", "--system", "x", "bar"]).contains("has no system x: it has default"));
}
