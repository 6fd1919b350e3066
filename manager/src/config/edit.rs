//! Changes of the file of a cluster that leave all else in it as it was written.

use std::fs;
use std::io::Write;
use std::path::Path;

use toml_edit::{ArrayOfTables, DocumentMut, InlineTable, Item, Table, Value, value};

use super::{Cluster, Role};
use crate::context::Failure;

/// A node that is to be added.
#[derive(Debug)]
pub struct NewNode<'a> {
    pub name: &'a str,
    pub role: Role,
    pub system: Option<&'a str>,
    pub weight: Option<u32>,
    /// Host, port and server id of each.
    pub servers: &'a [(String, u16, Option<u16>)],
}

/// The file of a cluster, to be changed.
#[derive(Debug)]
pub struct File<'p> {
    path: &'p Path,
    document: DocumentMut,
}

impl<'p> File<'p> {
    pub fn open(path: &'p Path) -> Result<Self, Failure> {
        let text =
            fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let document = text.parse().map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { path, document })
    }

    /// Adds a node behind the others.
    pub fn add(&mut self, node: &NewNode<'_>) -> Result<(), Failure> {
        let mut table = Table::new();
        table.insert("name", value(node.name));
        let says = lightcloud::Role::of_name(node.name);
        match node.role {
            Role::Lookup if says == Some(lightcloud::Role::Lookup) => {}
            Role::Storage if says == Some(lightcloud::Role::Storage) => {}
            Role::Lookup => _ = table.insert("role", value("lookup")),
            Role::Storage => _ = table.insert("role", value("storage")),
        }
        if let Some(system) = node.system {
            table.insert("system", value(system));
        }
        if let Some(weight) = node.weight {
            table.insert("weight", value(i64::from(weight)));
        }
        let servers = node.servers.iter().map(|(host, port, id)| {
            let mut server = InlineTable::new();
            server.insert("host", (&host[..]).into());
            server.insert("port", i64::from(*port).into());
            if let Some(id) = id {
                server.insert("id", i64::from(*id).into());
            }
            Value::from(server)
        });
        table.insert("servers", value(servers.collect::<toml_edit::Array>()));
        let nodes = self.document.entry("node").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let nodes = nodes.as_array_of_tables_mut();
        nodes.ok_or_else(|| format!("{}: write each node as [[node]]", self.path.display()))?.push(table);
        Ok(())
    }

    /// Takes a node off its ring, or off the file altogether.
    pub fn give_up(&mut self, name: &str) -> Result<(), Failure> {
        let node = self.nodes()?.iter_mut().find(|node| is_named(node, name));
        node.ok_or_else(|| format!("there is no node {name}"))?.insert("weight", value(0));
        Ok(())
    }

    pub fn remove(&mut self, name: &str) -> Result<(), Failure> {
        self.nodes()?.retain(|node| !is_named(node, name));
        Ok(())
    }

    fn nodes(&mut self) -> Result<&mut ArrayOfTables, Failure> {
        let nodes = self.document.get_mut("node").and_then(Item::as_array_of_tables_mut);
        nodes.ok_or_else(|| format!("{}: write each node as [[node]]", self.path.display()).into())
    }

    /// The cluster as the file will describe it.
    pub fn cluster(&self) -> Result<Cluster, Failure> {
        Ok(Cluster::parse(self.path, &self.document.to_string())?)
    }

    /// Replaces the file: there is the old one or the new one at any time.
    pub fn save(self) -> Result<(), Failure> {
        let new = self.path.with_extension("toml.new");
        let failed = |error| format!("cannot write {}: {error}", self.path.display());
        let write = || {
            let mut file = fs::File::create(&new)?;
            if let Ok(old) = fs::metadata(self.path) {
                file.set_permissions(old.permissions())?;
            }
            file.write_all(self.document.to_string().as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, self.path)
        };
        write().map_err(failed)?;
        Ok(())
    }
}

fn is_named(node: &Table, name: &str) -> bool {
    node.get("name").and_then(Item::as_str) == Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Ours.\ndata-dir = '/d' # here\n\n[[node]]\nname = 'lookup1_A' # one\nservers = [{ host = 'a', port = 1 }]\n\n[[node]]\nname = \"storage1_A\"\nservers = [{ host = 'a', port = 2 }]\n";

    #[test]
    fn a_change_leaves_the_rest_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lightcloud.toml");
        fs::write(&path, TEXT).unwrap();
        let mut file = File::open(&path).unwrap();
        let servers = [("b".to_owned(), 3, None), ("b".to_owned(), 4, Some(7))];
        let node = NewNode {
            name: "storage2_A",
            role: Role::Storage,
            system: None,
            weight: Some(2),
            servers: &servers,
        };
        file.add(&node).unwrap();
        file.give_up("storage1_A").unwrap();
        file.save().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&TEXT[..TEXT.len() - 1]), "{text}");
        let cluster = Cluster::load(&path).unwrap();
        assert_eq!(cluster.nodes.iter().map(|node| node.weight).collect::<Vec<_>>(), [1, 0, 2]);
        assert_eq!(cluster.nodes[2].servers[1].id, Some(7));
        let mut file = File::open(&path).unwrap();
        file.remove("storage1_A").unwrap();
        assert_eq!(file.cluster().unwrap().nodes.len(), 2);
        assert!(file.give_up("storage1_A").is_err());
    }
}
