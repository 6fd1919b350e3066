//! What a cluster must be to work. Every refusal says what to do.

use std::collections::{BTreeMap, HashMap, HashSet};

use lightcloud::Address;
use lightcloud::ring::{MAX_WEIGHT, Ring};

use super::select::ALL;
use super::{Cluster, Kind, Node, Role, Server};

/// The longest name, in bytes: with an ending it is the name of a file.
const MAX_NAME: usize = 200;
/// What lcmgr says in the command line of a server by itself, and the field that it comes from.
const MANAGED: [(&str, &str); 8] = [
    ("host", "host"),
    ("port", "port"),
    ("sid", "id"),
    ("master", "masters"),
    ("dmn", "lcmgr start, which needs it"),
    ("pid", "data-dir"),
    ("log", "data-dir"),
    ("kl", "lcmgr restart"),
];

/// Refuses what could not work.
pub(super) fn check(cluster: &Cluster) -> Result<(), String> {
    if cluster.nodes.is_empty() {
        return Err("it has no node: write a [[node]] for each place on the rings".to_owned());
    }
    options(&cluster.options).map_err(|why| format!("options: {why}"))?;
    for node in &cluster.nodes {
        self::node(node)?;
    }
    names(cluster)?;
    addresses(cluster)?;
    ids(cluster)?;
    rings(cluster)?;
    for node in cluster.nodes.iter().filter(|node| node.kind == Kind::Tyrant) {
        masters(cluster, node)?;
    }
    // Whatever clients refuse besides.
    cluster.lightcloud().check().map_err(|why| why.to_string())
}

/// A node by itself.
fn node(node: &Node) -> Result<(), String> {
    let name = &node.name;
    self::name(name).map_err(|why| format!("the name of node {name:?} {why}"))?;
    self::name(&node.system).map_err(|why| format!("the system {:?} of node {name} {why}", node.system))?;
    if node.weight > MAX_WEIGHT {
        return Err(format!(
            "node {name}: weight {}: give one of 1 to {MAX_WEIGHT}, or 0 for a node that is being given up",
            node.weight
        ));
    }
    if node.servers.is_empty() {
        return Err(format!("node {name} has no server: write servers = [{{ host = \"…\", port = … }}]"));
    }
    for server in &node.servers {
        self::server(node.kind, server)
            .map_err(|why| format!("server {} of node {name}: {why}", server.name))?;
    }
    Ok(())
}

fn server(kind: Kind, server: &Server) -> Result<(), String> {
    name(&server.name).map_err(|why| format!("the name {:?} {why}", server.name))?;
    if server.port == 0 {
        return Err("port 0: give one of 1 to 65535".to_owned());
    }
    if server.host.starts_with('/') {
        return Err(format!("host {:?} is a path: give a host name or number", server.host));
    }
    let address = server.address().to_string();
    address.parse::<Address>().map_err(|_| format!("host {:?} is no host name or number", server.host))?;
    if server.id == Some(0) {
        return Err("id 0: give one of 1 to 65535, or none for one that the database chooses".to_owned());
    }
    if let Some(to) = &server.ssh
        && (to.is_empty() || to.starts_with('-') || to.chars().any(|c| c.is_whitespace() || c.is_control()))
    {
        return Err(format!("ssh {to:?} is no destination: give HOST, USER@HOST or a Host of ~/.ssh/config"));
    }
    if kind == Kind::Tyrant {
        return options(&server.options).map_err(|why| format!("options: {why}"));
    }
    let unused =
        [("id", server.id.is_some()), ("options", !server.options.is_empty()), ("ssh", server.ssh.is_some())];
    match unused.iter().find(|(_, is_given)| *is_given) {
        Some((field, _)) => {
            Err(format!("{field} is without a meaning for Redis, which is not started from here: remove it"))
        }
        None => Ok(()),
    }
}

/// Names are in lookup records, of directories, and typed behind commands.
fn name(name: &str) -> Result<(), String> {
    let why = if name.is_empty() {
        "is empty"
    } else if name.len() > MAX_NAME {
        return Err(format!("has {} bytes; at most {MAX_NAME} do", name.len()));
    } else if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        "has blanks or control characters"
    } else if name.contains(['/', '>', '@']) {
        "has one of / > @, which files and lookup records have a use for"
    } else if name.starts_with(['.', '-']) {
        "begins with . or -, as hidden files and options do"
    } else if name == ALL {
        "is the word for all servers"
    } else {
        return Ok(());
    };
    Err(format!("{why}: choose another"))
}

fn options(options: &[String]) -> Result<(), String> {
    for option in options {
        if option.contains('\0') {
            return Err(format!("{option:?} has a zero byte: remove it"));
        }
        let Some(word) = option.strip_prefix('-') else { continue };
        let word = word.strip_prefix('-').unwrap_or(word);
        let word = word.split('=').next().unwrap_or(word);
        if let Some((_, field)) = MANAGED.iter().find(|(managed, _)| *managed == word) {
            return Err(format!("{option} comes from {field}: remove it here"));
        }
    }
    Ok(())
}

