//! Servers by name, as they are typed behind a command.

use super::{Cluster, Node, Server};
use crate::context::Failure;

/// The word for all servers.
pub const ALL: &str = "all";

impl Cluster {
    /// The servers that are meant by names, each once, in the order of the file.
    ///
    /// No name and `all` mean all; the name of a server that server, else the name of a node all servers of it.
    pub fn select(&self, names: &[String]) -> Result<Vec<(&Node, &Server)>, Failure> {
        for name in names {
            let known = |(node, server): (&Node, &Server)| node.name == *name || server.name == *name;
            if name == ALL || self.servers().any(known) {
                continue;
            }
            let all = self.servers().flat_map(|(node, server)| [&node.name[..], &server.name[..]]);
            let meant = match nearest(name, all) {
                Some(near) => format!("did you mean {near}?"),
                None => "give the name of a node, of a server, or all".to_owned(),
            };
            return Err(format!("{} has no node or server {name}; {meant}", self.path.display()).into());
        }
        let is_server = |name: &String| self.servers().any(|(_, server)| server.name == *name);
        let is_meant = |node: &Node, server: &Server| {
            names
                .iter()
                .any(|name| name == ALL || server.name == *name || (node.name == *name && !is_server(name)))
        };
        let all = self.servers();
        Ok(all.filter(|(node, server)| names.is_empty() || is_meant(node, server)).collect())
    }
}

/// The one of `all` that is most like `name`, if any is.
pub(super) fn nearest<'a>(name: &str, all: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let rated = all.map(|other| (strsim::jaro_winkler(name, other), other));
    let best = rated.max_by(|(one, _), (other, _)| one.total_cmp(other))?;
    (best.0 > 0.75).then_some(best.1)
}
