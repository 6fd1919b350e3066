//! Each bad file, and what is said of it.

use std::path::Path;

use super::{Cluster, Kind, Role};

/// The smallest that works, with room for more.
const GOOD: &str = r#"
[[node]]
name = "lookup1_A"
servers = [{ host = "127.0.0.1", port = 41201 }, { host = "127.0.0.1", port = 51201 }]
[[node]]
name = "storage1_A"
servers = [{ name = "s1", host = "127.0.0.1", port = 44201, id = 7 }, { name = "s2", host = "db2", port = 44201 }]
"#;

fn parse(text: &str) -> Result<Cluster, String> {
    Cluster::parse(Path::new("/etc/cloud/lightcloud.toml"), text).map_err(|error| error.to_string())
}

/// What is said of the good file with one text replaced.
fn with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
    assert!(error.starts_with("/etc/cloud/lightcloud.toml: "), "{error}");
    error
}

/// What is said of the good file with a text behind it, which belongs to the second node first.
fn plus(more: &str) -> String {
    parse(&format!("{GOOD}{more}")).unwrap_err()
}

#[test]
fn what_is_not_said_is_filled_in() {
    let cluster = parse(GOOD).unwrap();
    assert_eq!(cluster.data_dir, Path::new("/etc/cloud/data"));
    assert_eq!(cluster.timeout.as_secs(), 5);
    let [lookup, storage] = &cluster.nodes[..] else { panic!("{cluster:?}") };
    assert_eq!((lookup.role, storage.role), (Role::Lookup, Role::Storage));
    assert_eq!((lookup.kind, lookup.weight, &lookup.system[..]), (Kind::Tyrant, 1, "default"));
    let [one, two] = &lookup.servers[..] else { panic!("{lookup:?}") };
    assert_eq!((&one.name[..], &two.name[..]), ("lookup1_A-1", "lookup1_A-2"));
    assert_eq!(one.masters, [two.address()]);
    assert_eq!(one.data_dir, Path::new("/etc/cloud/data/lookup1_A-1"));
    assert_eq!(storage.servers[0].id, Some(7));
}

#[test]
fn clients_get_what_the_file_says() {
    let text = GOOD.replace("name = \"storage1_A\"", "name = \"storage1_A\"\nweight = 3");
    let given_up = "[[node]]\nname = \"storage2_A\"\nweight = 0\nservers = [{ host = \"::1\", port = 6 }]";
    let redis =
        "[[node]]\nname = \"storage3_A\"\nkind = \"redis\"\nservers = [{ host = \"r\", port = 6379 }]";
    let cluster = parse(&format!("timeout = 0.5\n{text}{given_up}\n{redis}")).unwrap();
    let client = cluster.lightcloud();
    client.check().unwrap();
    assert_eq!(client.server.timeout.as_millis(), 500);
    let shown = client.nodes.iter().map(|node| {
        let replicas = node.replicas.iter().map(|replica| format!(" {replica}")).collect::<String>();
        format!("{} {:?} {} {:?}{replicas}", node.name, node.role, node.weight, node.kind)
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            "lookup1_A Lookup 1 Tyrant 127.0.0.1:41201 127.0.0.1:51201",
            "storage1_A Storage 3 Tyrant 127.0.0.1:44201 db2:44201",
            "storage2_A Storage 0 Tyrant [::1]:6",
            "storage3_A Storage 1 Redis r:6379",
        ]
    );
}

#[test]
fn programs_start_at_the_file_unless_they_are_bare_names() {
    for (given, meant) in
        [("lcnode", "lcnode"), ("./lcnode", "/etc/cloud/./lcnode"), ("/usr/bin/lcnode", "/usr/bin/lcnode")]
    {
        let cluster = parse(&format!("program = {given:?}\n{GOOD}")).unwrap();
        assert_eq!(cluster.program.as_deref(), Some(Path::new(meant)));
    }
}

