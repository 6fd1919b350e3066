//! What is particular to the database in memory: its bounds, its size, its end.

use crate::support::{Client, MEMORY, Node, folder, wire};

fn fill(client: &mut Client, numbers: std::ops::Range<u32>) {
    let puts: Vec<u8> =
        numbers.flat_map(|number| wire::putnr(format!("k{number:05}").as_bytes(), &[b'v'; 100])).collect();
    client.send(&puts);
    client.rnum();
}

#[test]
fn capnum_drops_what_was_stored_longest_ago() {
    let folder = folder();
    let node = Node::start(folder.path(), &["*#capnum=1000"]);
    let mut client = node.client();
    fill(&mut client, 0..5000);
    let roughly = client.rnum();
    assert!((1000..2500).contains(&roughly), "{roughly} records under a soft limit of 1000");
    assert!(client.succeeds(&wire::sync()));
    assert_eq!(client.rnum(), 1000, "exact after a sync");
    assert_eq!(client.get("k03999"), None);
    assert!(client.get("k04000").is_some());
    // A put makes a record the newest, a get does not.
    assert!(client.put("k04000", "again"));
    assert!(client.get("k04001").is_some());
    fill(&mut client, 5000..5500);
    assert!(client.succeeds(&wire::sync()));
    assert_eq!(client.rnum(), 1000);
    assert_eq!(client.text("k04000").as_deref(), Some("again"));
    assert_eq!(client.get("k04001"), None);
}

#[test]
fn capsiz_bounds_the_bytes() {
    let folder = folder();
    let node = Node::start(folder.path(), &["*#capsiz=100k"]);
    let mut client = node.client();
    fill(&mut client, 0..5000);
    assert!(client.succeeds(&wire::sync()));
    let (records, size) = (client.rnum(), client.size());
    assert!((300..1000).contains(&records), "{records} records of some 130 bytes in 100 KiB");
    assert!(size <= 140 << 10, "{size} bytes, table included");
    assert!(client.get("k04999").is_some() && client.get("k00000").is_none());
}

#[test]
fn optimize_sets_the_bounds_and_leaving_one_out_ends_it() {
    let folder = folder();
    let node = Node::start(folder.path(), &[MEMORY]);
    let mut client = node.client();
    fill(&mut client, 0..3000);
    assert!(client.succeeds(&wire::optimize(b"capnum=50")));
    let left = client.rnum();
    assert!((40..=50).contains(&left), "{left} records left for capnum=50");
    fill(&mut client, 0..3000);
    assert!(client.succeeds(&wire::sync()));
    assert_eq!(client.rnum(), 50);
    assert_eq!(client.misc("optimize", &[b"bnum=10#capsiz=1g"]), Some(vec![]));
    fill(&mut client, 0..3000);
    assert!(client.succeeds(&wire::sync()));
    assert_eq!(client.rnum(), 3000, "capnum was left out");
    assert!(client.succeeds(&wire::optimize(b"capnum=10#capnum=20")));
    assert!(client.rnum() <= 20, "the last one counts");
}

#[test]
fn the_size_follows_the_records() {
    let folder = folder();
    let node = Node::start(folder.path(), &[MEMORY]);
    let mut client = node.client();
    let empty = client.size();
    fill(&mut client, 0..1000);
    let full = client.size();
    assert!(full >= empty + 100_000, "{empty} and then {full} bytes");
    assert!(client.succeeds(&wire::vanish()));
    assert!(client.size() < full / 2);
}

#[test]
fn it_ends_with_the_process_and_leaves_nothing() {
    let folder = folder();
    let node = Node::start(folder.path(), &[MEMORY]);
    assert!(node.client().put("k", "v"));
    node.stop();
    let node = Node::start(folder.path(), &[MEMORY]);
    assert_eq!(node.client().rnum(), 0);
    node.stop();
    let left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["node.log"]);
}

/// One key overwritten for ever must not take ever more memory.
#[test]
fn overwriting_takes_no_more_memory() {
    let folder = folder();
    let node = Node::start(folder.path(), &[MEMORY]);
    let mut client = node.client();
    let value = vec![b'v'; 1 << 20];
    for round in 0..1000 {
        assert!(client.put(format!("k{}", round % 3), &value), "round {round}");
    }
    let resident = node.resident();
    assert!(resident < 700 << 20, "{} MiB for 3 values of 1 MiB, after 1000 puts", resident >> 20);
}
