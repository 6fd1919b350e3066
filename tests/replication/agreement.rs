//! Two and three masters: all changes reach all, increments add up, deleted keys stay deleted.

use super::mesh::{AGREE, Mesh, peer};
use crate::support::{HASH, MEMORY, SMALL, eventually, wire};

#[test]
fn what_is_written_on_either_of_two_appears_on_both() {
    for database in [HASH, MEMORY] {
        let mesh = Mesh::start_all(2, &["--segment-size", "1m", database]);
        let [mut a, mut b] = [mesh.client(0), mesh.client(1)];
        assert!(a.put("from a", "1"));
        assert!(b.put("from b", "2"));
        eventually("both records on both", AGREE, || {
            a.text("from b").as_deref() == Some("2") && b.text("from a").as_deref() == Some("1")
        });
        assert!(a.succeeds(&wire::putcat(b"from b", b"+")));
        assert_eq!(a.addint("count", 5), Some(5));
        assert_eq!(a.adddouble("sum", 1, 500_000_000_000), Some((1, 500_000_000_000)));
        eventually("changes of all kinds", AGREE, || {
            b.text("from b").as_deref() == Some("2+")
                && b.vsiz("count") == Some(4)
                && b.vsiz("sum") == Some(8)
        });
        assert!(b.out("from a"));
        eventually("the deletion", AGREE, || a.get("from a").is_none());
        assert_eq!(mesh.agree().len(), 3);
        assert!(b.succeeds(&wire::vanish()));
        eventually("the end of all", AGREE, || a.rnum() == 0);
        assert!(a.put("new", "life"));
        eventually("life after it", AGREE, || b.text("new").as_deref() == Some("life"));
        assert_eq!(mesh.agree().len(), 1);
    }
}

#[test]
fn stat_tells_of_each_peer() {
    let mesh = Mesh::start_all(2, &SMALL);
    let mut a = mesh.client(0);
    assert!(a.put("k", "v"));
    mesh.agree();
    eventually("agreement in stat", AGREE, || {
        let master = peer(&mut a, "role", "master");
        master.get("state").map(String::as_str) == Some("live")
            && master.get("agrees").map(String::as_str) == Some("yes")
    });
    let master = peer(&mut a, "role", "master");
    assert_eq!(master["host"], mesh.address(1).to_string());
    assert_eq!(master["sid"], mesh.client(1).stat_of("sid").unwrap());
    assert_eq!(master["error"], "");
    assert!(master["lag_seconds"].parse::<f64>().unwrap() < 5.0);
    for line in ["lag_bytes", "lag_entries"] {
        master[line].parse::<u64>().unwrap();
    }
    let follower = peer(&mut a, "role", "follower");
    assert_eq!(follower["sid"], master["sid"]);
    assert_eq!(follower["state"], "live");
}

#[test]
fn increments_of_three_masters_add_up() {
    let mut mesh = Mesh::start_all(3, &SMALL);
    let rounds: u64 = 200;
    for half in 0..2 {
        let mut clients: Vec<_> = (0..3).map(|number| mesh.client(number)).collect();
        std::thread::scope(|threads| {
            for client in &mut clients {
                threads.spawn(move || {
                    for round in 0..rounds / 2 * 10 {
                        assert!(client.addint(format!("count{}", round % 10), 1).is_some());
                    }
                });
            }
        });
        drop(clients);
        if half == 0 {
            // In the middle one of them is killed, another ends in order.
            mesh.kill(1);
            mesh.stop(2);
            assert!(mesh.client(0).addint("count0", 1).is_some());
            mesh.start(1);
            mesh.start(2);
        }
    }
    let records = mesh.agree();
    let sums: Vec<i32> =
        records.values().map(|value| i32::from_le_bytes(value.as_slice().try_into().unwrap())).collect();
    let each = i32::try_from(3 * rounds).unwrap();
    assert_eq!(sums, [vec![each + 1], vec![each; 9]].concat());
}

#[test]
fn what_is_deleted_while_the_other_is_down_stays_deleted() {
    let mut mesh = Mesh::start_all(2, &SMALL);
    let mut a = mesh.client(0);
    for number in 0..1000 {
        assert!(a.put(format!("k{number}"), "v"));
    }
    mesh.agree();
    mesh.kill(1);
    for number in 0..1000 {
        if number % 2 == 0 {
            assert!(a.out(format!("k{number}")));
        } else {
            assert!(a.put(format!("k{number}"), "new"));
        }
    }
    // Its log must keep what the other has not seen, whatever is tidied up.
    for _ in 0..3 {
        assert!(a.succeeds(&wire::optimize(b"")));
    }
    mesh.start(1);
    let records = mesh.agree();
    assert_eq!(records.len(), 500);
    assert!(records.values().all(|value| value == b"new"));
    // The later of two conflicting changes wins, on both.
    mesh.kill(1);
    let mut a = mesh.client(0);
    assert!(a.out("k1"));
    assert!(a.put("k3", "later, so lost"));
    mesh.stop(0);
    mesh.start_following(1, &[]);
    let mut b = mesh.client(1);
    assert!(b.put("k1", "latest"));
    assert!(b.out("k3"));
    mesh.stop(1);
    mesh.start(0);
    mesh.start(1);
    let records = mesh.agree();
    assert_eq!(records.get(b"k1".as_slice()).map(Vec::as_slice), Some(b"latest".as_slice()));
    assert_eq!(records.get(b"k3".as_slice()), None);
}
