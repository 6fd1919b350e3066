//! The cluster of the demo on disk: its file, the scripts and a place for its data.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use toml::Value;

use crate::config::Cluster;
use crate::context::Failure;

/// The nodes, in the order of the file. Each has two servers.
const NODES: [&str; 5] = ["lookup1_A", "lookup2_A", "storage1_A", "storage2_A", "storage3_A"];
const SERVERS: usize = 2;

/// Scripts that clients of LightCloud call on every node.
const SCRIPTS: [(&str, &str); 2] = [
    ("incr.lua", include_str!("../../../lua/scripts/incr.lua")),
    ("list.lua", include_str!("../../../lua/scripts/list.lua")),
];

/// Where the demo has its files. Dropping it removes them, unless they are to be kept.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    /// A new folder: `path`, which must not exist or be empty, or a temporary one.
    pub fn new(path: Option<&Path>, is_kept: bool) -> Result<Self, Failure> {
        let Some(path) = path else {
            let path = tempfile::Builder::new().prefix("lcmgr-demo.").tempdir()?.keep();
            return Ok(Self { path, is_kept });
        };
        let failed = |error| format!("cannot make the directory {}: {error}", path.display());
        std::fs::create_dir_all(path).map_err(failed)?;
        if std::fs::read_dir(path).map_err(failed)?.next().is_some() {
            let what = format!("{} is not empty: name a new directory with --dir", path.display());
            return Err(what.into());
        }
        Ok(Self { path: path.canonicalize().map_err(failed)?, is_kept })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the file of a cluster that listens on these ports, and all that its servers need; and reads it, as every
    /// other command does.
    pub fn write(&self, ports: &[u16], program: &Path) -> Result<Cluster, Failure> {
        let text = |path: &Path| match path.to_str() {
            Some(text) => Ok(Value::from(text)),
            None => Err(format!("{} is no path in UTF-8: name another one", path.display())),
        };
        // Ten nodes allocate two segments each ahead.
        let mut options: Vec<_> = ["--segment-size", "1m"].map(Value::from).into();
        for (name, script) in SCRIPTS {
            let path = self.path.join(name);
            std::fs::write(&path, script)?;
            options.extend(["--ext".into(), text(&path)?]);
        }
        let mut file = format!(
            "# The cluster of `lcmgr demo`.\n\ndata-dir = {}\nprogram = {}\noptions = {}\n",
            text(&self.path.join("data"))?,
            text(program)?,
            Value::Array(options)
        );
        for (name, pair) in NODES.iter().zip(ports.chunks(SERVERS)) {
            let servers: Vec<_> =
                pair.iter().map(|port| format!("{{ host = \"127.0.0.1\", port = {port} }}")).collect();
            file.push_str(&format!("\n[[node]]\nname = \"{name}\"\nservers = [{}]\n", servers.join(", ")));
        }
        let path = self.path.join("lightcloud.toml");
        std::fs::write(&path, file)?;
        Ok(Cluster::load(&path)?)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            eprintln!("lcmgr: cannot remove {}: {error}", self.path.display());
        }
    }
}

/// As many free ports of this machine as the cluster needs, the first ones from `base` on.
pub fn free_ports(base: u16) -> Result<Vec<u16>, Failure> {
    let mut held = Vec::new();
    for port in base..=u16::MAX {
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((listener, port));
        }
        if held.len() == NODES.len() * SERVERS {
            return Ok(held.into_iter().map(|(_, port)| port).collect());
        }
    }
    Err(format!("from {base} on there are no 10 free ports: name a lower one with --port").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Role;

    #[test]
    fn the_file_is_one_that_all_commands_take() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("with \"quotes\" and blanks");
        let ports: Vec<u16> = (44201..44211).collect();
        let folder = Folder::new(Some(&path), false).unwrap();
        let cluster = folder.write(&ports, Path::new("/usr/bin/lcnode")).unwrap();
        let of = |role| cluster.nodes.iter().filter(|node| node.role == role).count();
        assert_eq!((of(Role::Lookup), of(Role::Storage)), (2, 3));
        let found: Vec<_> = cluster.servers().map(|(_, server)| server.port).collect();
        assert_eq!(found, ports);
        assert!(cluster.data_dir.starts_with(&path) && path.join("list.lua").exists());
        assert!(Folder::new(Some(&path), false).is_err_and(|error| error.to_string().contains("not empty")));
        drop(folder);
        assert!(!path.exists());
    }

    #[test]
    fn taken_ports_are_left_out() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        // Near the end there may be no ten, which is an error that says so.
        match free_ports(port) {
            Ok(ports) => assert!(!ports.contains(&port) && ports.len() == 10, "{ports:?}"),
            Err(error) => assert!(port > u16::MAX - 1000, "{error}"),
        }
        assert!(free_ports(u16::MAX).is_err_and(|error| error.to_string().contains("--port")));
    }
}
