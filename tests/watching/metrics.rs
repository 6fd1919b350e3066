//! What is counted is what was done.

use std::time::Duration;

use super::Admin;
use super::scrape::Scrape;
use crate::support::{HASH, MEMORY, SMALL, eventually, folder, on_both, wire};

/// Requests of a dialect that were counted: command, then how many came to each of these.
const OUTCOMES: [&str; 4] = ["ok", "failed", "refused", "malformed"];

fn outcomes(scrape: &Scrape, dialect: &str, command: &str) -> [u64; 4] {
    OUTCOMES.map(|outcome| {
        let labels = [("dialect", dialect), ("command", command), ("outcome", outcome)];
        scrape.sum("lcnode_requests_total", &labels) as u64
    })
}

/// How many times the histogram of a command holds; and it must be one.
fn timed(scrape: &Scrape, command: &str) -> u64 {
    let labels = [("command", command)];
    let count = scrape.sum("lcnode_request_duration_seconds_count", &labels);
    let mut buckets: Vec<(f64, f64)> = scrape
        .all("lcnode_request_duration_seconds_bucket", &labels)
        .map(|(labels, value)| (labels["le"].replace("+Inf", "inf").parse().unwrap(), value))
        .collect();
    buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    if !buckets.is_empty() {
        assert_eq!(buckets.len(), 28);
        assert_eq!((buckets[0].0, buckets[27]), (1e-6, (f64::INFINITY, count)));
        assert!(buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{buckets:?}");
        let sum = scrape.one("lcnode_request_duration_seconds_sum", &labels);
        assert!(sum > 0.0 && sum < 60.0 * count, "{command}: {sum} s for {count}");
    }
    count as u64
}

/// A scrape in which at least so many requests have their time, which is noted a moment after the reply.
fn scrape_with(admin: Admin, requests: u64) -> Scrape {
    let timed = |scrape: &Scrape| scrape.sum("lcnode_request_duration_seconds_count", &[]) as u64;
    eventually("all have their times", Duration::from_secs(30), || timed(&admin.scrape()) >= requests);
    admin.scrape()
}

const SCRIPT: &str = "@
    function echo(key, value) return value end
    function fail(key, value) error('as asked') end
    function hold(key, value) _sleep(tonumber(value)) return 'held' end";

#[test]
fn binary_requests_by_command_and_outcome() {
    let folder = folder();
    let args = ["--mask", "vsiz", "--ext", SCRIPT, "--thnum", "2", MEMORY];
    let (node, admin) = Admin::start(folder.path(), &args);
    let mut client = node.client();
    // One by one, pipelined, and over several connections.
    for number in 0..5 {
        assert!(client.put([number], "value"));
    }
    let many = (0..100_u8).flat_map(|number| [wire::put(&[number], b"v"), wire::get(&[number])].concat());
    client.send(&many.collect::<Vec<u8>>());
    client.take(100 * (1 + 6));
    for number in 200..203 {
        assert_eq!(node.client().get([number]), None);
    }
    assert!(client.out([1]) && !client.out([1]));
    assert!(client.succeeds(&wire::putkeep(&[1], b"new")) && !client.succeeds(&wire::putkeep(&[1], b"new")));
    client.send(&wire::putnr(&[1], b"no reply"));
    assert_eq!(client.mget(&[&[1], &[2], &[250]]).len(), 2);
    assert_eq!(client.vsiz([1]), None, "the mask refuses it");
    assert_eq!(client.addint("sum", 3), Some(3));
    assert_eq!(client.fwmkeys(b"", 3).len(), 3);
    assert!(client.ext("echo", 0, "k", "v").is_some() && client.ext("fail", 0, "k", "v").is_none());
    assert!(client.misc("get", &[b"sum"]).is_some() && client.misc("no such", &[]).is_none());
    let mut bad = node.client();
    bad.send(&wire::frame(0x10, &[u32::MAX, 1], &[]));
    bad.rest();
    let mut nothing = node.client();
    nothing.send(b"\x01\x02\x03");
    nothing.rest();
    // While one holds the record another waits for it, and is counted once.
    std::thread::scope(|threads| {
        threads.spawn(|| assert!(node.client().ext("hold", 1, "held", "0.3").is_some()));
        std::thread::sleep(Duration::from_millis(100));
        assert!(node.client().put("held", "value"));
    });

    let expected = [
        ("put", [106, 0, 0, 1]),
        ("get", [100, 3, 0, 0]),
        ("out", [1, 1, 0, 0]),
        ("putkeep", [1, 1, 0, 0]),
        ("putnr", [1, 0, 0, 0]),
        ("mget", [1, 0, 0, 0]),
        ("vsiz", [0, 0, 1, 0]),
        ("addint", [1, 0, 0, 0]),
        ("fwmkeys", [1, 0, 0, 0]),
        ("ext", [2, 1, 0, 0]),
        ("misc", [1, 1, 0, 0]),
    ];
    let all: u64 = expected.iter().flat_map(|(_, counts)| counts).sum();
    // One more is that by which the test's support sees that the node answers; one never became a request.
    let scrape = scrape_with(admin, all);
    for (command, counts) in expected {
        assert_eq!(outcomes(&scrape, "binary", command), counts, "{command}");
        // What never became a request took no time.
        assert_eq!(timed(&scrape, command), counts[..3].iter().sum::<u64>(), "{command}");
    }
    assert_eq!(scrape.sum("lcnode_requests_total", &[]) as u64, all + 1);
    assert_eq!(scrape.one("lcnode_rejected_requests_total", &[("dialect", "binary")]), 1.0);
    assert_eq!(scrape.one("lcnode_rejected_requests_total", &[("dialect", "none")]), 1.0);
    assert_eq!(scrape.value("lcnode_script_calls_total"), 3.0);
    assert_eq!(scrape.value("lcnode_script_errors_total"), 1.0);
    assert_eq!(scrape.value("lcnode_records"), node.client().rnum() as f64);
    assert!(scrape.one("lcnode_request_duration_seconds_sum", &[("command", "ext")]) >= 0.3);
    // The put that waited took as long as it waited.
    let waited = scrape.one("lcnode_request_duration_seconds_sum", &[("command", "put")]);
    assert!((0.1..30.0).contains(&waited), "{waited}");
}

/// A request has one name, by which it is counted and timed: the original's, whatever carries it out.
#[test]
fn counts_and_times_have_the_same_names() {
    let folder = folder();
    let (node, admin) = Admin::start(folder.path(), &["--ext", SCRIPT, "--thnum", "2", MEMORY]);
    let mut client = node.client();
    let created = b"HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nCreated\n";
    for mode in ["0", "1", "2"] {
        client.send(format!("PUT /{mode} HTTP/1.1\r\nX-TT-PDMODE: {mode}\r\n\r\n").as_bytes());
        assert_eq!(client.take(created.len()), created);
    }
    // The second goes to a thread of its own.
    for function in ["iterinit", "vanish"] {
        client.send(format!("POST / HTTP/1.1\r\nX-TT-MNAME: {function}\r\n\r\nversion\r\n").as_bytes());
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r\n";
        let reply = [&head[..], b"VERSION 1.1.41\r\n"].concat();
        assert_eq!(client.take(reply.len()), reply);
    }
    client.send(b"add k 0 0 1\r\n1\r\nget k\r\n");
    let reply = b"STORED\r\nVALUE k 0 1\r\n1\r\nEND\r\n";
    assert_eq!(client.take(reply.len()), reply);
    let expected =
        [("http", "put", 3), ("http", "ext", 2), ("memcached", "putkeep", 1), ("memcached", "get", 1)];
    // And two versions, and that by which the test's support sees that the node answers.
    let scrape = scrape_with(admin, 10);
    for (dialect, command, count) in expected {
        assert_eq!(outcomes(&scrape, dialect, command), [count, 0, 0, 0], "{command}");
        assert_eq!(timed(&scrape, command), count, "{command}");
    }
    assert_eq!(timed(&scrape, "misc"), 0);
}

#[test]
fn requests_add_up_over_threads() {
    on_each(|args| {
        let folder = folder();
        let (node, admin) = Admin::start(folder.path(), args);
        std::thread::scope(|threads| {
            for worker in 0..8_u8 {
                let node = &node;
                threads.spawn(move || {
                    let mut client = node.client();
                    for number in 0..200_u8 {
                        assert!(client.put([worker, number], "value"));
                        assert!(client.get([worker, number]).is_some());
                    }
                });
            }
        });
        // And that by which the test's support sees that the node answers.
        let scrape = scrape_with(admin, 3201);
        for command in ["put", "get"] {
            assert_eq!(outcomes(&scrape, "binary", command), [1600, 0, 0, 0], "{args:?}");
            assert_eq!(timed(&scrape, command), 1600, "{args:?}");
        }
        assert_eq!(scrape.value("lcnode_records"), 1600.0);
    });
}

/// With acknowledgements of either kind.
fn on_each(test: impl Fn(&[&str])) {
    test(&["--thnum", "2", MEMORY]);
    test(&[&["--thnum", "2", "--sync", "always"], &SMALL[..]].concat());
}

#[test]
fn connections_and_bytes() {
    let folder = folder();
    let (node, admin) = Admin::start(folder.path(), &["--max-buffered", "700m", MEMORY]);
    let tcp = [("listener", "tcp")];
    let open = || admin.scrape().one("lcnode_connections_open", &tcp);
    eventually("none is open", Duration::from_secs(10), || open() == 0.0);
    let before = admin.scrape();
    let mut clients: Vec<_> = (0..10).map(|_| node.client()).collect();
    eventually("ten are open", Duration::from_secs(10), || open() == 10.0);
    let (request, value) = (wire::put(b"key", &[b'x'; 300_000]), wire::get(b"key"));
    assert!(clients[0].succeeds(&request));
    clients[1].send(&value);
    clients[1].take(1 + 4 + 300_000);
    let scrape = admin.scrape();
    let more = |name: &str| scrape.sum(name, &[]) - before.sum(name, &[]);
    assert_eq!(more("lcnode_connections_accepted_total"), 10.0);
    assert_eq!(more("lcnode_received_bytes_total") as usize, request.len() + value.len());
    assert_eq!(more("lcnode_sent_bytes_total") as usize, 1 + 1 + 4 + 300_000);
    assert_eq!(scrape.value("lcnode_buffered_limit_bytes"), f64::from(700 << 20));
    // Half a large request is held.
    clients[2].send(&request[..200_000]);
    eventually("it is counted", Duration::from_secs(10), || {
        admin.scrape().value("lcnode_buffered_bytes") >= 200_000.0
    });
    clients.clear();
    eventually("all are closed", Duration::from_secs(10), || open() == 0.0);
    assert_eq!(admin.scrape().value("lcnode_buffered_bytes"), 0.0);
}

#[test]
fn connections_of_a_unix_socket() {
    let folder = folder();
    let (launch, admin) = Admin::launch(folder.path(), &[MEMORY]);
    let node = launch.address(crate::support::Address::Unix(folder.path().join("socket"))).start();
    let _client = node.client();
    let scrape = admin.scrape();
    assert!(scrape.one("lcnode_connections_accepted_total", &[("listener", "unix")]) >= 1.0);
    assert_eq!(scrape.all("lcnode_connections_open", &[("listener", "tcp")]).count(), 0);
}

#[test]
fn what_the_engine_does_by_itself() {
    let folder = folder();
    let (node, admin) = Admin::start(folder.path(), &["--segment-size", "256k", HASH]);
    let mut client = node.client();
    for round in 0..40_u8 {
        for key in 0..50_u8 {
            assert!(client.put([key], vec![round; 1000]));
        }
    }
    let scrape = admin.scrape();
    let value = |name: &str| scrape.value(name);
    assert!(value("lcnode_log_segments") >= 2.0);
    assert_eq!(value("lcnode_log_bytes"), value("lcnode_log_live_bytes") + value("lcnode_log_dead_bytes"));
    assert!(value("lcnode_log_live_bytes") >= 50_000.0);
    assert_eq!((value("lcnode_table_entries"), value("lcnode_records")), (50.0, 50.0));
    assert!(client.succeeds(&wire::optimize(b"")) && client.succeeds(&wire::sync()));
    let scrape = admin.scrape();
    let value = |name: &str| scrape.value(name);
    assert!(value("lcnode_log_dead_bytes") < 256_000.0, "{}", value("lcnode_log_dead_bytes"));
    assert!(value("lcnode_compactions_total") >= 1.0 && value("lcnode_compaction_seconds_total") > 0.0);
    assert!(value("lcnode_compaction_moved_bytes_total") >= 50.0);
    assert!(value("lcnode_syncs_total") >= 1.0 && value("lcnode_sync_seconds_total") > 0.0);
    let flags = ["lcnode_disk_full", "lcnode_store_failed", "lcnode_compaction_running"];
    assert_eq!(flags.map(value), [0.0; 3]);
    assert!(value("process_resident_memory_bytes") > 1e6 && value("process_open_fds") >= 5.0);
    assert!(value("process_cpu_seconds_total") > 0.0 && value("process_start_time_seconds") > 1.6e9);
}

#[test]
fn a_busy_virtual_machine() {
    let folder = folder();
    let args = ["--ext", SCRIPT, "--ext-machines", "3", MEMORY];
    let (node, admin) = Admin::start(folder.path(), &args);
    assert_eq!(admin.scrape().value("lcnode_script_machines"), 3.0);
    std::thread::scope(|threads| {
        threads.spawn(|| assert!(node.client().ext("hold", 0, "k", "1").is_some()));
        eventually("it is seen", Duration::from_secs(10), || {
            admin.scrape().value("lcnode_script_machines_busy") == 1.0
        });
    });
    assert_eq!(admin.scrape().value("lcnode_script_machines_busy"), 0.0);
}

#[test]
fn stat_counts_the_same() {
    on_both(&[], |node| {
        let mut client = node.client();
        assert!(client.put("k", "v") && client.get("k").is_some() && client.get("none").is_none());
        assert!(!client.out("none") && !client.succeeds(&wire::putkeep(b"k", b"v")));
        let counts = ["cnt_put", "cnt_get", "cnt_get_miss", "cnt_out_miss", "cnt_put_miss", "cnt_stat"];
        assert_eq!(counts.map(|name| client.count_of(name)), [1, 2, 1, 1, 1, 6]);
    });
}
