//! `src/admin/METRICS.md` holds what a scrape holds; and `promtool` finds no fault with it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Admin;
use crate::support::{Address, HASH, Node, eventually, folder, source_file};

/// A node of which all is known: with scripts, a master, a follower, a checkpoint. And what keeps it so.
struct Whole {
    admin: Admin,
    node: Node,
    _follower: Node,
    _folders: [tempfile::TempDir; 2],
}

fn address(node: &Node) -> String {
    match node.address() {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(_) => panic!("on a port"),
    }
}

fn whole() -> Whole {
    let folders = [folder(), folder()];
    let master = "127.0.0.1:9";
    let script = "@function echo(key, value) return value end";
    let (node, admin) = Admin::start(folders[0].path(), &["--ext", script, "--master", master, HASH]);
    let follower = Node::start(folders[1].path(), &["--master", &address(&node), HASH]);
    let mut client = node.client();
    for number in 0..18 {
        assert!(client.put([number], vec![b'x'; 1 << 20]));
    }
    assert_eq!(client.ext("echo", 0, "k", "v").as_deref(), Some(&b"v"[..]));
    Whole { admin, node, _follower: follower, _folders: folders }
}

/// Name, type and labels of each metric in the table.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let text = std::fs::read_to_string(source_file("src/admin/METRICS.md")).unwrap();
    let plain = |text: &str| text.trim().trim_matches('`').to_owned();
    let mut all = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').collect();
        let [_, name, kind, labels, what, _] = cells[..] else { panic!("not four columns: {line}") };
        assert!(!what.trim().is_empty(), "{line}");
        let labels = labels.split(',').map(plain).filter(|label| !label.is_empty()).collect();
        assert!(all.insert(plain(name), (plain(kind), labels)).is_none(), "twice: {line}");
    }
    all
}

#[test]
fn the_document_and_a_scrape_hold_the_same() {
    let whole = whole();
    let documented = documented();
    assert!(documented.len() > 40, "{documented:?}");
    let has_all = || documented.keys().all(|name| whole.admin.scrape().types.contains_key(name));
    // The last to come are a checkpoint, which waits for a pause, and the follower.
    let begin = std::time::Instant::now();
    while !has_all() && begin.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(100));
    }
    let scrape = whole.admin.scrape();
    let mut labels = scrape.labels();
    let seen: BTreeMap<_, _> = scrape
        .types
        .iter()
        .map(|(name, kind)| (name.clone(), (kind.clone(), labels.remove(name).unwrap_or_default())))
        .collect();
    assert_eq!(seen, documented);
    assert_eq!(whole.node.client().rnum(), 18);
}

#[test]
fn promtool_finds_no_fault() {
    let whole = whole();
    let has_follower = || whole.admin.scrape().sum("lcnode_peer_connected", &[("role", "follower")]) == 1.0;
    eventually("the follower is there", Duration::from_secs(60), has_follower);
    let metrics = whole.admin.ask("GET", "/metrics").body;
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut tool = tool.expect("promtool, of the Debian package prometheus, can be run");
    tool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(output.status.success() && said == ["", ""], "{said:?}");
}
