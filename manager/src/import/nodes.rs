//! From settings to nodes: servers that follow each other are one.

use std::collections::BTreeMap;

use lightcloud::Address;

use super::python::{Assignment, Literal, Refused};

/// What the settings say, in our words.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Imported {
    pub(super) data_dir: Option<String>,
    pub(super) is_debug: bool,
    /// In the order of the file they come from, by name where that is the manager's.
    pub(super) nodes: Vec<Node>,
    /// What the operator should know: what was left out, and what is different.
    pub(super) notes: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) servers: Vec<Server>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// None: by its number.
    pub(super) name: Option<String>,
    pub(super) address: Address,
    pub(super) id: Option<i64>,
    /// Masters that are none of the servers here.
    pub(super) outside: Vec<Address>,
    line: usize,
    master: Option<Address>,
}

/// Understands settings. With `variable` its nodes are those of that dictionary.
pub(super) fn import(settings: Vec<Assignment>, variable: Option<&str>) -> Result<Imported, Refused> {
    let mut imported = Imported::default();
    let mut use_master = true;
    let mut dicts = Vec::new();
    for Assignment { name, value, line } in settings {
        let wants = |what| Refused { line, why: format!("{name} is not {what}") };
        match (&name[..], value) {
            ("DATA_DIR", Literal::Text(folder)) => imported.data_dir = Some(folder),
            ("DATA_DIR", _) => return Err(wants("a text")),
            ("USE_MASTER", Literal::Bool(is_on)) => use_master = is_on,
            ("USE_MASTER", _) => return Err(wants("True or False")),
            ("DEBUG", Literal::Bool(is_on)) => imported.is_debug = is_on,
            ("DEBUG", _) => return Err(wants("True or False")),
            ("TOKYO_SERVER_PARMS", Literal::Text(params)) => {
                if !params.is_empty() {
                    imported
                        .notes
                        .push(format!("TOKYO_SERVER_PARMS {params:?} is left out: no tuning is needed"));
                }
            }
            ("TOKYO_SERVER_PARMS", _) => return Err(wants("a text")),
            // A variable that was set twice has its last value.
            (_, Literal::Dict(entries)) => {
                dicts.retain(|(other, _, _)| *other != name);
                dicts.push((name, entries, line));
            }
            _ => imported.notes.push(format!("{name} in line {line} is left out: nothing here is like it")),
        }
    }
    let (name, entries, line) = choose(dicts, variable)?;
    let of_clients = entries.iter().all(|(_, value, _)| matches!(value, Literal::List(_)));
    let mut nodes = Vec::new();
    for (key, value, line) in entries {
        let Literal::Text(key) = key else {
            return Err(Refused { line, why: format!("a name in {name} is not a text") });
        };
        if !key.contains("lookup") && !key.contains("storage") {
            let why = "LightCloud takes no notice of it, as its name has neither lookup nor storage in it";
            imported.notes.push(format!("{key} in line {line} is left out: {why}"));
            continue;
        }
        nodes.push(if of_clients {
            of_client(key, value, line)?
        } else {
            of_manager(key, value, line, &mut imported.notes)?
        });
    }
    if nodes.is_empty() {
        return Err(Refused { line, why: format!("{name} has no node with lookup or storage in its name") });
    }
    if !of_clients {
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        if use_master {
            nodes = join(nodes, &mut imported.notes)?;
        } else {
            imported.notes.push("USE_MASTER is False: each server is a node of its own".to_owned());
        }
    }
    let ids: Vec<_> = nodes.iter().flat_map(|node| &node.servers).map(|server| server.id).collect();
    for server in nodes.iter_mut().flat_map(|node| &mut node.servers) {
        if server.id.is_some_and(|id| ids.iter().filter(|other| **other == Some(id)).count() > 1) {
            let id = server.id.take().unwrap_or_default();
            let name = server.name.clone().unwrap_or_default();
            imported
                .notes
                .push(format!("id {id} of {name} is left out, as another has it: its database chooses one"));
        }
    }
    imported.nodes = nodes;
    Ok(imported)
}

type Entries = Vec<(Literal, Literal, usize)>;

/// The dictionary of nodes.
fn choose(
    dicts: Vec<(String, Entries, usize)>,
    variable: Option<&str>,
) -> Result<(String, Entries, usize), Refused> {
    let refused = |why: String| Err(Refused { line: 1, why });
    let names: Vec<_> = dicts.iter().map(|(name, _, _)| &name[..]).collect();
    let all = names.join(", ");
    let wanted = match (variable, names.contains(&"NODES")) {
        (Some(variable), _) => variable,
        (None, true) => "NODES",
        (None, false) if dicts.len() > 1 => {
            return refused(format!(
                "several dictionaries could be the nodes, {all}: choose one with --variable"
            ));
        }
        (None, false) => names.first().copied().unwrap_or("NODES"),
    };
    let wanted = wanted.to_owned();
    match dicts.into_iter().find(|(name, _, _)| *name == wanted) {
        Some((name, entries, line)) if name.is_empty() => Ok(("the dictionary".to_owned(), entries, line)),
        Some(found) => Ok(found),
        None if all.is_empty() => refused("there is no dictionary of nodes, such as NODES = {…}".to_owned()),
        None => refused(format!("there is no dictionary {wanted}: there is {all}")),
    }
}

