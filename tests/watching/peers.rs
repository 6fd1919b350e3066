//! The metrics of two nodes that follow each other, and of a cut between them.

use std::time::Duration;

use super::Admin;
use crate::replication::cable::Cable;
use crate::support::{Address, Launch, Node, SMALL, eventually, folder, loopback};

const PATIENCE: Duration = Duration::from_secs(60);

/// A node on an address that is known before.
fn start(folder: &std::path::Path, own: std::net::SocketAddr, master: std::net::SocketAddr) -> (Node, Admin) {
    let admin = Admin(loopback());
    let (watched, master) = (admin.0.to_string(), master.to_string());
    let args = [&["--admin", &watched, "--master", &master], &SMALL[..]].concat();
    (Launch::new(folder, &args).address(Address::Tcp(own)).start(), admin)
}

#[test]
fn two_masters_and_a_cut() {
    let folders = [folder(), folder()];
    let own = [loopback(), loopback()];
    // The way of b to a.
    let cable = Cable::new(own[0]);
    let (a, admin_a) = start(folders[0].path(), own[0], own[1]);
    let (b, admin_b) = start(folders[1].path(), own[1], cable.address());
    let master = [("role", "master")];
    let follower = [("role", "follower")];
    for admin in [admin_a, admin_b] {
        eventually("each follows the other, and all is the same", PATIENCE, || {
            let scrape = admin.scrape();
            [master, follower].iter().all(|role| scrape.sum("lcnode_peer_live", role) == 1.0)
                && scrape.sum("lcnode_peer_compared", &master) == 1.0
        });
    }
    let peer = cable.address().to_string();
    let of_a = [("role", "master"), ("peer", peer.as_str())];
    assert!(a.client().put("key", "value"));
    eventually("it is there", PATIENCE, || b.client().text("key").as_deref() == Some("value"));
    eventually("nothing is missing", PATIENCE, || {
        admin_b.scrape().one("lcnode_peer_lag_bytes", &of_a) == 0.0
    });
    let scrape = admin_b.scrape();
    assert_eq!(scrape.one("lcnode_peer_differs", &of_a), 0.0);
    assert_eq!(scrape.one("lcnode_peer_healed_records_total", &of_a), 0.0);
    assert_eq!(scrape.one("lcnode_peer_lag_seconds", &of_a), 0.0);
    assert_eq!(scrape.value("lcnode_records"), 1.0);
    assert_eq!(scrape.value("lcnode_followers_given_up_total"), 0.0);
    // Each has another.
    let sid = |admin: Admin| {
        let scrape = admin.scrape();
        let (labels, _) = scrape.all("lcnode_peer_connected", &master).next().unwrap();
        labels["sid"].clone()
    };
    let of_stat = |node: &Node| node.client().stat_of("sid").unwrap();
    assert_eq!([sid(admin_a), sid(admin_b)], [of_stat(&b), of_stat(&a)]);

    cable.cut();
    eventually("the cut is seen", PATIENCE, || {
        let scrape = admin_b.scrape();
        scrape.one("lcnode_peer_connected", &of_a) == 0.0
            && scrape.sum("lcnode_peer_compared", &master) == 0.0
    });
    eventually("and by the other", PATIENCE, || {
        admin_a.scrape().sum("lcnode_peer_connected", &follower) == 0.0
    });
    assert_eq!(admin_b.scrape().sum("lcnode_peer_connected", &follower), 1.0);
    assert!(a.client().put("while it was cut", "value"));
    cable.heal();
    eventually("it goes over", PATIENCE, || b.client().get("while it was cut").is_some());
    eventually("all is well", PATIENCE, || {
        let scrape = admin_b.scrape();
        scrape.one("lcnode_peer_live", &of_a) == 1.0 && scrape.one("lcnode_peer_lag_bytes", &of_a) == 0.0
    });
}
