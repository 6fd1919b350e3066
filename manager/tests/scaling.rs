//! `lcmgr add-node` and `remove-node`: what they do to the file, and what they refuse.

use crate::support::cluster::addresses;
use crate::support::daemons::Daemons;

#[test]
fn a_node_is_started_added_and_taken_away() {
    let cluster = Daemons::start(&[("lookup1_A", 1), ("storage1_A", 1)]);
    let own: Vec<String> = addresses(2).iter().map(ToString::to_string).collect();
    let before = std::fs::read_to_string(cluster.file()).unwrap();
    let text = cluster.fail(&["add-node", "storage2_A", &own[0], &own[1]]);
    assert!(text.contains(&own[0]) && text.contains("--start"), "{text}");
    assert_eq!(std::fs::read_to_string(cluster.file()).unwrap(), before, "nothing was changed");
    let text = cluster.succeed(&["add-node", "storage2_A", &own[0], &own[1], "--start"]);
    assert!(text.contains("lcmgr rebalance"), "{text}");
    let after = std::fs::read_to_string(cluster.file()).unwrap();
    assert!(after.starts_with(before.trim_end()), "{after}");
    cluster.succeed(&["status"]);
    let text = cluster.succeed(&["rebalance"]);
    assert!(text.contains("0 keys moved"), "{text}");
    let text = cluster.succeed(&["remove-node", "storage2_A"]);
    assert!(text.contains("run this again"), "{text}");
    assert!(std::fs::read_to_string(cluster.file()).unwrap().contains("weight = 0"));
    // The file does not know them any more after that.
    let stopped = cluster.succeed(&["stop", "storage2_A"]);
    assert!(stopped.contains(&own[0]) && stopped.contains(&own[1]), "{stopped}");
    assert!(cluster.fail(&["remove-node", "storage2_A"]).contains("storage2_A"), "it cannot be looked into");
    cluster.succeed(&["start", "storage2_A"]);
    let text = cluster.succeed(&["remove-node", "storage2_A"]);
    cluster.succeed(&["status"]);
    assert!(text.contains(&own[0]) && text.contains("can be stopped"), "{text}");
    assert_eq!(std::fs::read_to_string(cluster.file()).unwrap().matches("[[node]]").count(), 2);
    for server in ["storage2_A-1", "storage2_A-2"] {
        let pid = cluster.folder().join("data").join(server).join(format!("{server}.pid"));
        if let Ok(pid) = std::fs::read_to_string(pid) {
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(pid.trim().parse().unwrap()),
                nix::sys::signal::SIGTERM,
            )
            .unwrap();
        }
    }
}

#[test]
fn what_cannot_be_added_or_taken_away_says_why() {
    let cluster = Daemons::start(&[("lookup1_A", 1), ("storage1_A", 1)]);
    let before = std::fs::read_to_string(cluster.file()).unwrap();
    let taken = cluster.servers[1].address.to_string();
    for (words, part) in [
        (&["add-node", "storage1_A", "127.0.0.1:1"][..], "has a node storage1_A already"),
        (&["add-node", "other", "127.0.0.1:1"], "--role"),
        (&["add-node", "storage2_A", &taken], &taken),
        (&["remove-node", "storage9_A"], "no node storage9_A"),
        (&["remove-node", "storage1_A"], "storage"),
        (&["remove-node", "lookup1_A"], "lookup"),
    ] {
        let text = cluster.fail(words);
        assert!(text.contains(part), "{words:?}: {text}");
    }
    let (code, text) = cluster.run(&["add-node", "storage2_A", "nowhere:port"]);
    assert!(code == 2 && text.contains("nowhere:port"), "{text}");
    assert_eq!(std::fs::read_to_string(cluster.file()).unwrap(), before, "nothing was changed");
}
