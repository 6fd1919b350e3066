use std::path::Path;

use super::{nodes, python, toml_of};
use crate::config::Cluster;

/// As LightCloud's manager has it.
const CONFIG: &str = r##"
# -*- coding: utf-8 -*-
"""Settings"""
DATA_DIR = '/var/lightcloud'
TOKYO_SERVER_PARMS = "#bnum=1000000#fpow=13#opts=ld"
USE_MASTER = True
DEBUG = False
MAX_LOG_COUNT = 4

NODES = {
    # Lookup nodes
    'lookup1_A': { 'id': 1, 'host': '127.0.0.1:41201', 'master': '127.0.0.1:51201' },
    'lookup1_B': { 'id': 2, 'host': '127.0.0.1:51201', 'master': '127.0.0.1:41201' },
    # Storage nodes
    'storage2_A': { 'id': 7, 'host': 'db1:45201', 'master': 'db2:55201' },
    'storage2_B': { 'id': 8, 'host': 'db2:55201', 'master': 'db1:45201' },
    'storage1_B': { 'id': 6, 'host': '127.0.0.1:54201', 'master': '127.0.0.1:44201' },
    'storage1_A': { 'id': 5, 'host': '127.0.0.1:44201', 'master': '127.0.0.1:54201' },
}
"##;

fn import(text: &str, variable: Option<&str>) -> Result<(Cluster, String, Vec<String>), String> {
    let settings = python::read(text).map_err(|error| error.to_string())?;
    let imported = nodes::import(settings, variable).map_err(|error| error.to_string())?;
    let written = toml_of(&imported, Some(Path::new("/scripts")))?;
    let cluster =
        Cluster::parse(Path::new("/x/lightcloud.toml"), &written).map_err(|error| error.to_string())?;
    Ok((cluster, written, imported.notes))
}

/// `NODE: SERVER=ADDRESS SERVER=ADDRESS`
fn shown(cluster: &Cluster) -> Vec<String> {
    let of_node = |node: &crate::config::Node| {
        let servers = node.servers.iter().map(|server| format!(" {}={}", server.name, server.address()));
        format!("{}:{}", node.name, servers.collect::<String>())
    };
    cluster.nodes.iter().map(of_node).collect()
}

#[test]
fn pairs_of_the_manager_become_nodes() {
    let (cluster, _, notes) = import(CONFIG, None).unwrap();
    assert_eq!(
        shown(&cluster),
        [
            "lookup1_A: lookup1_A=127.0.0.1:41201 lookup1_B=127.0.0.1:51201",
            "storage1_A: storage1_A=127.0.0.1:44201 storage1_B=127.0.0.1:54201",
            "storage2_A: storage2_A=db1:45201 storage2_B=db2:55201",
        ]
    );
    assert_eq!(cluster.data_dir, Path::new("/var/lightcloud"));
    assert_eq!(cluster.options, ["--ext", "/scripts/incr.lua", "--ext", "/scripts/list.lua"]);
    let storage = &cluster.nodes[1];
    assert_eq!(storage.servers[0].masters, [storage.servers[1].address()]);
    assert_eq!(storage.servers.iter().map(|server| server.id).collect::<Vec<_>>(), [Some(5), Some(6)]);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes[0].contains("TOKYO_SERVER_PARMS") && notes[1].contains("MAX_LOG_COUNT in line 8"),
        "{notes:?}"
    );
}

#[test]
fn nodes_of_clients_are_read() {
    let text = "LOCAL = {'lookup1_A': ['a:1', 'b:1'], u'storage1_A': ('c:1', 'd:1'), 'other': []}";
    let (cluster, _, notes) = import(text, None).unwrap();
    assert_eq!(
        shown(&cluster),
        ["lookup1_A: lookup1_A-1=a:1 lookup1_A-2=b:1", "storage1_A: storage1_A-1=c:1 storage1_A-2=d:1"]
    );
    assert!(notes[0].contains("other in line 1 is left out"), "{notes:?}");
    let two = format!("{text}\nREMOTE = {{'lookup1_A': ['e:1'], 'storage1_A': ['f:1']}}");
    assert!(import(&two, None).unwrap_err().contains("LOCAL, REMOTE: choose one with --variable"));
    let (cluster, _, _) = import(&two, Some("REMOTE")).unwrap();
    assert_eq!(shown(&cluster), ["lookup1_A: lookup1_A-1=e:1", "storage1_A: storage1_A-1=f:1"]);
    assert!(import(&two, Some("NONE")).unwrap_err().contains("no dictionary NONE: there is LOCAL, REMOTE"));
    let bare = "{'lookup1_A': ['a:1'], 'storage1_A': ['c:1']}";
    assert_eq!(shown(&import(bare, None).unwrap().0).len(), 2);
}

#[test]
fn single_servers_and_masters_outside_stay_what_they_are() {
    let text = "NODES = {'lookup1': {'id': 1, 'host': 'a:1', 'master': ''}, 'storage1': {'id': 1, 'host': 'b:1', \
                'master': 'elsewhere:9'}}";
    let (cluster, written, notes) = import(text, None).unwrap();
    assert_eq!(shown(&cluster), ["lookup1: lookup1=a:1", "storage1: storage1=b:1"]);
    assert!(written.contains("masters = [\"elsewhere:9\"]"), "{written}");
    // One id for two servers is no obstacle: databases here choose their own.
    assert!(cluster.servers().all(|(_, server)| server.id.is_none()));
    assert!(notes.iter().any(|note| note.contains("id 1 of storage1 is left out")), "{notes:?}");
    let (cluster, _, notes) =
        import(&CONFIG.replace("USE_MASTER = True", "USE_MASTER = False"), None).unwrap();
    assert_eq!(cluster.nodes.len(), 6);
    assert!(notes.iter().any(|note| note.contains("each server is a node of its own")), "{notes:?}");
}

#[test]
fn what_makes_no_cluster_is_named_with_its_line() {
    for (from, to, said) in [
        ("'id': 1,", "'id': 0,", "line 12: lookup1_A: id 0 is not of 1 to 65535"),
        ("'id': 1,", "'id': '1',", "line 12: lookup1_A: its id is not a number"),
        (
            "'127.0.0.1:41201', 'master'",
            "'127.0.0.1:x', 'master'",
            "line 12: lookup1_A: \"127.0.0.1:x\" is no address",
        ),
        ("'host': 'db1:45201', ", "", "line 15: storage2_A: it has no 'host'"),
        ("'host': 'db1:45201'", "'host': 'db2:55201'", "line 16: storage2_A and storage2_B have one address"),
        ("'master': '127.0.0.1:51201'", "'master': 'db1:45201'", "are of different rings"),
        ("USE_MASTER = True", "USE_MASTER = 1", "line 6: USE_MASTER is not True or False"),
        (
            "DATA_DIR = '/var/lightcloud'",
            "DATA_DIR = HOME",
            "line 4: `DATA_DIR = HOME` is not NAME = LITERAL",
        ),
    ] {
        assert!(CONFIG.contains(from), "{from}");
        let changed = CONFIG.replacen(from, to, 1);
        let error = import(&changed, None).expect_err(said);
        assert!(error.contains(said), "{said}: {error}");
    }
    assert!(import("A = 1", None).unwrap_err().contains("there is no dictionary of nodes"));
    assert!(import("N = {'lookup1': ['a:1']}", None).unwrap_err().contains("has no storage node"));
    assert!(import("N = {'x': ['a:1']}", None).unwrap_err().contains("no node with lookup or storage"));
}
