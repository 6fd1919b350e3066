//! Which server gets which copy of an archive.

use super::target::Target;
use crate::backup::manifest::{Copy, Manifest};
use crate::config::{Cluster, Kind, Node};
use crate::context::Failure;

/// A server, and the copy that it gets.
#[derive(Debug, Clone)]
pub struct Order {
    /// The server.
    pub target: Target,
    /// The server of which the copy was made.
    pub copy: String,
    /// Bytes of the copy.
    pub bytes: u64,
}

/// Orders for all servers of the nodes that are meant, and what the operator is to know.
///
/// A server gets its own copy where the archive has one, else that of its node which stood best.
pub fn plan(
    cluster: &Cluster,
    manifest: &Manifest,
    names: &[String],
    time: &str,
) -> Result<(Vec<Order>, Vec<String>), Failure> {
    let is_all = names.is_empty() || names.iter().any(|name| name == "all");
    let copies_of =
        |node: &Node| manifest.copies.iter().filter(|copy| copy.node == node.name).collect::<Vec<_>>();
    let shown = cluster.path.display();
    let mut notes = Vec::new();
    if is_all {
        let is_unknown = |copy: &&Copy| cluster.nodes.iter().all(|node| node.name != copy.node);
        if let Some(copy) = manifest.copies.iter().find(is_unknown) {
            return Err(format!(
                "{shown} has no node {}, which the archive has: add it, name the nodes to restore, or unpack all with \
                 --to DIR",
                copy.node
            )
            .into());
        }
    }
    let mut nodes: Vec<&Node> = cluster.select(names)?.into_iter().map(|(node, _)| node).collect();
    nodes.dedup_by(|one, other| one.name == other.name);
    let mut orders = Vec::new();
    for node in nodes {
        let copies = copies_of(node);
        let Some(best) = copies.first() else {
            if !is_all {
                let nodes: Vec<&str> = manifest.copies.iter().map(|copy| &copy.node[..]).collect();
                return Err(format!("the archive has no {}; it has {}", node.name, nodes.join(", ")).into());
            }
            notes.push(format!("{} is not in the archive and stays as it is", node.name));
            continue;
        };
        if node.kind != Kind::Tyrant {
            return Err(
                format!("{} is of Redis servers: they cannot have a database of lcnode", node.name).into()
            );
        }
        let others = |master: &&lightcloud::Address| node.servers.iter().all(|own| own.address() != **master);
        for server in &node.servers {
            if let Some(master) = server.masters.iter().find(others) {
                notes.push(format!(
                    "{} follows {master}, which is not restored: what was written there later comes back from it",
                    server.name
                ));
            }
            let copy = copies.iter().find(|copy| copy.server == server.name).unwrap_or(best);
            let target = Target::new(cluster, server, time)?;
            orders.push(Order { target, copy: copy.server.clone(), bytes: copy.bytes() });
        }
    }
    Ok((orders, notes))
}