/// `'lookup1_A': ['h:p', 'h:p']`
fn of_client(name: String, value: Literal, line: usize) -> Result<Node, Refused> {
    let Literal::List(items) = value else {
        return Err(Refused { line, why: format!("{name} is not a list of 'HOST:PORT'") });
    };
    let servers = items.iter().map(|item| {
        let address = address(item, line, &name)?;
        Ok(Server { name: None, address, id: None, outside: Vec::new(), line, master: None })
    });
    let servers = servers.collect::<Result<_, _>>()?;
    Ok(Node { name, servers })
}

/// `'lookup1_A': {'id': 1, 'host': 'h:p', 'master': 'h:p'}`
fn of_manager(name: String, value: Literal, line: usize, notes: &mut Vec<String>) -> Result<Node, Refused> {
    let refused = |line, what: &str| Refused { line, why: format!("{name}: {what}") };
    let Literal::Dict(entries) = value else {
        return Err(refused(line, "it is not {'id': …, 'host': 'HOST:PORT', 'master': 'HOST:PORT'}"));
    };
    let (mut id, mut host, mut master) = (None, None, None);
    for (key, value, line) in entries {
        match (&key, value) {
            (Literal::Text(key), Literal::Int(number)) if key == "id" => {
                if !(1..=65_535).contains(&number) {
                    return Err(refused(line, &format!("id {number} is not of 1 to 65535")));
                }
                id = Some(number);
            }
            (Literal::Text(key), value) if key == "host" => host = Some(address(&value, line, &name)?),
            (Literal::Text(key), Literal::None) if key == "master" => {}
            (Literal::Text(key), Literal::Text(empty)) if key == "master" && empty.is_empty() => {}
            (Literal::Text(key), value) if key == "master" => master = Some(address(&value, line, &name)?),
            (Literal::Text(key), _) if key == "id" => return Err(refused(line, "its id is not a number")),
            (Literal::Text(key), _) => {
                notes.push(format!("{key} of {name} in line {line} is left out: nothing here is like it"));
            }
            _ => return Err(refused(line, "a field's name is not a text")),
        }
    }
    let address = host.ok_or_else(|| refused(line, "it has no 'host': 'HOST:PORT'"))?;
    let server = Server { name: Some(name.clone()), address, id, outside: Vec::new(), line, master };
    Ok(Node { name, servers: vec![server] })
}

fn address(value: &Literal, line: usize, name: &str) -> Result<Address, Refused> {
    let Literal::Text(text) = value else {
        return Err(Refused { line, why: format!("{name}: an address is not a text 'HOST:PORT'") });
    };
    let parsed = text.trim().parse::<Address>().map_err(|error| error.to_string());
    let parsed = parsed.and_then(|address| match address {
        Address::Tcp { .. } => Ok(address),
        Address::Unix(_) => Err(format!("{text:?} is no host and port")),
    });
    parsed.map_err(|why| Refused { line, why: format!("{name}: {why}") })
}

/// Puts together servers of which one follows the other, each at the first of them, whose name is that of the node.
fn join(nodes: Vec<Node>, notes: &mut Vec<String>) -> Result<Vec<Node>, Refused> {
    let mut servers: Vec<Server> = nodes.into_iter().flat_map(|node| node.servers).collect();
    let mut places = BTreeMap::new();
    for (at, server) in servers.iter().enumerate() {
        if let Some(other) = places.insert(server.address.clone(), at) {
            let (one, two) = (servers[other].name.as_deref(), server.name.as_deref());
            let (one, two) = (one.unwrap_or_default(), two.unwrap_or_default());
            let why = format!("{one} and {two} have one address, {}: give each its own", server.address);
            return Err(Refused { line: server.line, why });
        }
    }
    // Each is in the group of the first server that it is linked with, over however many others.
    let mut groups: Vec<usize> = (0..servers.len()).collect();
    for at in 0..servers.len() {
        let Some(master) = servers[at].master.take() else { continue };
        let Some(&leader) = places.get(&master) else {
            servers[at].outside.push(master);
            continue;
        };
        let (one, other) = (groups[at].min(groups[leader]), groups[at].max(groups[leader]));
        groups.iter_mut().filter(|group| **group == other).for_each(|group| *group = one);
    }
    let mut nodes: Vec<(usize, Node)> = Vec::new();
    for (server, group) in servers.into_iter().zip(groups) {
        let name = server.name.clone().unwrap_or_default();
        match nodes.iter_mut().find(|(other, _)| *other == group) {
            Some((_, node)) => {
                if role(&node.name) != role(&name) {
                    let why =
                        format!("{name} and {} follow each other, but are of different rings", node.name);
                    return Err(Refused { line: server.line, why });
                }
                node.servers.push(server);
            }
            None => nodes.push((group, Node { name, servers: vec![server] })),
        }
    }
    let nodes: Vec<_> = nodes.into_iter().map(|(_, node)| node).collect();
    for node in nodes.iter().filter(|node| node.servers.len() == 1) {
        notes.push(format!("{} follows none of the others: it is a node of one server", node.name));
    }
    Ok(nodes)
}

fn role(name: &str) -> bool {
    name.contains("lookup")
}