#[test]
fn duplicates_are_refused() {
    for (from, to, said) in [
        ("storage1_A", "lookup1_A", "two nodes are named lookup1_A"),
        ("\"s2\"", "\"s1\"", "two servers are named s1, of nodes storage1_A and storage1_A"),
        ("\"s2\"", "\"lookup1_A\"", "a server of node storage1_A has the name of node lookup1_A"),
        ("51201", "41201", "servers lookup1_A-1 and lookup1_A-2 have one address, 127.0.0.1:41201"),
        ("\"db2\"", "\"LocalHost\"", "servers s1 and s2 have one address, LocalHost:44201"),
        ("port = 51201", "port = 51201, id = 7", "servers lookup1_A-2 and s1 have one id, 7"),
    ] {
        let error = with(from, to);
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn both_rings_of_a_system_need_a_node() {
    assert!(parse("").unwrap_err().contains("it has no node: write a [[node]]"));
    let error = with("storage1_A", "lookup2_A");
    assert!(error.contains("system default has no storage node: add a [[node]]"), "{error}");
    let error = with("name = \"storage1_A\"", "name = \"storage1_A\"\nsystem = \"other\"");
    assert!(error.contains("system default has no storage node"), "{error}");
    let error = with("lookup1_A", "storage2_A");
    assert!(error.contains("system default has no lookup node"), "{error}");
    let error = with("storage1_A", "box");
    assert!(error.contains("node box: its name has neither lookup nor storage in it"), "{error}");
    let servers = "servers = [{ name = \"s1\", host = \"127.0.0.1\", port = 44201, id = 7 }, \
                   { name = \"s2\", host = \"db2\", port = 44201 }]";
    assert!(with(servers, "servers = []").contains("node storage1_A has no server"));
    assert!(with(servers, "").contains("missing field `servers`"));
}

#[test]
fn bad_names_are_refused() {
    for (name, said) in [
        ("", "is empty"),
        ("storage 1", "has blanks or control characters"),
        ("storage\\u0001", "has blanks or control characters"),
        ("storage/1", "has one of / > @"),
        ("storage>1", "has one of / > @"),
        ("storage@1", "has one of / > @"),
        (".storage", "begins with . or -"),
        ("-storage", "begins with . or -"),
        ("all", "is the word for all servers"),
        (&"s".repeat(201), "has 201 bytes; at most 200 do"),
    ] {
        let role = format!("name = \"{name}\"\nrole = \"storage\"");
        let error = with("name = \"storage1_A\"", &role);
        assert!(error.contains("the name of node") && error.contains(said), "{error}");
        let error = with("\"s2\"", &format!("\"{name}\""));
        assert!(error.contains("of node storage1_A: the name") && error.contains(said), "{error}");
    }
}

#[test]
fn numbers_have_bounds() {
    for (name, weight, said) in [
        ("storage1_A", 1001, "weight 1001: give one of 1 to 1000, or 0 for a node that is being given up"),
        // The only one cannot be given up.
        ("lookup1_A", 0, "system default has no lookup node"),
        ("storage1_A", 0, "system default has no storage node"),
    ] {
        let name = format!("name = \"{name}\"");
        let error = with(&name, &format!("{name}\nweight = {weight}"));
        assert!(error.contains(said), "{error}");
    }
    assert!(with("id = 7", "id = 0").contains("id 0: give one of 1 to 65535"));
    assert!(with("id = 7", "id = 65536").contains("65536"));
    assert!(with("port = 51201", "port = 0").contains("port 0: give one of 1 to 65535"));
    for timeout in ["0", "-1", "nan", "inf", "4000"] {
        let error = parse(&format!("timeout = {timeout}\n{GOOD}")).unwrap_err();
        assert!(error.contains("timeout: give seconds above 0"), "{error}");
    }
    let heavy = "weight = 1000\n[[node]]\nname = \"storage2_A\"\nservers = [{ host = \"a\", port = 1 }]";
    let error = plus(heavy);
    assert!(error.contains("node storage2_A has so little weight, 1, beside the others"), "{error}");
}

#[test]
fn masters_are_the_others_of_the_node() {
    let server = "port = 51201";
    for (masters, said) in [
        ("[\"127.0.0.1:51201\"]", "server lookup1_A-2 is its own master, 127.0.0.1:51201"),
        ("[\"localhost:51201\"]", "server lookup1_A-2 is its own master"),
        ("[\"localhost:41201\", \"127.0.0.1:41201\"]", "has the master 127.0.0.1:41201 twice"),
        ("[\"db2:44201\"]", "which is of node storage1_A: it would get the records"),
        ("[\"db2:x\"]", "masters of server lookup1_A-2: \"db2:x\" is no address"),
        ("[]", "what is written to server lookup1_A-1 of node lookup1_A never reaches server lookup1_A-2"),
    ] {
        let error = with(server, &format!("{server}, masters = {masters}"));
        assert!(error.contains(said), "{error}");
    }
    // Three in a circle reach each other, and a master outside is fine.
    let circle = "[[node]]\nname = \"storage2_A\"\nservers = [\
        { host = \"a\", port = 1, masters = [\"c:1\", \"elsewhere:1978\"] },\
        { host = \"b\", port = 1, masters = [\"a:1\"] }, { host = \"c\", port = 1, masters = [\"b:1\"] }]";
    parse(&format!("{GOOD}{circle}")).unwrap();
}

#[test]
fn bad_places_and_options_are_refused() {
    for (from, to, said) in [
        ("\"db2\"", "\"d b\"", "host \"d b\" is no host name or number"),
        ("\"db2\"", "\"\"", "host \"\" is no host name or number"),
        ("\"db2\"", "\"/run/x\"", "host \"/run/x\" is a path"),
        ("\"db2\"", "\"db2\", ssh = \"-oProxyCommand=x\"", "is no destination"),
        ("\"db2\"", "\"db2\", ssh = \"\"", "is no destination"),
        (
            "\"db2\"",
            "\"db2\", options = [\"-port\", \"1\"]",
            "server s2 of node storage1_A: options: -port comes from port",
        ),
        ("\"db2\"", "\"db2\", options = [\"--pid=x\"]", "--pid=x comes from data-dir"),
        (
            "name = \"storage1_A\"",
            "name = \"storage1_A\"\nkind = \"redis\"",
            "id is without a meaning for Redis",
        ),
    ] {
        let error = with(from, to);
        assert!(error.contains(said), "{error}");
    }
    assert!(
        parse(&format!("options = [\"--sid\", \"3\"]\n{GOOD}")).unwrap_err().contains("--sid comes from id")
    );
}

#[test]
fn a_slip_is_shown_with_what_was_meant() {
    for (from, to, said) in [
        ("id = 7", "idd = 7", "did you mean id?"),
        ("host = \"db2\"", "hosts = \"db2\"", "did you mean host?"),
        ("[[node]]", "data_dir = \"x\"\n[[node]]", "did you mean data-dir?"),
        ("[[node]]", "[[nodes]]", "did you mean node?"),
    ] {
        let error = with(from, to);
        assert!(error.contains(said) && error.contains("line "), "{error}");
    }
    let error = with("[[node]]", "[[node]");
    assert!(error.contains("line 2"), "{error}");
    let missing = Cluster::load(Path::new("/nowhere/x.toml")).unwrap_err().to_string();
    assert!(missing.contains("cannot read /nowhere/x.toml") && missing.contains("--config"), "{missing}");
}

#[test]
fn servers_are_selected_by_name() {
    let cluster = parse(&GOOD.replace("\"s2\"", "\"storage1_A\"")).unwrap();
    let names = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let selected = cluster.select(&names).map_err(|error| error.to_string())?;
        Ok::<_, String>(selected.iter().map(|(_, server)| server.name.clone()).collect::<Vec<_>>().join(" "))
    };
    let all = "lookup1_A-1 lookup1_A-2 s1 storage1_A";
    assert_eq!(names(&[]).unwrap(), all);
    assert_eq!(names(&["s1", "all"]).unwrap(), all);
    assert_eq!(names(&["s1", "lookup1_A"]).unwrap(), "lookup1_A-1 lookup1_A-2 s1");
    // A server that has the name of its node is meant before the node.
    assert_eq!(names(&["storage1_A"]).unwrap(), "storage1_A");
    assert!(
        names(&["lokup1_A"]).unwrap_err().ends_with("no node or server lokup1_A; did you mean lookup1_A?")
    );
    assert!(names(&["s1", "zzz"]).unwrap_err().contains("zzz; give the name of a node, of a server, or all"));
}