/// A node's name is its place, a server's name its files, and both are typed.
fn names(cluster: &Cluster) -> Result<(), String> {
    let mut nodes = HashSet::new();
    for node in &cluster.nodes {
        if !nodes.insert(&node.name) {
            return Err(format!("two nodes are named {}: give each a name of its own", node.name));
        }
    }
    let mut servers = HashMap::new();
    for (node, server) in cluster.servers() {
        let name = &server.name;
        if let Some(other) = servers.insert(name, &node.name) {
            return Err(format!(
                "two servers are named {name}, of nodes {other} and {}: give each a name of its own",
                node.name
            ));
        }
        if *name != node.name && nodes.contains(name) {
            return Err(format!(
                "a server of node {} has the name of node {name}: give it one of its own",
                node.name
            ));
        }
    }
    Ok(())
}

/// One form for the spellings of one place, as far as they can be told without asking the network.
fn place(address: &Address) -> String {
    let text = address.to_string().to_ascii_lowercase();
    match text.strip_prefix("localhost:").or_else(|| text.strip_prefix("[::1]:")) {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text,
    }
}

fn addresses(cluster: &Cluster) -> Result<(), String> {
    let mut seen = HashMap::new();
    for (_, server) in cluster.servers() {
        let address = server.address();
        if let Some(other) = seen.insert(place(&address), &server.name) {
            return Err(format!(
                "servers {other} and {} have one address, {address}: give each a port of its own",
                server.name
            ));
        }
    }
    Ok(())
}

/// An id says whose a change is. That matters among servers that follow each other only, but which do may change when
/// nodes are added, and a database that is moved takes its id along. So they are unique in the whole cluster.
fn ids(cluster: &Cluster) -> Result<(), String> {
    let mut seen = HashMap::new();
    for (_, server) in cluster.servers() {
        let Some(id) = server.id else { continue };
        if let Some(other) = seen.insert(id, &server.name) {
            return Err(format!(
                "servers {other} and {} have one id, {id}: give each another, or none for one that the database chooses",
                server.name
            ));
        }
    }
    Ok(())
}

/// Each system has both rings, and each node a share of its ring.
fn rings(cluster: &Cluster) -> Result<(), String> {
    let mut systems: BTreeMap<&str, (Vec<&Node>, Vec<&Node>)> = BTreeMap::new();
    for node in &cluster.nodes {
        let (lookup, storage) = systems.entry(&node.system).or_default();
        // One that is being given up is not on its ring any more.
        if node.weight > 0 {
            if node.role == Role::Lookup { lookup.push(node) } else { storage.push(node) }
        }
    }
    for (system, (lookup, storage)) in systems {
        for (role, nodes) in [("lookup", lookup), ("storage", storage)] {
            if nodes.is_empty() {
                return Err(format!(
                    "system {system} has no {role} node: add a [[node]] with role = \"{role}\", or with {role} in its name"
                ));
            }
            let ring = Ring::weighted(nodes.iter().map(|node| (&node.name[..], node.weight)));
            let ring = ring.map_err(|why| format!("the {role} ring of system {system}: {why}"))?;
            let placed: HashSet<_> = ring.nodes(b"").collect();
            if let Some(node) = nodes.iter().find(|node| !placed.contains(&node.name[..])) {
                return Err(format!(
                    "node {} has so little weight, {}, beside the others of its ring that no key would belong to it: \
                     bring the weights closer together",
                    node.name, node.weight
                ));
            }
        }
    }
    Ok(())
}

/// Servers of a node come to hold the same: what is written to one reaches all others, and nothing else does.
fn masters(cluster: &Cluster, node: &Node) -> Result<(), String> {
    for server in &node.servers {
        let mut named = HashSet::new();
        for master in &server.masters {
            let (name, at) = (&server.name, place(master));
            if at == place(&server.address()) {
                return Err(format!(
                    "server {name} is its own master, {master}: name another, or masters = []"
                ));
            }
            if !named.insert(at.clone()) {
                return Err(format!("server {name} has the master {master} twice: remove one"));
            }
            let mut others = cluster.servers().filter(|(other, _)| other.name != node.name);
            if let Some((other, _)) = others.find(|(_, other)| place(&other.address()) == at) {
                return Err(format!(
                    "server {name} of node {} has the master {master}, which is of node {}: it would get the \
                     records of that node; name servers of its own node",
                    node.name, other.name
                ));
            }
        }
    }
    for from in &node.servers {
        let reached = reached(node, from);
        if let Some(to) = node.servers.iter().find(|to| !reached.contains(&to.name[..])) {
            return Err(format!(
                "what is written to server {} of node {} never reaches server {}: add {} to the masters of that, or \
                 leave masters out",
                from.name,
                node.name,
                to.name,
                from.address()
            ));
        }
    }
    Ok(())
}

/// The servers of the node that get what is written to `from`, over however many others.
fn reached<'c>(node: &'c Node, from: &'c Server) -> HashSet<&'c str> {
    let mut reached = HashSet::from([&from.name[..]]);
    let mut next = vec![from];
    while let Some(leader) = next.pop() {
        let at = place(&leader.address());
        let follows = |server: &&Server| server.masters.iter().any(|master| place(master) == at);
        for follower in node.servers.iter().filter(follows) {
            if reached.insert(&follower.name) {
                next.push(follower);
            }
        }
    }
    reached
}
